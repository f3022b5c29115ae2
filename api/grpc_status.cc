#include "api/grpc_status.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/error_info.pb.h"

namespace skald::api {
namespace {

constexpr char kDomain[] = "skald";

// The status travels in trailing metadata, of which clients accept 8 KiB by default: the message,
// percent-encoded, and the details with the message once more, in base64 for some. The rest is for
// names and what each entry counts for besides its bytes.
constexpr size_t kTrailerBytesMax = 8'192 - 512;
constexpr size_t kMessageBytesMax = 1'024;
constexpr size_t kEncodedMessageBytesMax = 2'048;
constexpr size_t kMetadataValueBytesMax = 256;
constexpr size_t kViolationBytesMax = 512;
// What a violation takes besides its texts, and the list of them with its last line.
constexpr size_t kViolationFrameBytes = 12;
constexpr size_t kViolationsFrameBytes = 96;

// `text` cut to `bytes_max` at a character's border.
std::string Cut(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  constexpr absl::string_view kEllipsis = "...";
  size_t end = bytes_max - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), kEllipsis);
}

size_t PercentEncodedSize(absl::string_view text) {
  size_t bytes = 0;
  for (const char c : text) bytes += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
  return bytes;
}

std::string CutMessage(absl::string_view text) {
  std::string message = Cut(text, kMessageBytesMax);
  if (PercentEncodedSize(message) <= kEncodedMessageBytesMax) return message;
  return Cut(text, kEncodedMessageBytesMax / 3);
}

// How much more the details of a status may hold.
size_t BytesLeft(const google::rpc::Status& status) {
  const size_t details = (kTrailerBytesMax - PercentEncodedSize(status.message())) / 4 * 3;
  const size_t taken = status.ByteSizeLong();
  return taken < details ? details - taken : 0;
}

// Only the factories of base/errors.h attach a reason; a status from elsewhere gets the one that
// tells the client the same as its code.
ErrorReason ReasonOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return ErrorReason::kBadRequest;
    case absl::StatusCode::kUnavailable:
      return ErrorReason::kPartitionNotServing;
    case absl::StatusCode::kDeadlineExceeded:
      return ErrorReason::kDeadlinePassed;
    case absl::StatusCode::kDataLoss:
      return ErrorReason::kLogCorrupt;
    case absl::StatusCode::kResourceExhausted:
      return ErrorReason::kPartitionOverloaded;
    default:
      return ErrorReason::kInternal;
  }
}

google::rpc::BadRequest ToBadRequest(const ErrorInfo& info, size_t bytes_max) {
  google::rpc::BadRequest bad_request;
  size_t bytes = kViolationsFrameBytes;
  size_t told = 0;
  for (const auto& [field, problem] : info.violations) {
    google::rpc::BadRequest::FieldViolation violation;
    violation.set_field(Cut(field, kViolationBytesMax));
    violation.set_description(Cut(problem, kViolationBytesMax));
    bytes += violation.field().size() + violation.description().size() + kViolationFrameBytes;
    if (bytes > bytes_max) break;
    *bad_request.add_field_violations() = std::move(violation);
    ++told;
  }
  if (told < info.violations.size()) {
    bad_request.add_field_violations()->set_description(
        absl::StrCat("and ", info.violations.size() - told, " more"));
  }
  return bad_request;
}

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status result;
  if (status.ok()) return result;
  result.set_code(static_cast<int>(status.code()));
  result.set_message(CutMessage(status.message()));

  std::optional<ErrorInfo> info = GetErrorInfo(status);
  if (!info) {
    info.emplace();
    info->reason = ReasonOf(status.code());
  }
  google::rpc::ErrorInfo error_info;
  error_info.set_reason(std::string(ErrorReasonName(info->reason)));
  error_info.set_domain(kDomain);
  for (const auto& [key, value] : info->metadata) {
    (*error_info.mutable_metadata())[key] = Cut(value, kMetadataValueBytesMax);
  }
  result.add_details()->PackFrom(error_info);
  if (!info->violations.empty()) {
    result.add_details()->PackFrom(ToBadRequest(*info, BytesLeft(result)));
  }
  if (info->retry_after) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(*info->retry_after / kSecond);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(*info->retry_after % kSecond) * 1'000);
    result.add_details()->PackFrom(retry);
  }
  return result;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status details = ToRpcStatus(status);
  return grpc::Status(static_cast<grpc::StatusCode>(details.code()), details.message(),
                      details.SerializeAsString());
}

}  // namespace skald::api
