// Operators whose operands may have several results: each combination gives one. The last operand
// is the outermost loop.
#include <string>
#include <utility>
#include <vector>

#include "engine/expression/format.h"
#include "engine/expression/machine.h"
#include "engine/expression/values.h"

namespace skald::expression {

Flow Machine::RunValues(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out) {
  if (node->direct) {
    Json value;
    const Flow flow = One(node, frame.get(), in, value);
    return flow == Flow::kNext ? out(std::move(value)) : flow;
  }
  switch (node->op) {
    case Op::kBinary:
    case Op::kNegate:
      return RunBinary(node, frame, in, out);
    case Op::kAnd:
    case Op::kOr:
      return RunLogic(node, frame, in, out);
    case Op::kObject:
      return RunObject(node, frame, in, 0, Json::EmptyObject(), out);
    case Op::kString: {
      std::vector<Json> pieces(node->list.size());
      return RunString(node, frame, in, pieces.size(), pieces, out);
    }
    case Op::kNative: {
      std::vector<Json> arguments(node->list.size());
      return ForEachArgument(node, frame, in, arguments.size(), arguments.data(), [&] {
        std::vector<Json> consumed = arguments;
        Json result;
        if (!node->native(*this, in, consumed.data(), result)) return Failed();
        return out(std::move(result));
      });
    }
    case Op::kAssign:
    case Op::kArithUpdate:
    case Op::kDefaultUpdate:
      return Run<Json>(node->a, frame, in, [&](Json&& value) {
        Json result;
        const Flow flow = Assign(node, frame.get(), Json(in), value, result);
        return flow == Flow::kNext ? out(std::move(result)) : flow;
      });
    default:
      return Error("internal: unexpected node");
  }
}

Flow Machine::RunBinary(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out) {
  if (node->op == Op::kNegate) {
    return Run<Json>(node->a, frame, in, [&](Json&& value) {
      Json result;
      return Negate(*this, value, result) ? out(std::move(result)) : Failed();
    });
  }
  return Run<Json>(node->b, frame, in, [&](Json&& right) {
    return Run<Json>(node->a, frame, in, [&](Json&& left) {
      Json result;
      return Arithmetic(*this, node->binary, std::move(left), right, result)
                 ? out(std::move(result))
                 : Failed();
    });
  });
}

Flow Machine::RunLogic(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out) {
  const bool deciding = node->op == Op::kOr;
  return Run<Json>(node->a, frame, in, [&](Json&& left) {
    if (left.Truthy() == deciding) return out(Json::Bool(deciding));
    return Run<Json>(node->b, frame, in,
                     [&](Json&& right) { return out(Json::Bool(right.Truthy())); });
  });
}

// Adds the members from `member` on. Here the first member is the outermost loop.
Flow Machine::RunObject(const Node* node, const FrameRef& frame, const Json& in, size_t member,
                        Json object, Out<Json> out) {
  if (member == node->list.size()) return out(std::move(object));
  return Run<Json>(node->list[member], frame, in, [&](Json&& key) {
    const auto add = [&](Json&& value) {
      Json larger = object;
      const Flow flow = AddMember(larger, key, std::move(value));
      if (flow != Flow::kNext) return flow;
      return RunObject(node, frame, in, member + 2, std::move(larger), out);
    };
    const Node* value = node->list[member + 1];
    if (value != nullptr) return Run<Json>(value, frame, in, add);
    Json own;
    return Index(*this, in, key, own) ? add(std::move(own)) : Failed();
  });
}

Flow Machine::RunString(const Node* node, const FrameRef& frame, const Json& in, size_t part,
                        std::vector<Json>& pieces, Out<Json> out) {
  while (part > 0 && node->list[part - 1]->op == Op::kText) --part;
  if (part == 0) {
    Json text;
    const Flow flow = JoinPieces(node, pieces, text);
    return flow == Flow::kNext ? out(std::move(text)) : flow;
  }
  return Run<Json>(node->list[part - 1], frame, in, [&](Json&& value) {
    pieces[part - 1] = std::move(value);
    return RunString(node, frame, in, part - 1, pieces, out);
  });
}

Flow Machine::JoinPieces(const Node* node, const std::vector<Json>& pieces, Json& out) {
  std::string text;
  for (size_t i = 0; i < pieces.size(); ++i) {
    Json piece;
    if (node->list[i]->op == Op::kText) {
      piece = node->list[i]->literal;
    } else if (!ApplyFormat(*this, node->format, pieces[i], piece)) {
      return Failed();
    }
    if (!Charge(piece.AsString().size())) return Flow::kFatal;
    text.append(piece.AsString().data(), piece.AsString().size());
  }
  out = Json::String(text);
  return Flow::kNext;
}

Flow Machine::ForEachArgument(const Node* node, const FrameRef& frame, const Json& in, size_t count,
                              Json* arguments, absl::FunctionRef<Flow()> next) {
  if (count == 0) return next();
  return Run<Json>(node->list[count - 1], frame, in, [&](Json&& value) {
    arguments[count - 1] = std::move(value);
    return ForEachArgument(node, frame, in, count - 1, arguments, next);
  });
}

Flow Machine::ForEachInOrder(const Node* node, const FrameRef& frame, const Json& in, size_t first,
                             Json* arguments, absl::FunctionRef<Flow()> next) {
  if (first == node->list.size()) return next();
  return Run<Json>(node->list[first], frame, in, [&](Json&& value) {
    arguments[first] = std::move(value);
    return ForEachInOrder(node, frame, in, first + 1, arguments, next);
  });
}

Flow Machine::OneUpdate(const Node* node, Frame* frame, Json&& in, Json& out) {
  if (!StackLeft() || !Spend(1)) return Flow::kFatal;
  if (node->op == Op::kUpdate) return Update(node, frame, std::move(in), out);
  Json value;
  const Flow flow = One(node->a, frame, in, value);
  if (flow != Flow::kNext) return flow;
  return Assign(node, frame, std::move(in), value, out);
}

// `paths = value`, `paths += value` and the like, `paths //= value`.
Flow Machine::Assign(const Node* node, Frame* frame, Json&& in, const Json& value, Json& out) {
  const auto change = [&](Json&& old, Json& fresh, bool&) {
    if (node->op == Op::kArithUpdate) {
      return Arithmetic(*this, node->binary, std::move(old), value, fresh) ? Flow::kNext : Failed();
    }
    const bool keep = node->op == Op::kDefaultUpdate && old.Truthy();
    fresh = keep ? std::move(old) : value;
    return Flow::kNext;
  };
  return UpdatePaths(node->closures[0], frame, std::move(in), change, out);
}

// `paths |= function`: the function's first result, or none, which deletes.
Flow Machine::Update(const Node* node, Frame* frame, Json&& in, Json& out) {
  const Closure& function = node->closures[1];
  const FrameRef here(frame);
  const auto change = [&](Json&& old, Json& fresh, bool& deleted) {
    if (function.hops < 0 && function.flat && function.body->direct) {
      return OneOwned(function.body, frame, std::move(old), fresh);
    }
    deleted = true;
    fresh = old;
    const Flow flow = RunClosure<Json>(function, here, std::move(old), [&](Json&& value) {
      fresh = std::move(value);
      deleted = false;
      return Flow::kStop;
    });
    return flow == Flow::kStop && !deleted ? Flow::kNext : flow;
  };
  return UpdatePaths(node->closures[0], frame, std::move(in), change, out);
}

}  // namespace skald::expression
