#include "engine/partition/fold.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "engine/partition/duties.h"
#include "engine/partition/own_events.h"
#include "engine/saga/evolve.h"

namespace skald::partition {
namespace {

using log::v1::CommitHeader;
using log::v1::Event;
using log::v1::EventBodies;

// A state in memory against its row: strings become nodes and vectors.
constexpr size_t kStateBytes = 1'024;
constexpr size_t kStateFactor = 3;

size_t CachedBytes(size_t row_bytes) { return kStateBytes + kStateFactor * row_bytes; }

// The partition's own stream.
const SagaKey& OwnStream() {
  static const SagaKey* const kOwn = new SagaKey();
  return *kOwn;
}

IndexedCommit Indexed(const CommitHeader& header) {
  return {Position(header.first_position()), header.count(), Revision(header.first_revision())};
}

std::string TextOfSlot(absl::string_view slot) {
  const absl::StatusOr<Json> value = Json::Parse(slot, kStoredJson);
  SKALD_CHECK(value.ok() && value->is_string());
  return std::string(value->AsString());
}

}  // namespace

DefinitionPtr MakeDefinition(const log::v1::DefinitionDeployed& event, Timestamp time,
                             Position position, absl::string_view text_json,
                             ProgramSource& programs) {
  auto definition = std::make_shared<Definition>();
  definition->namespace_name = event.namespace_();
  definition->name = event.name();
  definition->version = event.version();
  definition->hash = event.hash();
  definition->text = TextOfSlot(text_json);
  definition->deployed = time;
  definition->position = position;
  definition->program = programs.Get(definition->hash, definition->text);
  return definition;
}

Fold::Fold(const FoldOptions& options, const storage::Views& views, ProgramSource& programs)
    : options_(options),
      programs_(programs),
      delta_(views, options.partition),
      cache_(options.cached_state_bytes),
      models_(options.partition),
      mailbox_(options.partition),
      dedup_(options.partition) {}

// ---- What views hold ----

absl::Status Fold::Load(const storage::EventLog& log) {
  SKALD_RETURN_IF_ERROR(LoadOwnRevision());
  SKALD_RETURN_IF_ERROR(LoadDefinitions(log));
  SKALD_RETURN_IF_ERROR(LoadModels(log));
  return mailbox_.Load(delta_);
}

absl::Status Fold::LoadOwnRevision() {
  SKALD_ASSIGN_OR_RETURN(const History commits, FindHistory(OwnStream(), Revision(0)));
  if (!commits.empty()) {
    own_revision_ = commits.back().revision.Plus(commits.back().count);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DefinitionRow>> Fold::ReadRows(storage::Table table) const {
  std::vector<DefinitionRow> rows;
  absl::Status malformed;
  const std::string prefix = TablePrefix(table, options_.partition);
  SKALD_RETURN_IF_ERROR(delta_.Scan(prefix, storage::PrefixEnd(prefix),
                                    [&](absl::string_view, absl::string_view value) {
                                      absl::StatusOr<DefinitionRow> row = DecodeDefinition(value);
                                      malformed = row.status();
                                      if (row.ok()) rows.push_back(*std::move(row));
                                      return malformed.ok();
                                    }));
  SKALD_RETURN_IF_ERROR(malformed);
  return rows;
}

absl::StatusOr<std::unique_ptr<storage::LogCursor>> Fold::ReadCommit(const storage::EventLog& log,
                                                                     Position position) {
  std::unique_ptr<storage::LogCursor> cursor = log.Read(options_.partition, position);
  if (!cursor->Valid()) {
    SKALD_RETURN_IF_ERROR(cursor->status());
    return LogCorruptError(options_.partition, position, "what was deployed there is missing");
  }
  SKALD_RETURN_IF_ERROR(storage::DecodeCommit(cursor->record(), &commit_));
  if (!bodies_.ParseFromArray(commit_.bodies.data(), static_cast<int>(commit_.bodies.size()))) {
    return LogCorruptError(options_.partition, position, "events cannot be read");
  }
  return cursor;
}

absl::StatusOr<absl::string_view> Fold::SlotText(Position position, size_t slot) const {
  if (slot == 0 || slot > commit_.slots.size()) {
    return LogCorruptError(options_.partition, position, "what was deployed there has no text");
  }
  return commit_.slots[slot - 1];
}

absl::Status Fold::LoadDefinitions(const storage::EventLog& log) {
  SKALD_ASSIGN_OR_RETURN(const std::vector<DefinitionRow> rows,
                         ReadRows(storage::Table::kDefinition));
  for (const DefinitionRow& row : rows) {
    SKALD_ASSIGN_OR_RETURN(const auto cursor, ReadCommit(log, row.position));
    for (const Event& event : bodies_.events()) {
      if (event.definition_deployed().hash() != row.hash) continue;
      SKALD_ASSIGN_OR_RETURN(const absl::string_view text,
                             SlotText(row.position, event.definition_deployed().text_slot()));
      definitions_.Add(MakeDefinition(event.definition_deployed(),
                                      Timestamp(commit_.header.time_us()), row.position, text,
                                      programs_));
    }
  }
  return absl::OkStatus();
}

absl::Status Fold::LoadModels(const storage::EventLog& log) {
  SKALD_ASSIGN_OR_RETURN(const std::vector<DefinitionRow> rows, ReadRows(storage::Table::kModel));
  for (const DefinitionRow& row : rows) {
    SKALD_ASSIGN_OR_RETURN(const auto cursor, ReadCommit(log, row.position));
    for (const Event& event : bodies_.events()) {
      if (event.model_deployed().hash() != row.hash) continue;
      SKALD_ASSIGN_OR_RETURN(const absl::string_view text,
                             SlotText(row.position, event.model_deployed().text_slot()));
      models_.Add(MakeDeployedModel(event.model_deployed(), commit_.header, row.position, text));
    }
  }
  return absl::OkStatus();
}

void Fold::SetLast(Position position, Timestamp time) {
  last_position_ = position;
  last_time_ = std::max(last_time_, time);
}

absl::StatusOr<CachedSaga*> Fold::Find(const SagaKey& key) {
  if (CachedSaga* const saga = cache_.Find(key)) return saga;
  SKALD_ASSIGN_OR_RETURN(const std::optional<std::string> row,
                         delta_.Get(SagaRowKey(options_.partition, key)));
  if (!row) return nullptr;
  SKALD_ASSIGN_OR_RETURN(saga::SagaState state, saga::DecodeState(*row));
  return &cache_.Insert(std::move(state), CachedBytes(row->size()));
}

absl::StatusOr<History> Fold::FindHistory(const SagaKey& key, Revision from) {
  SKALD_ASSIGN_OR_RETURN(History commits, ReadStreamIndex(delta_, options_.partition, key));
  const History* unsealed = &own_commits_;
  if (key != OwnStream()) {
    const CachedSaga* const saga = cache_.Find(key);
    unsealed = saga != nullptr ? &saga->commits : nullptr;
  }
  if (unsealed != nullptr) commits.insert(commits.end(), unsealed->begin(), unsealed->end());
  const auto first = std::find_if(commits.begin(), commits.end(), [&](const IndexedCommit& each) {
    return each.revision.Plus(each.count) > from;
  });
  commits.erase(commits.begin(), first);
  return commits;
}

// ---- Commits ----

void Fold::NoteCommit(const CommitHeader& header) {
  last_position_ = Position(header.first_position() + header.count() - 1);
  last_time_ = Timestamp(header.time_us());
  unsealed_events_ += header.count();
}

void Fold::Pin(CachedSaga& saga) {
  for (DutyRow& row : DutyRows(options_.partition, saga.state)) {
    saga.sealed_keys.push_back(std::move(row.key));
  }
  cache_.Pin(saga);
}

CachedSaga& Fold::Take(const CommitHeader& header, CachedSaga* saga, saga::SagaState& after) {
  if (saga == nullptr) {
    saga = &cache_.InsertPinned(std::move(after));
  } else {
    if (!saga->changed) Pin(*saga);
    std::swap(saga->state, after);
  }
  saga->commits.push_back(Indexed(header));
  dedup_.Fold(header, delta_);
  NoteCommit(header);
  return *saga;
}

void Fold::AddDefinition(const log::v1::DefinitionDeployed& event, Timestamp time,
                         Position position, absl::string_view text_json) {
  definitions_.Add(MakeDefinition(event, time, position, text_json, programs_));
  delta_.Put(
      DefinitionKey(options_.partition, event.namespace_(), event.name(), event.version()),
      EncodeDefinition(position, event.hash()));
}

void Fold::TakeOwn(const CommitHeader& header, const EventBodies& bodies,
                   absl::Span<const std::string> slots) {
  const Position first(header.first_position());
  for (int i = 0; i < bodies.events_size(); ++i) {
    TakeOwnEvent(header, bodies.events(i), first.Plus(static_cast<uint64_t>(i)), slots);
  }
  EndOwn(header);
}

void Fold::TakeOwnEvent(const CommitHeader& header, const Event& event, Position position,
                        absl::Span<const std::string> slots) {
  const Timestamp time(header.time_us());
  switch (event.kind_case()) {
    case Event::kDefinitionDeployed:
      AddDefinition(event.definition_deployed(), time, position,
                    slots[event.definition_deployed().text_slot() - 1]);
      break;
    case Event::kMessageSent:
      mailbox_.OnSent(PartitionId(event.message_sent().to()), event.message_sent().seq(),
                      Position(header.first_position()), time, delta_);
      break;
    case Event::kMessageReceived:
      mailbox_.OnTaken(PartitionId(event.message_received().from()), event.message_received().seq(),
                       delta_);
      break;
    case Event::kMessageRefused:
      mailbox_.OnTaken(PartitionId(event.message_refused().from()), event.message_refused().seq(),
                       delta_);
      break;
    case Event::kMessagesAcked:
      mailbox_.OnAcked(PartitionId(event.messages_acked().to()), event.messages_acked().through(),
                       delta_);
      break;
    case Event::kModelDeployed:
      models_.OnDeployed(MakeDeployedModel(event.model_deployed(), header, position,
                                           slots[event.model_deployed().text_slot() - 1]),
                         delta_);
      break;
    case Event::kModelDropped:
      models_.OnDropped(event.model_dropped().name(), delta_);
      break;
    case Event::kAuditKeyRotated:
      // For auditors: nothing here depends on it.
      break;
    default:
      // A saga's event never stands in this stream, and an unknown kind must stop us.
      SKALD_CHECK(false);
  }
}

void Fold::EndOwn(const CommitHeader& header) {
  own_commits_.push_back(Indexed(header));
  own_revision_ = Revision(header.first_revision() + header.count());
  NoteCommit(header);
}

absl::Status Fold::Replay(absl::string_view record) {
  SKALD_RETURN_IF_ERROR(storage::DecodeCommit(record, &commit_));
  const CommitHeader& header = commit_.header;
  const Position first(header.first_position());
  if (header.partition() != options_.partition.value() || first != last_position_.Next()) {
    return LogCorruptError(options_.partition, last_position_.Next(), "the commit is missing");
  }
  if (!bodies_.ParseFromArray(commit_.bodies.data(), static_cast<int>(commit_.bodies.size())) ||
      static_cast<uint32_t>(bodies_.events_size()) != header.count()) {
    return LogCorruptError(options_.partition, first, "events cannot be read");
  }
  if (header.time_us() < 0) {
    return EventNotFoldableError(options_.partition, first, "its time is before 1970");
  }
  return header.saga_id().empty() ? ReplayOwn(header, bodies_) : ReplaySaga(header, bodies_);
}

absl::Status Fold::ReplayOwn(const CommitHeader& header, const EventBodies& bodies) {
  const Position first(header.first_position());
  if (header.first_revision() != own_revision_.value()) {
    return LogCorruptError(options_.partition, first, "a commit of its own stream is missing");
  }
  const std::vector<std::string> slots(commit_.slots.begin(), commit_.slots.end());
  const OwnState state{definitions_, mailbox_, options_.partition_count};
  for (int i = 0; i < bodies.events_size(); ++i) {
    const Position position = first.Plus(static_cast<uint64_t>(i));
    const absl::string_view why = ObjectionTo(bodies.events(i), slots, state);
    if (!why.empty()) return EventNotFoldableError(options_.partition, position, why);
    TakeOwnEvent(header, bodies.events(i), position, slots);
  }
  EndOwn(header);
  return absl::OkStatus();
}

absl::Status Fold::ReplaySaga(const CommitHeader& header, const EventBodies& bodies) {
  slots_.clear();
  for (const absl::string_view slot : commit_.slots) {
    absl::StatusOr<Json> value = Json::Parse(slot, kStoredJson);
    if (!value.ok()) {
      return LogCorruptError(options_.partition, Position(header.first_position()),
                             "a payload is no JSON");
    }
    slots_.push_back(*std::move(value));
  }
  const SagaKey key{header.namespace_(), header.saga_id()};
  SKALD_ASSIGN_OR_RETURN(CachedSaga * saga, Find(key));
  if (header.first_revision() != (saga == nullptr ? 0 : saga->state.events)) {
    return LogCorruptError(options_.partition, Position(header.first_position()),
                           "an earlier event of its saga is missing");
  }
  saga::SagaState born;
  if (saga != nullptr && !saga->changed) Pin(*saga);
  saga::SagaState& state = saga == nullptr ? born : saga->state;
  for (uint32_t i = 0; i < header.count(); ++i) {
    SKALD_RETURN_IF_ERROR(saga::EvolveRead(bodies.events(static_cast<int>(i)),
                                           {.header = header,
                                            .revision = Revision(header.first_revision() + i),
                                            .position = Position(header.first_position() + i),
                                            .slots = slots_},
                                           state));
  }
  if (saga == nullptr) saga = &cache_.InsertPinned(std::move(born));
  saga->commits.push_back(Indexed(header));
  dedup_.Fold(header, delta_);
  NoteCommit(header);
  return absl::OkStatus();
}

// ---- Sealing ----

void Fold::WriteDutyRows(CachedSaga& saga) {
  const std::vector<DutyRow> rows = DutyRows(options_.partition, saga.state);
  auto old = saga.sealed_keys.begin();
  for (const DutyRow& row : rows) {
    while (old != saga.sealed_keys.end() && *old < row.key) delta_.Delete(*old++);
    if (old != saga.sealed_keys.end() && *old == row.key) {
      ++old;
      continue;
    }
    delta_.Put(row.key, DutyValue(saga.state, row));
  }
  while (old != saga.sealed_keys.end()) delta_.Delete(*old++);
  saga.sealed_keys.clear();
}

size_t Fold::WriteRows(CachedSaga& saga) {
  WriteDutyRows(saga);
  delta_.Put(StreamIndexKey(options_.partition, saga.state.key, saga.commits.front().revision),
             EncodeStreamIndex(saga.commits));
  saga.commits.clear();
  std::string row = saga::EncodeState(saga.state);
  const size_t bytes = CachedBytes(row.size());
  delta_.Put(SagaRowKey(options_.partition, saga.state.key), std::move(row));
  return bytes;
}

absl::Status Fold::Seal() {
  sizes_.clear();
  for (CachedSaga* const saga : cache_.pinned()) sizes_.push_back(WriteRows(*saga));
  if (!own_commits_.empty()) {
    delta_.Put(StreamIndexKey(options_.partition, OwnStream(), own_commits_.front().revision),
               EncodeStreamIndex(own_commits_));
    own_commits_.clear();
  }
  SKALD_RETURN_IF_ERROR(dedup_.Expire(last_time_, delta_));
  delta_.Seal(last_position_);
  unsealed_events_ = 0;
  cache_.UnpinAll(sizes_);
  return absl::OkStatus();
}

}  // namespace skald::partition
