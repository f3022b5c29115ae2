// Any two JSON texts, a schema and a value: compiling and validating must neither crash nor hang,
// and the two ways to ask must agree. The input is the schema, a line end, the value.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/json.h"
#include "engine/schema/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line_end = input.find('\n');
  if (line_end == absl::string_view::npos) return 0;
  const absl::StatusOr<skald::Json> schema = skald::Json::Parse(input.substr(0, line_end));
  const absl::StatusOr<skald::Json> value = skald::Json::Parse(input.substr(line_end + 1));
  if (!schema.ok() || !value.ok()) return 0;
  const skald::schema::Options options{.assert_formats = true, .steps_max = 100'000};
  const auto compiled = skald::schema::Schema::Compile(*schema, options);
  if (!compiled.ok()) return 0;
  const bool valid = compiled->IsValid(*value);
  SKALD_CHECK(valid == compiled->Validate(*value).empty());
  return 0;
}
