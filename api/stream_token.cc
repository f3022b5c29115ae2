#include "api/stream_token.h"

#include <xxhash.h>

#include "absl/strings/escaping.h"
#include "api/wire.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::api {
namespace {

// Token = version ‖ kind ‖ store id ‖ filter hash ‖ body ‖ checksum (4 bytes).
constexpr char kVersion = 1;
enum class TokenKind : char { kResume = 'R', kPage = 'P' };
constexpr size_t kChecksumBytes = 4;

uint32_t Checksum(absl::string_view text) {
  return static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
}

std::string Seal(TokenKind kind, const TokenScope& scope, absl::string_view body) {
  std::string token;
  token.push_back(kVersion);
  token.push_back(static_cast<char>(kind));
  AppendSized(scope.store_id, token);
  AppendFixed64(scope.filter_hash, token);
  token.append(body.data(), body.size());
  AppendFixed32(Checksum(token), token);
  return token;
}

// The body of a token.
absl::StatusOr<absl::string_view> Open(TokenKind kind, const TokenScope& scope,
                                       absl::string_view token) {
  if (token.size() < 2 + kChecksumBytes) return ResumeTokenInvalidError("it is damaged");
  absl::string_view rest = token.substr(0, token.size() - kChecksumBytes);
  absl::string_view tail = token.substr(rest.size());
  uint32_t checksum = 0;
  if (!ReadFixed32(tail, checksum) || checksum != Checksum(rest)) {
    return ResumeTokenInvalidError("it is damaged");
  }
  if (rest[0] != kVersion) return ResumeTokenInvalidError("this server does not know its version");
  if (rest[1] != static_cast<char>(kind)) {
    return ResumeTokenInvalidError("it was made by a method of another kind");
  }
  rest.remove_prefix(2);
  absl::string_view store_id;
  uint64_t filter_hash = 0;
  if (!ReadSized(rest, store_id) || !ReadFixed64(rest, filter_hash)) {
    return ResumeTokenInvalidError("it is damaged");
  }
  if (store_id != scope.store_id) return ResumeTokenInvalidError("it belongs to another store");
  if (filter_hash != scope.filter_hash) {
    return ResumeTokenInvalidError("it was made with another filter");
  }
  return rest;
}

}  // namespace

uint64_t HashFields(absl::Span<const absl::string_view> fields) {
  std::string bytes;
  for (absl::string_view field : fields) AppendSized(field, bytes);
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string EncodeResumeToken(const TokenScope& scope, absl::Span<const Position> next) {
  std::string body;
  AppendVarint(next.size(), body);
  for (Position position : next) AppendVarint(position.value(), body);
  return Seal(TokenKind::kResume, scope, body);
}

absl::StatusOr<std::vector<Position>> DecodeResumeToken(absl::string_view token,
                                                        const TokenScope& scope,
                                                        uint32_t partition_count) {
  SKALD_ASSIGN_OR_RETURN(absl::string_view body, Open(TokenKind::kResume, scope, token));
  uint64_t count = 0;
  if (!ReadVarint(body, count) || count != partition_count) {
    return ResumeTokenInvalidError("it has another number of partitions");
  }
  std::vector<Position> next;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t position = 0;
    if (!ReadVarint(body, position)) return ResumeTokenInvalidError("it is damaged");
    next.emplace_back(position);
  }
  if (!body.empty()) return ResumeTokenInvalidError("it is damaged");
  return next;
}

std::string EncodePageToken(const TokenScope& scope, absl::string_view cursor) {
  return absl::WebSafeBase64Escape(Seal(TokenKind::kPage, scope, cursor));
}

absl::StatusOr<std::string> DecodePageToken(absl::string_view token, const TokenScope& scope) {
  if (token.empty()) return std::string();
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(token, &bytes)) return ResumeTokenInvalidError("it is damaged");
  SKALD_ASSIGN_OR_RETURN(absl::string_view cursor, Open(TokenKind::kPage, scope, bytes));
  return std::string(cursor);
}

}  // namespace skald::api
