#include "api/export_source.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "api/convert_event.h"
#include "api/replay_source.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "storage/commit_record.h"

namespace skald::api {
namespace {

using log::v1::ExportHeader;
using log::v1::ExportRange;
using storage::CommitPlace;
using storage::CommitView;
using storage::EventLog;

// What an event takes besides its data.
constexpr size_t kEnvelopeBytes = 200;

std::string Text(Timestamp time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(time.value()),
                          absl::UTCTimeZone());
}

// A bound as it was given.
struct Bound {
  std::optional<Position> position;
  std::optional<Timestamp> time;
};

Bound ReadBound(const v1::LogBound& proto, absl::string_view field, bool has_partition,
                Timestamp now, Violations& violations) {
  Bound bound;
  if (proto.bound_case() == v1::LogBound::kPosition) {
    if (!has_partition) violations.Add(field, "is a position, which needs a partition");
    if (proto.position() == 0) violations.Add(field, "is 0; positions begin with 1");
    bound.position = Position(proto.position());
  } else if (proto.bound_case() == v1::LogBound::kTime) {
    v1::AsOf as_of;
    *as_of.mutable_time() = proto.time();
    const runtime::AsOf moment = ReadAsOf(as_of, violations);
    const auto* const time = std::get_if<Timestamp>(&moment);
    if (time == nullptr) return bound;
    if (*time > now) {
      violations.Add(
          field, absl::StrCat("is in the future: by the server's clock it is ", Text(now), " now"));
    }
    bound.time = *time;
  }
  return bound;
}

// The commit that holds a position, which is durable.
absl::StatusOr<CommitView> CommitAt(const EventLog& log, PartitionId partition, Position position,
                                    std::string& record) {
  const auto cursor = log.Read(partition, position);
  if (!cursor->Valid()) {
    SKALD_RETURN_IF_ERROR(cursor->status());
    return LogCorruptError(partition, position, "the commit is missing");
  }
  record.assign(cursor->record().data(), cursor->record().size());
  return storage::DecodeCommit(record);
}

// Where the first commit at or after a time begins; one past `last` when there is none.
absl::StatusOr<Position> FindTime(const EventLog& log, PartitionId partition, Position last,
                                  Timestamp time) {
  uint64_t low = 1;
  uint64_t high = last.value() + 1;
  std::string record;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    SKALD_ASSIGN_OR_RETURN(const CommitView commit,
                           CommitAt(log, partition, Position(middle), record));
    const uint64_t first = commit.header.first_position();
    // Times never decrease within a partition.
    if (Timestamp(commit.header.time_us()) >= time) {
      high = first;
    } else {
      low = first + commit.header.count();
    }
  }
  return Position(low);
}

// The whole commits between the bounds; nothing when there are none.
absl::StatusOr<std::optional<ExportRange>> FindRange(const EventLog& log, PartitionId partition,
                                                     Position last, const Bound& from,
                                                     const Bound& to) {
  const auto past_end = [&](absl::string_view field, Position position) {
    return BadRequestError(field, absl::StrCat("is ", position.value(), ", but partition ",
                                               partition.value(), " ends at ", last.value()));
  };
  std::string record;
  Position first(1);
  if (from.position) {
    if (*from.position > last) return past_end("from", *from.position);
    SKALD_ASSIGN_OR_RETURN(const CommitView commit,
                           CommitAt(log, partition, *from.position, record));
    first = Position(commit.header.first_position());
  } else if (from.time) {
    SKALD_ASSIGN_OR_RETURN(first, FindTime(log, partition, last, *from.time));
  }
  if (to.position) {
    if (*to.position > last) return past_end("to", *to.position);
    SKALD_ASSIGN_OR_RETURN(const CommitView commit, CommitAt(log, partition, *to.position, record));
    last = Position(commit.header.first_position() + commit.header.count() - 1);
  } else if (to.time) {
    SKALD_ASSIGN_OR_RETURN(const Position after,
                           FindTime(log, partition, last, Timestamp(to.time->value() + 1)));
    last = Position(after.value() - 1);
  }
  if (first > last) return std::optional<ExportRange>();
  ExportRange range;
  range.set_partition(partition.value());
  range.set_first_position(first.value());
  range.set_last_position(last.value());
  return std::optional<ExportRange>(std::move(range));
}

// What is left out, in words.
void AddRestrictions(const v1::ExportLogRequest& request, const Bound& from, const Bound& to,
                     ExportHeader& header) {
  const auto add = [&header](std::string text) { header.add_restrictions(std::move(text)); };
  if (request.has_partition()) add(absl::StrCat("only partition ", request.partition()));
  if (from.position) add(absl::StrCat("only from position ", from.position->value()));
  if (from.time) add(absl::StrCat("only from ", Text(*from.time)));
  if (to.position) add(absl::StrCat("only to position ", to.position->value()));
  if (to.time) add(absl::StrCat("only to ", Text(*to.time)));
  const v1::EventFilter& filter = request.filter();
  const int before = header.restrictions_size();
  if (!filter.namespace_().empty()) add(absl::StrCat("only namespace ", filter.namespace_()));
  if (!filter.saga_id().empty()) add(absl::StrCat("only saga ", filter.saga_id()));
  if (!filter.definition_name().empty()) {
    add(absl::StrCat("only definition ", filter.definition_name()));
  }
  for (const std::string& type : filter.event_types()) add(absl::StrCat("only type ", type));
  header.set_filtered(header.restrictions_size() > before);
}

}  // namespace

absl::Status ExportLogSource::Begin() {
  const EventLog& log = context_.engine.log();
  Violations violations;
  if (!v1::ExportLogRequest::Form_IsValid(request_.form())) {
    violations.Add("form", "is not a value of this enum");
  }
  if (request_.has_partition() && request_.partition() >= log.partition_count()) {
    violations.Add("partition", absl::StrCat("there are ", log.partition_count()));
  }
  const Timestamp now = context_.engine.Now();
  const bool one = request_.has_partition();
  const Bound from = ReadBound(request_.from(), "from", one, now, violations);
  const Bound to = ReadBound(request_.to(), "to", one, now, violations);
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  SKALD_ASSIGN_OR_RETURN(matcher_, EventMatcher::Make(context_, request_.filter()));

  header_.set_store_id(context_.store_id);
  header_.set_partition_count(log.partition_count());
  AddRestrictions(request_, from, to, header_);
  // All at one moment: a message between partitions is never there without having been sent.
  const std::vector<Position> ends = log.LastPositions();
  for (uint32_t id = 0; id < ends.size(); ++id) {
    if (one && request_.partition() != id) continue;
    if (matcher_->only_partition() && matcher_->only_partition()->value() != id) continue;
    SKALD_ASSIGN_OR_RETURN(std::optional<ExportRange> range,
                           FindRange(log, PartitionId(id), ends[id], from, to));
    if (!range) continue;
    events_total_ += range->last_position() - range->first_position() + 1;
    *header_.add_ranges() = *std::move(range);
  }
  if (!is_done()) next_ = Position(range().first_position());
  return absl::OkStatus();
}

void ExportLogSource::GoOn(Position next) {
  events_done_ += next.value() - next_.value();
  next_ = next;
  if (next_.value() <= range().last_position()) return;
  if (++range_ < header_.ranges_size()) next_ = Position(range().first_position());
}

absl::Status ExportLogSource::AddCommits(v1::ExportLogResponse& frame) {
  const PartitionId partition(range().partition());
  const Position last(range().last_position());
  const auto cursor = context_.engine.log().Read(partition, next_);
  CommitView commit;
  log::v1::EventBodies bodies;
  Position next = next_;
  size_t scanned = 0;
  for (; cursor->Valid() && next <= last; cursor->Next()) {
    // Checks all checksums.
    if (const absl::Status sound = storage::DecodeCommit(cursor->record(), &commit); !sound.ok()) {
      return LogCorruptError(partition, cursor->first(), sound.message());
    }
    bool matches = !header_.filtered();
    if (!matches) {
      if (!bodies.ParseFromArray(commit.bodies.data(), static_cast<int>(commit.bodies.size()))) {
        return LogCorruptError(partition, cursor->first(), "events cannot be read");
      }
      runtime::RecordedEvent event;
      event.header = &commit.header;
      for (const log::v1::Event& body : bodies.events()) {
        event.event = &body;
        matches = matches || matcher_->Matches(event);
      }
    }
    if (matches) frame.mutable_data()->append(writer_.Add(cursor->record(), commit.header.count()));
    next = Position(commit.header.first_position() + commit.header.count());
    scanned += commit.header.count();
    if (frame.data().size() >= context_.options.log_frame_bytes ||
        scanned >= context_.options.log_scan_events) {
      break;
    }
  }
  SKALD_RETURN_IF_ERROR(cursor->status());
  if (next == next_) return LogCorruptError(partition, next_, "the commit is missing");
  GoOn(next);
  return absl::OkStatus();
}

absl::Status ExportLogSource::AddEvents(v1::ExportLogResponse& frame) {
  const Position last(range().last_position());
  Position next = next_;
  size_t bytes = 0;
  size_t scanned = 0;
  const auto visit = [&](const runtime::RecordedEvent& event) {
    if (event.position > last) return false;
    next = event.position.Next();
    if (matcher_->Matches(event)) {
      v1::RecordedEvent& out = *frame.add_events();
      SetEvent(event, out);
      bytes += out.data().size() + kEnvelopeBytes;
    }
    const bool is_full =
        bytes >= context_.options.log_frame_bytes || ++scanned >= context_.options.log_scan_events;
    const bool ends_commit = next.value() == event.commit_first.value() + event.header->count();
    return !(is_full && ends_commit);
  };
  SKALD_RETURN_IF_ERROR(
      context_.engine.ReadLog(PartitionId(range().partition()), next_, visit).status());
  if (next == next_) {
    return LogCorruptError(PartitionId(range().partition()), next_, "the commit is missing");
  }
  GoOn(next);
  return absl::OkStatus();
}

Pulled ExportLogSource::Pull(v1::ExportLogResponse& frame) {
  if (is_ended_) return Pulled::End(absl::OkStatus());
  const bool as_file = request_.form() != v1::ExportLogRequest::FORM_EVENTS;
  if (!matcher_) {
    if (absl::Status status = Begin(); !status.ok()) return Pulled::End(std::move(status));
    if (as_file) frame.set_data(writer_.Begin(header_));
  }
  if (!is_done()) {
    absl::Status status = as_file ? AddCommits(frame) : AddEvents(frame);
    if (!status.ok()) return Pulled::End(std::move(status));
  }
  if (is_done()) {
    is_ended_ = true;
    if (as_file) frame.mutable_data()->append(writer_.End());
  }
  frame.set_events_done(events_done_);
  frame.set_events_total(events_total_);
  return Pulled::Frame();
}

}  // namespace skald::api
