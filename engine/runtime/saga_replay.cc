#include "engine/runtime/saga_replay.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/overloaded.h"
#include "base/status_macros.h"
#include "engine/saga/evolve.h"

namespace skald::runtime {
namespace {

constexpr char kField[] = "as_of";

std::string Text(Timestamp time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(time.value()),
                          absl::UTCTimeZone());
}

// A commit decided after this returns has a later time: asking its partition afterwards finds all
// that will ever have happened by `time`.
absl::Status AwaitPast(const Engine& engine, Timestamp time) {
  const Timestamp now = engine.Now();
  if (time > now) {
    return BadRequestError(
        absl::StrCat(kField, ".time"),
        absl::StrCat("is in the future: by the server's clock it is ", Text(now), " now"));
  }
  // The present microsecond is not over yet.
  while (engine.Now() <= time) std::this_thread::yield();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SagaReplay>> SagaReplay::Open(Engine& engine, SagaKey key,
                                                             const AsOf& as_of) {
  if (const auto* const time = std::get_if<Timestamp>(&as_of)) {
    SKALD_RETURN_IF_ERROR(AwaitPast(engine, *time));
  }
  SKALD_ASSIGN_OR_RETURN(std::vector<Position> commits, engine.FindCommits(key));
  SKALD_CHECK(!commits.empty());
  std::unique_ptr<SagaReplay> replay(new SagaReplay(engine, std::move(key), std::move(commits)));
  SKALD_RETURN_IF_ERROR(replay->ResolveEnd(engine, as_of));
  return replay;
}

absl::StatusOr<log::v1::CommitHeader> SagaReplay::ReadHeader(size_t commit) {
  const auto cursor = engine_.log().Read(partition_, commits_[commit]);
  if (!cursor->Valid() || cursor->first() != commits_[commit]) {
    SKALD_RETURN_IF_ERROR(cursor->status());
    return LogCorruptError(partition_, commits_[commit], "an event of a saga is missing");
  }
  SKALD_ASSIGN_OR_RETURN(storage::CommitView view, storage::DecodeCommit(cursor->record()));
  return std::move(view.header);
}

template <typename Holds>
absl::StatusOr<size_t> SagaReplay::CountWhile(Holds holds) {
  size_t low = 0;
  size_t high = commits_.size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    SKALD_ASSIGN_OR_RETURN(const bool does, holds(middle));
    if (does) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

absl::Status SagaReplay::ResolveEnd(const Engine& engine, const AsOf& as_of) {
  SKALD_ASSIGN_OR_RETURN(const log::v1::CommitHeader newest, ReadHeader(commits_.size() - 1));
  last_ = Revision(newest.first_revision() + newest.count() - 1);
  if (const auto* const revision = std::get_if<Revision>(&as_of)) {
    if (*revision > last_) {
      return BadRequestError(
          absl::StrCat(kField, ".revision"),
          absl::StrCat("is ", revision->value(), ", but the saga's last is ", last_.value()));
    }
    last_ = *revision;
    return absl::OkStatus();
  }
  if (const auto* const position = std::get_if<Position>(&as_of)) {
    const Position durable = engine.DurablePosition(partition_);
    if (*position > durable) {
      return BadRequestError(
          absl::StrCat(kField, ".position"),
          absl::StrCat("is ", position->value(), ", but the log of the saga's partition, ",
                       partition_.value(), ", ends at ", durable.value()));
    }
  }
  return std::holds_alternative<std::monostate>(as_of) ? absl::OkStatus() : ResolvePast(as_of);
}

// The last event up to a position or a time.
absl::Status SagaReplay::ResolvePast(const AsOf& as_of) {
  const auto* const position = std::get_if<Position>(&as_of);
  const auto had_begun = [&](size_t commit) -> absl::StatusOr<bool> {
    if (position != nullptr) return commits_[commit] <= *position;
    SKALD_ASSIGN_OR_RETURN(const log::v1::CommitHeader header, ReadHeader(commit));
    return Timestamp(header.time_us()) <= std::get<Timestamp>(as_of);
  };
  SKALD_ASSIGN_OR_RETURN(const size_t count, CountWhile(had_begun));
  if (count == 0) {
    SKALD_ASSIGN_OR_RETURN(const log::v1::CommitHeader first, ReadHeader(0));
    return SagaNotYetError(key_, absl::StrCat("at ", Text(Timestamp(first.time_us())),
                                              ", position ", first.first_position()));
  }
  SKALD_ASSIGN_OR_RETURN(const log::v1::CommitHeader header, ReadHeader(count - 1));
  uint64_t events = header.count();
  if (position != nullptr) {
    events = std::min(events, position->value() - header.first_position() + 1);
  }
  last_ = Revision(header.first_revision() + events - 1);
  return absl::OkStatus();
}

absl::Status SagaReplay::ReadCommit() {
  const Position first = commits_[next_commit_];
  // The saga's next commit often is the partition's next.
  if (cursor_ != nullptr && cursor_->Valid()) cursor_->Next();
  if (cursor_ == nullptr || !cursor_->Valid() || cursor_->first() != first) {
    cursor_ = engine_.log().Read(partition_, first);
  }
  if (!cursor_->Valid() || cursor_->first() != first) {
    SKALD_RETURN_IF_ERROR(cursor_->status());
    return LogCorruptError(partition_, first, "an event of a saga is missing");
  }
  const absl::string_view stored = cursor_->record();
  record_.assign(stored.data(), stored.size());
  SKALD_RETURN_IF_ERROR(storage::DecodeCommit(record_, &commit_));
  if (!bodies_.ParseFromArray(commit_.bodies.data(), static_cast<int>(commit_.bodies.size())) ||
      static_cast<uint32_t>(bodies_.events_size()) != commit_.header.count() ||
      commit_.header.first_revision() != state_.events) {
    return LogCorruptError(partition_, first, "events cannot be read");
  }
  slots_.clear();
  for (const absl::string_view slot : commit_.slots) {
    absl::StatusOr<Json> value = Json::Parse(slot, kStoredJson);
    if (!value.ok()) return LogCorruptError(partition_, first, "its data is not JSON");
    slots_.push_back(*std::move(value));
  }
  ++next_commit_;
  next_event_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> SagaReplay::Next() {
  if (state_.events > last_.value()) return false;
  if (next_event_ == bodies_.events_size()) SKALD_RETURN_IF_ERROR(ReadCommit());
  ++next_event_;
  const RecordedEvent at = event();
  SKALD_RETURN_IF_ERROR(saga::EvolveRead(
      *at.event,
      {.header = commit_.header, .revision = at.revision, .position = at.position, .slots = slots_},
      state_));
  return true;
}

RecordedEvent SagaReplay::event() const {
  SKALD_CHECK(next_event_ > 0);
  const auto place = static_cast<uint64_t>(next_event_ - 1);
  return {.partition = partition_,
          .position = Position(commit_.header.first_position() + place),
          .revision = Revision(commit_.header.first_revision() + place),
          .commit_first = Position(commit_.header.first_position()),
          .header = &commit_.header,
          .event = &bodies_.events(next_event_ - 1),
          .slots = commit_.slots};
}

}  // namespace skald::runtime
