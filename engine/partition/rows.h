// The rows that a partition keeps in views: how their keys are put together and what their values
// hold (docs/formats.md). Everything here follows from the log, so a format may change with a
// rebuild.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "engine/partition/reply.h"
#include "engine/saga/pending.h"
#include "engine/saga/state.h"
#include "engine/task/broker.h"
#include "storage/keys.h"

namespace skald::partition {

// Every row of a table in a partition starts with this.
std::string TablePrefix(storage::Table table, PartitionId partition);

// Saga rows: namespace ‖ id -> encoded state.
std::string SagaRowKey(PartitionId partition, const SagaKey& saga);
absl::StatusOr<SagaKey> ParseSagaRowKey(absl::string_view key);

// Stream index: namespace ‖ id ‖ revision of the first commit -> that window's commits.
std::string StreamIndexPrefix(PartitionId partition, const SagaKey& saga);
std::string StreamIndexKey(PartitionId partition, const SagaKey& saga, Revision first);
// Precondition: at least one commit, dense in revisions.
std::string EncodeStreamIndex(const History& commits);
// Appends the row's commits to `commits`.
absl::Status DecodeStreamIndex(absl::string_view key, absl::string_view value, History* commits);
// All that rows (storage::Views, storage::Delta) have of a saga, or of a partition's own stream.
template <typename Rows>
absl::StatusOr<History> ReadStreamIndex(const Rows& rows, PartitionId partition,
                                        const SagaKey& saga) {
  History commits;
  absl::Status malformed;
  const std::string prefix = StreamIndexPrefix(partition, saga);
  SKALD_RETURN_IF_ERROR(rows.Scan(prefix, storage::PrefixEnd(prefix),
                                  [&](absl::string_view key, absl::string_view value) {
                                    malformed = DecodeStreamIndex(key, value, &commits);
                                    return malformed.ok();
                                  }));
  SKALD_RETURN_IF_ERROR(malformed);
  return commits;
}

// Timers: due ‖ namespace ‖ id ‖ frame and kind -> nothing.
std::string TimerBound(PartitionId partition, Timestamp due);
std::string TimerKey(PartitionId partition, const SagaKey& saga, const saga::Timer& timer);
struct TimerRow {
  SagaKey saga;
  saga::Timer timer;
};
absl::StatusOr<TimerRow> ParseTimerKey(absl::string_view key);

// Tasks: function ‖ time ‖ namespace ‖ id ‖ frame ‖ attempt. Under a function stand the calls that
// workers should have; under no function those that were given up and whose answer may still come.
std::string ReadyTaskKey(PartitionId partition, const SagaKey& saga, absl::string_view function,
                         Timestamp created, saga::FrameId frame, uint32_t attempt);
// Of all tasks of a function.
std::string ReadyTaskPrefix(PartitionId partition, absl::string_view function);
std::string EncodeReadyTask(const task::ReadyTask& task);
// A task that was given up has an empty function and nothing but its token.
absl::StatusOr<task::ReadyTask> DecodeReadyTask(absl::string_view key, absl::string_view value);

// Dedup: namespace ‖ request id -> what the request was and where it went.
struct DedupRow {
  uint64_t digest = 0;
  Position position;  // of the last event of its commit
  Timestamp time;
  std::string saga_id;
};
std::string DedupKey(PartitionId partition, absl::string_view namespace_name,
                     absl::string_view request_id);
std::string EncodeDedup(const DedupRow& row);
absl::StatusOr<DedupRow> DecodeDedup(absl::string_view value);
// Expiry: commit time ‖ namespace ‖ request id -> nothing.
std::string DedupExpiryBound(PartitionId partition, Timestamp time);
std::string DedupExpiryKey(PartitionId partition, Timestamp time, absl::string_view namespace_name,
                           absl::string_view request_id);
struct DedupExpiryRow {
  Timestamp time;
  std::string namespace_name, request_id;
};
absl::StatusOr<DedupExpiryRow> ParseDedupExpiryKey(absl::string_view key);

// Mailboxes. In: from -> last taken seq. Out: to ‖ 0 -> last sent and last acknowledged seq; to ‖
// seq
// -> position of the commit that sent it, until it is acknowledged.
std::string MailboxInKey(PartitionId partition, PartitionId from);
std::string MailboxOutKey(PartitionId partition, PartitionId to, uint64_t seq);
struct MailboxKey {
  PartitionId other;
  uint64_t seq = 0;
};
absl::StatusOr<MailboxKey> ParseMailboxKey(absl::string_view key);
std::string EncodeNumbers(uint64_t first, uint64_t second = 0);
absl::StatusOr<std::pair<uint64_t, uint64_t>> DecodeNumbers(absl::string_view value);

// Definitions: namespace ‖ name ‖ version -> position of the event, then the hash.
std::string DefinitionKey(PartitionId partition, absl::string_view namespace_name,
                          absl::string_view name, absl::string_view version);
std::string EncodeDefinition(Position position, absl::string_view hash);
struct DefinitionRow {
  Position position;
  std::string hash;
};
absl::StatusOr<DefinitionRow> DecodeDefinition(absl::string_view value);

// Declared read models: name -> as a definition's.
std::string ModelKey(PartitionId partition, absl::string_view name);

}  // namespace skald::partition
