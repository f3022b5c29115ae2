// Commits for storage tests: small, valid, and told apart by their place.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/commit_record.h"
#include "storage/event_log.h"

namespace skald::storage {

// A commit of `count` events whose one slot is `payload`.
inline StagedCommit MakeCommit(PartitionId partition, Position first, uint32_t count,
                               absl::string_view payload) {
  log::v1::CommitHeader header;
  header.set_format(kCommitFormat);
  header.set_partition(partition.value());
  header.set_first_position(first.value());
  header.set_count(count);
  header.set_namespace_("shop");
  header.set_saga_id(absl::StrCat("order-", first.value()));
  header.set_time_us(1'700'000'000'000'000 + static_cast<int64_t>(first.value()));
  StagedCommit commit{.partition = partition, .first = first, .count = count, .record = {}};
  EncodeCommit(header, absl::StrCat("bodies of ", first.value()), {payload}, &commit.record);
  return commit;
}

// Numbers the commits of one partition.
class CommitMaker {
 public:
  explicit CommitMaker(PartitionId partition, Position last = Position(0))
      : partition_(partition), next_(last.Next()) {}

  StagedCommit Next(uint32_t count, absl::string_view payload = "{}") {
    StagedCommit commit = MakeCommit(partition_, next_, count, payload);
    next_ = next_.Plus(count);
    return commit;
  }
  Position last() const { return Position(next_.value() - 1); }

 private:
  const PartitionId partition_;
  Position next_;
};

// What a test compares: where a commit stands, and its bytes.
struct ReadCommit {
  Position first;
  std::string record;

  friend bool operator==(const ReadCommit&, const ReadCommit&) = default;
};

// Everything from `from` on. The cursor's status must be OK.
inline std::vector<ReadCommit> ReadAll(const EventLog& log, PartitionId partition,
                                       Position from = Position(1)) {
  std::vector<ReadCommit> commits;
  const auto cursor = log.Read(partition, from);
  for (; cursor->Valid(); cursor->Next()) {
    commits.push_back({cursor->first(), std::string(cursor->record())});
  }
  EXPECT_TRUE(cursor->status().ok()) << cursor->status();
  return commits;
}

inline std::vector<ReadCommit> Expected(const std::vector<StagedCommit>& commits) {
  std::vector<ReadCommit> expected;
  for (const StagedCommit& commit : commits) expected.push_back({commit.first, commit.record});
  return expected;
}

}  // namespace skald::storage
