#include "engine/definition/unsupported.h"

#include "absl/strings/str_cat.h"

namespace skald::definition {
namespace {

absl::string_view WhatItIs(Unsupported construct) {
  switch (construct) {
    case Unsupported::kDslVersion:
      return "versions of the DSL but 1.0.0 to 1.0.3";
    case Unsupported::kFork:
      return "concurrent branches";
    case Unsupported::kFor:
      return "loops over a collection";
    case Unsupported::kListen:
      return "waiting for events";
    case Unsupported::kEmit:
      return "publishing events";
    case Unsupported::kRun:
      return "containers, scripts, shells and child workflows";
    case Unsupported::kBuiltInCall:
      return "built-in calls; call a function that a worker serves";
    case Unsupported::kCatalogCall:
      return "functions of catalogs; the default catalog has compensate:1.0.0@default";
    case Unsupported::kSchedule:
      return "starting by time or by events; start it by a command";
    case Unsupported::kExtensions:
      return "tasks before and after other tasks";
    case Unsupported::kLanguage:
      return "expression languages other than jq";
    case Unsupported::kExternalSchema:
      return "schemas outside the definition; write it under 'document'";
    case Unsupported::kSchemaFormat:
      return "schema formats other than json";
    case Unsupported::kSecrets:
      return "secrets in expressions";
  }
  return "";
}

}  // namespace

std::string NotSupportedYet(Unsupported construct, absl::string_view name) {
  return absl::StrCat("'", name, "' is not supported yet by this version (", WhatItIs(construct),
                      ")");
}

}  // namespace skald::definition
