// The checks behind `format`.
//
// Grammars are followed as their RFCs have them; nothing is looked up. Internationalised formats
// take the same grammar with letters outside ASCII, host names by the rules of IDNA 2008 as far as
// the Unicode properties at hand tell.
#pragma once

#include "absl/strings/string_view.h"

namespace skald::schema {

// True when the text has the format.
using FormatCheck = bool(absl::string_view text);

// The check of a format, nullptr for a name we do not know.
FormatCheck* FindFormat(absl::string_view name);

// Dates and times: RFC 3339, durations by its appendix A.
bool IsDate(absl::string_view text);
bool IsTime(absl::string_view text);
bool IsDateTime(absl::string_view text);
bool IsDuration(absl::string_view text);

// Addresses: RFC 5321, RFC 1123 (A-labels by RFC 5891), RFC 2673, RFC 4291.
bool IsEmail(absl::string_view text);
bool IsIdnEmail(absl::string_view text);
bool IsHostname(absl::string_view text);
bool IsIdnHostname(absl::string_view text);
bool IsIpv4(absl::string_view text);
bool IsIpv6(absl::string_view text);

// RFC 3986 (URIs), RFC 3987 (IRIs), RFC 6570 (templates).
bool IsUri(absl::string_view text);
bool IsUriReference(absl::string_view text);
bool IsIri(absl::string_view text);
bool IsIriReference(absl::string_view text);
bool IsUriTemplate(absl::string_view text);

// RFC 4122, RFC 6901, its relative draft, ECMA-262.
bool IsUuid(absl::string_view text);
bool IsJsonPointer(absl::string_view text);
bool IsRelativeJsonPointer(absl::string_view text);
bool IsRegex(absl::string_view text);

}  // namespace skald::schema
