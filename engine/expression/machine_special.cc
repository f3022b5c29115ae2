// Built-in functions that generate, take functions, or keep paths.
#include <cmath>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/expression/machine.h"
#include "engine/expression/machine_items.h"
#include "engine/expression/values.h"

namespace skald::expression {

template <typename Item>
Flow Machine::RunSpecial(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  switch (node->special) {
    case Special::kEmpty:
      return Flow::kNext;
    case Special::kSelect:
      return RunSelect<Item>(node, frame, in, out);
    case Special::kRecurse:
      if (node->closures.empty()) return RecurseDown<Item>(in, out);
      return RunRecurse<Item>(node->closures[0], frame, in, out);
    case Special::kFirst:
      return RunFirst<Item>(node->closures[0], frame, in, out);
    case Special::kLast:
      return RunLast<Item>(node->closures[0], frame, in, out);
    case Special::kLimit:
    case Special::kSkip:
      return RunLimitOrSkip<Item>(node, frame, in, out);
    case Special::kGetPath:
      return RunGetPath<Item>(node, frame, in, out);
    default:
      return RunSpecialValues(node, frame, ValueOf(in),
                              [&](Json&& value) { return out(Derive(in, std::move(value))); });
  }
}

template <typename Item>
Flow Machine::RunSelect(const Node* node, const FrameRef& frame, Item& in, Out<Item> out) {
  const Closure& condition = node->closures[0];
  if (condition.hops < 0 && condition.flat && condition.body->direct) {
    Json space;
    const Json* truth = nullptr;
    const Flow flow = Peek(condition.body, frame.get(), ValueOf(in), space, &truth);
    if (flow != Flow::kNext || !truth->Truthy()) return flow;
    return out(std::move(in));
  }
  return RunClosure<Json>(condition, frame, ValueOf(in), [&](Json&& truth) {
    return truth.Truthy() ? out(Item(in)) : Flow::kNext;
  });
}

template <typename Item>
Flow Machine::RunRecurse(const Closure& closure, const FrameRef& frame, const Item& in,
                         Out<Item> out) {
  if (!StackLeft()) return Flow::kFatal;
  const Flow flow = out(Item(in));
  if (flow != Flow::kNext) return flow;
  return RunClosure<Item>(closure, frame, in, [&](Item&& below) {
    return RunRecurse<Item>(closure, frame, below, out);
  });
}

template <typename Item>
Flow Machine::RunFirst(const Closure& closure, const FrameRef& frame, const Item& in,
                       Out<Item> out) {
  bool found = false;
  Flow after = Flow::kNext;
  const Flow flow = RunClosure<Item>(closure, frame, in, [&](Item&& value) {
    found = true;
    after = out(std::move(value));
    return after == Flow::kNext ? Flow::kStop : after;
  });
  return found ? after : flow;
}

template <typename Item>
Flow Machine::RunLast(const Closure& closure, const FrameRef& frame, const Item& in,
                      Out<Item> out) {
  bool found = false;
  Item last = Computed<Item>(Json());
  const Flow flow = RunClosure<Item>(closure, frame, in, [&](Item&& value) {
    found = true;
    last = std::move(value);
    return Flow::kNext;
  });
  if (flow != Flow::kNext) return flow;
  // A generator without results has null as its last, as a reduction over it has.
  return found ? out(std::move(last)) : out(Derive(in, Json()));
}

template <typename Item>
Flow Machine::RunLimitOrSkip(const Node* node, const FrameRef& frame, const Item& in,
                             Out<Item> out) {
  const bool limit = node->special == Special::kLimit;
  return Run<Json>(node->list[0], frame, ValueOf(in), [&](Json&& count) {
    if (!count.is_number()) {
      return Error(absl::StrCat(Describe(count), " is not a number of results"));
    }
    const double wanted = count.AsDouble();
    if (limit && wanted == 0) return Flow::kNext;
    if (wanted < 0 || (!limit && wanted == 0)) {
      if (!limit && wanted < 0) return Error("skip doesn't support negative count");
      return RunClosure<Item>(node->closures[0], frame, in, out);
    }
    double seen = 0;
    bool done = false;
    const Flow flow = RunClosure<Item>(node->closures[0], frame, in, [&](Item&& value) {
      ++seen;
      if (!limit) return seen > wanted ? out(std::move(value)) : Flow::kNext;
      const Flow after = out(std::move(value));
      done = after == Flow::kNext && seen >= wanted;
      return done ? Flow::kStop : after;
    });
    return done ? Flow::kNext : flow;
  });
}

template <typename Item>
Flow Machine::RunGetPath(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out) {
  return Run<Json>(node->list[0], frame, ValueOf(in), [&](Json&& path) {
    Json value;
    if (!GetPath(*this, ValueOf(in), path, value)) return Failed();
    if constexpr (std::is_same_v<Item, Json>) {
      return out(std::move(value));
    } else {
      if (!in.on_path) {
        return Error(
            absl::StrCat("Invalid path expression with result ", ShortText(in.value, kLongerText)));
      }
      if (!Spend(path.Size()) || !ChargeElements(in.path.Size() + path.Size())) return Failed();
      Json longer = in.path;
      for (const Json& key : path.AsArray()) longer = std::move(longer).WithAppended(key);
      return out(Tracked{std::move(value), std::move(longer), true});
    }
  });
}

Flow Machine::RunSpecialValues(const Node* node, const FrameRef& frame, const Json& in,
                               Out<Json> out) {
  switch (node->special) {
    case Special::kError:
      return Run<Json>(node->list[0], frame, in, [&](Json&& payload) {
        RaiseValue(std::move(payload));
        return Failed();
      });
    case Special::kRange:
      return RunRange(node, frame, in, out);
    case Special::kIsEmpty:
      return RunIsEmpty(node->closures[0], frame, in, out);
    case Special::kAny:
    case Special::kAll:
      return RunAnyAll(node, frame, in, out);
    case Special::kPath:
      return PathsOf(node->closures[0], frame.get(), in, out);
    case Special::kSubstitute:
      return RunSubstitute(node, frame, in, out);
    default: {
      Json value;
      const Flow flow = SpecialOne(node, frame, in, value);
      return flow == Flow::kNext ? out(std::move(value)) : flow;
    }
  }
}

Flow Machine::RunRange(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out) {
  Json arguments[3];
  return ForEachInOrder(node, frame, in, 0, arguments,
                        [&] { return Range(arguments[0], arguments[1], arguments[2], out); });
}

Flow Machine::Range(const Json& from, const Json& upto, const Json& by, Out<Json> out) {
  if (!from.is_number() || !upto.is_number() || !by.is_number()) {
    return Error("Range bounds must be numeric");
  }
  if (from.IsInt() && upto.IsInt() && by.IsInt()) {
    const int64_t step = by.AsInt();
    const int64_t end = upto.AsInt();
    int64_t value = from.AsInt();
    if (step == 0) {
      while (value < end) {
        if (!Spend(1)) return Flow::kFatal;
        const Flow flow = out(Json::Int(value));
        if (flow != Flow::kNext) return flow;
      }
      return Flow::kNext;
    }
    bool overflow = false;
    for (; !overflow && (step > 0 ? value < end : value > end);
         overflow = __builtin_add_overflow(value, step, &value)) {
      if (!Spend(1)) return Flow::kFatal;
      const Flow flow = out(Json::Int(value));
      if (flow != Flow::kNext) return flow;
    }
    return Flow::kNext;
  }
  const double step = by.AsDouble();
  const double end = upto.AsDouble();
  for (double value = from.AsDouble(); step < 0 ? value > end : value < end; value += step) {
    if (!Spend(1)) return Flow::kFatal;
    const Flow flow = out(Json::Double(value));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Flow Machine::RunIsEmpty(const Closure& closure, const FrameRef& frame, const Json& in,
                         Out<Json> out) {
  bool empty = true;
  const Flow flow = RunClosure<Json>(closure, frame, in, [&](Json&&) {
    empty = false;
    return Flow::kStop;
  });
  if (flow != Flow::kNext && flow != Flow::kStop) return flow;
  return out(Json::Bool(empty));
}

Flow Machine::RunAnyAll(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out) {
  const bool deciding = node->special == Special::kAny;
  bool decided = false;
  const Flow flow = RunClosure<Json>(node->closures[0], frame, in, [&](Json&& value) {
    return RunClosure<Json>(node->closures[1], frame, std::move(value), [&](Json&& truth) {
      decided = truth.Truthy() == deciding;
      return decided ? Flow::kStop : Flow::kNext;
    });
  });
  if (flow != Flow::kNext && !decided) return flow;
  return out(Json::Bool(decided == deciding));
}

template Flow Machine::RunSpecial<Json>(NodePtr&, FrameRef&, Json&, Out<Json>);
template Flow Machine::RunSpecial<Tracked>(NodePtr&, FrameRef&, Tracked&, Out<Tracked>);

}  // namespace skald::expression
