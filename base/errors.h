// Errors that callers can act on: a status code, a sentence, a machine-readable reason and its
// facts.
//
// Made only by the factories below, carried as a payload of absl::Status, and turned into
// google.rpc details at the API's edge. Codes are chosen by what the caller should do. Every
// variable in a message is in the metadata too.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"

namespace skald {

// Named as in proto/skald/v1/error_reason.proto, which tells causes and what a client should do.
enum class ErrorReason {
  kBadRequest,
  kDefinitionInvalid,
  kDefinitionNotFound,
  kDefinitionAlreadyExists,
  kSagaNotFound,
  kSagaAlreadyExists,
  kSagaAlreadyEnded,
  kSagaNotSuspended,
  kSagaParked,
  kSagaPivotPassed,
  kRequestIdReused,
  kTaskNotFound,
  kTaskNotRunning,
  kTaskNotParked,
  kCommitTooLarge,
  kSagaTooLarge,
  kPartitionOverloaded,
  kDiskSpaceLow,
  kPartitionNotServing,
  kDeadlinePassed,
  kResumeTokenInvalid,
  kLogCorrupt,
  kModelInvalid,
  kModelNotFound,
  kModelBehind,
  kModelStopped,
  kModelWithoutHistory,
  kRowNotFound,
  kQueryTooLarge,
  kTooManyModels,
  kModelRebuilding,
  kModelNotRebuilding,
  kModelNotBuilt,
  kAuditKeyUnusable,
  kModelChanged,
  kInternal,
};

// "SAGA_NOT_FOUND".
absl::string_view ErrorReasonName(ErrorReason reason);

struct ErrorInfo {
  ErrorReason reason = ErrorReason::kInternal;
  std::vector<std::pair<std::string, std::string>> metadata = {};
  // How long to wait before trying again, where that helps.
  std::optional<Micros> retry_after = {};
  // Every violation of a bad request or definition: field or place, and what is wrong.
  std::vector<std::pair<std::string, std::string>> violations = {};
};

absl::Status MakeError(absl::StatusCode code, absl::string_view message, const ErrorInfo& info);
// What MakeError attached, or nothing.
std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status);
bool HasReason(const absl::Status& status, ErrorReason reason);

// INVALID_ARGUMENT
absl::Status BadRequestError(absl::string_view field, absl::string_view problem);
absl::Status BadRequestError(std::vector<std::pair<std::string, std::string>> violations);
absl::Status DefinitionInvalidError(absl::string_view message,
                                    std::vector<std::pair<std::string, std::string>> violations);
absl::Status ResumeTokenInvalidError(absl::string_view problem);
absl::Status ModelInvalidError(absl::string_view message,
                               std::vector<std::pair<std::string, std::string>> violations);
// NOT_FOUND
absl::Status DefinitionNotFoundError(absl::string_view namespace_name, absl::string_view name,
                                     absl::string_view version);
absl::Status SagaNotFoundError(const SagaKey& key);
// As of a moment before its first event; `began` says when that was, for people.
absl::Status SagaNotYetError(const SagaKey& key, absl::string_view began);
absl::Status TaskNotFoundError(const SagaKey& key, absl::string_view task);
absl::Status ModelNotFoundError(absl::string_view model);
absl::Status RowNotFoundError(absl::string_view model, absl::string_view key);
// ALREADY_EXISTS
absl::Status DefinitionAlreadyExistsError(absl::string_view namespace_name, absl::string_view name,
                                          absl::string_view version);
absl::Status SagaAlreadyExistsError(const SagaKey& key);
absl::Status RequestIdReusedError(absl::string_view request_id);
absl::Status ModelRebuildingError(absl::string_view model);
// FAILED_PRECONDITION
absl::Status SagaAlreadyEndedError(const SagaKey& key, absl::string_view status);
absl::Status SagaNotSuspendedError(const SagaKey& key, absl::string_view status);
absl::Status SagaParkedError(const SagaKey& key, absl::string_view verbs);
absl::Status SagaPivotPassedError(const SagaKey& key, absl::string_view scope);
absl::Status TaskNotRunningError(const SagaKey& key, absl::string_view task,
                                 absl::string_view detail);
absl::Status TaskNotParkedError(const SagaKey& key, absl::string_view task,
                                absl::string_view detail);
absl::Status ModelNotRebuildingError(absl::string_view model);
// The model has no rows, and none come by themselves.
absl::Status ModelNotBuiltError(absl::string_view model, absl::string_view why);
// The model was declared without history, so it is known only as of now.
absl::Status ModelWithoutHistoryError(absl::string_view model);
// The model stands still before an event that it cannot fold.
absl::Status ModelStoppedError(absl::string_view model, PartitionId partition, Position position,
                               absl::string_view why);
// The signing keys cannot be used; the sentence says how to mend that. An empty path: there is
// none.
absl::Status AuditKeyUnusableError(absl::string_view sentence, absl::string_view path);
// ABORTED
// The model was declared anew with other columns.
absl::Status ModelChangedError(absl::string_view model);
// RESOURCE_EXHAUSTED
// The sentence says which limit, and of how much.
absl::Status QueryTooLargeError(absl::string_view sentence, absl::string_view limit);
absl::Status CommitTooLargeError(size_t bytes, size_t bytes_max);
absl::Status SagaTooLargeError(const SagaKey& key, size_t bytes, size_t bytes_max);
absl::Status TooManyModelsError(size_t models_max);
absl::Status PartitionOverloadedError(PartitionId partition, Micros retry_after);
// Of what is free, `unwritten_bytes` are for what memory still holds.
absl::Status DiskSpaceLowError(uint64_t free_bytes, uint64_t unwritten_bytes, uint64_t floor_bytes);
// The same reason, under the floor of all work.
absl::Status DiskSpaceOutError(uint64_t free_bytes, uint64_t floor_bytes);
// Something of the server's own, rather than of a partition, is at its limit.
absl::Status ServerOverloadedError(absl::string_view what, Micros retry_after);
// UNAVAILABLE
absl::Status PartitionNotServingError(PartitionId partition, absl::string_view why);
absl::Status ServerStoppingError();
// The model has not come as far as the read wants within the time it may wait.
absl::Status ModelBehindError(absl::string_view model, uint64_t events_behind);
// DEADLINE_EXCEEDED
absl::Status DeadlinePassedError(absl::string_view waited_for);
// DATA_LOSS
absl::Status LogCorruptError(PartitionId partition, Position position, absl::string_view what);
// The same, of an event that is read well and cannot be folded: a newer build may know how.
absl::Status EventNotFoldableError(PartitionId partition, Position position,
                                   absl::string_view what);
// INTERNAL: our bug. The text shows no internals.
absl::Status InternalError(absl::string_view message);

}  // namespace skald
