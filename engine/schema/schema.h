// A JSON Schema (draft 2020-12), compiled once, validated against many times. Never touches the
// network: a reference outside the schema must be in the registry given at Compile, but for those
// to the metaschemas of 2020-12, which are built in.
//
//   SKALD_ASSIGN_OR_RETURN(const Schema order, Schema::Compile(document));
//   if (!order.IsValid(input)) return BadInput(order.Validate(input));
//
// A dialect (`$schema`) is 2020-12 or a metaschema of the registry, whose `$vocabulary` decides
// which keywords count; any other is refused rather than misread. Numbers are compared exactly. A
// `pattern` is an ECMA-262 expression with the `u` flag. What cannot be decided within bounds
// (steps, depth, a pattern that backtracks too long) does not fit, and its violation says so.
//
// Thread rule: immutable after Compile; any number of threads may validate.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace skald::schema {

struct Options {
  // `format` is an annotation by default; true makes it an assertion.
  bool assert_formats = false;
  // Schemas that `$ref`, `$dynamicRef` and `$schema` may reach, by absolute URI; also by an `$id`
  // inside.
  absl::flat_hash_map<std::string, Json> registry = {};
  // Work one validation may cost, in keywords evaluated; past it validation fails with an error.
  uint64_t steps_max = 10'000'000;
};

// One way in which a value does not fit.
struct Violation {
  std::string instance_pointer;  // JSON pointer into the value
  // JSON pointer into the schema; URI#pointer when it leads into another document.
  std::string schema_pointer;
  std::string keyword;
  std::string message;  // a sentence
};

class Schema {
 public:
  // A schema that accepts every value.
  Schema() = default;

  // INVALID_ARGUMENT: not a schema, or a reference that leads nowhere or back to itself; the
  // message names every such place by its pointer. NOT_FOUND: all that is wrong is that the
  // registry lacks documents or dialects that it refers to.
  static absl::StatusOr<Schema> Compile(const Json& schema, const Options& options = {});

  // True when `value` fits; the fastest way to ask.
  bool IsValid(const Json& value) const;
  // Every violation (at most `max`), empty when it fits.
  std::vector<Violation> Validate(const Json& value, size_t max = 100) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace skald::schema
