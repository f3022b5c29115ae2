#include "engine/runtime/fold_store.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/partition/fold.h"
#include "engine/runtime/program_cache.h"
#include "storage/memory/memory_views.h"

namespace skald::runtime {
namespace {

constexpr uint64_t kSealEvents = 10'000;
// States kept in memory, all partitions together.
constexpr size_t kCachedStateBytes = 256 << 20;

absl::Status FoldPartition(const partition::FoldOptions& options, const storage::EventLog& log,
                           storage::Views& views, partition::ProgramSource& programs) {
  partition::Fold fold(options, views, programs);
  const auto seal = [&]() -> absl::Status {
    SKALD_RETURN_IF_ERROR(fold.Seal());
    return fold.WriteSealed(views);
  };
  const auto cursor = log.Read(options.partition, Position(1));
  for (; cursor->Valid(); cursor->Next()) {
    SKALD_RETURN_IF_ERROR(fold.Replay(cursor->record()));
    if (fold.unsealed_events() >= kSealEvents) SKALD_RETURN_IF_ERROR(seal());
  }
  SKALD_RETURN_IF_ERROR(cursor->status());
  if (fold.last_position() != log.LastPosition(options.partition)) {
    return LogCorruptError(options.partition, fold.last_position().Next(), "the log ends early");
  }
  return fold.unsealed_events() > 0 ? seal() : absl::OkStatus();
}

}  // namespace

absl::Status FoldStore(const storage::EventLog& log, storage::Views& views) {
  ProgramCache programs({});
  const uint32_t partitions = log.partition_count();
  const uint32_t threads = std::clamp(std::thread::hardware_concurrency(), 1u, partitions);
  std::vector<absl::Status> results(threads);
  std::vector<std::thread> folders;
  for (uint32_t thread = 0; thread < threads; ++thread) {
    folders.emplace_back([&, thread] {
      for (uint32_t id = thread; id < partitions && results[thread].ok(); id += threads) {
        results[thread] = FoldPartition({.partition = PartitionId(id),
                                         .partition_count = partitions,
                                         .cached_state_bytes = kCachedStateBytes / partitions},
                                        log, views, programs);
      }
    });
  }
  for (std::thread& folder : folders) folder.join();
  for (const absl::Status& result : results) SKALD_RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

absl::Status FoldTail(PartitionId partition, const storage::EventLog& log,
                      const storage::Views* views, partition::ProgramSource& programs) {
  const partition::FoldOptions options{.partition = partition,
                                       .partition_count = log.partition_count()};
  Position applied;
  if (views != nullptr) {
    SKALD_ASSIGN_OR_RETURN(applied, views->AppliedPosition(partition));
  }
  if (applied == Position(0)) {
    storage::MemoryViews rows;
    return FoldPartition(options, log, rows, programs);
  }
  // A tail is short: what follows from it need not be sealed.
  partition::Fold fold(options, *views, programs);
  fold.SetLast(applied, Timestamp(0));
  SKALD_RETURN_IF_ERROR(fold.Load(log));
  const auto cursor = log.Read(partition, applied.Next());
  for (; cursor->Valid(); cursor->Next()) SKALD_RETURN_IF_ERROR(fold.Replay(cursor->record()));
  return cursor->status();
}

}  // namespace skald::runtime
