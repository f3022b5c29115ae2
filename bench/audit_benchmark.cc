// What does an auditable log cost: a commit's leaf, a node, a signature?
//
// Sketch: SHA-256 takes about 2 cycles a byte with the processor's own instructions and 10 without,
// and a digest has at least one block of 64 bytes and OpenSSL's set-up. A commit with two slots is
// four digests: bodies, two slots, and the leaf over some 250 bytes.
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/commit_leaf.h"

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

}  // namespace
}  // namespace skald::audit
