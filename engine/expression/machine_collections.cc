// Built-in functions over collections whose arguments are functions: one result each.
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/expression/collections.h"
#include "engine/expression/comparison.h"
#include "engine/expression/machine.h"
#include "engine/expression/values.h"

namespace skald::expression {

Flow Machine::SpecialOne(const Node* node, const FrameRef& frame, const Json& in, Json& out) {
  const Closure& function = node->closures[0];
  switch (node->special) {
    case Special::kMap:
      return Map(function, frame.get(), in, out);
    case Special::kMapValues:
      return MapValues(function, frame, Json(in), out);
    case Special::kWithEntries:
      return WithEntries(function, frame, in, out);
    case Special::kDelete:
      return Delete(function, frame, in, out);
    case Special::kPick:
      return Pick(function, frame, in, out);
    case Special::kAddOf:
      return AddOf(function, frame, in, out);
    case Special::kSortBy:
    case Special::kGroupBy:
    case Special::kUniqueBy:
    case Special::kMinBy:
    case Special::kMaxBy:
      return ByKey(node, frame, in, out);
    default:
      return Generic(node, frame.get(), in, out);
  }
}

Flow Machine::Map(const Closure& closure, Frame* frame, const Json& in, Json& out) {
  Json::ArrayBuilder mapped;
  const bool plain = closure.hops < 0 && closure.flat && closure.body->direct;
  const FrameRef here(frame);
  const auto map_one = [&](const Json& element) {
    if (!Charge(kElementBytes)) return Flow::kFatal;
    if (plain) {
      Json value;
      const Flow flow = One(closure.body, frame, element, value);
      if (flow == Flow::kNext) mapped.Add(std::move(value));
      return flow;
    }
    return RunClosure<Json>(closure, here, element, [&](Json&& value) {
      if (!Charge(kElementBytes)) return Flow::kFatal;
      mapped.Add(std::move(value));
      return Flow::kNext;
    });
  };
  Flow flow = Flow::kNext;
  if (in.is_array()) {
    mapped.Reserve(in.Size());
    for (const Json& element : in.AsArray()) {
      if (flow == Flow::kNext) flow = map_one(element);
    }
  } else if (in.is_object()) {
    for (const Json::Member& member : in.AsObject()) {
      if (flow == Flow::kNext) flow = map_one(member.value);
    }
  } else {
    return Error(absl::StrCat("Cannot iterate over ", Describe(in)));
  }
  if (flow != Flow::kNext) return flow;
  built_ += mapped.size() + 1;
  out = std::move(mapped).Build();
  return Flow::kNext;
}

// `.[] |= f` for all members at once: an element without result goes.
Flow Machine::MapValues(const Closure& closure, const FrameRef& frame, Json&& in, Json& out) {
  const auto first = [&](const Json& value, std::vector<Json>& found) {
    const Flow flow = RunClosure<Json>(closure, frame, value, [&](Json&& result) {
      found.push_back(std::move(result));
      return Flow::kStop;
    });
    return flow == Flow::kStop && !found.empty() ? Flow::kNext : flow;
  };
  if (!in.is_array() && !in.is_object()) {
    return Error(absl::StrCat("Cannot iterate over ", Describe(in)));
  }
  if (!ChargeElements(in.Size())) return Failed();
  Json::ArrayBuilder elements;
  Json object = Json::EmptyObject();
  for (size_t i = 0; i < in.Size(); ++i) {
    std::vector<Json> found;
    const Flow flow = first(in.is_array() ? in.At(i) : in.AsObject()[i].value, found);
    if (flow != Flow::kNext) return flow;
    if (found.empty()) continue;
    if (in.is_array()) {
      elements.Add(std::move(found[0]));
    } else {
      object = std::move(object).With(in.AsObject()[i].key(), std::move(found[0]));
    }
  }
  out = in.is_array() ? std::move(elements).Build() : std::move(object);
  return Flow::kNext;
}

Flow Machine::WithEntries(const Closure& closure, const FrameRef& frame, const Json& in,
                          Json& out) {
  Json entries;
  if (!ToEntries(*this, in, entries)) return Failed();
  Json changed;
  const Flow flow = Map(closure, frame.get(), entries, changed);
  if (flow != Flow::kNext) return flow;
  return FromEntries(*this, changed, out) ? Flow::kNext : Failed();
}

Flow Machine::Delete(const Closure& closure, const FrameRef& frame, const Json& in, Json& out) {
  std::vector<Json> paths;
  const Flow flow = CollectPaths(closure, frame.get(), in, paths);
  if (flow != Flow::kNext) return flow;
  return DeletePaths(*this, in, std::move(paths), out) ? Flow::kNext : Failed();
}

Flow Machine::Pick(const Closure& closure, const FrameRef& frame, const Json& in, Json& out) {
  Json picked;
  const Flow flow = PathsOf(closure, frame.get(), in, [&](Json&& path) {
    Json value;
    if (!GetPath(*this, in, path, value)) return Failed();
    Json next;
    if (!SetPath(*this, std::move(picked), path, std::move(value), next)) return Failed();
    picked = std::move(next);
    return Flow::kNext;
  });
  out = std::move(picked);
  return flow;
}

Flow Machine::AddOf(const Closure& closure, const FrameRef& frame, const Json& in, Json& out) {
  Json sum;
  const Flow flow = RunClosure<Json>(closure, frame, in, [&](Json&& value) {
    Json next;
    if (!Arithmetic(*this, BinaryOp::kAdd, std::move(sum), value, next)) return Failed();
    sum = std::move(next);
    return Flow::kNext;
  });
  out = std::move(sum);
  return flow;
}

// sort_by and its kin: the key of an element is the array of the function's results.
Flow Machine::ByKey(const Node* node, const FrameRef& frame, const Json& in, Json& out) {
  if (!in.is_array()) {
    return Error(in.is_object() ? absl::StrCat("Cannot index ", in.KindName(), " with number")
                                : absl::StrCat("Cannot iterate over ", Describe(in)));
  }
  std::vector<Keyed> keyed;
  keyed.reserve(in.Size());
  for (const Json& element : in.AsArray()) {
    Json key;
    auto [body, callee] = Enter(node->closures[0], frame.get());
    const Flow flow = Collect(body, callee, element, key);
    if (flow != Flow::kNext) return flow;
    if (!SpendWalk(key)) return Failed();
    // Most keys are one value, and compare faster without their array.
    const bool lone = key.Size() == 1;
    keyed.push_back(Keyed{lone ? key.At(0) : key, !lone, element});
  }
  switch (node->special) {
    case Special::kSortBy:
      return SortKeyed(*this, std::move(keyed), out) ? Flow::kNext : Failed();
    case Special::kGroupBy:
      return GroupKeyed(*this, std::move(keyed), out) ? Flow::kNext : Failed();
    case Special::kUniqueBy:
      return UniqueKeyed(*this, std::move(keyed), out) ? Flow::kNext : Failed();
    default:
      break;
  }
  const Keyed* best = nullptr;
  for (Keyed& candidate : keyed) {
    if (!StepsOf(*this, candidate.key, candidate.steps)) return Failed();
    if (best != nullptr &&
        !SpendOrder(*this, candidate.key, candidate.steps, best->key, best->steps)) {
      return Failed();
    }
    const int order = best == nullptr ? 0 : CompareKeys(candidate, *best);
    // Of equal ones, the least is the first and the greatest the last.
    const bool better = node->special == Special::kMinBy ? order < 0 : order >= 0;
    if (best == nullptr || better) best = &candidate;
  }
  out = best == nullptr ? Json() : best->element;
  return Flow::kNext;
}

}  // namespace skald::expression
