// The built-in functions. Private to engine/expression.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/expression/program.h"

namespace skald::expression {

// A function of values, written in C++. Names that begin with `_` are for the prelude alone.
struct NativeEntry {
  absl::string_view name;
  size_t arity;
  Native native;
};

// A form the machine knows. Arguments are functions, after `value_count` of values.
struct SpecialEntry {
  absl::string_view name;
  size_t arity;
  Special special;
  size_t value_count;
  // Always exactly one result.
  bool single;
};

absl::Span<const NativeEntry> CoreNatives();        // builtins_core.cc
absl::Span<const NativeEntry> CollectionNatives();  // builtins_collections.cc
absl::Span<const NativeEntry> StringNatives();      // builtins_strings.cc
absl::Span<const NativeEntry> MathNatives();        // builtins_math.cc
absl::Span<const NativeEntry> TimeNatives();        // builtins_time.cc
absl::Span<const SpecialEntry> Specials();          // builtins.cc

// What `name` with `arity` arguments is, or nullptr.
Native FindNative(absl::string_view name, size_t arity);
const SpecialEntry* FindSpecial(absl::string_view name, size_t arity);

// Why a name that jq has is missing here, or empty when it is not such a name.
absl::string_view WhyLeftOut(absl::string_view name);

// The functions written in the language itself: compiled once, when first needed.
const Function* FindPrelude(absl::string_view name, size_t arity);

// `name/arity` of every function a user may call, sorted.
const std::vector<std::string>& BuiltinNames();

}  // namespace skald::expression
