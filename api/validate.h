// Checks of requests. A handler checks all its fields and then asks for the status, so that the
// client is told of every violation at once.
//
//   Violations violations;
//   violations.CheckId("namespace", request.namespace_(), Presence::kRequired);
//   saga::Payload input = violations.ParseJson("input", request.input(), "{}");
//   SKALD_RETURN_IF_ERROR(violations.ToStatus());
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/saga/command.h"

namespace skald::api {

// Bounds of what a request may hold, in bytes.
inline constexpr size_t kIdBytesMax = 256;
inline constexpr size_t kNoteBytesMax = 4'096;
inline constexpr size_t kJsonBytesMax = 4 << 20;

enum class Presence { kRequired, kOptional };

class Violations {
 public:
  void Add(absl::string_view field, absl::string_view problem);

  // An id or a name: UTF-8 without control characters, at most kIdBytesMax.
  void CheckId(absl::string_view field, absl::string_view value, Presence presence);
  // A text for people: UTF-8, at most kNoteBytesMax.
  void CheckNote(absl::string_view field, absl::string_view value, Presence presence);
  // A JSON value; `when_empty` (JSON too) stands in for an empty text. null when it is broken.
  saga::Payload ParseJson(absl::string_view field, absl::string_view text,
                          absl::string_view when_empty);

  bool empty() const { return violations_.empty(); }
  // OK, or BAD_REQUEST with all that was found.
  absl::Status ToStatus() const;

 private:
  std::vector<std::pair<std::string, std::string>> violations_;
};

}  // namespace skald::api
