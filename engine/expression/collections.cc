#include "engine/expression/collections.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/expression/comparison.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

bool Sort(Machine& machine, std::vector<Keyed>& keyed) {
  if (!machine.Spend(keyed.size() * std::bit_width(keyed.size()) / 2)) return false;
  for (Keyed& item : keyed) {
    if (!StepsOf(machine, item.key, item.steps)) return false;
  }
  bool paid = true;
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    paid = paid && SpendOrder(machine, a.key, a.steps, b.key, b.steps);
    return paid && CompareKeys(a, b) < 0;
  });
  return paid && machine.ChargeElements(keyed.size());
}

// Entries may name their keys and values as other tools do.
const Json& KeyOf(const Json& entry) {
  const Json* key = &entry.Get("key");
  if (!key->is_null()) return *key;
  for (const absl::string_view name : {"k", "name", "Name", "K", "Key"}) {
    key = &entry.Get(name);
    if (key->Truthy()) break;
  }
  return *key;
}

const Json& ValueOf(const Json& entry) {
  for (const absl::string_view name : {"value", "v"}) {
    if (const Json* value = entry.Find(name)) return *value;
  }
  return entry.Get("Value");
}

}  // namespace

int CompareKeys(const Keyed& a, const Keyed& b) {
  if (!a.is_list && !b.is_list) return Json::Compare(a.key, b.key);
  const auto as_list = [](const Keyed& keyed) {
    return keyed.is_list ? keyed.key : Json::Array({keyed.key});
  };
  return Json::Compare(as_list(a), as_list(b));
}

bool SortKeyed(Machine& machine, std::vector<Keyed> keyed, Json& out) {
  if (!Sort(machine, keyed)) return false;
  Json::ArrayBuilder sorted;
  sorted.Reserve(keyed.size());
  for (Keyed& item : keyed) sorted.Add(std::move(item.element));
  out = std::move(sorted).Build();
  return true;
}

bool GroupKeyed(Machine& machine, std::vector<Keyed> keyed, Json& out) {
  if (!Sort(machine, keyed)) return false;
  Json::ArrayBuilder groups;
  for (size_t begin = 0; begin < keyed.size();) {
    Json::ArrayBuilder group;
    size_t end = begin;
    for (; end < keyed.size() && CompareKeys(keyed[begin], keyed[end]) == 0; ++end) {
      group.Add(keyed[end].element);
    }
    groups.Add(std::move(group).Build());
    begin = end;
  }
  out = std::move(groups).Build();
  return true;
}

bool UniqueKeyed(Machine& machine, std::vector<Keyed> keyed, Json& out) {
  if (!Sort(machine, keyed)) return false;
  Json::ArrayBuilder unique;
  for (size_t i = 0; i < keyed.size(); ++i) {
    if (i == 0 || CompareKeys(keyed[i - 1], keyed[i]) != 0) unique.Add(keyed[i].element);
  }
  out = std::move(unique).Build();
  return true;
}

bool ToEntries(Machine& machine, const Json& value, Json& out) {
  if (!value.is_object() && !value.is_array()) {
    return machine.Raise(absl::StrCat(Describe(value), " has no keys"));
  }
  if (!machine.ChargeElements(3 * value.Size())) return false;
  Json::ArrayBuilder entries;
  for (size_t i = 0; i < value.Size(); ++i) {
    const bool object = value.is_object();
    const Json key = object ? value.AsObject()[i].name : Json::Int(static_cast<int64_t>(i));
    const Json& below = object ? value.AsObject()[i].value : value.At(i);
    entries.Add(Json::EmptyObject().With("key", key).With("value", below));
  }
  out = std::move(entries).Build();
  return true;
}

bool FromEntries(Machine& machine, const Json& entries, Json& out) {
  if (!entries.is_array() && !entries.is_object()) {
    return machine.Raise(absl::StrCat("Cannot iterate over ", Describe(entries)));
  }
  if (!machine.ChargeElements(entries.Size())) return false;
  Json object = Json::EmptyObject();
  for (size_t i = 0; i < entries.Size(); ++i) {
    const Json& entry = entries.is_array() ? entries.At(i) : entries.AsObject()[i].value;
    if (!entry.is_object() && !entry.is_null()) {
      return machine.Raise(absl::StrCat("Cannot index ", entry.KindName(), " with string \"key\""));
    }
    Json key;
    if (!ToString(machine, KeyOf(entry), key)) return false;
    if (!machine.SpendWalk(key)) return false;
    object = std::move(object).With(key.AsString(), ValueOf(entry));
  }
  out = std::move(object);
  return true;
}

}  // namespace skald::expression
