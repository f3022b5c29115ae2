// Looking into values and changing them by key, index, slice and path.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/expression/comparison.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

constexpr int64_t kIndexMax = 1 << 28;  // What jq's own limit is near to.

// A range of elements, within the array.
struct Slice {
  size_t from = 0;
  size_t upto = 0;
};

// Ends of a slice as jq rounds them: the start down, the end up, both clamped.
bool ParseSlice(Machine& machine, const Json& target, const Json& key, Slice& slice) {
  const Json& start = key.Get("start");
  const Json& end = key.Get("end");
  if (!(start.is_null() || start.is_number()) || !(end.is_null() || end.is_number())) {
    return machine.Raise(absl::StrCat("Start and end indices of an ",
                                      target.is_string() ? "string" : "array",
                                      " slice must be numbers"));
  }
  const double size = static_cast<double>(target.Size());
  double from = start.is_null() ? 0 : start.AsDouble();
  double upto = end.is_null() ? size : end.AsDouble();
  if (std::isnan(from)) from = 0;
  if (std::isnan(upto)) upto = size;
  if (from < 0) from += size;
  if (upto < 0) upto += size;
  from = std::clamp(std::floor(from), 0.0, size);
  upto = std::clamp(std::ceil(upto), from, size);
  slice.from = static_cast<size_t>(from);
  slice.upto = static_cast<size_t>(upto);
  return true;
}

absl::string_view SliceOfString(absl::string_view text, const Slice& slice) {
  size_t place = 0;
  size_t points = 0;
  const auto skip_to = [&](size_t wanted) {
    for (; points < wanted; ++points) {
      ++place;
      while (place < text.size() && (static_cast<unsigned char>(text[place]) & 0xC0) == 0x80) {
        ++place;
      }
    }
    return place;
  };
  const size_t begin = skip_to(slice.from);
  return text.substr(begin, skip_to(slice.upto) - begin);
}

bool IndexBySlice(Machine& machine, const Json& target, const Json& key, Json& out) {
  if (target.is_null()) {
    out = Json::Null();
    return true;
  }
  Slice slice;
  if (target.is_string() && !machine.Spend(target.AsString().size() / 64)) return false;
  if (!ParseSlice(machine, target, key, slice)) return false;
  if (target.is_string()) {
    const absl::string_view part = SliceOfString(target.AsString(), slice);
    if (!machine.Charge(part.size())) return false;
    out = Json::String(part);
    return true;
  }
  if (!machine.ChargeElements(slice.upto - slice.from)) return false;
  const absl::Span<const Json> part = target.AsArray().subspan(slice.from, slice.upto - slice.from);
  out = Json::Array(std::vector<Json>(part.begin(), part.end()));
  return true;
}

// The places where an array contains another.
bool IndicesOf(Machine& machine, const Json& target, const Json& key, Json& out) {
  const absl::Span<const Json> all = target.AsArray();
  const absl::Span<const Json> part = key.AsArray();
  if (!machine.Spend(all.size() * std::max<size_t>(part.size(), 1) / 8)) return false;
  std::vector<Printed> elements;
  std::vector<Printed> wanted;
  if (!TakePrints(machine, all, elements) || !TakePrints(machine, part, wanted)) return false;
  Json::ArrayBuilder places;
  for (size_t i = 0; !part.empty() && i + part.size() <= all.size(); ++i) {
    bool same = true;
    for (size_t k = 0; same && k < wanted.size(); ++k) {
      if (!SamePrinted(machine, elements[i + k], wanted[k], same)) return false;
    }
    if (same) places.Add(Json::Int(static_cast<int64_t>(i)));
  }
  if (!machine.ChargeElements(places.size())) return false;
  out = std::move(places).Build();
  return true;
}

bool CannotIndex(Machine& machine, const Json& target, const Json& key) {
  if (key.is_string()) {
    return machine.Raise(
        absl::StrCat("Cannot index ", target.KindName(), " with string \"", key.AsString(), "\""));
  }
  return machine.Raise(absl::StrCat("Cannot index ", target.KindName(), " with ", key.KindName()));
}

// The element that a number means, or -1. Numbers round down, negative ones count from the end.
int64_t ElementOf(const Json& target, const Json& key) {
  double place = std::floor(key.AsDouble());
  if (std::isnan(place)) return -1;
  if (place < 0) place += static_cast<double>(target.Size());
  return place < 0 || place > 1e15 ? -1 : static_cast<int64_t>(place);
}

bool SetElement(Machine& machine, Json target, const Json& key, Json value, Json& out) {
  if (std::isnan(key.AsDouble())) {
    return machine.Raise("Cannot set array element at NaN index");
  }
  const int64_t element = ElementOf(target, key);
  if (element < 0 && key.AsDouble() < 0) {
    return machine.Raise("Out of bounds negative array index");
  }
  if (element < 0 || element > kIndexMax) return machine.Raise("Array index too large");
  const size_t size = target.Size();
  const size_t wanted = static_cast<size_t>(element);
  if (wanted >= size && !machine.ChargeElements(wanted + 1 - size)) return false;
  const Json* before = target.is_array() ? target.AsArray().data() : nullptr;
  out = std::move(target).WithElement(wanted, std::move(value));
  return out.AsArray().data() == before || machine.ChargeElements(size);
}

bool SetSlice(Machine& machine, const Json& target, const Json& key, const Json& value, Json& out) {
  Slice slice;
  if (!ParseSlice(machine, target, key, slice)) return false;
  if (!value.is_array()) {
    return machine.Raise("A slice of an array can only be assigned another array");
  }
  const absl::Span<const Json> old = target.AsArray();
  const absl::Span<const Json> fresh = value.AsArray();
  if (!machine.ChargeElements(old.size() + fresh.size())) return false;
  std::vector<Json> elements(old.begin(), old.begin() + slice.from);
  elements.insert(elements.end(), fresh.begin(), fresh.end());
  elements.insert(elements.end(), old.begin() + slice.upto, old.end());
  out = Json::Array(std::move(elements));
  return true;
}

bool DeleteElements(Machine& machine, const Json& target, absl::Span<const Json> keys, Json& out) {
  std::vector<bool> deleted(target.Size(), false);
  for (const Json& key : keys) {
    if (key.is_number()) {
      const int64_t element = ElementOf(target, key);
      if (element >= 0 && static_cast<size_t>(element) < deleted.size()) deleted[element] = true;
    } else if (key.is_object()) {
      Slice slice;
      if (!ParseSlice(machine, target, key, slice)) return false;
      if (!machine.Spend((slice.upto - slice.from) / 8)) return false;
      std::fill(deleted.begin() + slice.from, deleted.begin() + slice.upto, true);
    } else {
      return machine.Raise(absl::StrCat("Cannot delete ", key.KindName(), " element of array"));
    }
  }
  Json::ArrayBuilder kept;
  for (size_t i = 0; i < deleted.size(); ++i) {
    if (!deleted[i]) kept.Add(target.At(i));
  }
  out = std::move(kept).Build();
  return machine.ChargeElements(out.Size());
}

bool DeleteKeys(Machine& machine, Json target, absl::Span<const Json> keys, Json& out) {
  if (target.is_null() || keys.empty()) {
    out = std::move(target);
    return true;
  }
  if (target.is_array()) return DeleteElements(machine, target, keys, out);
  if (!target.is_object()) {
    return machine.Raise(absl::StrCat("Cannot delete fields from ", target.KindName()));
  }
  if (!machine.ChargeElements(target.Size())) return false;
  for (const Json& key : keys) {
    if (!key.is_string()) {
      return machine.Raise(absl::StrCat("Cannot delete ", key.KindName(), " field of object"));
    }
    if (!machine.Spend(1 + target.Size() / 16) || !machine.SpendWalk(key)) return false;
    target = std::move(target).Without(key.AsString());
  }
  out = std::move(target);
  return true;
}

// Deletes the sorted `paths`, all of which lead through `root` by their first `depth` keys.
bool DeleteSorted(Machine& machine, Json root, absl::Span<const Json> paths, size_t depth,
                  Json& out) {
  if (depth > 2000) return machine.Exhaust("depth");
  std::vector<Json> keys;
  for (size_t begin = 0; begin < paths.size();) {
    const Json& key = paths[begin].At(depth);
    size_t end = begin + 1;
    while (end < paths.size() && paths[end].At(depth) == key) ++end;
    if (!machine.Spend(end - begin)) return false;
    if (paths[begin].Size() == depth + 1) {
      keys.push_back(key);  // Whatever else begins with this key goes with it.
    } else {
      Json below;
      if (!TakeAt(machine, root, key, below)) return false;
      // What is not there needs no deleting, and nothing to be made for it.
      if (!below.is_null()) {
        Json changed;
        if (!DeleteSorted(machine, std::move(below), paths.subspan(begin, end - begin), depth + 1,
                          changed) ||
            !SetAt(machine, std::move(root), key, std::move(changed), root)) {
          return false;
        }
      }
    }
    begin = end;
  }
  return DeleteKeys(machine, std::move(root), keys, out);
}

}  // namespace

Json SliceKey(const Json& from, const Json& upto) {
  return Json::EmptyObject().With("start", from).With("end", upto);
}

bool Index(Machine& machine, const Json& target, const Json& key, Json& out) {
  if (target.is_object() && key.is_string()) {
    out = target.Get(key.AsString());
    return machine.SpendWalk(key);
  }
  if (target.is_array() && key.is_number()) {
    const int64_t element = ElementOf(target, key);
    out = element < 0 ? Json::Null() : target.At(static_cast<size_t>(element));
    return true;
  }
  const bool sliceable = target.is_array() || target.is_string() || target.is_null();
  if (key.is_object() && sliceable) return IndexBySlice(machine, target, key, out);
  if (key.is_array() && target.is_array()) return IndicesOf(machine, target, key, out);
  if (target.is_null() && (key.is_string() || key.is_number() || key.is_null())) {
    out = Json::Null();
    return true;
  }
  return CannotIndex(machine, target, key);
}

bool TakeAt(Machine& machine, Json& target, const Json& key, Json& out) {
  if (target.is_object() && key.is_string()) {
    out = target.Take(key.AsString());
    return machine.SpendWalk(key);
  }
  if (target.is_array() && key.is_number()) {
    const int64_t element = ElementOf(target, key);
    out = element < 0 ? Json::Null() : target.TakeElement(static_cast<size_t>(element));
    return true;
  }
  return Index(machine, target, key, out);
}

bool SetAt(Machine& machine, Json target, const Json& key, Json value, Json& out) {
  const bool null = target.is_null();
  if (key.is_string() && (null || target.is_object())) {
    if (!machine.ChargeElements(1) || !machine.SpendWalk(key)) return false;
    const size_t size = target.Size();
    const Json::Member* before = null ? nullptr : target.AsObject().data();
    out = std::move(target).With(key.AsString(), std::move(value));
    return out.AsObject().data() == before || machine.ChargeElements(2 * size);
  }
  if (key.is_number() && (null || target.is_array())) {
    return SetElement(machine, std::move(target), key, std::move(value), out);
  }
  if (key.is_object() && (null || target.is_array())) {
    return SetSlice(machine, null ? Json::EmptyArray() : target, key, value, out);
  }
  if (key.is_object() && target.is_string()) return machine.Raise("Cannot update string slices");
  return CannotIndex(machine, target, key);
}

bool GetPath(Machine& machine, const Json& value, const Json& path, Json& out) {
  if (!path.is_array()) return machine.Raise("Path must be specified as an array");
  Json current = value;
  for (const Json& key : path.AsArray()) {
    if (current.is_null()) break;
    Json next;
    if (!machine.Spend(1) || !Index(machine, current, key, next)) return false;
    current = std::move(next);
  }
  out = std::move(current);
  return true;
}

bool SetPath(Machine& machine, Json root, const Json& path, Json value, Json& out) {
  if (!path.is_array()) return machine.Raise("Path must be specified as an array");
  const auto replace = [&value](Json&&, Json& fresh) {
    fresh = std::move(value);
    return Flow::kNext;
  };
  return machine.UpdateAt(std::move(root), path.AsArray(), replace, out) == Flow::kNext;
}

bool DeletePaths(Machine& machine, Json root, std::vector<Json> paths, Json& out) {
  for (const Json& path : paths) {
    if (!path.is_array()) return machine.Raise("Path must be specified as an array");
    if (!machine.SpendWalk(path)) return false;
  }
  const size_t count = paths.size();
  if (!machine.Spend(count)) return false;
  std::sort(paths.begin(), paths.end(),
            [](const Json& a, const Json& b) { return Json::Compare(a, b) < 0; });
  if (count == 0) {
    out = std::move(root);
  } else if (paths[0].Size() == 0) {
    out = Json::Null();
  } else {
    return DeleteSorted(machine, std::move(root), paths, 0, out);
  }
  return true;
}

}  // namespace skald::expression
