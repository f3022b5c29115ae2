#include "tools/skald/state_changes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tools/skald/render.h"

namespace skald::tools {

namespace {

constexpr size_t kValueWidth = 120;

// Depth is bounded: every value was parsed, which refuses more than 512 levels.
class Comparison {
 public:
  void Compare(const std::string& pointer, const Json& before, const Json& after) {
    if (before == after) return;
    if (before.is_object() && after.is_object()) return CompareMembers(pointer, before, after);
    if (before.is_array() && after.is_array()) return CompareElements(pointer, before, after);
    changes_.push_back({pointer, before, after});
  }

  std::vector<StateChange> Take() && { return std::move(changes_); }

 private:
  static std::string Below(const std::string& pointer, absl::string_view key) {
    return absl::StrCat(pointer, "/", absl::StrReplaceAll(key, {{"~", "~0"}, {"/", "~1"}}));
  }

  void CompareMembers(const std::string& pointer, const Json& before, const Json& after) {
    for (const Json::Member& member : before.AsObject()) {
      const Json* const other = after.Find(member.key());
      if (other != nullptr) {
        Compare(Below(pointer, member.key()), member.value, *other);
      } else {
        changes_.push_back({Below(pointer, member.key()), member.value, std::nullopt});
      }
    }
    for (const Json::Member& member : after.AsObject()) {
      if (before.Find(member.key()) != nullptr) continue;
      changes_.push_back({Below(pointer, member.key()), std::nullopt, member.value});
    }
  }

  void CompareElements(const std::string& pointer, const Json& before, const Json& after) {
    for (size_t i = 0; i < std::max(before.Size(), after.Size()); ++i) {
      const std::string place = absl::StrCat(pointer, "/", i);
      if (i >= after.Size()) {
        changes_.push_back({place, before.At(i), std::nullopt});
      } else if (i >= before.Size()) {
        changes_.push_back({place, std::nullopt, after.At(i)});
      } else {
        Compare(place, before.At(i), after.At(i));
      }
    }
  }

  std::vector<StateChange> changes_;
};

std::string ValueText(const std::optional<Json>& value) {
  return value ? Shorten(value->ToText(), kValueWidth) : "nothing";
}

}  // namespace

std::vector<StateChange> ChangesBetween(const Json& before, const Json& after) {
  Comparison comparison;
  comparison.Compare("", before, after);
  return std::move(comparison).Take();
}

Json ChangesToJson(const std::vector<StateChange>& changes) {
  Json::ArrayBuilder array;
  for (const StateChange& change : changes) {
    Json::ObjectBuilder object;
    object.Add("pointer", Json::String(change.pointer));
    if (change.before) object.Add("old", *change.before);
    if (change.after) object.Add("new", *change.after);
    array.Add(std::move(object).Build());
  }
  return std::move(array).Build();
}

std::string ChangeToLine(const StateChange& change, const Style& style) {
  return absl::StrCat(style.Cyan(change.pointer.empty() ? "(all)" : change.pointer), ": ",
                      style.Dim(ValueText(change.before)), " → ", ValueText(change.after));
}

}  // namespace skald::tools
