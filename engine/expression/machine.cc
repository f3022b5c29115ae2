// Nodes that have exactly one value: computed by plain calls, without callbacks. Also the machine's
// accounts.
#include "engine/expression/machine.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <pthread.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/expression/format.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

// What an evaluation may use of a stack that is large enough, and what it leaves of any.
constexpr ptrdiff_t kStackBytesMax = 4 << 20;
constexpr ptrdiff_t kStackReserve = 128 << 10;

// The lowest address of the calling thread's stack: found once, as it takes reading /proc for a
// process's first thread.
const char* StackEnd() {
  thread_local const char* const end = [] {
    pthread_attr_t attributes;
    void* lowest = nullptr;
    size_t size = 0;
    SKALD_CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    SKALD_CHECK(pthread_attr_getstack(&attributes, &lowest, &size) == 0);
    pthread_attr_destroy(&attributes);
    return static_cast<const char*>(lowest);
  }();
  return end;
}
// What is read of a value in about the time of a step; an element counts as 16 bytes.
constexpr size_t kBytesPerStep = 128;
constexpr size_t kNoDepth = std::numeric_limits<size_t>::max();

}  // namespace

Machine::Machine(const Program& program, const Environment& environment)
    : program_(program),
      environment_(environment),
      budget_(environment.shared != nullptr ? *environment.shared : environment.budget),
      now_(environment.now) {}

absl::Status Machine::Evaluate(const Json& input, absl::FunctionRef<bool(Json)> result) {
  const char* here = static_cast<const char*>(__builtin_frame_address(0));
  stack_limit_ = std::max(here - kStackBytesMax, StackEnd() + kStackReserve);
  FrameRef frame;
  if (program_.variable_count > 0) frame = Frame::New(nullptr, program_.variable_count, 0);
  const Flow flow = Run<Json>(program_.main, std::move(frame), input, [&](Json&& value) {
    // What was only picked out of the input is no larger than the input.
    if (built_ > 0 && !CheckResult(value)) return Failed();
    return result(std::move(value)) ? Flow::kNext : Flow::kStop;
  });
  switch (flow) {
    case Flow::kNext:
    case Flow::kStop:
      return absl::OkStatus();
    case Flow::kFatal:
      return status_;
    case Flow::kError:
      break;
    case Flow::kBreak:
    case Flow::kTail:
      return absl::InvalidArgumentError("break");
  }
  if (error_.is_string()) return absl::InvalidArgumentError(error_.AsString());
  return absl::InvalidArgumentError(absl::StrCat(ShortText(error_, 1000), " (not a string)"));
}

bool Machine::Raise(absl::string_view message) {
  if (!Charge(message.size())) return false;
  return RaiseValue(Json::String(message));
}

bool Machine::RaiseValue(Json payload) {
  error_offset_ = kNoOffset;
  error_ = std::move(payload);
  return false;
}

bool Machine::Exhaust(absl::string_view what) {
  if (!fatal_) {
    status_ = absl::ResourceExhaustedError(
        absl::StrCat("the budget of the evaluation is used up: ", what));
    error_offset_ = kNoOffset;
  }
  fatal_ = true;
  return false;
}

bool Machine::StackLeft() {
  const char* here = static_cast<const char*>(__builtin_frame_address(0));
  return here > stack_limit_ || Exhaust("recursion depth");
}

bool Machine::SpendWalk(const Json& value) {
  if (value.is_string()) return Spend(value.AsString().size() / kBytesPerStep);
  if (value.is_number()) return !value.IsLiteral() || Spend(value.ApproximateBytes());
  return value.Size() == 0 || Walk(value, kNoDepth);
}

// A result goes to the log as text, from which it must be readable again.
bool Machine::CheckResult(const Json& value) { return Walk(value, JsonLimits{}.depth_max); }

bool Machine::Walk(const Json& value, size_t depth_max) {
  struct Level {
    const Json* container;
    size_t next;
  };
  std::vector<Level> levels;
  size_t bytes = 0;
  size_t work = 0;
  const auto visit = [&](const Json& part) {
    bytes += kElementBytes + (part.is_string() ? part.AsString().size() : 0);
    // Numbers kept as text are compared digit by digit.
    if (part.IsLiteral()) work += part.ApproximateBytes();
    if (part.Size() > 0 && !part.is_string()) levels.push_back(Level{&part, 0});
  };
  visit(value);
  while (!levels.empty()) {
    if (bytes > budget_.bytes_max) return Exhaust("bytes");
    if (work + bytes / kBytesPerStep > steps_left()) return Exhaust("steps");
    if (levels.size() > depth_max) return Raise("the result is nested too deeply");
    Level& level = levels.back();
    const Json& container = *level.container;
    if (level.next == container.Size()) {
      levels.pop_back();
    } else if (container.is_array()) {
      visit(container.AsArray()[level.next++]);
    } else {
      const Json::Member& member = container.AsObject()[level.next++];
      bytes += member.key().size();
      visit(member.value);
    }
  }
  return Spend(work + bytes / kBytesPerStep);
}

Flow Machine::One(const Node* node, Frame* frame, const Json& in, Json& out) {
  if (!StackLeft() || !Spend(1)) return Flow::kFatal;
  switch (node->op) {
    case Op::kIdentity:
      out = in;
      return Flow::kNext;
    case Op::kLiteral:
      out = node->literal;
      return Flow::kNext;
    case Op::kVariable:
      out = Frame::Up(frame, node->hops)->variable(node->slot);
      return Flow::kNext;
    case Op::kGlobal:
      return At(node, Global(node->slot, out));
    case Op::kField:
      return OneField(node, frame, in, out);
    case Op::kIndex:
    case Op::kBinary:
    case Op::kNegate:
    case Op::kAnd:
    case Op::kOr:
      return At(node, OneBinary(node, frame, in, out));
    case Op::kArray:
      return At(node, Collect(node->a, FrameRef(frame), in, out));
    case Op::kObject:
      return At(node, OneObject(node, frame, in, out));
    case Op::kString:
      return At(node, OneString(node, frame, in, out));
    case Op::kFormat:
      return At(node, ApplyFormat(*this, node->format, in, out) ? Flow::kNext : Failed());
    case Op::kNative:
      return At(node, OneNative(node, frame, in, out));
    case Op::kCall:
      return At(node, OneCall(node, frame, in, out));
    case Op::kSpecial:
      // Some that have one value still generate it.
      if (!node->direct) return Generic(node, frame, in, out);
      return At(node, SpecialOne(node, FrameRef(frame), in, out));
    case Op::kPipe:
    case Op::kIf:
    case Op::kAssign:
    case Op::kUpdate:
    case Op::kArithUpdate:
    case Op::kDefaultUpdate:
      return OneOwned(node, frame, Json(in), out);
    default:
      return Generic(node, frame, in, out);
  }
}

Flow Machine::OneOwned(const Node* node, Frame* frame, Json&& in, Json& out) {
  switch (node->op) {
    case Op::kIdentity:
      out = std::move(in);
      return Flow::kNext;
    case Op::kPipe: {
      Json between;
      const Flow flow = OneOwned(node->a, frame, std::move(in), between);
      if (flow != Flow::kNext) return flow;
      return OneOwned(node->b, frame, std::move(between), out);
    }
    case Op::kIf: {
      if (!StackLeft() || !Spend(1)) return Flow::kFatal;
      Json space;
      const Json* condition = nullptr;
      const Flow flow = Peek(node->a, frame, in, space, &condition);
      if (flow != Flow::kNext) return flow;
      const Node* branch = condition->Truthy() ? node->b : node->c;
      if (branch != nullptr) return OneOwned(branch, frame, std::move(in), out);
      out = std::move(in);
      return Flow::kNext;
    }
    case Op::kBinary: {
      // `. + x`, which is how reductions grow their state.
      if (node->a->op != Op::kIdentity || node->binary != BinaryOp::kAdd) break;
      if (!StackLeft() || !Spend(1)) return Flow::kFatal;
      Json space;
      const Json* right = nullptr;
      const Flow flow = Peek(node->b, frame, in, space, &right);
      if (flow != Flow::kNext) return flow;
      if (right == &in) break;
      // A part of the input goes when the input, changed in place, drops it.
      if (node->b->op == Op::kField && right != &space) {
        space = *right;
        right = &space;
      }
      const bool done = Arithmetic(*this, node->binary, std::move(in), *right, out);
      return At(node, done ? Flow::kNext : Failed());
    }
    case Op::kAssign:
    case Op::kUpdate:
    case Op::kArithUpdate:
    case Op::kDefaultUpdate:
      return At(node, OneUpdate(node, frame, std::move(in), out));
    default:
      break;
  }
  return One(node, frame, in, out);
}

Flow Machine::Generic(const Node* node, Frame* frame, const Json& in, Json& out) {
  return Run<Json>(node, FrameRef(frame), in, [&out](Json&& value) {
    out = std::move(value);
    return Flow::kNext;
  });
}

Flow Machine::Peek(const Node* node, Frame* frame, const Json& in, Json& space, const Json** out) {
  *out = &space;
  switch (node->op) {
    case Op::kIdentity:
      *out = &in;
      return Flow::kNext;
    case Op::kLiteral:
      *out = &node->literal;
      return Flow::kNext;
    case Op::kVariable:
      *out = &Frame::Up(frame, node->hops)->variable(node->slot);
      return Flow::kNext;
    case Op::kField: {
      if (node->a != nullptr) break;
      const Json* value = &in;
      for (const std::string& key : node->keys) {
        if (!value->is_object()) {
          if (!value->is_null()) return OneField(node, frame, in, space);
          break;
        }
        value = &value->Get(key);
      }
      *out = value;
      return Spend(1 + node->slot) ? Flow::kNext : Failed();
    }
    default:
      break;
  }
  return One(node, frame, in, space);
}

Flow Machine::OneField(const Node* node, Frame* frame, const Json& in, Json& out) {
  if (!Spend(node->slot)) return Flow::kFatal;
  Json space;
  const Json* value = &in;
  if (node->a != nullptr) {
    const Flow flow = Peek(node->a, frame, in, space, &value);
    if (flow != Flow::kNext) return flow;
  }
  for (size_t i = 0; i < node->keys.size(); ++i) {
    const std::string& key = node->keys[i];
    if (value->is_object()) {
      value = &value->Get(key);
    } else if (value->is_null()) {
      break;
    } else {
      return AtOffset(node->key_offsets[i], Error(absl::StrCat("Cannot index ", value->KindName(),
                                                               " with string \"", key, "\"")));
    }
  }
  // Both may lie in the same value.
  Json result = *value;
  out = std::move(result);
  return Flow::kNext;
}

// Operators of one or two operands. The right operand comes first, as everywhere in the language.
Flow Machine::OneBinary(const Node* node, Frame* frame, const Json& in, Json& out) {
  Json left_space;
  Json right_space;
  const Json* left = nullptr;
  const Json* right = nullptr;
  if (node->op == Op::kAnd || node->op == Op::kOr) {
    Flow flow = Peek(node->a, frame, in, left_space, &left);
    if (flow != Flow::kNext) return flow;
    const bool decides = left->Truthy() == (node->op == Op::kOr);
    if (!decides) flow = Peek(node->b, frame, in, right_space, &left);
    out = Json::Bool(flow == Flow::kNext && left->Truthy());
    return flow;
  }
  if (node->b != nullptr) {
    const Flow flow = Peek(node->b, frame, in, right_space, &right);
    if (flow != Flow::kNext) return flow;
  }
  const Flow flow = Peek(node->a, frame, in, left_space, &left);
  if (flow != Flow::kNext) return flow;
  bool done = false;
  if (node->op == Op::kNegate) {
    done = Negate(*this, *left, out);
  } else if (node->op == Op::kIndex) {
    Json result;
    done = Index(*this, *left, *right, result);
    out = std::move(result);
  } else {
    Json operand = left == &left_space ? std::move(left_space) : *left;
    done = Arithmetic(*this, node->binary, std::move(operand), *right, out);
  }
  return done ? Flow::kNext : Failed();
}

Flow Machine::AddMember(Json& object, const Json& key, Json value) {
  if (!key.is_string()) {
    return Error(absl::StrCat("Cannot use ", Describe(key), " as object key"));
  }
  if (!ChargeElements(1) || !SpendWalk(key)) return Failed();
  object = std::move(object).With(key.AsString(), std::move(value));
  return Flow::kNext;
}

Flow Machine::OneObject(const Node* node, Frame* frame, const Json& in, Json& out) {
  Json object = Json::EmptyObject();
  for (size_t i = 0; i < node->list.size(); i += 2) {
    Json key_space;
    const Json* key = nullptr;
    Flow flow = Peek(node->list[i], frame, in, key_space, &key);
    if (flow != Flow::kNext) return flow;
    Json value;
    if (node->list[i + 1] == nullptr) {
      if (!Index(*this, in, *key, value)) return Failed();
    } else {
      flow = One(node->list[i + 1], frame, in, value);
      if (flow != Flow::kNext) return flow;
    }
    flow = AddMember(object, *key, std::move(value));
    if (flow != Flow::kNext) return flow;
  }
  out = std::move(object);
  return Flow::kNext;
}

Flow Machine::OneNative(const Node* node, Frame* frame, const Json& in, Json& out) {
  constexpr size_t kFew = 3;
  Json few[kFew];
  std::vector<Json> many(node->list.size() > kFew ? node->list.size() : 0);
  Json* arguments = many.empty() ? few : many.data();
  for (size_t i = node->list.size(); i-- > 0;) {
    const Flow flow = One(node->list[i], frame, in, arguments[i]);
    if (flow != Flow::kNext) return flow;
  }
  Json result;
  if (!node->native(*this, in, arguments, result)) return Failed();
  out = std::move(result);
  return Flow::kNext;
}

Flow Machine::OneString(const Node* node, Frame* frame, const Json& in, Json& out) {
  std::vector<Json> pieces(node->list.size());
  for (size_t i = node->list.size(); i-- > 0;) {
    if (node->list[i]->op == Op::kText) continue;
    const Flow flow = One(node->list[i], frame, in, pieces[i]);
    if (flow != Flow::kNext) return flow;
  }
  return JoinPieces(node, pieces, out);
}

Flow Machine::OneCall(const Node* node, Frame* frame, const Json& in, Json& out) {
  const Node* body = node;
  FrameRef callee(frame);
  Json unused;
  const Flow flow = RunCall<Json>(body, callee, unused);
  if (flow != Flow::kTail) return flow;
  return One(body, callee.get(), in, out);
}

Flow Machine::Collect(const Node* node, const FrameRef& frame, const Json& in, Json& out) {
  if (node == nullptr) {
    out = Json::EmptyArray();
    return Flow::kNext;
  }
  Json::ArrayBuilder elements;
  const Flow flow = Run<Json>(node, frame, in, [&](Json&& value) {
    if (!Charge(kElementBytes)) return Failed();
    elements.Add(std::move(value));
    return Flow::kNext;
  });
  if (flow != Flow::kNext) return flow;
  built_ += elements.size() + 1;
  out = std::move(elements).Build();
  return Flow::kNext;
}

Flow Machine::Global(uint32_t slot, Json& out) {
  if (globals_.empty()) {
    globals_.resize(program_.globals.size());
    globals_known_.resize(program_.globals.size());
  }
  if (!globals_known_[slot]) {
    const std::string& name = program_.globals[slot];
    if (environment_.variable == nullptr) {
      return Error(absl::StrCat("$", name, " was given no value"));
    }
    globals_[slot] = (*environment_.variable)(name);
    globals_known_[slot] = true;
  }
  out = globals_[slot];
  return Flow::kNext;
}

}  // namespace skald::expression
