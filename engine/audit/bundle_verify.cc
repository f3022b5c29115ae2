// What a bundle proves, and where it does not.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/audit/bundle.h"
#include "engine/audit/commit_leaf.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"

namespace skald::audit {
namespace {

using log::v1::Event;

// The name of an event that ends a saga, or nothing.
const char* EndName(const Event& event) {
  if (event.has_saga_completed()) return "SagaCompleted";
  if (event.has_saga_faulted()) return "SagaFaulted";
  if (event.has_saga_cancelled()) return "SagaCancelled";
  return nullptr;
}

// The leaf that a commit makes: by the digests that are stated, and by those of its data.
struct Leaves {
  explicit Leaves(const BundleCommit& commit) : bodies(Digest(*commit.bodies.data)) {
    std::vector<Hash> stated_slots;
    for (const BundlePart& slot : commit.slots) {
      stated_slots.push_back(slot.digest);
      slots.push_back(slot.data ? Digest(*slot.data) : slot.digest);
    }
    stated = CommitLeaf(commit.header, commit.bodies.digest, stated_slots);
    actual = CommitLeaf(commit.header, bodies, slots);
  }
  bool MatchAny(const Hash& leaf) const { return leaf == stated || leaf == actual; }

  Hash bodies;
  std::vector<Hash> slots;  // of the data, or as stated where it is withheld
  Hash stated;
  Hash actual;
};

class Verification {
 public:
  Verification(const Bundle& bundle, const BundleExpectation& expectation)
      : bundle_(bundle), expectation_(expectation) {
    report_.saga = bundle.head.saga;
  }

  BundleReport Run() && {
    CheckCheckpoint();
    CheckConsistency();
    CheckSince();
    for (size_t i = 0; i < bundle_.commits.size(); ++i) CheckCommit(i);
    CheckEnd();
    return std::move(report_);
  }

 private:
  void Add(std::string place, std::string what) {
    if (report_.problems.size() < BundleReport::kProblemsMax) {
      report_.problems.push_back({std::move(place), std::move(what)});
    }
  }

  void CheckCheckpoint() {
    const auto checkpoint = OpenCheckpoint(bundle_.head.checkpoint, expectation_.keys);
    if (checkpoint.ok()) {
      report_.checkpoint = *checkpoint;
    } else {
      Add("checkpoint", std::string(checkpoint.status().message()));
      // Unsigned, it still tells where else something does not fit.
      const auto note = ParseNote(bundle_.head.checkpoint);
      if (!note.ok()) return;
      const auto unsigned_checkpoint = Checkpoint::Parse(note->text);
      if (!unsigned_checkpoint.ok()) return;
      report_.checkpoint = *unsigned_checkpoint;
    }
    has_tree_ = true;
    const auto origin = ParseOrigin(report_.checkpoint.origin);
    if (origin.ok()) partition_ = origin->partition;
  }

  void CheckConsistency() {
    const std::optional<BundleConsistency>& consistency = bundle_.head.consistency;
    if (!consistency || !has_tree_) return;
    if (VerifyConsistency(consistency->old_tree, report_.checkpoint.tree, consistency->path)) {
      report_.continued = consistency->old_tree;
    } else {
      Add("consistency", absl::StrCat("does not show that the tree of ", consistency->old_tree.size,
                                      " commits is the beginning of the checkpoint's"));
    }
  }

  void CheckSince() {
    if (!expectation_.since || !has_tree_) return;
    const Checkpoint& since = *expectation_.since;
    const Checkpoint& checkpoint = report_.checkpoint;
    if (since.origin != checkpoint.origin) {
      return Add("checkpoint", absl::StrCat("is of ", checkpoint.origin,
                                            ", but the one that was kept is of ", since.origin));
    }
    if (since.tree.size > checkpoint.tree.size) {
      return Add("checkpoint", absl::StrCat("covers ", checkpoint.tree.size,
                                            " commits, but the one that was kept ", since.tree.size,
                                            ": the bundle is older, or the log was cut"));
    }
    if (since.tree.size == checkpoint.tree.size || since.tree.size == 0) {
      if (since.tree.size == checkpoint.tree.size && since.tree.root != checkpoint.tree.root) {
        return Add("checkpoint",
                   "has another root than the one that was kept, at the same size: "
                   "the log was rewritten or forked");
      }
      report_.continued = since.tree;
      return;
    }
    const std::optional<BundleConsistency>& consistency = bundle_.head.consistency;
    if (!consistency || consistency->old_tree.size != since.tree.size) {
      return Add("consistency",
                 absl::StrCat("the bundle holds no proof from the checkpoint of ", since.tree.size,
                              " commits that was kept; export it with that checkpoint"));
    }
    if (consistency->old_tree.root != since.tree.root) {
      Add("consistency",
          "starts from another root than the checkpoint that was kept: the log was "
          "rewritten or forked before it");
    }
  }

  void CheckCommit(size_t number) {
    const BundleCommit& commit = bundle_.commits[number];
    const Leaves leaves(commit);
    ++report_.commits;
    // A header that was altered is not read: what it says would only mislead.
    log::v1::CommitHeader header;
    if (!leaves.MatchAny(commit.leaf) ||
        !header.ParseFromArray(commit.header.data(), static_cast<int>(commit.header.size()))) {
      const std::string place =
          absl::StrCat("commits[", number, "] (expected revision ", next_revision_, ")");
      CheckLeaf(commit, leaves, place);
      if (leaves.MatchAny(commit.leaf)) Add(place, "its header is not a CommitHeader");
      has_unread_ = true;
      return;
    }
    const std::string place =
        absl::StrCat("commits[", number, "] (revision ", header.first_revision(), ", position ",
                     header.first_position(), ")");
    CheckLeaf(commit, leaves, place);
    CheckPlace(commit, header, place);
    CheckRevisions(header, place);
    if (leaves.bodies == commit.bodies.digest) CheckBodies(commit, header, place);
    if (number == 0) {
      report_.first_time = Timestamp(header.time_us());
      report_.definition_hash = header.definition_hash();
    }
    report_.last_time = Timestamp(header.time_us());
    report_.events += header.count();
  }

  // What a commit holds makes its leaf, and its leaf stands in the tree.
  void CheckLeaf(const BundleCommit& commit, const Leaves& leaves, const std::string& place) {
    const char* const which = leaves.stated == commit.leaf   ? "its data was altered"
                              : leaves.actual == commit.leaf ? "its digest was altered"
                                                             : "its data and digest do not match";
    if (leaves.bodies != commit.bodies.digest) Add(absl::StrCat(place, ".bodies"), which);
    for (size_t slot = 0; slot < commit.slots.size(); ++slot) {
      if (!commit.slots[slot].data) ++report_.withheld_slots;
      if (leaves.slots[slot] != commit.slots[slot].digest) {
        Add(absl::StrCat(place, ".slots[", slot, "]"), which);
      }
    }
    if (!leaves.MatchAny(commit.leaf)) {
      Add(place,
          "its header and digests do not make its leaf: header, leaf or a digest was "
          "altered, or a slot added, removed or moved");
    }
    if (!has_tree_ || IsProven(commit, commit.leaf)) return;
    Add(place, IsProven(commit, leaves.actual)
                   ? "its leaf was altered"
                   : absl::StrCat("it is not proven to be commit number ", commit.index,
                                  " of the checkpoint's log: leaf, index or path was altered, or "
                                  "it never was in this log"));
  }

  bool IsProven(const BundleCommit& commit, const Hash& leaf) const {
    return VerifyInclusion(leaf, commit.index, report_.checkpoint.tree, commit.path);
  }

  void CheckPlace(const BundleCommit& commit, const log::v1::CommitHeader& header,
                  const std::string& place) {
    if (header.namespace_() != bundle_.head.saga.namespace_name ||
        header.saga_id() != bundle_.head.saga.saga_id) {
      Add(place, absl::StrCat("is a commit of saga ", header.namespace_(), "/", header.saga_id()));
    }
    if (partition_ && header.partition() != partition_->value()) {
      Add(place, absl::StrCat("is of partition ", header.partition(), ", the checkpoint of ",
                              partition_->value()));
    }
    if (next_index_ > commit.index || last_position_ >= header.first_position()) {
      Add(place,
          "stands in the log before the commit that it follows here: commits were reordered "
          "or repeated");
    }
    // Each commit before it has at least one event.
    if (header.first_position() <= commit.index) {
      Add(place, absl::StrCat("cannot be commit number ", commit.index, " at its position"));
    }
    next_index_ = commit.index + 1;
    last_position_ = header.first_position() + std::max<uint64_t>(header.count(), 1) - 1;
  }

  void CheckRevisions(const log::v1::CommitHeader& header, const std::string& place) {
    const uint64_t first = header.first_revision();
    if (first > next_revision_ && !has_unread_) {
      Add(place, absl::StrCat("revisions ", next_revision_, " to ", first - 1,
                              " are missing before it: a commit was removed or moved"));
    } else if (first < next_revision_) {
      Add(place, absl::StrCat("revision ", next_revision_,
                              " should follow: a commit was reordered or repeated"));
    }
    next_revision_ = std::max(next_revision_, first + header.count());
  }

  void CheckBodies(const BundleCommit& commit, const log::v1::CommitHeader& header,
                   const std::string& place) {
    log::v1::EventBodies bodies;
    if (!bodies.ParseFromArray(commit.bodies.data->data(),
                               static_cast<int>(commit.bodies.data->size())) ||
        static_cast<uint32_t>(bodies.events_size()) != header.count()) {
      return Add(absl::StrCat(place, ".bodies"),
                 absl::StrCat("do not hold the ", header.count(), " events of the header"));
    }
    for (int i = 0; i < bodies.events_size(); ++i) {
      const char* const end = EndName(bodies.events(i));
      if (end == nullptr) continue;
      report_.end = end;
      report_.end_revision = Revision(header.first_revision() + static_cast<uint64_t>(i));
    }
  }

  void CheckEnd() {
    if (bundle_.commits.empty()) Add("commits", "there are none: they were removed");
    if (bundle_.commit_count != bundle_.commits.size() ||
        (!has_unread_ && bundle_.event_count != report_.events)) {
      Add("end", absl::StrCat("says ", bundle_.commit_count, " commits with ", bundle_.event_count,
                              " events, but there are ", bundle_.commits.size(), " with ",
                              report_.events, ": commits were cut off, removed or added"));
    }
    if (expectation_.ended && report_.end.empty()) {
      Add("commits",
          "the saga had not ended: what followed the last revision is not in the bundle");
    }
  }

  const Bundle& bundle_;
  const BundleExpectation& expectation_;
  BundleReport report_;
  bool has_tree_ = false;    // report_.checkpoint holds what the bundle says
  bool has_unread_ = false;  // a commit's header could not be read
  std::optional<PartitionId> partition_;
  uint64_t next_index_ = 0;
  uint64_t last_position_ = 0;
  uint64_t next_revision_ = 0;
};

}  // namespace

BundleReport VerifyBundle(const Bundle& bundle, const BundleExpectation& expectation) {
  return Verification(bundle, expectation).Run();
}

}  // namespace skald::audit
