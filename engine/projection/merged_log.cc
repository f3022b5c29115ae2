#include "engine/projection/merged_log.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::projection {
namespace {

// For a heap whose front is the earliest. One commit of a partition at a time is in it, so position
// never decides.
constexpr auto kLater = [](const auto& a, const auto& b) {
  const auto& left = a->commit.header;
  const auto& right = b->commit.header;
  if (left.time_us() != right.time_us()) return left.time_us() > right.time_us();
  return left.partition() > right.partition();
};

}  // namespace

MergedLog::MergedLog(const storage::EventLog& log, absl::Span<const Position> from,
                     absl::Span<const Position> through, Timestamp until)
    : until_(until) {
  for (uint32_t id = 0; id < from.size(); ++id) {
    if (through[id] <= from[id]) continue;
    auto head = std::make_unique<Head>();
    head->partition = PartitionId(id);
    head->through = through[id];
    head->next = from[id].Next();
    head->cursor = log.Read(head->partition, head->next);
    const absl::StatusOr<bool> loaded = Load(*head);
    broken_.Update(loaded.status());
    if (loaded.ok() && *loaded) heads_.push_back(std::move(head));
  }
  std::make_heap(heads_.begin(), heads_.end(), kLater);
}

MergedLog::~MergedLog() = default;

absl::StatusOr<bool> MergedLog::Load(Head& head) {
  if (!head.cursor->Valid()) {
    const absl::Status status = head.cursor->status();
    if (absl::IsDataLoss(status)) {
      return LogCorruptError(head.partition, head.next, status.message());
    }
    SKALD_RETURN_IF_ERROR(status);
    return LogCorruptError(head.partition, head.through, "a commit that was durable is missing");
  }
  if (head.cursor->first() > head.through) return false;
  if (const absl::Status status = storage::DecodeCommit(head.cursor->record(), &head.commit);
      !status.ok()) {
    return LogCorruptError(head.partition, head.cursor->first(), status.message());
  }
  head.next = Position(head.commit.header.first_position() + head.commit.header.count());
  return Timestamp(head.commit.header.time_us()) <= until_;
}

absl::StatusOr<bool> MergedLog::Next() {
  SKALD_RETURN_IF_ERROR(broken_);
  if (present_ != nullptr) {
    const Position last(present_->commit.header.first_position() +
                        present_->commit.header.count() - 1);
    if (last < present_->through) {
      present_->cursor->Next();
      absl::StatusOr<bool> loaded = Load(*present_);
      broken_ = loaded.status();
      SKALD_RETURN_IF_ERROR(broken_);
      if (*loaded) {
        // Often the same partition goes on: then nothing has to move.
        if (heads_.empty() || kLater(heads_.front(), present_)) {
          has_events_ = false;
          return true;
        }
        heads_.push_back(std::move(present_));
        std::push_heap(heads_.begin(), heads_.end(), kLater);
      }
    }
  }
  has_events_ = false;
  if (heads_.empty()) {
    present_ = nullptr;
    return false;
  }
  std::pop_heap(heads_.begin(), heads_.end(), kLater);
  present_ = std::move(heads_.back());
  heads_.pop_back();
  return true;
}

const storage::CommitView& MergedLog::commit() const { return present_->commit; }

PartitionId MergedLog::partition() const { return present_->partition; }

absl::StatusOr<const log::v1::EventBodies*> MergedLog::events() {
  if (!has_events_) {
    const absl::string_view bodies = present_->commit.bodies;
    if (!present_->events.ParseFromArray(bodies.data(), static_cast<int>(bodies.size()))) {
      return LogCorruptError(present_->partition,
                             Position(present_->commit.header.first_position()),
                             "events cannot be read");
    }
    has_events_ = true;
  }
  return &present_->events;
}

}  // namespace skald::projection
