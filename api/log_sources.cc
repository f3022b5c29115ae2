#include "api/log_sources.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/convert_event.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/saga/event_text.h"

namespace skald::api {
namespace {

constexpr int kEventTypesMax = 100;
// A follower whose filter matches little is told now and then how far it has come.
constexpr Micros kMarkInterval = kSecond;
// What an event takes besides its data: position, time, names, ids, hash.
constexpr size_t kEnvelopeBytes = 200;

bool EndsCommit(const runtime::RecordedEvent& event) {
  return event.position.value() + 1 == event.commit_first.value() + event.header->count();
}

}  // namespace

// ---- HistorySource ----

struct HistorySource::Chunk {
  Mutex mutex;
  bool is_done SKALD_GUARDED_BY(mutex) = false;
  // Owned by the engine until is_done.
  v1::ReadHistoryResponse frame;
  Revision next;
  size_t bytes = 0;
  bool is_full = false;
  absl::Status status;
};

HistorySource::HistorySource(ApiContext& context, SagaKey key, Revision from)
    : context_(context), key_(std::move(key)), next_(from) {}

HistorySource::~HistorySource() = default;

void HistorySource::Open(std::function<void()> wake) { wake_ = std::move(wake); }

Pulled HistorySource::Pull(v1::ReadHistoryResponse& frame) {
  if (is_complete_) return Pulled::End(absl::OkStatus());
  if (chunk_ == nullptr) {
    chunk_ = std::make_shared<Chunk>();
    chunk_->next = next_;
    const auto visit = [chunk = chunk_, bytes_max = context_.options.log_frame_bytes](
                           const runtime::RecordedEvent& event) {
      v1::RecordedEvent& out = *chunk->frame.add_events();
      SetEvent(event, out);
      chunk->bytes += out.data().size() + kEnvelopeBytes;
      chunk->next = event.revision.Next();
      chunk->is_full = chunk->bytes >= bytes_max && EndsCommit(event);
      return !chunk->is_full;
    };
    context_.engine.ReadHistory(key_, next_, visit,
                                [chunk = chunk_, wake = wake_](absl::Status status) {
                                  {
                                    MutexLock lock(chunk->mutex);
                                    chunk->status = std::move(status);
                                    chunk->is_done = true;
                                  }
                                  wake();
                                });
  }
  {
    MutexLock lock(chunk_->mutex);
    if (!chunk_->is_done) return Pulled::NothingNow();
  }
  const std::shared_ptr<Chunk> chunk = std::move(chunk_);
  if (!chunk->status.ok()) return Pulled::End(chunk->status);
  next_ = chunk->next;
  is_complete_ = !chunk->is_full;
  if (chunk->frame.events_size() == 0) return Pulled::End(absl::OkStatus());
  frame.Swap(&chunk->frame);
  return Pulled::Frame();
}

// ---- RangeSource ----

RangeSource::RangeSource(ApiContext& context, PartitionId partition, Position from, Position to)
    : context_(context), partition_(partition), next_(from), to_(to) {}

Pulled RangeSource::Pull(v1::ReadLogResponse& frame) {
  if (next_ > to_) return Pulled::End(absl::OkStatus());
  size_t bytes = 0;
  const auto visit = [&](const runtime::RecordedEvent& event) {
    if (event.position > to_) return false;
    v1::RecordedEvent& out = *frame.add_events();
    SetEvent(event, out);
    bytes += out.data().size() + kEnvelopeBytes;
    next_ = event.position.Next();
    return next_ <= to_ && !(bytes >= context_.options.log_frame_bytes && EndsCommit(event));
  };
  absl::StatusOr<Position> end = context_.engine.ReadLog(partition_, next_, visit);
  if (!end.ok()) return Pulled::End(end.status());
  if (frame.events_size() == 0) return Pulled::End(absl::OkStatus());
  frame.set_next_position(next_.value());
  return Pulled::Frame();
}

// ---- EventMatcher ----

absl::StatusOr<EventMatcher> EventMatcher::Make(ApiContext& context,
                                                const v1::EventFilter& filter) {
  Violations violations;
  violations.CheckId("filter.namespace", filter.namespace_(), Presence::kOptional);
  violations.CheckId("filter.saga_id", filter.saga_id(), Presence::kOptional);
  violations.CheckId("filter.definition_name", filter.definition_name(), Presence::kOptional);
  if (filter.namespace_().empty()) {
    if (!filter.saga_id().empty()) violations.Add("filter.saga_id", "needs a namespace");
    if (!filter.definition_name().empty()) {
      violations.Add("filter.definition_name", "needs a namespace");
    }
  }
  if (filter.event_types_size() > kEventTypesMax) {
    violations.Add("filter.event_types", absl::StrCat("has more than ", kEventTypesMax));
  }
  EventMatcher matcher(context, filter);
  for (const std::string& type : filter.event_types()) {
    const log::v1::Event::KindCase kind = saga::FindEventType(type);
    if (kind == log::v1::Event::KIND_NOT_SET) {
      violations.Add("filter.event_types", absl::StrCat("'", type, "' is no event type"));
    }
    matcher.kinds_.insert(kind);
  }
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  if (!filter.saga_id().empty()) {
    matcher.only_partition_ = context.engine.PartitionOf(
        {.namespace_name = filter.namespace_(), .saga_id = filter.saga_id()});
  }
  return matcher;
}

bool EventMatcher::Matches(const runtime::RecordedEvent& event) {
  const log::v1::CommitHeader& header = *event.header;
  if (!filter_.namespace_().empty() && header.namespace_() != filter_.namespace_()) return false;
  if (!filter_.saga_id().empty() && header.saga_id() != filter_.saga_id()) return false;
  if (!kinds_.empty() && !kinds_.contains(event.event->kind_case())) return false;
  return filter_.definition_name().empty() || IsOfDefinition(header.definition_hash());
}

bool EventMatcher::IsOfDefinition(const std::string& hash) {
  if (hash.empty()) return false;
  if (const auto known = definitions_.find(hash); known != definitions_.end()) return known->second;
  const std::string name = context_->engine.DefinitionNameOf(hash);
  if (name.empty()) return false;
  // Deployed definitions never change.
  return definitions_.emplace(hash, name == filter_.definition_name()).first->second;
}

// ---- FollowSource ----

FollowSource::FollowSource(ApiContext& context, EventMatcher matcher, TokenScope scope,
                           std::vector<Position> next)
    : context_(context),
      matcher_(std::move(matcher)),
      scope_(std::move(scope)),
      next_(std::move(next)),
      last_frame_(context.engine.Now()) {}

void FollowSource::Open(std::function<void()> wake) {
  listener_ = context_.engine.AddLogListener(std::move(wake));
}

void FollowSource::Close() { context_.engine.RemoveLogListener(listener_); }

Pulled FollowSource::Pull(v1::FollowLogResponse& frame) {
  const absl::StatusOr<bool> caught_up = Scan(frame);
  if (!caught_up.ok()) return Pulled::End(caught_up.status());

  const bool has_events = frame.events_size() > 0;
  const Timestamp now = context_.engine.Now();
  // A frame without events: to say that the reader is up to date, or how far a filter that matches
  // little has come. While the log grows and nothing matches, at most one a second and one per full
  // scan.
  const bool is_mark = *caught_up && !told_caught_up_;
  const bool is_overdue =
      passed_over_ > 0 && (!*caught_up || now >= After(last_frame_, kMarkInterval));
  if (!has_events && !is_mark && !is_overdue) return Pulled::NothingNow();

  frame.set_resume_token(EncodeResumeToken(scope_, next_));
  frame.set_caught_up(*caught_up);
  told_caught_up_ = *caught_up;
  passed_over_ = 0;
  last_frame_ = now;
  return Pulled::Frame();
}

absl::StatusOr<bool> FollowSource::Scan(v1::FollowLogResponse& frame) {
  const ServerOptions& options = context_.options;
  size_t bytes = 0;
  size_t scanned = 0;
  bool is_full = false;
  for (size_t i = 0; i < next_.size() && !is_full; ++i) {
    const size_t index = turn_;
    const PartitionId partition(static_cast<uint32_t>(index));
    const bool is_wanted = !matcher_.only_partition() || *matcher_.only_partition() == partition;
    if (is_wanted && context_.engine.DurablePosition(partition) >= next_[index]) {
      const auto visit = [&](const runtime::RecordedEvent& event) {
        ++scanned;
        if (matcher_.Matches(event)) {
          v1::RecordedEvent& out = *frame.add_events();
          SetEvent(event, out);
          bytes += out.data().size() + kEnvelopeBytes;
        } else {
          ++passed_over_;
        }
        next_[index] = event.position.Next();
        if (!EndsCommit(event)) return true;
        is_full = bytes >= options.log_frame_bytes || scanned >= options.log_scan_events ||
                  static_cast<size_t>(frame.events_size()) >= options.log_frame_events;
        return !is_full;
      };
      SKALD_ASSIGN_OR_RETURN(const Position end,
                             context_.engine.ReadLog(partition, next_[index], visit));
      next_[index] = std::max(next_[index], end);
    }
    turn_ = (turn_ + 1) % next_.size();
  }
  return !is_full;
}

}  // namespace skald::api
