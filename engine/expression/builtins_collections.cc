// Functions over arrays and objects that take values only.
#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/expression/builtins.h"
#include "engine/expression/collections.h"
#include "engine/expression/comparison.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

bool NotAnArray(Machine& machine, const Json& in, absl::string_view what) {
  return machine.Raise(absl::StrCat(Describe(in), what));
}

// The elements as their own keys.
bool Keyless(Machine& machine, const Json& in, std::vector<Keyed>& out) {
  if (!in.is_array()) return NotAnArray(machine, in, " cannot be sorted, as it is not an array");
  if (!machine.SpendWalk(in) || !machine.ChargeElements(in.Size())) return false;
  for (const Json& element : in.AsArray()) out.push_back(Keyed{element, false, element});
  return true;
}

bool SortOf(Machine& machine, const Json& in, Json*, Json& out) {
  std::vector<Keyed> keyed;
  return Keyless(machine, in, keyed) && SortKeyed(machine, std::move(keyed), out);
}

bool UniqueOf(Machine& machine, const Json& in, Json*, Json& out) {
  std::vector<Keyed> keyed;
  return Keyless(machine, in, keyed) && UniqueKeyed(machine, std::move(keyed), out);
}

// The first of the least elements, or the last of the greatest.
bool Extreme(Machine& machine, const Json& in, int sign, Json& out) {
  if (!in.is_array()) {
    return machine.Raise(
        absl::StrCat(Describe(in), " and ", Describe(in), " cannot be iterated over"));
  }
  if (!machine.SpendWalk(in) || !machine.Spend(in.Size() / 8)) return false;
  const Json* best = nullptr;
  uint64_t best_steps = 0;
  for (const Json& element : in.AsArray()) {
    uint64_t steps = 0;
    if (!StepsOf(machine, element, steps)) return false;
    if (best != nullptr && !SpendOrder(machine, element, steps, *best, best_steps)) return false;
    const int order = best == nullptr ? 0 : sign * Json::Compare(element, *best);
    if (best != nullptr && (order < 0 || (order == 0 && sign < 0))) continue;
    best = &element;
    best_steps = steps;
  }
  out = best == nullptr ? Json() : *best;
  return true;
}

bool Min(Machine& machine, const Json& in, Json*, Json& out) {
  return Extreme(machine, in, -1, out);
}

bool Max(Machine& machine, const Json& in, Json*, Json& out) {
  return Extreme(machine, in, 1, out);
}

bool AddAll(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_array() && !in.is_object()) {
    return machine.Raise(absl::StrCat("Cannot iterate over ", Describe(in)));
  }
  Json sum;
  for (size_t i = 0; i < in.Size(); ++i) {
    const Json& element = in.is_array() ? in.At(i) : in.AsObject()[i].value;
    Json next;
    if (!machine.Spend(1) || !Arithmetic(machine, BinaryOp::kAdd, std::move(sum), element, next)) {
      return false;
    }
    sum = std::move(next);
  }
  out = std::move(sum);
  return true;
}

bool FlattenInto(Machine& machine, const Json& in, double depth, int level,
                 Json::ArrayBuilder& out) {
  if (level > 2000) return machine.Exhaust("depth");
  for (size_t i = 0; i < in.Size(); ++i) {
    const Json& element = in.is_array() ? in.At(i) : in.AsObject()[i].value;
    if (!machine.Spend(1) || !machine.Charge(sizeof(Json))) return false;
    if (element.is_array() && depth > 0) {
      if (!FlattenInto(machine, element, depth - 1, level + 1, out)) return false;
    } else {
      out.Add(element);
    }
  }
  return true;
}

bool FlattenTo(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!arguments[0].is_number()) {
    return machine.Raise("flatten depth must be a number");
  }
  if (arguments[0].AsDouble() < 0) return machine.Raise("flatten depth must not be negative");
  if (!in.is_array() && !in.is_object()) {
    return machine.Raise(absl::StrCat("Cannot iterate over ", Describe(in)));
  }
  Json::ArrayBuilder flat;
  if (!FlattenInto(machine, in, arguments[0].AsDouble(), 0, flat)) return false;
  if (!machine.ChargeElements(flat.size())) return false;
  out = std::move(flat).Build();
  return true;
}

bool Flatten(Machine& machine, const Json& in, Json*, Json& out) {
  Json depth = Json::Double(1e9);
  return FlattenTo(machine, in, &depth, out);
}

bool Reverse(Machine& machine, const Json& in, Json*, Json& out) {
  if (in.is_null() || (in.is_string() && in.AsString().empty())) {
    out = Json::EmptyArray();
    return true;
  }
  if (in.is_string()) {
    std::string reversed;
    absl::string_view rest = in.AsString();
    if (!machine.Charge(rest.size()) || !machine.Spend(rest.size() / 8)) return false;
    while (!rest.empty()) {
      size_t begin = rest.size() - 1;
      while (begin > 0 && (static_cast<unsigned char>(rest[begin]) & 0xC0) == 0x80) --begin;
      absl::StrAppend(&reversed, rest.substr(begin));
      rest = rest.substr(0, begin);
    }
    out = Json::String(reversed);
    return true;
  }
  if (!in.is_array()) {
    return machine.Raise(absl::StrCat("Cannot reverse ", Describe(in)));
  }
  if (!machine.ChargeElements(in.Size())) return false;
  const absl::Span<const Json> elements = in.AsArray();
  out = Json::Array(std::vector<Json>(elements.rbegin(), elements.rend()));
  return true;
}

bool ToEntriesOf(Machine& machine, const Json& in, Json*, Json& out) {
  return ToEntries(machine, in, out);
}

bool FromEntriesOf(Machine& machine, const Json& in, Json*, Json& out) {
  return FromEntries(machine, in, out);
}

bool Transpose(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_array()) return machine.Raise(absl::StrCat("Cannot iterate over ", Describe(in)));
  size_t columns = 0;
  for (const Json& row : in.AsArray()) {
    if (!row.is_array()) {
      return machine.Raise(absl::StrCat("Cannot index ", row.KindName(), " with number"));
    }
    columns = std::max(columns, row.Size());
  }
  if (!machine.Charge(columns * in.Size() * sizeof(Json))) return false;
  if (!machine.ChargeElements(columns)) return false;
  Json::ArrayBuilder transposed;
  for (size_t i = 0; i < columns; ++i) {
    Json::ArrayBuilder column;
    for (const Json& row : in.AsArray()) column.Add(row.At(i));
    transposed.Add(std::move(column).Build());
  }
  out = std::move(transposed).Build();
  return true;
}

// The place of a value in a sorted array, or -1 - the place where it would go.
bool BinarySearch(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!in.is_array()) {
    return machine.Raise(absl::StrCat(Describe(in), " cannot be searched from"));
  }
  uint64_t steps = 0;
  if (!machine.SpendWalk(in) || !StepsOf(machine, arguments[0], steps)) return false;
  if (!machine.Spend(steps * std::bit_width(in.Size()))) return false;
  const absl::Span<const Json> elements = in.AsArray();
  const auto found =
      std::lower_bound(elements.begin(), elements.end(), arguments[0],
                       [](const Json& a, const Json& b) { return Json::Compare(a, b) < 0; });
  const int64_t place = found - elements.begin();
  const bool there = found != elements.end() && *found == arguments[0];
  out = Json::Int(there ? place : -1 - place);
  return true;
}

bool Join(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!in.is_array() && !in.is_object()) {
    return machine.Raise(absl::StrCat("Cannot iterate over ", Describe(in)));
  }
  Json text = Json::String("");
  for (size_t i = 0; i < in.Size(); ++i) {
    const Json& element = in.is_array() ? in.At(i) : in.AsObject()[i].value;
    const bool written = element.is_number() || element.is_bool();
    Json piece = element.is_null() ? Json::String("") : element;
    if (written && !ToString(machine, element, piece)) return false;
    // As `+` would: a separator that is no string fails where it is needed.
    if (i > 0 && !Arithmetic(machine, BinaryOp::kAdd, std::move(text), arguments[0], text)) {
      return false;
    }
    if (!machine.Spend(1) || !Arithmetic(machine, BinaryOp::kAdd, std::move(text), piece, text)) {
      return false;
    }
  }
  out = std::move(text);
  return true;
}

constexpr NativeEntry kNatives[] = {
    {"sort", 0, SortOf},
    {"unique", 0, UniqueOf},
    {"min", 0, Min},
    {"max", 0, Max},
    {"add", 0, AddAll},
    {"flatten", 0, Flatten},
    {"flatten", 1, FlattenTo},
    {"reverse", 0, Reverse},
    {"to_entries", 0, ToEntriesOf},
    {"from_entries", 0, FromEntriesOf},
    {"transpose", 0, Transpose},
    {"bsearch", 1, BinarySearch},
    {"join", 1, Join},
};

}  // namespace

absl::Span<const NativeEntry> CollectionNatives() { return kNatives; }

}  // namespace skald::expression
