// Goal: no bytes that a client sends as a token crash the server or are taken for another's token.
// Method: the input as each kind of token; what is taken must be what is given out for it.
#include <cstddef>
#include <cstdint>
#include <string>

#include "api/stream_token.h"
#include "api/task_token.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace api = skald::api;
  static const api::TokenScope scope{"0123456789abcdef", 77};
  const absl::string_view token(reinterpret_cast<const char*>(data), size);
  if (const auto task = api::DecodeTaskToken(token)) {
    SKALD_CHECK(api::EncodeTaskToken(*task) == token);
  }
  if (const auto next = api::DecodeResumeToken(token, scope, 3); next.ok()) {
    SKALD_CHECK(api::EncodeResumeToken(scope, *next) == token);
  }
  if (const auto cursor = api::DecodePageToken(token, scope); cursor.ok() && !token.empty()) {
    SKALD_CHECK(api::DecodePageToken(api::EncodePageToken(scope, *cursor), scope).value() == *cursor);
  }
  // What is given out is taken back, whatever the cursor holds.
  const std::string given = api::EncodePageToken(scope, token);
  SKALD_CHECK(api::DecodePageToken(given, scope).value() == token);
  return 0;
}
