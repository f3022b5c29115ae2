// The metaschemas of JSON Schema 2020-12, embedded so that references to them need no network.
#pragma once

#include "absl/strings/string_view.h"

namespace skald::schema {

// What `$schema` says in a schema of the standard dialect.
inline constexpr absl::string_view kStandardDialect =
    "https://json-schema.org/draft/2020-12/schema";

// The text of the metaschema with that URI (without fragment); empty when there is none.
absl::string_view MetaschemaText(absl::string_view uri);

}  // namespace skald::schema
