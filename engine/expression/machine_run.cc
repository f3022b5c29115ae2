// Nodes that may have any number of results: control flow, calls and bindings.
#include <type_traits>
#include <utility>

#include "engine/expression/machine.h"
#include "engine/expression/machine_items.h"
#include "engine/expression/values.h"

namespace skald::expression {

template <typename Item>
Flow Machine::Run(const Node* node, FrameRef frame, Item in, Out<Item> out) {
  if (!StackLeft()) return Flow::kFatal;
  // What stands in the text itself: a call of the prelude's, for what goes wrong there.
  const Node* placed = node;
  for (;;) {
    if (!Spend(1)) return At(placed, Flow::kFatal);
    if (node->offset != kNoOffset) placed = node;
    if constexpr (std::is_same_v<Item, Json>) {
      if (node->direct) {
        Json result;
        const Flow flow = OneOwned(node, frame.get(), std::move(in), result);
        return flow == Flow::kNext ? out(std::move(result)) : At(placed, flow);
      }
    }
    const Flow flow = Dispatch<Item>(node, frame, in, out);
    if (flow != Flow::kTail) return At(placed, flow);
  }
}

template <typename Item>
Flow Machine::Dispatch(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  switch (node->op) {
    case Op::kIdentity:
      return out(std::move(in));
    case Op::kField:
      return RunField<Item>(node, frame, in, out);
    case Op::kIndex:
      return RunIndex<Item>(node, frame, in, out);
    case Op::kSlice:
      return RunSlice<Item>(node, frame, in, out);
    case Op::kIterate:
      return RunIterate<Item>(node, frame, in, out);
    case Op::kPipe:
      return RunPipe<Item>(node, frame, in, out);
    case Op::kComma:
      return RunComma<Item>(node, frame, in, out);
    case Op::kAlternative:
      return RunAlternative<Item>(node, frame, in, out);
    case Op::kIf:
      return RunIf<Item>(node, frame, in, out);
    case Op::kTry:
      return RunTry<Item>(node, frame, in, out);
    case Op::kReduce:
      return RunReduce<Item>(node, frame, in, out);
    case Op::kForeach:
      return RunForeach<Item>(node, frame, in, out);
    case Op::kBind:
      return RunBind<Item>(node, frame, in, out);
    case Op::kCall:
      return RunCall<Item>(node, frame, in);
    case Op::kCallClosure:
      return RunCallClosure<Item>(node, frame);
    case Op::kLabel:
      return RunLabel<Item>(node, frame, in, out);
    case Op::kBreak:
      break_target_ = Frame::Up(frame.get(), node->hops)->variable(node->slot).AsInt();
      return Flow::kBreak;
    case Op::kSpecial:
      return RunSpecial<Item>(node, frame, in, out);
    default:
      return RunValues(node, frame, ValueOf(in),
                       [&](Json&& value) { return out(Derive(in, std::move(value))); });
  }
}

// A function that was passed may have one value for sure, which the node that calls it does not
// know.
bool Machine::ResolveSingle(const Node* node, const FrameRef& frame, Resolved& resolved) {
  if (node->single) {
    resolved = Resolved{node, frame};
    return true;
  }
  if (node->op != Op::kCallClosure) return false;
  const BoundClosure& bound = Frame::Up(frame.get(), node->hops)->closure(node->slot);
  if (!bound.code->body->single) return false;
  auto [body, callee] = Enter(*bound.code, bound.frame.get());
  resolved = Resolved{body, std::move(callee)};
  return true;
}

template <typename Item>
Flow Machine::RunPipe(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  if constexpr (std::is_same_v<Item, Json>) {
    Resolved left;
    if (ResolveSingle(node->a, frame, left)) {
      Json value;
      const Flow flow = OneOwned(left.node, left.frame.get(), std::move(in), value);
      if (flow != Flow::kNext) return flow;
      in = std::move(value);
      node = node->b;
      return Flow::kTail;
    }
  }
  const Node* right = node->b;
  return Run<Item>(node->a, frame, std::move(in),
                   [&](Item&& value) { return Run<Item>(right, frame, std::move(value), out); });
}

template <typename Item>
Flow Machine::RunComma(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  for (size_t i = 0; i + 1 < node->list.size(); ++i) {
    const Flow flow = Run<Item>(node->list[i], frame, in, out);
    if (flow != Flow::kNext) return flow;
  }
  node = node->list.back();
  return Flow::kTail;
}

template <typename Item>
Flow Machine::RunIf(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  if (Resolved test; ResolveSingle(node->a, frame, test)) {
    Json space;
    const Json* condition = nullptr;
    const Flow flow = Peek(test.node, test.frame.get(), ValueOf(in), space, &condition);
    if (flow != Flow::kNext) return flow;
    node = condition->Truthy() ? node->b : node->c;
    return node == nullptr ? out(std::move(in)) : Flow::kTail;
  }
  return Run<Json>(node->a, frame, ValueOf(in), [&](Json&& condition) {
    const Node* branch = condition.Truthy() ? node->b : node->c;
    return branch == nullptr ? out(Item(in)) : Run<Item>(branch, frame, in, out);
  });
}

// The truthy results on the left, or else what is on the right.
template <typename Item>
Flow Machine::RunAlternative(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  bool any = false;
  const Flow flow = Run<Item>(node->a, frame, in, [&](Item&& value) {
    if (!ValueOf(value).Truthy()) return Flow::kNext;
    any = true;
    return out(std::move(value));
  });
  if (flow != Flow::kNext || any) return flow;
  node = node->b;
  return Flow::kTail;
}

// Catches what the body raises, but not what comes after it raises.
template <typename Item>
Flow Machine::RunTry(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  bool passed = false;
  const Flow flow = Run<Item>(node->a, frame, in, [&](Item&& value) {
    const Flow after = out(std::move(value));
    passed = after != Flow::kNext;
    return after;
  });
  if (flow != Flow::kError || passed) return flow;
  if (node->b == nullptr) return Flow::kNext;
  in = Computed<Item>(std::exchange(error_, Json()));
  node = node->b;
  return Flow::kTail;
}

template <typename Item>
Flow Machine::RunLabel(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  const int64_t label = ++labels_;
  frame->variable(node->slot) = Json::Int(label);
  const Flow flow = Run<Item>(node->a, frame, std::move(in), out);
  return flow == Flow::kBreak && break_target_ == label ? Flow::kNext : flow;
}

template <typename Item>
Flow Machine::RunCall(NodePtr& node, FrameRef& frame, Item&) {
  const Function& function = *node->function;
  Frame* parent = node->hops < 0 ? nullptr : Frame::Up(frame.get(), node->hops);
  if (function.flat) {
    node = function.body;
    frame = FrameRef(parent);
    return Flow::kTail;
  }
  constexpr size_t kFrameBytes = 32;
  if (!Charge(kFrameBytes)) return Flow::kFatal;
  FrameRef callee = Frame::New(parent, function.variable_count, function.closure_count);
  for (uint32_t i = 0; i < function.closure_count; ++i) {
    const Closure& closure = node->closures[i];
    callee->closure(i) = closure.hops < 0
                             ? BoundClosure{&closure, frame}
                             : Frame::Up(frame.get(), closure.hops)->closure(closure.slot);
  }
  node = function.body;
  frame = std::move(callee);
  return Flow::kTail;
}

template <typename Item>
Flow Machine::RunCallClosure(NodePtr& node, FrameRef& frame) {
  const BoundClosure bound = Frame::Up(frame.get(), node->hops)->closure(node->slot);
  node = bound.code->body;
  frame =
      bound.code->flat ? bound.frame : Frame::New(bound.frame.get(), bound.code->variable_count, 0);
  return Flow::kTail;
}

std::pair<const Node*, FrameRef> Machine::Enter(const Closure& closure, Frame* frame) {
  if (closure.hops >= 0) {
    const BoundClosure& bound = Frame::Up(frame, closure.hops)->closure(closure.slot);
    return Enter(*bound.code, bound.frame.get());
  }
  if (closure.flat) return {closure.body, FrameRef(frame)};
  return {closure.body, Frame::New(frame, closure.variable_count, 0)};
}

template <typename Item>
Flow Machine::RunClosure(const Closure& closure, const FrameRef& frame, Item in, Out<Item> out) {
  auto [body, callee] = Enter(closure, frame.get());
  return Run<Item>(body, std::move(callee), std::move(in), out);
}

template <typename Item>
Flow Machine::RunReduce(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out) {
  return Run<Item>(node->b, frame, in, [&](Item&& initial) {
    Item state = std::move(initial);
    const auto step = [&](Json&& value) {
      bool passed = false;
      return Bind(node, frame, value, &passed, [&] {
        // The state is handed over, so that the update may change it in place. An update without
        // results leaves null.
        Item current = std::exchange(state, Computed<Item>(Json()));
        return Run<Item>(node->c, frame, std::move(current), [&](Item&& next) {
          state = std::move(next);
          return Flow::kNext;
        });
      });
    };
    const Flow flow = Run<Json>(node->a, frame, ValueOf(in), step);
    return flow == Flow::kNext ? out(std::move(state)) : flow;
  });
}

template <typename Item>
Flow Machine::RunForeach(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out) {
  return Run<Item>(node->b, frame, in, [&](Item&& initial) {
    Item state = std::move(initial);
    bool passed = false;
    const auto extract = [&](Item&& next) {
      state = next;
      const Flow flow = node->d == nullptr ? out(std::move(next))
                                           : Run<Item>(node->d, frame, std::move(next), out);
      passed = passed || flow != Flow::kNext;
      return flow;
    };
    return Run<Json>(node->a, frame, ValueOf(in), [&](Json&& value) {
      return Bind(node, frame, value, &passed, [&] {
        Item current = std::exchange(state, Computed<Item>(Json()));
        return Run<Item>(node->c, frame, std::move(current), extract);
      });
    });
  });
}

template <typename Item>
Flow Machine::RunBind(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out) {
  const bool simple =
      node->matchers.size() == 1 && node->matchers[0].kind == Pattern::Kind::kVariable;
  if (Resolved source; simple && ResolveSingle(node->a, frame, source)) {
    Json value;
    const Flow flow = One(source.node, source.frame.get(), ValueOf(in), value);
    if (flow != Flow::kNext) return flow;
    frame->variable(node->matchers[0].slot) = std::move(value);
    node = node->b;
    return Flow::kTail;
  }
  return Run<Json>(node->a, frame, ValueOf(in), [&](Json&& value) {
    bool passed = false;
    return Bind(node, frame, value, &passed, [&] {
      return Run<Item>(node->b, frame, in, [&](Item&& result) {
        const Flow flow = out(std::move(result));
        passed = passed || flow != Flow::kNext;
        return flow;
      });
    });
  });
}

template Flow Machine::Run<Json>(const Node*, FrameRef, Json, Out<Json>);
template Flow Machine::Run<Tracked>(const Node*, FrameRef, Tracked, Out<Tracked>);
template Flow Machine::RunCall<Json>(NodePtr&, FrameRef&, Json&);
template Flow Machine::RunClosure<Json>(const Closure&, const FrameRef&, Json, Out<Json>);
template Flow Machine::RunClosure<Tracked>(const Closure&, const FrameRef&, Tracked, Out<Tracked>);

}  // namespace skald::expression
