#include "engine/partition/rows.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace skald::partition {
namespace {

using storage::KeyBuilder;
using storage::KeyParser;
using storage::Table;

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("A view row is malformed: ", what,
                                          "; delete the views folder, it is rebuilt from the log"));
}

void AppendVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void AppendText(absl::string_view text, std::string& out) {
  AppendVarint(text.size(), out);
  out.append(text.data(), text.size());
}

// Takes a value apart. After a wrong byte everything is zero and AtEnd is false.
class ValueReader {
 public:
  explicit ValueReader(absl::string_view bytes) : rest_(bytes) {}

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string Text() {
    const uint64_t size = Varint();
    if (size > rest_.size()) {
      ok_ = false;
      return "";
    }
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }

  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

// Times in values may be kNever.
void AppendTime(Timestamp time, std::string& out) {
  AppendVarint(static_cast<uint64_t>(time.value()), out);
}

Timestamp ReadTime(ValueReader& reader) {
  return Timestamp(static_cast<int64_t>(reader.Varint()));
}

KeyBuilder SagaPart(Table table, PartitionId partition, const SagaKey& saga) {
  KeyBuilder builder(table, partition);
  builder.Text(saga.namespace_name).Text(saga.saga_id);
  return builder;
}

SagaKey ReadSaga(KeyParser& parser) {
  SagaKey saga;
  saga.namespace_name = parser.Text();
  saga.saga_id = parser.Text();
  return saga;
}

// Kinds of timers fit into four bits below the frame's number.
constexpr int kKindBits = 4;

}  // namespace

std::string TablePrefix(Table table, PartitionId partition) {
  return KeyBuilder(table, partition).Build();
}

std::string SagaRowKey(PartitionId partition, const SagaKey& saga) {
  return SagaPart(Table::kSaga, partition, saga).Build();
}

absl::StatusOr<SagaKey> ParseSagaRowKey(absl::string_view key) {
  KeyParser parser(key);
  SagaKey saga = ReadSaga(parser);
  if (!parser.AtEnd()) return Malformed("key of a saga");
  return saga;
}

// ---- Stream index ----

std::string StreamIndexPrefix(PartitionId partition, const SagaKey& saga) {
  return SagaPart(Table::kStreamIndex, partition, saga).Build();
}

std::string StreamIndexKey(PartitionId partition, const SagaKey& saga, Revision first) {
  return std::move(SagaPart(Table::kStreamIndex, partition, saga).Number(first.value())).Build();
}

// The first position, then of each commit its count and the gap to the next one's first position.
std::string EncodeStreamIndex(const History& commits) {
  std::string value;
  AppendVarint(commits.front().first.value(), value);
  for (size_t i = 0; i < commits.size(); ++i) {
    AppendVarint(commits[i].count, value);
    if (i + 1 == commits.size()) break;
    AppendVarint(commits[i + 1].first.value() - commits[i].first.value() - commits[i].count, value);
  }
  return value;
}

absl::Status DecodeStreamIndex(absl::string_view key, absl::string_view value, History* commits) {
  KeyParser parser(key);
  ReadSaga(parser);
  Revision revision(parser.Number());
  ValueReader reader(value);
  Position first(reader.Varint());
  while (parser.AtEnd() && reader.ok()) {
    const auto count = static_cast<uint32_t>(reader.Varint());
    commits->push_back({first, count, revision});
    if (reader.AtEnd()) return absl::OkStatus();
    first = first.Plus(count + reader.Varint());
    revision = revision.Plus(count);
  }
  return Malformed("stream index");
}

// ---- Timers ----

std::string TimerBound(PartitionId partition, Timestamp due) {
  return std::move(KeyBuilder(Table::kTimer, partition).Time(due)).Build();
}

std::string TimerKey(PartitionId partition, const SagaKey& saga, const saga::Timer& timer) {
  const uint64_t number = (static_cast<uint64_t>(timer.frame.value()) << kKindBits) |
                          static_cast<uint64_t>(timer.kind);
  return std::move(KeyBuilder(Table::kTimer, partition)
                       .Time(timer.due)
                       .Text(saga.namespace_name)
                       .Text(saga.saga_id)
                       .Number(number))
      .Build();
}

absl::StatusOr<TimerRow> ParseTimerKey(absl::string_view key) {
  KeyParser parser(key);
  TimerRow row;
  row.timer.due = parser.Time();
  row.saga = ReadSaga(parser);
  const uint64_t number = parser.Number();
  using Kind = saga::FireTimer::Kind;
  const uint64_t frame = number >> kKindBits;
  const uint64_t kind = number & ((1u << kKindBits) - 1);
  if (!parser.AtEnd() || frame > std::numeric_limits<uint32_t>::max() ||
      kind < static_cast<uint64_t>(Kind::kDue) || kind > static_cast<uint64_t>(Kind::kContinue)) {
    return Malformed("timer");
  }
  row.timer.frame = saga::FrameId(static_cast<uint32_t>(frame));
  row.timer.kind = static_cast<Kind>(kind);
  return row;
}

// ---- Tasks ----

std::string ReadyTaskKey(PartitionId partition, const SagaKey& saga, absl::string_view function,
                         Timestamp created, saga::FrameId frame, uint32_t attempt) {
  return std::move(KeyBuilder(Table::kReadyTask, partition)
                       .Text(function)
                       .Time(created)
                       .Text(saga.namespace_name)
                       .Text(saga.saga_id)
                       .Number(frame.value())
                       .Number(attempt))
      .Build();
}

std::string ReadyTaskPrefix(PartitionId partition, absl::string_view function) {
  return std::move(KeyBuilder(Table::kReadyTask, partition).Text(function)).Build();
}

std::string EncodeReadyTask(const task::ReadyTask& task) {
  std::string value;
  value.reserve(task.arguments.size() + task.reference.size() + task.idempotency_key.size() + 64);
  AppendText(task.reference, value);
  AppendText(task.definition_name, value);
  AppendText(task.definition_version, value);
  AppendText(task.idempotency_key, value);
  AppendText(task.arguments, value);
  AppendVarint(task.compensation ? 1 : 0, value);
  AppendTime(task.deadline, value);
  return value;
}

absl::StatusOr<task::ReadyTask> DecodeReadyTask(absl::string_view key, absl::string_view value) {
  KeyParser parser(key);
  task::ReadyTask task;
  task.function = parser.Text();
  task.created = parser.Time();
  task.token.saga = ReadSaga(parser);
  task.token.frame = saga::FrameId(static_cast<uint32_t>(parser.Number()));
  task.token.attempt = static_cast<uint32_t>(parser.Number());
  if (!parser.AtEnd()) return Malformed("key of a task");
  if (task.function.empty()) return task;
  ValueReader reader(value);
  task.reference = reader.Text();
  task.definition_name = reader.Text();
  task.definition_version = reader.Text();
  task.idempotency_key = reader.Text();
  task.arguments = reader.Text();
  task.compensation = reader.Varint() != 0;
  task.deadline = ReadTime(reader);
  if (!reader.AtEnd()) return Malformed("task");
  return task;
}

// ---- Dedup ----

std::string DedupKey(PartitionId partition, absl::string_view namespace_name,
                     absl::string_view request_id) {
  return std::move(
             KeyBuilder(Table::kDedup, partition).Text(namespace_name).Raw(request_id))
      .Build();
}

std::string EncodeDedup(const DedupRow& row) {
  std::string value;
  AppendVarint(row.digest, value);
  AppendVarint(row.position.value(), value);
  AppendTime(row.time, value);
  AppendText(row.saga_id, value);
  return value;
}

absl::StatusOr<DedupRow> DecodeDedup(absl::string_view value) {
  ValueReader reader(value);
  DedupRow row;
  row.digest = reader.Varint();
  row.position = Position(reader.Varint());
  row.time = ReadTime(reader);
  row.saga_id = reader.Text();
  if (!reader.AtEnd()) return Malformed("dedup");
  return row;
}

std::string DedupExpiryBound(PartitionId partition, Timestamp time) {
  return std::move(KeyBuilder(Table::kDedupExpiry, partition).Time(time)).Build();
}

std::string DedupExpiryKey(PartitionId partition, Timestamp time, absl::string_view namespace_name,
                           absl::string_view request_id) {
  return std::move(KeyBuilder(Table::kDedupExpiry, partition)
                       .Time(time)
                       .Text(namespace_name)
                       .Raw(request_id))
      .Build();
}

absl::StatusOr<DedupExpiryRow> ParseDedupExpiryKey(absl::string_view key) {
  KeyParser parser(key);
  DedupExpiryRow row;
  row.time = parser.Time();
  row.namespace_name = parser.Text();
  row.request_id = std::string(parser.Rest());
  if (!parser.ok()) return Malformed("expiry of a request");
  return row;
}

// ---- Mailboxes ----

std::string MailboxInKey(PartitionId partition, PartitionId from) {
  return std::move(KeyBuilder(Table::kMailboxIn, partition).Number(from.value())).Build();
}

std::string MailboxOutKey(PartitionId partition, PartitionId to, uint64_t seq) {
  return std::move(KeyBuilder(Table::kMailboxOut, partition).Number(to.value()).Number(seq))
      .Build();
}

absl::StatusOr<MailboxKey> ParseMailboxKey(absl::string_view key) {
  KeyParser parser(key);
  MailboxKey parts;
  parts.other = PartitionId(static_cast<uint32_t>(parser.Number()));
  if (parser.table() == Table::kMailboxOut) parts.seq = parser.Number();
  if (!parser.AtEnd()) return Malformed("mailbox");
  return parts;
}

std::string EncodeNumbers(uint64_t first, uint64_t second) {
  std::string value;
  AppendVarint(first, value);
  AppendVarint(second, value);
  return value;
}

absl::StatusOr<std::pair<uint64_t, uint64_t>> DecodeNumbers(absl::string_view value) {
  ValueReader reader(value);
  const uint64_t first = reader.Varint();
  const uint64_t second = reader.Varint();
  if (!reader.AtEnd()) return Malformed("mark");
  return std::pair(first, second);
}

// ---- Definitions ----

std::string DefinitionKey(PartitionId partition, absl::string_view namespace_name,
                          absl::string_view name, absl::string_view version) {
  return std::move(KeyBuilder(Table::kDefinition, partition)
                       .Text(namespace_name)
                       .Text(name)
                       .Raw(version))
      .Build();
}

std::string EncodeDefinition(Position position, absl::string_view hash) {
  std::string value;
  AppendVarint(position.value(), value);
  AppendText(hash, value);
  return value;
}

absl::StatusOr<DefinitionRow> DecodeDefinition(absl::string_view value) {
  ValueReader reader(value);
  DefinitionRow row;
  row.position = Position(reader.Varint());
  row.hash = reader.Text();
  if (!reader.AtEnd()) return Malformed("definition");
  return row;
}

std::string ModelKey(PartitionId partition, absl::string_view name) {
  return std::move(KeyBuilder(Table::kModel, partition).Raw(name)).Build();
}

}  // namespace skald::partition
