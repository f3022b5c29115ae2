// Kinds, conversions, paths and facts about values.
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/json_number.h"
#include "engine/expression/builtins.h"
#include "engine/expression/format.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

bool Type(Machine&, const Json& in, Json*, Json& out) {
  out = Json::String(in.KindName());
  return true;
}

bool Not(Machine&, const Json& in, Json*, Json& out) {
  out = Json::Bool(!in.Truthy());
  return true;
}

bool Length(Machine& machine, const Json& in, Json*, Json& out) {
  if (in.is_bool()) return machine.Raise(absl::StrCat(Describe(in), " has no length"));
  if (in.is_number()) {
    if (in.IsInt() && in.AsInt() >= 0) {
      out = in;
      return true;
    }
    if (in.IsInt() || in.IsLiteral()) {
      if (in.AsDouble() < 0) return Negate(machine, in, out);
      out = in;
      return true;
    }
    out = Json::Double(std::fabs(in.AsDouble()));
    return true;
  }
  if (in.is_string() && !machine.Spend(in.AsString().size() / 64)) return false;
  out = Json::Int(static_cast<int64_t>(in.Size()));
  return true;
}

bool ToStringOf(Machine& machine, const Json& in, Json*, Json& out) {
  return ToString(machine, in, out);
}

bool ToJson(Machine& machine, const Json& in, Json*, Json& out) {
  return ApplyFormat(machine, Format::kJson, in, out);
}

bool FormatBy(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!arguments[0].is_string()) {
    return machine.Raise(absl::StrCat(Describe(arguments[0]), " is not a valid format"));
  }
  const std::optional<Format> format = FindFormat(arguments[0].AsString());
  if (!format.has_value()) {
    return machine.Raise(absl::StrCat(arguments[0].AsString(), " is not a valid format"));
  }
  return ApplyFormat(machine, *format, in, out);
}

// `nan`, with a payload or not, is the one text that is no JSON but understood.
bool IsNanText(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "nan")) return false;
  return text.find_first_not_of("0123456789") == absl::string_view::npos;
}

bool FromJson(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_string()) {
    return machine.Raise(absl::StrCat(Describe(in), " cannot be parsed as JSON"));
  }
  if (IsNanText(in.AsString())) {
    out = Json::Double(std::numeric_limits<double>::quiet_NaN());
    return true;
  }
  if (!machine.Spend(in.AsString().size() / 16) || !machine.Charge(2 * in.AsString().size())) {
    return false;
  }
  absl::StatusOr<Json> parsed = Json::Parse(in.AsString());
  if (!parsed.ok()) {
    return machine.Raise(
        absl::StrCat(parsed.status().message(), " (while parsing ", ShortText(in, 200), ")"));
  }
  out = *std::move(parsed);
  return machine.ChargeElements(1);
}

bool ToNumber(Machine& machine, const Json& in, Json*, Json& out) {
  if (in.is_number()) {
    out = in;
    return true;
  }
  if (in.is_string()) {
    absl::string_view text = in.AsString();
    if (IsNumberLiteral(text)) {
      out = Json::Number(text);
      return true;
    }
    if (IsNanText(text)) {
      out = Json::Double(std::numeric_limits<double>::quiet_NaN());
      return true;
    }
  }
  return machine.Raise(absl::StrCat(Describe(in), " cannot be parsed as a number"));
}

bool Now(Machine& machine, const Json&, Json*, Json& out) {
  out = Json::Double(static_cast<double>(machine.now().value()) / 1e6);
  return true;
}

bool SetPathOf(Machine& machine, const Json& in, Json* arguments, Json& out) {
  return SetPath(machine, in, arguments[0], std::move(arguments[1]), out);
}

bool DeletePathsOf(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!arguments[0].is_array()) return machine.Raise("Paths must be specified as an array");
  const absl::Span<const Json> paths = arguments[0].AsArray();
  return DeletePaths(machine, in, std::vector<Json>(paths.begin(), paths.end()), out);
}

bool Keys(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_array() && !in.is_object()) {
    return machine.Raise(absl::StrCat(Describe(in), " has no keys"));
  }
  const size_t comparisons = in.Size() * std::bit_width(in.Size());
  if (!machine.ChargeElements(in.Size()) || !machine.Spend(comparisons / 8)) return false;
  Json::ArrayBuilder keys;
  if (in.is_object()) {
    for (const Json::Member* member : in.SortedMembers()) keys.Add(member->name);
  }
  for (size_t i = 0; in.is_array() && i < in.Size(); ++i) {
    keys.Add(Json::Int(static_cast<int64_t>(i)));
  }
  out = std::move(keys).Build();
  return true;
}

bool KeysUnsorted(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!in.is_object()) return Keys(machine, in, arguments, out);
  if (!machine.ChargeElements(in.Size())) return false;
  Json::ArrayBuilder keys;
  for (const Json::Member& member : in.AsObject()) keys.Add(member.name);
  out = std::move(keys).Build();
  return true;
}

bool Has(Machine& machine, const Json& in, Json* arguments, Json& out) {
  const Json& key = arguments[0];
  if (in.is_object() && key.is_string()) {
    out = Json::Bool(in.Find(key.AsString()) != nullptr);
    return machine.SpendWalk(key);
  }
  if (in.is_array() && key.is_number()) {
    const double place = key.AsDouble();
    out = Json::Bool(place >= 0 && place < static_cast<double>(in.Size()));
    return true;
  }
  return machine.Raise(
      absl::StrCat("Cannot check whether ", in.KindName(), " has a ", key.KindName(), " key"));
}

constexpr size_t kPassedPerStep = 32;

bool Contains(Machine& machine, const Json& all, const Json& part, int depth, bool& out);

bool ContainsAll(Machine& machine, const Json& all, const Json& part, int depth, bool& out) {
  out = true;
  if (all.is_object()) {
    for (const Json::Member& member : part.AsObject()) {
      const Json* other = all.Find(member.key());
      if (other == nullptr || other->kind() != member.value.kind()) {
        out = other != nullptr && other->is_bool() && *other == member.value;
      } else if (!Contains(machine, *other, member.value, depth + 1, out)) {
        return false;
      }
      if (!out) return true;
    }
    return true;
  }
  for (const Json& wanted : part.AsArray()) {
    out = false;
    // Those of another kind are passed over, which is cheap but not free.
    if (!machine.Spend(all.Size() / kPassedPerStep)) return false;
    for (const Json& element : all.AsArray()) {
      if (element.kind() != wanted.kind()) continue;
      if (!Contains(machine, element, wanted, depth + 1, out)) return false;
      if (out) break;
    }
    if (!out) return true;
  }
  return true;
}

bool Contains(Machine& machine, const Json& all, const Json& part, int depth, bool& out) {
  if (!machine.Spend(1)) return false;
  if (depth > 2000) return machine.Exhaust("depth");
  if (all.is_object() || all.is_array()) return ContainsAll(machine, all, part, depth, out);
  if (all.is_string()) {
    const size_t read = all.AsString().size() + part.AsString().size();
    if (!machine.Spend(read / kSearchedPerStep)) return false;
    out = FindText(all.AsString(), part.AsString()) != absl::string_view::npos;
    return true;
  }
  out = all == part;
  return machine.SpendWalk(all);
}

bool ContainsOf(Machine& machine, const Json& in, Json* arguments, Json& out) {
  const Json& part = arguments[0];
  if (in.kind() != part.kind() && !(in.is_bool() && part.is_bool())) {
    return machine.Raise(absl::StrCat(Describe(in), " and ", Describe(part),
                                      " cannot have their containment checked"));
  }
  bool contains = false;
  if (!Contains(machine, in, part, 0, contains)) return false;
  out = Json::Bool(contains);
  return true;
}

bool Builtins(Machine& machine, const Json&, Json*, Json& out) {
  const std::vector<std::string>& names = BuiltinNames();
  if (!machine.ChargeElements(names.size())) return false;
  Json::ArrayBuilder all;
  for (const std::string& name : names) all.Add(Json::String(name));
  out = std::move(all).Build();
  return true;
}

bool HasLiteralNumbers(Machine&, const Json&, Json*, Json& out) {
  out = Json::Bool(true);
  return true;
}

bool HasDecimalNumbers(Machine&, const Json&, Json*, Json& out) {
  out = Json::Bool(false);
  return true;
}

constexpr NativeEntry kNatives[] = {
    {"type", 0, Type},
    {"not", 0, Not},
    {"length", 0, Length},
    {"tostring", 0, ToStringOf},
    {"tojson", 0, ToJson},
    {"fromjson", 0, FromJson},
    {"tonumber", 0, ToNumber},
    {"format", 1, FormatBy},
    {"now", 0, Now},
    {"setpath", 2, SetPathOf},
    {"delpaths", 1, DeletePathsOf},
    {"keys", 0, Keys},
    {"keys_unsorted", 0, KeysUnsorted},
    {"has", 1, Has},
    {"contains", 1, ContainsOf},
    {"builtins", 0, Builtins},
    {"have_literal_numbers", 0, HasLiteralNumbers},
    {"have_decnum", 0, HasDecimalNumbers},
};

}  // namespace

absl::Span<const NativeEntry> CoreNatives() { return kNatives; }

}  // namespace skald::expression
