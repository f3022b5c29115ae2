// What everybody in a simulation shares: the time, the disk, the process that is up (or not), and
// what is known of the log.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/partition/partition.h"
#include "engine/runtime/program_cache.h"
#include "tests/simulation/chronicle.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/server.h"
#include "tests/simulation/simulated_disk.h"
#include "tests/simulation/trace.h"

namespace skald::simulation {

struct Site {
  Site(uint64_t seed, uint32_t partition_count, Mutation mutation, bool verbose)
      : partitions(partition_count),
        scheduler(seed),
        trace(verbose),
        chronicle(partition_count, scheduler, trace),
        disk(partition_count, mutation, scheduler, trace),
        programs({}) {}

  Random& random() { return scheduler.random(); }
  Timestamp now() const { return scheduler.now(); }
  void Note(absl::string_view line) { trace.Add(now(), line); }
  bool is_serving() const { return server != nullptr && !server->is_closing(); }

  const uint32_t partitions;
  Scheduler scheduler;
  Trace trace;
  Chronicle chronicle;
  SimulatedDisk disk;
  runtime::ProgramCache programs;  // outlives processes, to save time
  std::unique_ptr<Server> server;  // null: down
  uint64_t run = 0;                // counts servers that came up
  // All that may be deployed.
  std::vector<partition::DeployDefinition> definitions;
  // The end has come: everybody does what they should.
  bool behave = false;
};

}  // namespace skald::simulation
