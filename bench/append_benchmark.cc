// How fast can events be made durable here, and read again? Each figure beside the raw limit of the
// machine it rests on: fdatasync of a growing and of a preallocated file.
//
// Sketch: one sync takes 0.1-0.2 ms, so one commit a sync gives 5,000-10,000 commits/s; at 1,024
// events a sync the CPU decides: ~1.7 us a key, 4 events a key.
//
//   append_benchmark [--benchmark_filter=...]      SKALD_BENCH_DIR: where the files go (default
//   /tmp)
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "benchmark/benchmark.h"
#include "storage/commit_record.h"
#include "storage/log_writer.h"
#include "storage/rocksdb/rocksdb_event_log.h"
#include "tests/support/temp_folder.h"

namespace skald::storage {
namespace {

constexpr size_t kEventBytes = 200;
constexpr uint32_t kEventsPerCommit = 4;
constexpr uint32_t kPartitions = 16;

std::string BenchParent() {
  const char* const parent = std::getenv("SKALD_BENCH_DIR");
  return parent != nullptr ? parent : "/tmp";
}

// A commit of `count` events of 200 bytes: bodies of 80, slots of 120.
StagedCommit MakeCommit(PartitionId partition, Position first, uint32_t count) {
  log::v1::CommitHeader header;
  header.set_format(kCommitFormat);
  header.set_partition(partition.value());
  header.set_first_position(first.value());
  header.set_count(count);
  header.set_namespace_("shop");
  header.set_saga_id("order-0123456789");
  header.set_time_us(1'700'000'000'000'000);
  const std::string bodies(80 * count, 'b');
  const std::string slot(kEventBytes - 80, 's');
  const std::vector<absl::string_view> slots(count, slot);
  StagedCommit commit{.partition = partition, .first = first, .count = count, .record = {}};
  EncodeCommit(header, bodies, slots, &commit.record);
  return commit;
}

// Numbers commits over all partitions in turn.
class Source {
 public:
  std::vector<StagedCommit> Batch(uint32_t events) {
    std::vector<StagedCommit> batch;
    while (events > 0) {
      const uint32_t count = std::min(events, kEventsPerCommit);
      Position& last = last_[turn_];
      batch.push_back(MakeCommit(PartitionId(turn_), last.Next(), count));
      last = last.Plus(count);
      events -= count;
      turn_ = (turn_ + 1) % kPartitions;
    }
    return batch;
  }

 private:
  std::vector<Position> last_ = std::vector<Position>(kPartitions);
  uint32_t turn_ = 0;
};

std::unique_ptr<RocksDbEventLog> OpenLog(const std::string& path) {
  auto log = RocksDbEventLog::Open(
      {.path = path, .create_if_missing = true, .partition_count = kPartitions});
  SKALD_CHECK(log.ok());
  return std::move(*log);
}

// The raw limit: write 4 KiB and fdatasync.
void Sync(benchmark::State& state, bool preallocated) {
  const skald::testing::TempFolder folder(BenchParent());
  const int file = ::open(folder.Sub("file").c_str(), O_CREAT | O_WRONLY, 0600);
  SKALD_CHECK(file >= 0);
  const std::string page(4096, 'x');
  constexpr int kPagesAhead = 16 << 10;
  if (preallocated) {
    const std::string zeros(1 << 20, '\0');
    for (int i = 0; i < kPagesAhead / 256; ++i) {
      SKALD_CHECK(::write(file, zeros.data(), zeros.size()) == static_cast<ssize_t>(zeros.size()));
    }
    SKALD_CHECK(::fsync(file) == 0);
  }
  int64_t at = 0;
  for (auto _ : state) {
    SKALD_CHECK(::pwrite(file, page.data(), page.size(), (at % kPagesAhead) * 4096) == 4096);
    SKALD_CHECK(::fdatasync(file) == 0);
    ++at;
  }
  ::close(file);
  state.SetItemsProcessed(state.iterations());
}

void SyncOfAGrowingFile(benchmark::State& state) { Sync(state, false); }
void SyncOfAPreallocatedFile(benchmark::State& state) { Sync(state, true); }
BENCHMARK(SyncOfAGrowingFile)->UseRealTime();
BENCHMARK(SyncOfAPreallocatedFile)->UseRealTime();

// EventLog::Append of batches of N events.
void Append(benchmark::State& state) {
  const skald::testing::TempFolder folder(BenchParent());
  const auto log = OpenLog(folder.Sub("log"));
  Source source;
  const auto events = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<StagedCommit> batch = source.Batch(events);
    state.ResumeTiming();
    SKALD_CHECK(log->Append(batch).ok());
  }
  state.SetItemsProcessed(state.iterations() * events);
}
BENCHMARK(Append)->Arg(1)->Arg(64)->Arg(512)->Arg(1024)->UseRealTime();

// The whole way through the LogWriter, encoding included, with at most N events not yet durable.
void AppendThroughLogWriter(benchmark::State& state) {
  const skald::testing::TempFolder folder(BenchParent());
  const auto log = OpenLog(folder.Sub("log"));
  const auto limit = static_cast<uint64_t>(state.range(0));
  Mutex mu;
  CondVar room;
  uint64_t in_flight = 0;
  std::vector<uint64_t> durable(kPartitions);
  {
    LogWriter writer(*log,
                     {.on_durable = [&](absl::Span<const std::pair<PartitionId, Position>> moved) {
                       MutexLock lock(mu);
                       for (const auto& [partition, position] : moved) {
                         in_flight -= position.value() - durable[partition.value()];
                         durable[partition.value()] = position.value();
                       }
                       room.NotifyAll();
                     }});
    Source source;
    for (auto _ : state) {
      std::vector<StagedCommit> commits = source.Batch(kEventsPerCommit);
      {
        MutexLock lock(mu);
        while (in_flight + kEventsPerCommit > limit) room.Wait(mu);
        in_flight += kEventsPerCommit;
      }
      writer.Stage(std::move(commits));
    }
    SKALD_CHECK(writer.Drain().ok());
    const LogWriter::Stats stats = writer.stats();
    state.counters["events_per_batch"] =
        static_cast<double>(stats.events) / static_cast<double>(stats.batches);
  }
  state.SetItemsProcessed(state.iterations() * kEventsPerCommit);
}
BENCHMARK(AppendThroughLogWriter)->Arg(64)->Arg(512)->Arg(4096)->UseRealTime();

// One commit on an idle writer: handed over, and written by the caller itself.
void OneCommit(benchmark::State& state, bool is_inline) {
  const skald::testing::TempFolder folder(BenchParent());
  const auto log = OpenLog(folder.Sub("log"));
  LogWriter writer(*log, {});
  Source source;
  for (auto _ : state) {
    std::vector<StagedCommit> commits = source.Batch(1);
    if (is_inline) {
      SKALD_CHECK(writer.TryAppendInline(commits));
    } else {
      writer.Stage(std::move(commits));
      SKALD_CHECK(writer.Drain().ok());
    }
  }
  state.SetItemsProcessed(state.iterations());
}
void OneCommitHandedOver(benchmark::State& state) { OneCommit(state, false); }
void OneCommitInline(benchmark::State& state) { OneCommit(state, true); }
BENCHMARK(OneCommitHandedOver)->UseRealTime();
BENCHMARK(OneCommitInline)->UseRealTime();

void Encode(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(MakeCommit(PartitionId(3), Position(1'000'000), kEventsPerCommit));
  }
  state.SetItemsProcessed(state.iterations() * kEventsPerCommit);
}
BENCHMARK(Encode);

// Scan of a log in tables, and the same with every record decoded and its checksums checked.
void Scan(benchmark::State& state, bool decode) {
  const skald::testing::TempFolder folder(BenchParent());
  const auto log = OpenLog(folder.Sub("log"));
  Source source;
  for (int batch = 0; batch < 600; ++batch) SKALD_CHECK(log->Append(source.Batch(1024)).ok());
  SKALD_CHECK(log->Flush().ok());
  CommitView commit;
  int64_t events = 0;
  for (auto _ : state) {
    for (uint32_t partition = 0; partition < kPartitions; ++partition) {
      const auto cursor = log->Read(PartitionId(partition), Position(1));
      for (; cursor->Valid(); cursor->Next()) {
        if (decode) SKALD_CHECK(DecodeCommit(cursor->record(), &commit).ok());
        events += kEventsPerCommit;
      }
      SKALD_CHECK(cursor->status().ok());
    }
  }
  state.SetItemsProcessed(events);
}
void ScanOnly(benchmark::State& state) { Scan(state, false); }
void ScanAndDecode(benchmark::State& state) { Scan(state, true); }
BENCHMARK(ScanOnly)->UseRealTime();
BENCHMARK(ScanAndDecode)->UseRealTime();

// Opening a log whose newest N events are only in write-ahead files: scanned by us, replayed and
// written into tables by RocksDB.
void OpenWithTail(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    const skald::testing::TempFolder folder(BenchParent());
    {
      const auto log = OpenLog(folder.Sub("log"));
      Source source;
      for (int64_t events = 0; events < state.range(0); events += 4096) {
        SKALD_CHECK(log->Append(source.Batch(4096)).ok());
      }
    }
    state.ResumeTiming();
    auto log = OpenLog(folder.Sub("log"));
    state.PauseTiming();
    log.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(OpenWithTail)
    ->Arg(0)
    ->Arg(400'000)
    ->Iterations(3)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skald::storage
