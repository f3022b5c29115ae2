// Opaque tokens: where a client goes on. Version, store and filter are part of each, so that a
// token is never used where it was not made for; a checksum tells a damaged one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"

namespace skald::api {

// What a token is bound to.
struct TokenScope {
  std::string store_id;
  uint64_t filter_hash = 0;
};

// The hash of a filter's fields, in a fixed order and number. Field borders count: ("ab","")
// differs from ("a","b").
uint64_t HashFields(absl::Span<const absl::string_view> fields);

// Of a follower: the next position to read, one per partition. Raw bytes.
std::string EncodeResumeToken(const TokenScope& scope, absl::Span<const Position> next);
// RESUME_TOKEN_INVALID says what is wrong.
absl::StatusOr<std::vector<Position>> DecodeResumeToken(absl::string_view token,
                                                        const TokenScope& scope,
                                                        uint32_t partition_count);

// Of a list: a cursor that only the list understands. Text (web-safe base64).
std::string EncodePageToken(const TokenScope& scope, absl::string_view cursor);
// RESUME_TOKEN_INVALID says what is wrong. An empty token gives an empty cursor.
absl::StatusOr<std::string> DecodePageToken(absl::string_view token, const TokenScope& scope);

}  // namespace skald::api
