// One partition's log in memory, with its audit tree and key: commits of sagas that take turns, and
// bundles of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/audit/bundle.h"
#include "engine/audit/commit_leaf.h"
#include "skald/log/v1/event.pb.h"
#include "storage/commit_record.h"
#include "tests/engine/audit/memory_tree.h"

namespace skald::audit {

class SampleLog {
 public:
  static constexpr PartitionId kPartition{3};

  SampleLog()
      : store_name_(StoreName(std::string(16, '\x5a'))), keys_{SigningKey::Generate(store_name_)} {}

  static SagaKey Saga(absl::string_view id) {
    return {.namespace_name = "shop", .saga_id = std::string(id)};
  }

  // A commit of these events. `slots` are JSON texts.
  void Append(absl::string_view saga_id, const std::vector<log::v1::Event>& events,
              const std::vector<std::string>& slots) {
    log::v1::CommitHeader header;
    header.set_format(storage::kCommitFormat);
    header.set_partition(kPartition.value());
    header.set_first_position(next_position_);
    header.set_count(static_cast<uint32_t>(events.size()));
    header.set_namespace_("shop");
    header.set_saga_id(std::string(saga_id));
    header.set_first_revision(revisions_[std::string(saga_id)]);
    header.set_time_us(1'700'000'000'000'000 + static_cast<int64_t>(next_position_) * 1'000);
    header.mutable_cause()->set_command("CompleteTask");
    header.set_definition_hash(std::string(32, '\x07'));
    log::v1::EventBodies bodies;
    for (const log::v1::Event& event : events) *bodies.add_events() = event;
    std::string record;
    const std::vector<absl::string_view> views(slots.begin(), slots.end());
    storage::EncodeCommit(header, bodies.SerializeAsString(), views, &record);
    revisions_[std::string(saga_id)] += events.size();
    next_position_ += events.size();
    tree_.Append(CommitLeaf(*storage::DecodeCommit(record)));
    records_.push_back({std::string(saga_id), std::move(record)});
  }

  // `rounds` commits of each saga in turn; with `ended` a last one that completes it.
  void AppendRounds(const std::vector<std::string>& sagas, int rounds, bool ended) {
    for (int round = 0; round < rounds; ++round) {
      for (const std::string& saga : sagas) {
        log::v1::Event started;
        started.mutable_task_started()->set_frame(static_cast<uint32_t>(round));
        started.mutable_task_started()->set_task(absl::StrCat("/do/", round, "/step"));
        log::v1::Event completed;
        completed.mutable_task_completed()->set_frame(static_cast<uint32_t>(round));
        Append(saga, {started, completed},
               {absl::StrCat("{\"round\":", round, "}"), absl::StrCat("\"of ", saga, "\"")});
      }
    }
    if (!ended) return;
    for (const std::string& saga : sagas) {
      log::v1::Event completed;
      completed.mutable_saga_completed()->set_output_slot(1);
      Append(saga, {completed}, {"{\"done\":true}"});
    }
  }

  uint64_t size() const { return tree_.size(); }
  Checkpoint CheckpointAt(uint64_t size) const {
    return {.origin = OriginOf(store_name_, kPartition), .tree = tree_.head(size)};
  }
  std::string NoteAt(uint64_t size) const { return SignNote(CheckpointAt(size).ToText(), keys_); }
  VerifierKey key() const { return keys_.front().verifier(); }

  // The saga's commits as of the log's end; `since`: a size to show consistency with, 0 for none.
  Bundle BundleOf(const std::string& saga_id, uint64_t since = 0,
                  SlotData data = SlotData::kIncluded) const {
    Bundle bundle{.head = {.saga = Saga(saga_id), .checkpoint = NoteAt(size()), .consistency = {}}};
    if (since > 0) {
      bundle.head.consistency = {.old_tree = tree_.head(since),
                                 .path = *ProveConsistency(since, size(), tree_.reader())};
    }
    for (uint64_t index = 0; index < records_.size(); ++index) {
      if (records_[index].first != saga_id) continue;
      const storage::CommitView commit = *storage::DecodeCommit(records_[index].second);
      bundle.commits.push_back(
          MakeBundleCommit(commit, index, *ProveInclusion(index, size(), tree_.reader()), data));
      ++bundle.commit_count;
      bundle.event_count += commit.header.count();
    }
    return bundle;
  }

 private:
  const std::string store_name_;
  const std::vector<SigningKey> keys_;
  MemoryTree tree_;
  std::vector<std::pair<std::string, std::string>> records_;  // saga id, record
  std::map<std::string, uint64_t> revisions_;
  uint64_t next_position_ = 1;
};

}  // namespace skald::audit
