// The schema documents at hand and what in them can be referred to: resources (`$id`), anchors, and
// the dialect of each resource. Documents of the registry are read when a reference reaches them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/schema/keywords.h"

namespace skald::schema {

// A place in a document that holds a schema.
struct Location {
  uint32_t document = 0;
  uint32_t resource = 0;  // The innermost resource it lies in.
  std::string pointer;    // From the root of the document.
  const Json* value = nullptr;

  // The place of a subschema that is no resource of its own.
  Location Below(absl::string_view token, const Json& child) const;
};

struct Resource {
  std::string uri;  // Absolute, or relative when the schema gives nothing to resolve against.
  Location root;
  Vocabularies vocabularies = kStandardVocabularies;
  // `$dynamicAnchor`s by name.
  std::vector<std::pair<std::string, Location>> dynamic_anchors = {};
};

// Where a reference leads.
struct Target {
  Location location;
  // The name when the reference's fragment is a `$dynamicAnchor` there, else empty.
  std::string dynamic_anchor;
};

class SchemaIndex {
 public:
  using Registry = absl::flat_hash_map<std::string, Json>;

  // Neither argument is copied; both must outlive the index.
  SchemaIndex(const Json& root, const Registry& registry) : root_(root), registry_(registry) {}

  // Reads the root document and gives its place. INVALID_ARGUMENT for a broken `$id`, anchor or
  // dialect, NOT_FOUND for a dialect that is not at hand.
  absl::StatusOr<Location> Open();

  // Follows a `$ref`. INVALID_ARGUMENT when it leads nowhere or to a broken document, NOT_FOUND
  // when to one that is not at hand.
  absl::StatusOr<Target> Resolve(uint32_t from_resource, absl::string_view reference);

  // The place of the subschema `token` of `parent`, which may be a resource of its own.
  Location Child(const Location& parent, absl::string_view token, const Json& child) const;

  const Resource& resource(uint32_t id) const { return resources_[id]; }
  size_t resource_count() const { return resources_.size(); }

  // How violations and errors name a place: its pointer, after the document's URI unless in the
  // root.
  std::string Describe(const Location& location) const;

 private:
  struct Document {
    std::string uri;
    Json value;
    absl::flat_hash_map<std::string, uint32_t> roots = {};  // Resources by pointer.
  };

  absl::StatusOr<uint32_t> AddDocument(const std::string& uri, const Json& value);
  absl::Status Scan(Location root);
  absl::Status ScanSchema(Location& location);
  absl::Status AddResource(Location& location, const std::string& uri);
  absl::Status AddAnchors(const Location& location);
  absl::StatusOr<Vocabularies> FindDialect(const std::string& uri);
  const Json* FindDocument(const std::string& uri);
  absl::StatusOr<uint32_t> FindResource(const std::string& uri);
  absl::StatusOr<Location> FindPointer(const Location& root, absl::string_view pointer) const;

  const Json& root_;
  const Registry& registry_;
  std::deque<Document> documents_;  // Stable, as locations point into them.
  std::deque<Resource> resources_;
  absl::flat_hash_map<std::string, uint32_t> resource_by_uri_;
  absl::flat_hash_map<std::string, uint32_t> document_by_uri_;
  absl::flat_hash_map<std::pair<uint32_t, std::string>, Location> anchors_;
};

}  // namespace skald::schema
