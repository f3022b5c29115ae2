// Goal: no text makes the parser crash or hang, and what it accepts is written back as an equal
// value whose text is stable. Method: libFuzzer from a small corpus of shapes.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skald::Json;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Json> value = Json::Parse(text);
  if (!value.ok()) return 0;
  SKALD_CHECK(skald::IsValidUtf8(text));

  const std::string written = value->ToText();
  const absl::StatusOr<Json> again = Json::Parse(written, {.bytes_max = size_t{64} << 20});
  SKALD_CHECK(again.ok());
  SKALD_CHECK(*again == *value);
  SKALD_CHECK(Json::Compare(*again, *value) == 0);
  SKALD_CHECK(again->ToText() == written);
  const absl::StatusOr<Json> pretty =
      Json::Parse(value->ToPrettyText(), {.bytes_max = size_t{64} << 20});
  SKALD_CHECK(pretty.ok() && *pretty == *value);

  // Each part changed in place gives the same as a changed copy.
  if (value->is_object() && value->Size() > 0) {
    const std::string key(value->AsObject()[value->Size() / 2].key());
    const Json without = value->Without(key);
    SKALD_CHECK(without.Find(key) == nullptr && without.Size() + 1 == value->Size());
    SKALD_CHECK(without.With(key, value->Get(key)) == *value);
  }
  return 0;
}
