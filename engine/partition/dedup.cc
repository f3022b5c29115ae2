#include "engine/partition/dedup.h"

#include <vector>

#include "base/status_macros.h"

namespace skald::partition {
namespace {

// Deletions in one go: a burst of requests a day ago must not stall the partition now.
constexpr size_t kExpiredAtOnce = 1'000;

}  // namespace

void Dedup::Fold(const log::v1::CommitHeader& header, storage::Delta& delta) const {
  if (header.request_id().empty() || header.saga_id().empty()) return;
  const std::string& command = header.cause().command();
  if (command == "StartSaga" || command == "AnswerTask") return;
  const Timestamp time(header.time_us());
  delta.Put(DedupKey(partition_, header.namespace_(), header.request_id()),
            EncodeDedup({.digest = header.request_digest(),
                         .position = Position(header.first_position() + header.count() - 1),
                         .time = time,
                         .saga_id = header.saga_id()}));
  delta.Put(DedupExpiryKey(partition_, time, header.namespace_(), header.request_id()), "");
}

absl::StatusOr<std::optional<DedupRow>> Dedup::Find(absl::string_view namespace_name,
                                                    absl::string_view request_id, Timestamp now,
                                                    const storage::Delta& delta) const {
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                         delta.Get(DedupKey(partition_, namespace_name, request_id)));
  if (!value) return std::nullopt;
  SKALD_ASSIGN_OR_RETURN(DedupRow row, DecodeDedup(*value));
  if (After(row.time, kRequestsRemembered) <= now) return std::nullopt;
  return row;
}

absl::Status Dedup::Expire(Timestamp now, storage::Delta& delta) {
  const Timestamp until = After(now, -kRequestsRemembered);
  if (until <= expired_until_) return absl::OkStatus();
  std::vector<DedupExpiryRow> expired;
  absl::Status malformed;
  SKALD_RETURN_IF_ERROR(delta.Scan(DedupExpiryBound(partition_, expired_until_),
                                   DedupExpiryBound(partition_, until.Next()),
                                   [&](absl::string_view key, absl::string_view) {
                                     absl::StatusOr<DedupExpiryRow> row = ParseDedupExpiryKey(key);
                                     malformed = row.status();
                                     if (row.ok()) expired.push_back(*std::move(row));
                                     return malformed.ok() && expired.size() < kExpiredAtOnce;
                                   }));
  SKALD_RETURN_IF_ERROR(malformed);
  for (const DedupExpiryRow& row : expired) {
    delta.Delete(DedupExpiryKey(partition_, row.time, row.namespace_name, row.request_id));
    // The id may have been used again since, and is remembered for that use.
    const std::string key = DedupKey(partition_, row.namespace_name, row.request_id);
    SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> value, delta.Get(key));
    if (!value) continue;
    SKALD_ASSIGN_OR_RETURN(const DedupRow current, DecodeDedup(*value));
    if (current.time == row.time) delta.Delete(key);
  }
  expired_until_ = expired.size() < kExpiredAtOnce ? until : expired.back().time;
  return absl::OkStatus();
}

}  // namespace skald::partition
