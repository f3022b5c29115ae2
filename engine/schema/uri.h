// URI references (RFC 3986) as schemas use them: split, resolved against a base, percent-decoded.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace skald::schema {

// A URI reference in two: what names a resource, and what names a place in it (after '#').
struct UriParts {
  absl::string_view resource;
  absl::string_view fragment;  // Empty also when there is no '#'.
};

// Splits at the first '#'. The views point into `uri`.
UriParts SplitFragment(absl::string_view uri);

// `reference` seen from `base` (RFC 3986, 5.2). An empty base gives the reference itself.
std::string ResolveUri(absl::string_view base, absl::string_view reference);

// The text with %XX replaced by bytes; a broken escape stays as it is.
std::string PercentDecode(absl::string_view text);

}  // namespace skald::schema
