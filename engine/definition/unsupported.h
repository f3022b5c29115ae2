// What this version reads and checks but does not run: valid by the standard, and refused when it
// is deployed. A construct leaves this table when the engine learns it; nothing else in the
// compiler has to change for the refusal to end.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace skald::definition {

enum class Unsupported : uint8_t {
  kDslVersion,
  kFork,
  kFor,
  kListen,
  kEmit,
  kRun,
  kBuiltInCall,
  kCatalogCall,
  kSchedule,
  kExtensions,
  kLanguage,
  kExternalSchema,
  kSchemaFormat,
  kSecrets,
};

// "'fork' is not supported yet by this version (concurrent branches)". `name` is what the author
// wrote.
std::string NotSupportedYet(Unsupported construct, absl::string_view name);

}  // namespace skald::definition
