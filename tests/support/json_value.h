// Short ways to make JSON texts and values in tests.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {

// The value of a text that is known to be right, of any depth; the test fails when it is not.
inline Json Value(absl::string_view text) {
  absl::StatusOr<Json> value = Json::Parse(text, {.depth_max = 1 << 30});
  EXPECT_OK(value) << text;
  return value.ok() ? *std::move(value) : Json();
}

inline std::string Repeat(absl::string_view text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) absl::StrAppend(&out, text);
  return out;
}

}  // namespace skald::testing
