#include "api/task_token.h"

#include <limits>

#include "api/validate.h"
#include "api/wire.h"
#include "base/utf8.h"

namespace skald::api {
namespace {

// Token = version ‖ frame ‖ attempt ‖ namespace ‖ saga id (the rest). No checksum: a token that was
// tampered with names an attempt that is not open, and is refused for that.
constexpr char kVersion = 1;

bool IsId(absl::string_view text) {
  return !text.empty() && text.size() <= kIdBytesMax && IsValidUtf8(text);
}

}  // namespace

std::string EncodeTaskToken(const saga::TaskToken& token) {
  std::string bytes;
  bytes.reserve(16 + token.saga.namespace_name.size() + token.saga.saga_id.size());
  bytes.push_back(kVersion);
  AppendVarint(token.frame.value(), bytes);
  AppendVarint(token.attempt, bytes);
  AppendSized(token.saga.namespace_name, bytes);
  bytes.append(token.saga.saga_id);
  return bytes;
}

std::optional<saga::TaskToken> DecodeTaskToken(absl::string_view bytes) {
  constexpr uint64_t kMax = std::numeric_limits<uint32_t>::max();
  if (bytes.empty() || bytes.front() != kVersion) return std::nullopt;
  bytes.remove_prefix(1);
  uint64_t frame = 0;
  uint64_t attempt = 0;
  absl::string_view namespace_name;
  if (!ReadVarint(bytes, frame) || !ReadVarint(bytes, attempt) ||
      !ReadSized(bytes, namespace_name) || frame > kMax || attempt > kMax || attempt == 0 ||
      !IsId(namespace_name) || !IsId(bytes)) {
    return std::nullopt;
  }
  return saga::TaskToken{
      .saga = {.namespace_name = std::string(namespace_name), .saga_id = std::string(bytes)},
      .frame = saga::FrameId(static_cast<uint32_t>(frame)),
      .attempt = static_cast<uint32_t>(attempt)};
}

}  // namespace skald::api
