// A bundle: the commits of one saga with their proofs, in one file that verifies anywhere, with
// nothing but the store's public key (docs/formats.md, docs/audit.md).
//
//   BundleWriter writer;
//   out << writer.Begin({.saga = saga, .checkpoint = note});
//   for (...) out << writer.Add(MakeBundleCommit(commit, index, path, SlotData::kIncluded));
//   out << writer.End();
//
//   SKALD_ASSIGN_OR_RETURN(Bundle bundle, ParseBundle(text));
//   BundleReport report = VerifyBundle(bundle, {.keys = keys});
//
// A bundle has one spelling: ParseBundle refuses every text that the writer would not have made.
//
// Thread rule: values; a writer is owned by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/hash.h"
#include "engine/audit/merkle.h"
#include "engine/audit/note.h"
#include "storage/commit_record.h"

namespace skald::audit {

// Bounds on a bundle that is read; the writer is held to the first.
inline constexpr size_t kBundleBytesMax = 256 << 20;
inline constexpr size_t kBundleCommitsMax = 1'000'000;
// A proof in a tree of 2^64 leaves.
inline constexpr size_t kProofHashesMax = 64;

// Bytes of a commit by their digest, and the bytes themselves unless they were erased or withheld.
struct BundlePart {
  Hash digest;
  std::optional<std::string> data;

  friend bool operator==(const BundlePart&, const BundlePart&) = default;
};

struct BundleCommit {
  uint64_t index = 0;  // its leaf's number
  Hash leaf;
  std::vector<Hash> path;  // proves the leaf in the bundle's checkpoint
  std::string header;      // as stored: a serialised skald.log.v1.CommitHeader
  BundlePart bodies;       // always with its data
  std::vector<BundlePart> slots;

  friend bool operator==(const BundleCommit&, const BundleCommit&) = default;
};

// Shows that an older tree is the beginning of the checkpoint's.
struct BundleConsistency {
  TreeHead old_tree;
  std::vector<Hash> path;

  friend bool operator==(const BundleConsistency&, const BundleConsistency&) = default;
};

// What stands before the commits.
struct BundleHead {
  SagaKey saga;
  std::string checkpoint;  // a signed note
  std::optional<BundleConsistency> consistency;

  friend bool operator==(const BundleHead&, const BundleHead&) = default;
};

struct Bundle {
  BundleHead head;
  std::vector<BundleCommit> commits;
  // What the bundle says of itself at its end.
  uint64_t commit_count = 0;
  uint64_t event_count = 0;
};

enum class SlotData { kIncluded, kWithheld };

// A commit as it goes into a bundle; `path` proves it as leaf `index`.
BundleCommit MakeBundleCommit(const storage::CommitView& commit, uint64_t index,
                              std::vector<Hash> path, SlotData slots);

// Makes the text of a bundle piece by piece: Begin, Add for each commit in order of revisions, End.
class BundleWriter {
 public:
  std::string Begin(const BundleHead& head);
  // `events` is what the commit's header says.
  std::string Add(const BundleCommit& commit, uint64_t events);
  std::string End();

 private:
  uint64_t commits_ = 0;
  uint64_t events_ = 0;
};

// The whole text at once.
std::string WriteBundle(const Bundle& bundle);

// INVALID_ARGUMENT when the text is no bundle, with the place; RESOURCE_EXHAUSTED past a bound.
// Proves nothing.
absl::StatusOr<Bundle> ParseBundle(absl::string_view text);

// ---- Verification ----

// Something that is not as it should be, and where.
struct BundleProblem {
  std::string place;  // "checkpoint", "commits[2] (revision 5)", "commits[2].slots[0]"
  std::string what;   // a sentence
};

struct BundleReport {
  // At most kProblemsMax; empty: everything is proven.
  std::vector<BundleProblem> problems;
  bool ok() const { return problems.empty(); }

  SagaKey saga;
  // As far as it could be read.
  Checkpoint checkpoint;
  uint64_t commits = 0;
  uint64_t events = 0;
  Timestamp first_time, last_time;  // of commits
  std::string definition_hash;      // that the saga started with, 32 bytes
  // The event that ended the saga ("SagaCompleted") and its revision. Empty: it had not ended, and
  // what came after the last revision is not in the bundle.
  std::string end;
  Revision end_revision;
  uint64_t withheld_slots = 0;
  // The tree that the checkpoint was shown to continue.
  std::optional<TreeHead> continued;

  static constexpr size_t kProblemsMax = 100;
};

struct BundleExpectation {
  // Keys of the store, got on another way than the bundle. At least one must have signed.
  std::vector<VerifierKey> keys;
  // A checkpoint that was kept: the bundle's must be shown to continue it.
  std::optional<Checkpoint> since;
  // The saga must have ended.
  bool ended = false;
};

// Checks everything a bundle claims. What is proven when there is no problem: docs/audit.md.
BundleReport VerifyBundle(const Bundle& bundle, const BundleExpectation& expectation);

}  // namespace skald::audit
