#include "base/errors.h"

#include <array>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/json.h"

namespace skald {
namespace {

constexpr char kPayloadType[] = "skald/ErrorInfo";

// In the order of the enum.
constexpr std::array<absl::string_view, 36> kReasonNames = {
    "BAD_REQUEST",           "DEFINITION_INVALID",
    "DEFINITION_NOT_FOUND",  "DEFINITION_ALREADY_EXISTS",
    "SAGA_NOT_FOUND",        "SAGA_ALREADY_EXISTS",
    "SAGA_ALREADY_ENDED",    "SAGA_NOT_SUSPENDED",
    "SAGA_PARKED",           "SAGA_PIVOT_PASSED",
    "REQUEST_ID_REUSED",     "TASK_NOT_FOUND",
    "TASK_NOT_RUNNING",      "TASK_NOT_PARKED",
    "COMMIT_TOO_LARGE",      "SAGA_TOO_LARGE",
    "PARTITION_OVERLOADED",  "DISK_SPACE_LOW",
    "PARTITION_NOT_SERVING", "DEADLINE_PASSED",
    "RESUME_TOKEN_INVALID",  "LOG_CORRUPT",
    "MODEL_INVALID",         "MODEL_NOT_FOUND",
    "MODEL_BEHIND",          "MODEL_STOPPED",
    "MODEL_WITHOUT_HISTORY", "ROW_NOT_FOUND",
    "QUERY_TOO_LARGE",       "TOO_MANY_MODELS",
    "MODEL_REBUILDING",      "MODEL_NOT_REBUILDING",
    "MODEL_NOT_BUILT",       "AUDIT_KEY_UNUSABLE",
    "MODEL_CHANGED",         "INTERNAL"};
static_assert(kReasonNames.size() == static_cast<size_t>(ErrorReason::kInternal) + 1);

Json PairsToJson(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json::ArrayBuilder array;
  for (const auto& [key, value] : pairs) {
    array.Add(Json::Array({Json::String(key), Json::String(value)}));
  }
  return std::move(array).Build();
}

std::vector<std::pair<std::string, std::string>> PairsFromJson(const Json& array) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!array.is_array()) return pairs;
  for (const Json& pair : array.AsArray()) {
    pairs.emplace_back(pair.At(0).AsString(), pair.At(1).AsString());
  }
  return pairs;
}

std::string Quoted(const SagaKey& key) {
  return absl::StrCat("'", key.namespace_name, "/", key.saga_id, "'");
}

ErrorInfo SagaInfo(ErrorReason reason, const SagaKey& key) {
  return {.reason = reason,
          .metadata = {{"namespace", key.namespace_name}, {"saga_id", key.saga_id}}};
}

ErrorInfo TaskInfo(ErrorReason reason, const SagaKey& key, absl::string_view task) {
  ErrorInfo info = SagaInfo(reason, key);
  info.metadata.emplace_back("task", std::string(task));
  return info;
}

std::string Listed(absl::string_view start,
                   const std::vector<std::pair<std::string, std::string>>& violations) {
  std::string text(start);
  for (const auto& [place, problem] : violations) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", place, place.empty() ? "" : ": ", problem);
  }
  return text;
}

}  // namespace

absl::string_view ErrorReasonName(ErrorReason reason) {
  return kReasonNames[static_cast<size_t>(reason)];
}

absl::Status MakeError(absl::StatusCode code, absl::string_view message, const ErrorInfo& info) {
  absl::Status status(code, message);
  Json::ObjectBuilder payload;
  payload.Add("reason", Json::Int(static_cast<int64_t>(info.reason)));
  payload.Add("metadata", PairsToJson(info.metadata));
  payload.Add("violations", PairsToJson(info.violations));
  if (info.retry_after) payload.Add("retry_after", Json::Int(*info.retry_after));
  status.SetPayload(kPayloadType, absl::Cord(std::move(payload).Build().ToText()));
  return status;
}

std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status) {
  auto cord = status.GetPayload(kPayloadType);
  if (!cord.has_value()) return std::nullopt;
  absl::StatusOr<Json> payload = Json::Parse(std::string(*cord));
  if (!payload.ok()) return std::nullopt;
  ErrorInfo info;
  info.reason = static_cast<ErrorReason>(payload->Get("reason").AsInt());
  info.metadata = PairsFromJson(payload->Get("metadata"));
  info.violations = PairsFromJson(payload->Get("violations"));
  if (const Json* retry = payload->Find("retry_after")) info.retry_after = retry->AsInt();
  return info;
}

bool HasReason(const absl::Status& status, ErrorReason reason) {
  std::optional<ErrorInfo> info = GetErrorInfo(status);
  return info.has_value() && info->reason == reason;
}

absl::Status BadRequestError(absl::string_view field, absl::string_view problem) {
  return BadRequestError({{std::string(field), std::string(problem)}});
}

absl::Status BadRequestError(std::vector<std::pair<std::string, std::string>> violations) {
  std::string message = Listed("", violations);
  return MakeError(absl::StatusCode::kInvalidArgument, message,
                   {.reason = ErrorReason::kBadRequest, .violations = std::move(violations)});
}

absl::Status DefinitionInvalidError(absl::string_view message,
                                    std::vector<std::pair<std::string, std::string>> violations) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, message,
      {.reason = ErrorReason::kDefinitionInvalid, .violations = std::move(violations)});
}

absl::Status ResumeTokenInvalidError(absl::string_view problem) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("The token cannot be used: ", problem, "; start again without it"),
                   {.reason = ErrorReason::kResumeTokenInvalid,
                    .metadata = {{"problem", std::string(problem)}}});
}

absl::Status DefinitionNotFoundError(absl::string_view namespace_name, absl::string_view name,
                                     absl::string_view version) {
  return MakeError(
      absl::StatusCode::kNotFound,
      absl::StrCat("No definition '", namespace_name, "/", name, version.empty() ? "" : ":",
                   version, "' is deployed; deploy it first"),
      {.reason = ErrorReason::kDefinitionNotFound,
       .metadata = {{"namespace", std::string(namespace_name)},
                    {"name", std::string(name)},
                    {"version", std::string(version)}}});
}

absl::Status SagaNotFoundError(const SagaKey& key) {
  return MakeError(absl::StatusCode::kNotFound,
                   absl::StrCat("No saga ", Quoted(key), " exists; check its namespace and id"),
                   SagaInfo(ErrorReason::kSagaNotFound, key));
}

absl::Status SagaNotYetError(const SagaKey& key, absl::string_view began) {
  return MakeError(absl::StatusCode::kNotFound,
                   absl::StrCat("Saga ", Quoted(key), " did not exist then; it began ", began),
                   SagaInfo(ErrorReason::kSagaNotFound, key));
}

absl::Status TaskNotFoundError(const SagaKey& key, absl::string_view task) {
  return MakeError(absl::StatusCode::kNotFound,
                   absl::StrCat("Saga ", Quoted(key), " has no parked task '", task, "'"),
                   TaskInfo(ErrorReason::kTaskNotFound, key, task));
}

absl::Status DefinitionAlreadyExistsError(absl::string_view namespace_name, absl::string_view name,
                                          absl::string_view version) {
  return MakeError(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("Definition '", namespace_name, "/", name, ":", version,
                                "' is deployed with another text; a version never changes: raise "
                                "document.version"),
                   {.reason = ErrorReason::kDefinitionAlreadyExists,
                    .metadata = {{"namespace", std::string(namespace_name)},
                                 {"name", std::string(name)},
                                 {"version", std::string(version)}}});
}

absl::Status SagaAlreadyExistsError(const SagaKey& key) {
  return MakeError(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("Saga ", Quoted(key), " exists and was started by another request"),
                   SagaInfo(ErrorReason::kSagaAlreadyExists, key));
}

absl::Status RequestIdReusedError(absl::string_view request_id) {
  return MakeError(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("Request id '", request_id,
                                "' was used for a request with another content; use a new id"),
                   {.reason = ErrorReason::kRequestIdReused,
                    .metadata = {{"request_id", std::string(request_id)}}});
}

absl::Status SagaAlreadyEndedError(const SagaKey& key, absl::string_view status) {
  ErrorInfo info = SagaInfo(ErrorReason::kSagaAlreadyEnded, key);
  info.metadata.emplace_back("status", std::string(status));
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("Saga ", Quoted(key), " has already ended: it is ", status), info);
}

absl::Status SagaNotSuspendedError(const SagaKey& key, absl::string_view status) {
  ErrorInfo info = SagaInfo(ErrorReason::kSagaNotSuspended, key);
  info.metadata.emplace_back("status", std::string(status));
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("Saga ", Quoted(key), " is not suspended by an operator: it is ", status), info);
}

absl::Status SagaParkedError(const SagaKey& key, absl::string_view verbs) {
  ErrorInfo info = SagaInfo(ErrorReason::kSagaParked, key);
  info.metadata.emplace_back("verbs", std::string(verbs));
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("Saga ", Quoted(key), " is parked, not suspended: use ", verbs),
                   info);
}

absl::Status SagaPivotPassedError(const SagaKey& key, absl::string_view scope) {
  ErrorInfo info = SagaInfo(ErrorReason::kSagaPivotPassed, key);
  info.metadata.emplace_back("scope", std::string(scope));
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("Saga ", Quoted(key), " has passed the pivot of scope '", scope,
                   "' and can only go forward; force the cancel to stop it without undo"),
      info);
}

absl::Status TaskNotRunningError(const SagaKey& key, absl::string_view task,
                                 absl::string_view detail) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("Expected an answer to an open attempt of ",
                                task.empty() ? "a task" : absl::StrCat("task '", task, "'"),
                                " of saga ", Quoted(key), ", but ", detail),
                   TaskInfo(ErrorReason::kTaskNotRunning, key, task));
}

absl::Status TaskNotParkedError(const SagaKey& key, absl::string_view task,
                                absl::string_view detail) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat(task.empty() ? "" : absl::StrCat("Task '", task, "' of "),
                                task.empty() ? "Saga " : "saga ", Quoted(key),
                                " cannot be handled so: ", detail),
                   TaskInfo(ErrorReason::kTaskNotParked, key, task));
}

absl::Status QueryTooLargeError(absl::string_view sentence, absl::string_view limit) {
  return MakeError(absl::StatusCode::kResourceExhausted, sentence,
                   {.reason = ErrorReason::kQueryTooLarge,
                    .metadata = {{"limit", std::string(limit)}}});
}

absl::Status CommitTooLargeError(size_t bytes, size_t bytes_max) {
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("The change would take ", bytes, " bytes in the log; at most ", bytes_max,
                   " are allowed. Store the large value elsewhere and pass a reference to it"),
      {.reason = ErrorReason::kCommitTooLarge,
       .metadata = {{"bytes", absl::StrCat(bytes)}, {"bytes_max", absl::StrCat(bytes_max)}}});
}

absl::Status TooManyModelsError(size_t models_max) {
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat("There are ", models_max,
                                " declared read models already, and more are not allowed. Drop one "
                                "that nobody reads"),
                   {.reason = ErrorReason::kTooManyModels,
                    .metadata = {{"models_max", absl::StrCat(models_max)}}});
}

absl::Status SagaTooLargeError(const SagaKey& key, size_t bytes, size_t bytes_max) {
  ErrorInfo info = SagaInfo(ErrorReason::kSagaTooLarge, key);
  info.metadata.emplace_back("bytes", absl::StrCat(bytes));
  info.metadata.emplace_back("bytes_max", absl::StrCat(bytes_max));
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat("The history of saga ", Quoted(key), " takes ", bytes,
                                " bytes and more; a bundle has ", bytes_max,
                                " at most. Read its events instead"),
                   info);
}

absl::Status PartitionOverloadedError(PartitionId partition, Micros retry_after) {
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat("Partition ", partition.value(),
                                " has too many requests under way; try again later"),
                   {.reason = ErrorReason::kPartitionOverloaded,
                    .metadata = {{"partition", absl::StrCat(partition.value())}},
                    .retry_after = retry_after});
}

absl::Status DiskSpaceLowError(uint64_t free_bytes, uint64_t unwritten_bytes,
                               uint64_t floor_bytes) {
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("The data directory's disk has ", free_bytes, " bytes free, of which ",
                   unwritten_bytes, " are for what is in memory still; the floor is ", floor_bytes,
                   ": free some space; running sagas go on"),
      {.reason = ErrorReason::kDiskSpaceLow,
       .metadata = {{"free_bytes", absl::StrCat(free_bytes)},
                    {"unwritten_bytes", absl::StrCat(unwritten_bytes)},
                    {"floor_bytes", absl::StrCat(floor_bytes)}},
       .retry_after = 5 * kSecond});
}

absl::Status DiskSpaceOutError(uint64_t free_bytes, uint64_t floor_bytes) {
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("The data directory's disk has ", free_bytes, " bytes free, under the floor of ",
                   floor_bytes, ": free some space; until then there are only reads"),
      {.reason = ErrorReason::kDiskSpaceLow,
       .metadata = {{"free_bytes", absl::StrCat(free_bytes)},
                    {"floor_bytes", absl::StrCat(floor_bytes)}},
       .retry_after = 5 * kSecond});
}

absl::Status ServerOverloadedError(absl::string_view what, Micros retry_after) {
  return MakeError(absl::StatusCode::kResourceExhausted, absl::StrCat(what, "; try again later"),
                   {.reason = ErrorReason::kPartitionOverloaded, .retry_after = retry_after});
}

absl::Status PartitionNotServingError(PartitionId partition, absl::string_view why) {
  return MakeError(absl::StatusCode::kUnavailable,
                   absl::StrCat("Partition ", partition.value(), " is not serving: ", why),
                   {.reason = ErrorReason::kPartitionNotServing,
                    .metadata = {{"partition", absl::StrCat(partition.value())}},
                    .retry_after = kSecond});
}

absl::Status ServerStoppingError() {
  return MakeError(absl::StatusCode::kUnavailable, "The server is stopping; connect again",
                   {.reason = ErrorReason::kPartitionNotServing, .retry_after = kSecond});
}

absl::Status DeadlinePassedError(absl::string_view waited_for) {
  return MakeError(absl::StatusCode::kDeadlineExceeded,
                   absl::StrCat("The deadline passed before ", waited_for),
                   {.reason = ErrorReason::kDeadlinePassed});
}

absl::Status LogCorruptError(PartitionId partition, Position position, absl::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss,
                   absl::StrCat("The log of partition ", partition.value(),
                                " is damaged at position ", position.value(), ": ", what),
                   {.reason = ErrorReason::kLogCorrupt,
                    .metadata = {{"partition", absl::StrCat(partition.value())},
                                 {"position", absl::StrCat(position.value())}}});
}

absl::Status EventNotFoldableError(PartitionId partition, Position position,
                                   absl::string_view what) {
  return LogCorruptError(partition, position,
                         absl::StrCat(what, ". If a newer build of Skald wrote it, use that one"));
}

absl::Status ModelInvalidError(absl::string_view message,
                               std::vector<std::pair<std::string, std::string>> violations) {
  return MakeError(absl::StatusCode::kInvalidArgument, message,
                   {.reason = ErrorReason::kModelInvalid, .violations = std::move(violations)});
}

absl::Status ModelNotFoundError(absl::string_view model) {
  return MakeError(
      absl::StatusCode::kNotFound,
      absl::StrCat("There is no read model '", model,
                   "'; `skald models status` lists those that are folded from the log"),
      {.reason = ErrorReason::kModelNotFound, .metadata = {{"model", std::string(model)}}});
}

absl::Status RowNotFoundError(absl::string_view model, absl::string_view key) {
  return MakeError(absl::StatusCode::kNotFound,
                   absl::StrCat("Read model '", model, "' has no row of the key ", key),
                   {.reason = ErrorReason::kRowNotFound,
                    .metadata = {{"model", std::string(model)}, {"key", std::string(key)}}});
}

absl::Status ModelRebuildingError(absl::string_view model) {
  return MakeError(absl::StatusCode::kAlreadyExists,
                   absl::StrCat("Read model '", model, "' is being rebuilt already"),
                   {.reason = ErrorReason::kModelRebuilding,
                    .metadata = {{"model", std::string(model)}}});
}

absl::Status ModelNotRebuildingError(absl::string_view model) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("Read model '", model, "' is not being rebuilt"),
                   {.reason = ErrorReason::kModelNotRebuilding,
                    .metadata = {{"model", std::string(model)}}});
}

absl::Status ModelNotBuiltError(absl::string_view model, absl::string_view why) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("Read model '", model, "' has not been built: ", why,
                   ". Build it with `skald rebuild ", model, "`"),
      {.reason = ErrorReason::kModelNotBuilt, .metadata = {{"model", std::string(model)}}});
}

absl::Status ModelWithoutHistoryError(absl::string_view model) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("Read model '", model,
                                "' keeps no history, so it is known only as of now; declare it with "
                                "`history: true`"),
                   {.reason = ErrorReason::kModelWithoutHistory,
                    .metadata = {{"model", std::string(model)}}});
}

absl::Status ModelStoppedError(absl::string_view model, PartitionId partition, Position position,
                               absl::string_view why) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("Read model '", model, "' stands still before position ", position.value(),
                   " of partition ", partition.value(), ", which it cannot fold: ", why,
                   ". Deploy a better declaration of it, or one with `onError: park`"),
      {.reason = ErrorReason::kModelStopped,
       .metadata = {{"model", std::string(model)},
                    {"partition", absl::StrCat(partition.value())},
                    {"position", absl::StrCat(position.value())}}});
}

absl::Status AuditKeyUnusableError(absl::string_view sentence, absl::string_view path) {
  ErrorInfo info{.reason = ErrorReason::kAuditKeyUnusable};
  if (!path.empty()) info.metadata.emplace_back("path", std::string(path));
  return MakeError(absl::StatusCode::kFailedPrecondition, sentence, info);
}

absl::Status ModelChangedError(absl::string_view model) {
  return MakeError(
      absl::StatusCode::kAborted,
      absl::StrCat("Read model '", model, "' has other columns now; watch it anew"),
      {.reason = ErrorReason::kModelChanged, .metadata = {{"model", std::string(model)}}});
}

absl::Status ModelBehindError(absl::string_view model, uint64_t events_behind) {
  return MakeError(absl::StatusCode::kUnavailable,
                   absl::StrCat("Read model '", model, "' is ", events_behind,
                                " events behind what the read wants; try again, or read stale rows"),
                   {.reason = ErrorReason::kModelBehind,
                    .metadata = {{"model", std::string(model)},
                                 {"events_behind", absl::StrCat(events_behind)}},
                    .retry_after = 100 * kMillisecond});
}

absl::Status InternalError(absl::string_view message) {
  return MakeError(absl::StatusCode::kInternal, message, {.reason = ErrorReason::kInternal});
}

}  // namespace skald
