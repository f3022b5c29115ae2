#include "engine/schema/schema_index.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "engine/schema/metaschemas.h"
#include "engine/schema/uri.h"

namespace skald::schema {
namespace {

std::string EscapeToken(absl::string_view token) {
  return absl::StrReplaceAll(token, {{"~", "~0"}, {"/", "~1"}});
}

// True for what `$anchor` may be: an XML name without colons, ASCII only.
bool IsAnchorName(absl::string_view name) {
  const auto is_start = [](char c) { return absl::ascii_isalpha(c) || c == '_'; };
  return !name.empty() && is_start(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return is_start(c) || absl::ascii_isdigit(c) || c == '-' || c == '.';
  });
}

}  // namespace

Location Location::Below(absl::string_view token, const Json& child) const {
  return {.document = document,
          .resource = resource,
          .pointer = absl::StrCat(pointer, "/", EscapeToken(token)),
          .value = &child};
}

std::string SchemaIndex::Describe(const Location& location) const {
  if (location.document == 0) return location.pointer;
  return absl::StrCat(documents_[location.document].uri, "#", location.pointer);
}

absl::StatusOr<Location> SchemaIndex::Open() {
  SKALD_ASSIGN_OR_RETURN(const uint32_t document, AddDocument("", root_));
  return resources_[documents_[document].roots.at("")].root;
}

absl::StatusOr<uint32_t> SchemaIndex::AddDocument(const std::string& uri, const Json& value) {
  const uint32_t id = static_cast<uint32_t>(documents_.size());
  document_by_uri_.emplace(uri, id);
  documents_.push_back({.uri = uri, .value = value, .roots = {}});
  SKALD_RETURN_IF_ERROR(
      Scan({.document = id, .resource = 0, .pointer = "", .value = &documents_.back().value}));
  return id;
}

// Visits every subschema, parents first. A list of places to visit, since documents may be deep.
absl::Status SchemaIndex::Scan(Location root) {
  std::vector<Location> open = {std::move(root)};
  while (!open.empty()) {
    Location here = std::move(open.back());
    open.pop_back();
    SKALD_RETURN_IF_ERROR(ScanSchema(here));
    if (!here.value->is_object()) continue;
    for (const Json::Member& member : here.value->AsObject()) {
      const std::optional<Keyword> keyword = FindKeyword(member.key());
      if (!keyword.has_value()) continue;
      const Location below = here.Below(member.key(), member.value);
      switch (Info(*keyword).subschemas) {
        case Subschemas::kNone:
          break;
        case Subschemas::kOne:
          open.push_back(below);
          break;
        case Subschemas::kArray:
          if (!member.value.is_array()) break;
          for (size_t i = 0; i < member.value.AsArray().size(); ++i) {
            open.push_back(below.Below(absl::StrCat(i), member.value.AsArray()[i]));
          }
          break;
        case Subschemas::kMap:
          if (!member.value.is_object()) break;
          for (const Json::Member& child : member.value.AsObject()) {
            open.push_back(below.Below(child.key(), child.value));
          }
          break;
      }
    }
  }
  return absl::OkStatus();
}

// Registers a schema's `$id` and anchors; sets `location.resource` when a resource begins here.
absl::Status SchemaIndex::ScanSchema(Location& location) {
  const bool is_root = location.pointer.empty();
  const Json* id = location.value->Find("$id");
  if (is_root || id != nullptr) {
    std::string uri =
        is_root ? documents_[location.document].uri : resources_[location.resource].uri;
    if (id != nullptr) {
      const UriParts parts = SplitFragment(id->is_string() ? id->AsString() : "#?");
      if (!parts.fragment.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("At '", Describe(location), "/$id': expected a URI without fragment"));
      }
      uri = ResolveUri(uri, parts.resource);
    }
    SKALD_RETURN_IF_ERROR(AddResource(location, uri));
  }
  return AddAnchors(location);
}

absl::Status SchemaIndex::AddResource(Location& location, const std::string& uri) {
  const bool is_root = location.pointer.empty();
  const uint32_t parent = location.resource;
  location.resource = static_cast<uint32_t>(resources_.size());
  Document& document = documents_[location.document];
  document.roots[location.pointer] = location.resource;
  resources_.push_back({.uri = uri, .root = location});
  const bool added = resource_by_uri_.emplace(uri, location.resource).second;
  if (!added && !is_root) {
    return absl::InvalidArgumentError(absl::StrCat("At '", Describe(location), "/$id': '", uri,
                                                   "' names another schema already"));
  }
  // A document is also known by the URI it was registered under.
  if (is_root) resource_by_uri_.emplace(document.uri, location.resource);

  const Json* dialect = location.value->Find("$schema");
  Vocabularies vocabularies = is_root ? kStandardVocabularies : resources_[parent].vocabularies;
  if (dialect != nullptr) {
    if (!dialect->is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("At '", Describe(location), "/$schema': expected a URI"));
    }
    absl::StatusOr<Vocabularies> found = FindDialect(std::string(dialect->AsString()));
    if (!found.ok()) {
      return absl::Status(
          found.status().code(),
          absl::StrCat("At '", Describe(location), "/$schema': ", found.status().message()));
    }
    vocabularies = *found;
  }
  resources_[location.resource].vocabularies = vocabularies;
  return absl::OkStatus();
}

absl::StatusOr<Vocabularies> SchemaIndex::FindDialect(const std::string& uri) {
  const std::string resource(absl::StripSuffix(uri, "#"));
  if (resource == kStandardDialect) return kStandardVocabularies;
  const Json* metaschema = FindDocument(resource);
  if (metaschema == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("the dialect '", uri, "' is neither 2020-12 nor in the registry"));
  }
  const Json* declared = metaschema->Find("$vocabulary");
  if (declared == nullptr || !declared->is_object()) return kStandardVocabularies;
  Vocabularies result = kCoreVocabulary;
  for (const Json::Member& member : declared->AsObject()) {
    const Vocabularies known = FindVocabulary(member.key());
    if (known == 0 && member.value.Truthy()) {
      return absl::InvalidArgumentError(absl::StrCat("the dialect '", uri,
                                                     "' requires the unknown vocabulary '",
                                                     std::string(member.key()), "'"));
    }
    result |= known;
  }
  return result;
}

absl::Status SchemaIndex::AddAnchors(const Location& location) {
  for (const absl::string_view keyword : {"$anchor", "$dynamicAnchor"}) {
    const Json* name = location.value->Find(keyword);
    if (name == nullptr) continue;
    if (!name->is_string() || !IsAnchorName(name->AsString())) {
      return absl::InvalidArgumentError(
          absl::StrCat("At '", Describe(location), "/", keyword, "': expected a plain name"));
    }
    const std::string text(name->AsString());
    const auto [at, added] = anchors_.emplace(std::pair(location.resource, text), location);
    if (!added && at->second.pointer != location.pointer) {
      return absl::InvalidArgumentError(absl::StrCat("At '", Describe(location), "/", keyword,
                                                     "': '", text, "' is an anchor already"));
    }
    if (keyword == "$dynamicAnchor") {
      resources_[location.resource].dynamic_anchors.emplace_back(text, location);
    }
  }
  return absl::OkStatus();
}

// The value of a document by its URI: one that is open, of the registry, or a metaschema.
const Json* SchemaIndex::FindDocument(const std::string& uri) {
  if (const auto open = resource_by_uri_.find(uri); open != resource_by_uri_.end()) {
    return resources_[open->second].root.value;
  }
  for (const std::string& key : {uri, absl::StrCat(uri, "#")}) {
    if (const auto known = registry_.find(key); known != registry_.end()) return &known->second;
  }
  return nullptr;
}

absl::StatusOr<uint32_t> SchemaIndex::FindResource(const std::string& uri) {
  const auto open = [&] { return resource_by_uri_.find(uri); };
  if (const auto found = open(); found != resource_by_uri_.end()) return found->second;
  if (const Json* document = FindDocument(uri); document != nullptr) {
    SKALD_RETURN_IF_ERROR(AddDocument(uri, *document).status());
    return open()->second;
  }
  if (const absl::string_view text = MetaschemaText(uri); !text.empty()) {
    SKALD_ASSIGN_OR_RETURN(const Json metaschema, Json::Parse(text));
    SKALD_RETURN_IF_ERROR(AddDocument(uri, metaschema).status());
    return open()->second;
  }
  // It may be an `$id` inside a document that nobody has opened yet; in a fixed order, so that of
  // two documents with the same `$id` the same one is always found.
  std::vector<std::string> closed;
  for (const auto& [key, value] : registry_) {
    if (!document_by_uri_.contains(key)) closed.push_back(key);
  }
  std::sort(closed.begin(), closed.end());
  for (const std::string& key : closed) {
    // A broken document matters only to those who refer to it by its own URI.
    AddDocument(key, registry_.at(key)).status().IgnoreError();
    if (const auto found = open(); found != resource_by_uri_.end()) return found->second;
  }
  return absl::NotFoundError(absl::StrCat("no schema '", uri, "' is in the registry"));
}

absl::StatusOr<Target> SchemaIndex::Resolve(uint32_t from_resource, absl::string_view reference) {
  const std::string uri = ResolveUri(resources_[from_resource].uri, reference);
  const UriParts parts = SplitFragment(uri);
  SKALD_ASSIGN_OR_RETURN(const uint32_t id, FindResource(std::string(parts.resource)));
  const Resource& resource = resources_[id];
  const std::string fragment = PercentDecode(parts.fragment);
  if (fragment.empty()) return Target{.location = resource.root, .dynamic_anchor = ""};
  if (fragment[0] == '/') {
    SKALD_ASSIGN_OR_RETURN(Location location, FindPointer(resource.root, fragment));
    return Target{.location = std::move(location), .dynamic_anchor = ""};
  }
  const auto anchor = anchors_.find(std::pair(id, fragment));
  if (anchor == anchors_.end()) {
    return absl::InvalidArgumentError(absl::StrCat("there is no anchor '", fragment, "'"));
  }
  Target target{.location = anchor->second, .dynamic_anchor = ""};
  for (const auto& [name, location] : resource.dynamic_anchors) {
    if (name == fragment) target.dynamic_anchor = name;
  }
  return target;
}

Location SchemaIndex::Child(const Location& parent, absl::string_view token,
                            const Json& child) const {
  Location location = parent.Below(token, child);
  const auto& roots = documents_[location.document].roots;
  if (const auto root = roots.find(location.pointer); root != roots.end()) {
    location.resource = root->second;
  }
  return location;
}

absl::StatusOr<Location> SchemaIndex::FindPointer(const Location& root,
                                                  absl::string_view pointer) const {
  Location location = root;
  absl::string_view rest = pointer;
  while (!rest.empty()) {
    rest.remove_prefix(1);  // The '/'.
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string token = absl::StrReplaceAll(rest.substr(0, end), {{"~1", "/"}, {"~0", "~"}});
    rest.remove_prefix(end);
    const Json* child = location.value->Find(token);
    size_t index = 0;
    if (location.value->is_array() && absl::SimpleAtoi(token, &index) &&
        index < location.value->AsArray().size() && absl::StrCat(index) == token) {
      child = &location.value->AsArray()[index];
    }
    if (child == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("'", pointer, "' leads nowhere"));
    }
    location = Child(location, token, *child);
  }
  return location;
}

}  // namespace skald::schema
