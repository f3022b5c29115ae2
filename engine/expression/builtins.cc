#include "engine/expression/builtins.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace skald::expression {
namespace {

// Each but the last few constants take functions, so they cannot be natives.
constexpr SpecialEntry kSpecials[] = {
    {"empty", 0, Special::kEmpty, 0, false},
    {"error", 0, Special::kError, 0, false},
    {"error", 1, Special::kError, 1, false},
    {"range", 1, Special::kRange, 1, false},
    {"range", 2, Special::kRange, 2, false},
    {"range", 3, Special::kRange, 3, false},
    {"select", 1, Special::kSelect, 0, false},
    {"map", 1, Special::kMap, 0, true},
    {"map_values", 1, Special::kMapValues, 0, true},
    {"recurse", 0, Special::kRecurse, 0, false},
    {"recurse", 1, Special::kRecurse, 0, false},
    {"first", 1, Special::kFirst, 0, false},
    {"last", 1, Special::kLast, 0, false},
    {"limit", 2, Special::kLimit, 1, false},
    {"skip", 2, Special::kSkip, 1, false},
    {"isempty", 1, Special::kIsEmpty, 0, false},
    {"any", 2, Special::kAny, 0, false},
    {"all", 2, Special::kAll, 0, false},
    {"path", 1, Special::kPath, 0, false},
    {"getpath", 1, Special::kGetPath, 1, false},
    {"del", 1, Special::kDelete, 0, true},
    {"pick", 1, Special::kPick, 0, true},
    {"sort_by", 1, Special::kSortBy, 0, true},
    {"group_by", 1, Special::kGroupBy, 0, true},
    {"unique_by", 1, Special::kUniqueBy, 0, true},
    {"min_by", 1, Special::kMinBy, 0, true},
    {"max_by", 1, Special::kMaxBy, 0, true},
    {"_sub", 3, Special::kSubstitute, 2, false},
    {"with_entries", 1, Special::kWithEntries, 0, true},
    {"add", 1, Special::kAddOf, 0, true},
};

using Signature = std::pair<absl::string_view, size_t>;

const absl::flat_hash_map<Signature, Native>& Natives() {
  static const auto& natives = *[] {
    auto* map = new absl::flat_hash_map<Signature, Native>();
    for (const auto& table :
         {CoreNatives(), CollectionNatives(), StringNatives(), MathNatives(), TimeNatives()}) {
      for (const NativeEntry& entry : table) (*map)[{entry.name, entry.arity}] = entry.native;
    }
    return map;
  }();
  return natives;
}

}  // namespace

absl::Span<const SpecialEntry> Specials() { return kSpecials; }

Native FindNative(absl::string_view name, size_t arity) {
  const auto found = Natives().find(Signature(name, arity));
  return found == Natives().end() ? nullptr : found->second;
}

const SpecialEntry* FindSpecial(absl::string_view name, size_t arity) {
  for (const SpecialEntry& entry : kSpecials) {
    if (entry.name == name && entry.arity == arity) return &entry;
  }
  return nullptr;
}

absl::string_view WhyLeftOut(absl::string_view name) {
  constexpr std::pair<absl::string_view, absl::string_view> kLeftOut[] = {
      {"input", "an expression has one input"},
      {"inputs", "an expression has one input"},
      {"input_line_number", "the input is no file"},
      {"input_filename", "the input is no file"},
      {"env", "the environment is not visible to expressions"},
      {"halt", "an expression cannot stop the process"},
      {"halt_error", "an expression cannot stop the process; use error"},
      {"stderr", "an expression cannot write"},
      {"modulemeta", "modules are not available"},
      {"get_search_list", "modules are not available"},
      {"get_prog_origin", "modules are not available"},
      {"get_jq_origin", "modules are not available"},
      {"$ENV", "the environment is not visible to expressions"},
      {"$__prog_args", "there is no command line"},
  };
  for (const auto& [left_out, reason] : kLeftOut) {
    if (left_out == name) return reason;
  }
  return "";
}

}  // namespace skald::expression
