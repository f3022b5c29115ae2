// What does an auditable log cost: a commit's leaf, a node, a signature; following a log, an
// export?
//
// Sketch: SHA-256 takes about 2 cycles a byte with the processor's own instructions and 10 without,
// and a digest has at least one block of 64 bytes and OpenSSL's set-up. A commit with two slots is
// four digests: bodies, two slots, and the leaf over some 250 bytes.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "benchmark/benchmark.h"
#include "engine/audit/auditor.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/commit_leaf.h"
#include "engine/audit/tile_tree.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"

namespace skald::audit {
namespace {

// As a task's completion writes it: three events, an input and an output.
std::string TypicalRecord(size_t slot_bytes) {
  log::v1::CommitHeader header;
  header.set_format(storage::kCommitFormat);
  header.set_partition(3);
  header.set_first_position(1'000'000);
  header.set_count(3);
  header.set_namespace_("shop");
  header.set_saga_id("order-1001-of-somebody");
  header.set_first_revision(4);
  header.set_time_us(1'700'000'000'000'000);
  header.mutable_cause()->set_command("CompleteTask");
  header.set_definition_hash(std::string(32, 'd'));
  const std::string slot(slot_bytes, 's');
  std::string record;
  storage::EncodeCommit(header, std::string(150, 'b'), {slot, slot}, &record);
  return record;
}

void BM_LeafOfCommit(benchmark::State& state) {
  const std::string record = TypicalRecord(static_cast<size_t>(state.range(0)));
  const storage::CommitView commit = *storage::DecodeCommit(record);
  for (auto _ : state) benchmark::DoNotOptimize(CommitLeaf(commit));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LeafOfCommit)->Arg(100)->Arg(1'000)->Arg(10'000);

// With what reading it from the log takes.
void BM_DecodeAndLeafOfCommit(benchmark::State& state) {
  const std::string record = TypicalRecord(static_cast<size_t>(state.range(0)));
  storage::CommitView commit;
  for (auto _ : state) {
    if (!storage::DecodeCommit(record, &commit).ok()) state.SkipWithError("damaged");
    benchmark::DoNotOptimize(CommitLeaf(commit));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_DecodeAndLeafOfCommit)->Arg(100);

void BM_Node(benchmark::State& state) {
  Hash hash = HashLeaf("x");
  for (auto _ : state) hash = HashChildren(hash, hash);
  benchmark::DoNotOptimize(hash);
}
BENCHMARK(BM_Node);

void BM_SignCheckpoint(benchmark::State& state) {
  const std::vector<SigningKey> keys{SigningKey::Generate("skald/00")};
  const Checkpoint checkpoint{.origin = "skald/00/0", .tree = {.size = 7, .root = HashLeaf("x")}};
  for (auto _ : state) benchmark::DoNotOptimize(SignNote(checkpoint.ToText(), keys));
}
BENCHMARK(BM_SignCheckpoint);

// A log of commits with two slots of 100 bytes, in memory, and its auditor.
class Store {
 public:
  explicit Store(uint64_t commits) {
    std::vector<storage::StagedCommit> staged;
    for (uint64_t number = 0; number < commits; ++number) {
      log::v1::CommitHeader header;
      header.set_format(storage::kCommitFormat);
      header.set_first_position(3 * number + 1);
      header.set_count(3);
      header.set_namespace_("shop");
      header.set_saga_id(absl::StrCat("order-", number % 1'000));
      header.set_time_us(1'700'000'000'000'000);
      header.set_definition_hash(std::string(32, 'd'));
      const std::string slot(100, 's');
      staged.push_back(
          {.partition = PartitionId(0), .first = Position(3 * number + 1), .count = 3});
      storage::EncodeCommit(header, std::string(150, 'b'), {slot, slot}, &staged.back().record);
    }
    SKALD_CHECK(log_.Append(staged).ok());
  }
  std::unique_ptr<Auditor> MakeAuditor() {
    return std::make_unique<Auditor>(log_, views_, [this] { return keys_; });
  }
  storage::MemoryViews& views() { return views_; }

 private:
  storage::MemoryEventLog log_{{.partition_count = 1}};
  storage::MemoryViews views_;
  const std::vector<SigningKey> keys_{SigningKey::Generate("skald/00")};
};

bool Never() { return false; }

// The first checkpoint of a log that nobody asked about before.
void BM_FollowLog(benchmark::State& state) {
  constexpr uint64_t kCommits = 100'000;
  Store store(kCommits);
  for (auto _ : state) {
    SKALD_CHECK(TileTree(store.views(), PartitionId(0)).Clear().ok());
    SKALD_CHECK(store.MakeAuditor()->GetCheckpoint(PartitionId(0), Never).ok());
  }
  state.SetItemsProcessed(state.iterations() * kCommits);
}
BENCHMARK(BM_FollowLog)->Unit(benchmark::kMillisecond);

// A saga of seven commits, spread over a log of 300,000.
void BM_ExportSaga(benchmark::State& state) {
  Store store(300'000);
  const std::unique_ptr<Auditor> auditor = store.MakeAuditor();
  std::vector<Position> commits;
  for (uint64_t i = 0; i < 7; ++i) commits.push_back(Position(3 * (500 + 40'000 * i) + 1));
  for (auto _ : state) {
    const auto saga_export = auditor->ExportSaga(
        {.saga = {"shop", "order-500"}, .partition = PartitionId(0), .commits = commits}, Never);
    SKALD_CHECK(saga_export.ok());
    while (!(*saga_export)->Next()->empty()) {
    }
  }
  state.SetItemsProcessed(state.iterations() * 7);
}
BENCHMARK(BM_ExportSaga)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace skald::audit
