#include "api/validate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/utf8.h"

namespace skald::api {
namespace {

bool IsControl(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  return value < 0x20 || value == 0x7F;
}

}  // namespace

void Violations::Add(absl::string_view field, absl::string_view problem) {
  violations_.emplace_back(std::string(field), std::string(problem));
}

void Violations::CheckId(absl::string_view field, absl::string_view value, Presence presence) {
  if (value.empty()) {
    if (presence == Presence::kRequired) Add(field, "must not be empty");
    return;
  }
  if (value.size() > kIdBytesMax) {
    Add(field, absl::StrCat("has ", value.size(), " bytes; at most ", kIdBytesMax, " are allowed"));
  }
  if (std::any_of(value.begin(), value.end(), IsControl)) {
    Add(field, "must not contain control characters");
  }
  if (!IsValidUtf8(value)) Add(field, "must be UTF-8");
}

void Violations::CheckNote(absl::string_view field, absl::string_view value, Presence presence) {
  if (value.empty()) {
    if (presence == Presence::kRequired) Add(field, "must not be empty");
    return;
  }
  if (value.size() > kNoteBytesMax) {
    Add(field,
        absl::StrCat("has ", value.size(), " bytes; at most ", kNoteBytesMax, " are allowed"));
  }
  if (!IsValidUtf8(value)) Add(field, "must be UTF-8");
}

saga::Payload Violations::ParseJson(absl::string_view field, absl::string_view text,
                                    absl::string_view when_empty) {
  if (text.empty()) text = when_empty;
  absl::StatusOr<Json> value = Json::Parse(text, {.bytes_max = kJsonBytesMax});
  if (!value.ok()) {
    Add(field, absl::StrCat("is not JSON: ", value.status().message()));
    return {};
  }
  return {*std::move(value), std::string(text)};
}

absl::Status Violations::ToStatus() const {
  if (violations_.empty()) return absl::OkStatus();
  return BadRequestError(violations_);
}

}  // namespace skald::api
