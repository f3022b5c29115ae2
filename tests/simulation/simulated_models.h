// The read models of one run of the process: the real projector, whose rounds are events of the
// scheduler. At each start, and whenever it is asked, the rows of every model are compared with a
// fold of the log, from its beginning into nothing, to the cut that the model says it is of.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "engine/projection/projector.h"
#include "engine/runtime/program_cache.h"
#include "tests/simulation/chronicle.h"
#include "tests/simulation/scheduler.h"
#include "tests/simulation/simulated_disk.h"
#include "tests/simulation/trace.h"

namespace skald::simulation {

class SimulatedModels {
 public:
  // `watermarks` are those of the partitions. All must outlive it.
  SimulatedModels(SimulatedDisk& disk, runtime::ProgramCache& programs, Chronicle& chronicle,
                  Scheduler& scheduler, Trace& trace, std::vector<storage::Watermark*> watermarks);

  // As Projector::Open. What a crash left is compared with the log.
  absl::Status Open();
  // Folds what is final. Notes a violation of `models` when a commit comes behind what was folded
  // as such.
  absl::Status Round();
  // Notes a violation of `models` when rows are not what the log gives.
  void Check() const;

 private:
  // A microsecond behind, so that a watermark is below whatever is decided from now on: rounds
  // change no commit, and a seed gives the history that it gives without them.
  class LaggingClock : public Clock {
   public:
    explicit LaggingClock(const Scheduler& scheduler) : scheduler_(scheduler) {}
    Timestamp Now() const override { return After(scheduler_.now(), -1); }

   private:
    const Scheduler& scheduler_;
  };
  struct Kept {
    std::shared_ptr<const projection::Model> model;
    uint64_t generation = 0;
    projection::Checkpoint checkpoint;
  };

  void CheckOrder() const;
  absl::StatusOr<std::vector<Kept>> Find() const;
  absl::Status Compare(const Kept& kept) const;
  absl::StatusOr<std::vector<Position>> FindCommits(const SagaKey& saga) const;

  SimulatedDisk& disk_;
  Chronicle& chronicle_;
  Scheduler& scheduler_;
  Trace& trace_;
  const std::vector<storage::Watermark*> watermarks_;
  const LaggingClock clock_;
  const std::vector<std::shared_ptr<const projection::Model>> models_;
  std::unique_ptr<projection::Projector> projector_;
};

}  // namespace skald::simulation
