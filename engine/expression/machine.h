// Evaluates a program: one machine, one evaluation, one thread. Private to engine/expression.
//
// Generators push: evaluating a node calls `out` once for each result, and what comes after happens
// inside that call. Backtracking is returning from it. Flow says how a call ended; everything but
// kNext unwinds. The last step of a body (the right side of a pipe, a branch, a called function) is
// no call but another turn of Run's loop, so tail recursion needs no stack.
//
// Each template is compiled twice: with values alone (Json), and with each value's path (Tracked)
// for `path(f)`, assignments and the like.
//
// Native recursion is bounded by the bytes of stack it has used, work by the budget's steps, memory
// by its bytes: past each, evaluation ends with kFatal, which nothing catches.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/json.h"
#include "engine/expression/expression.h"
#include "engine/expression/frame.h"
#include "engine/expression/program.h"

namespace skald::expression {

enum class Flow : uint8_t {
  kNext,   // Go on generating.
  kStop,   // The consumer has enough.
  kError,  // An error was raised: Machine::error().
  kBreak,  // `break $label` was met: Machine's break target.
  kFatal,  // The budget is used up.
  kTail,   // Only between Run and its cases: go on with the changed node, frame and item.
};

// A value with the path that led to it. `on_path` is false for values that were computed.
struct Tracked {
  Json value;
  Json path;
  bool on_path = false;
};

template <typename Item>
using Out = absl::FunctionRef<Flow(Item&&)>;

class Machine {
 public:
  Machine(const Program& program, const Environment& environment);

  // Evaluates the program's main node. Errors as Expression::ForEach, without the expression's
  // text.
  absl::Status Evaluate(const Json& input, absl::FunctionRef<bool(Json)> result);
  // After a failure: the place in the text of what failed, or kNoOffset.
  uint32_t error_offset() const { return error_offset_; }

  // --- For functions written in C++. Those that answer bool answer false when evaluation must
  // unwind. ---

  // Raises an error. Always false.
  bool Raise(absl::string_view message);
  bool RaiseValue(Json payload);
  // Ends the evaluation. Always false.
  bool Exhaust(absl::string_view what);

  // Accounts for work and for memory.
  bool Spend(uint64_t steps) {
    steps_ += steps;
    return steps_ <= budget_.steps_max || Exhaust("steps");
  }
  bool Charge(size_t bytes) {
    bytes_ += bytes;
    return bytes_ <= budget_.bytes_max || Exhaust("bytes");
  }
  // Accounts for a container or string that was built with `elements` parts.
  bool ChargeElements(size_t elements) {
    built_ += elements;
    return Charge(elements * kElementBytes + kElementBytes) && Spend(elements / 8 + 1);
  }
  // Accounts for the work of walking all of `value`. Values share their parts, so a few steps can
  // build one whose text would fill the world.
  bool SpendWalk(const Json& value);

  // The value `root` with what lies at `path` replaced by what `change` makes of it.
  Flow UpdateAt(Json&& root, absl::Span<const Json> path,
                absl::FunctionRef<Flow(Json&&, Json&)> change, Json& out);

  Timestamp now() const { return now_; }
  // What the evaluation has not used.
  Budget left() const {
    return {.steps_max = steps_left(),
            .bytes_max = budget_.bytes_max - std::min(bytes_, budget_.bytes_max)};
  }
  uint64_t steps_left() const { return budget_.steps_max - std::min(steps_, budget_.steps_max); }

 private:
  using NodePtr = const Node*;

  // --- machine.cc: values of nodes that have exactly one. ---
  Flow One(const Node* node, Frame* frame, const Json& in, Json& out);
  // The same, but may take `in` apart, so that what nobody else holds is changed in place.
  Flow OneOwned(const Node* node, Frame* frame, Json&& in, Json& out);
  // A pointer to the value, which is in `in`, in the program, in the frame, or was put into
  // `space`.
  Flow Peek(const Node* node, Frame* frame, const Json& in, Json& space, const Json** out);
  Flow Generic(const Node* node, Frame* frame, const Json& in, Json& out);
  Flow OneBinary(const Node* node, Frame* frame, const Json& in, Json& out);
  Flow OneField(const Node* node, Frame* frame, const Json& in, Json& out);
  Flow OneObject(const Node* node, Frame* frame, const Json& in, Json& out);
  Flow OneNative(const Node* node, Frame* frame, const Json& in, Json& out);
  Flow OneString(const Node* node, Frame* frame, const Json& in, Json& out);
  Flow OneUpdate(const Node* node, Frame* frame, Json&& in, Json& out);
  Flow OneCall(const Node* node, Frame* frame, const Json& in, Json& out);
  Flow Collect(const Node* node, const FrameRef& frame, const Json& in, Json& out);
  Flow Map(const Closure& closure, Frame* frame, const Json& in, Json& out);
  Flow Global(uint32_t slot, Json& out);

  // --- machine_run.cc: any node, any number of results. ---
  // A node with the frame to evaluate it in.
  struct Resolved {
    const Node* node = nullptr;
    FrameRef frame;
  };
  bool ResolveSingle(const Node* node, const FrameRef& frame, Resolved& resolved);
  template <typename Item>
  Flow Run(const Node* node, FrameRef frame, Item in, Out<Item> out);
  template <typename Item>
  Flow Dispatch(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunPipe(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunComma(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunIf(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunAlternative(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunTry(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunLabel(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunCall(NodePtr& node, FrameRef& frame, Item& in);
  template <typename Item>
  Flow RunCallClosure(NodePtr& node, FrameRef& frame);
  template <typename Item>
  Flow RunReduce(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunForeach(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunBind(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);

  // --- machine_access.cc: what follows or makes paths. ---
  template <typename Item>
  Flow RunIndex(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunField(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunSlice(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunIterate(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow Follow(const Node* node, Item&& target, const Json& key, Out<Item> out);
  template <typename Item>
  Flow Iterate(const Node* node, Item&& target, Out<Item> out);
  // What to do about a value that cannot be accessed: the error raised stands, unless the node is
  // optional.
  Flow Inaccessible(const Node* node);
  template <typename Item>
  Flow RecurseDown(const Item& item, Out<Item> out);
  Flow PathsOf(const Closure& closure, Frame* frame, const Json& in,
               absl::FunctionRef<Flow(Json&&)> out);
  Flow CollectPaths(const Closure& closure, Frame* frame, const Json& in, std::vector<Json>& paths);
  Flow UpdatePaths(const Closure& paths, Frame* frame, Json&& in,
                   absl::FunctionRef<Flow(Json&&, Json&, bool& deleted)> change, Json& out);

  // --- machine_values.cc: operators whose operands may have several results. ---
  Flow RunValues(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out);
  Flow RunBinary(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out);
  Flow RunLogic(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out);
  Flow RunObject(const Node* node, const FrameRef& frame, const Json& in, size_t member,
                 Json object, Out<Json> out);
  Flow RunString(const Node* node, const FrameRef& frame, const Json& in, size_t part,
                 std::vector<Json>& pieces, Out<Json> out);
  Flow RunNative(const Node* node, const FrameRef& frame, const Json& in, size_t argument,
                 std::vector<Json>& arguments, Out<Json> out);
  Flow Assign(const Node* node, Frame* frame, Json&& in, const Json& value, Json& out);
  Flow Update(const Node* node, Frame* frame, Json&& in, Json& out);
  Flow AddMember(Json& object, const Json& key, Json value);
  Flow JoinPieces(const Node* node, const std::vector<Json>& pieces, Json& out);
  // Calls `next` for each combination of the first `count` values in node->list, the last
  // outermost.
  Flow ForEachArgument(const Node* node, const FrameRef& frame, const Json& in, size_t count,
                       Json* arguments, absl::FunctionRef<Flow()> next);
  // The same for values from `first` on, the first outermost.
  Flow ForEachInOrder(const Node* node, const FrameRef& frame, const Json& in, size_t first,
                      Json* arguments, absl::FunctionRef<Flow()> next);

  // --- machine_bind.cc: patterns. ---
  // Calls `next` for each way to take `value` apart. An error before `*passed` is set makes it try
  // the node's next alternative.
  Flow Bind(const Node* node, const FrameRef& frame, const Json& value, const bool* passed,
            absl::FunctionRef<Flow()> next);
  Flow Match(const Matcher& matcher, const FrameRef& frame, const Json& value,
             absl::FunctionRef<Flow()> next);
  Flow MatchElements(const Matcher& matcher, size_t from, const FrameRef& frame, const Json& value,
                     absl::FunctionRef<Flow()> next);
  Flow MatchEntries(const Matcher& matcher, size_t from, const FrameRef& frame, const Json& value,
                    absl::FunctionRef<Flow()> next);

  // --- machine_special.cc ---
  template <typename Item>
  Flow RunSpecial(NodePtr& node, FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunSelect(const Node* node, const FrameRef& frame, Item& in, Out<Item> out);
  template <typename Item>
  Flow RunRecurse(const Closure& closure, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunFirst(const Closure& closure, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunLast(const Closure& closure, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunLimitOrSkip(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunGetPath(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out);
  template <typename Item>
  Flow RunClosure(const Closure& closure, const FrameRef& frame, Item in, Out<Item> out);
  Flow RunSpecialValues(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out);
  Flow RunRange(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out);
  Flow Range(const Json& from, const Json& upto, const Json& by, Out<Json> out);
  Flow RunAnyAll(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out);
  Flow RunIsEmpty(const Closure& closure, const FrameRef& frame, const Json& in, Out<Json> out);
  Flow SpecialOne(const Node* node, const FrameRef& frame, const Json& in, Json& out);
  Flow AddOf(const Closure& closure, const FrameRef& frame, const Json& in, Json& out);
  Flow MapValues(const Closure& closure, const FrameRef& frame, Json&& in, Json& out);
  Flow WithEntries(const Closure& closure, const FrameRef& frame, const Json& in, Json& out);
  Flow Delete(const Closure& closure, const FrameRef& frame, const Json& in, Json& out);
  Flow Pick(const Closure& closure, const FrameRef& frame, const Json& in, Json& out);
  Flow ByKey(const Node* node, const FrameRef& frame, const Json& in, Json& out);
  Flow RunSubstitute(const Node* node, const FrameRef& frame, const Json& in, Out<Json> out);
  // Resolves a parameter passed on, and makes the frame the closure needs.
  std::pair<const Node*, FrameRef> Enter(const Closure& closure, Frame* frame);

  // The flow of having raised an error, or of having run out of budget.
  Flow Failed() const { return fatal_ ? Flow::kFatal : Flow::kError; }
  Flow Error(absl::string_view message) {
    Raise(message);
    return Failed();
  }
  // Notes where the failure under way lies, if `flow` is one; the innermost place stands.
  Flow At(const Node* node, Flow flow) { return AtOffset(node->offset, flow); }
  Flow AtOffset(uint32_t offset, Flow flow) {
    const bool failed = flow == Flow::kError || flow == Flow::kFatal;
    if (failed && error_offset_ == kNoOffset) error_offset_ = offset;
    return flow;
  }
  bool StackLeft();
  bool CheckResult(const Json& value);
  // SpendWalk for a value that may be of any size, and no deeper than `depth_max`.
  bool Walk(const Json& value, size_t depth_max);

  const Program& program_;
  const Environment& environment_;
  const Budget budget_;
  const Timestamp now_;
  const char* stack_limit_ = nullptr;  // The stack grows down to here.
  uint64_t steps_ = 0;
  size_t bytes_ = 0;
  // Elements put into containers so far; while none, every value is a part of the input.
  size_t built_ = 0;
  static constexpr size_t kElementBytes = 16;
  int64_t labels_ = 0;        // Makes each activation of a label unique.
  int64_t break_target_ = 0;  // Of the kBreak under way.
  bool fatal_ = false;
  Json error_;                         // Of the kError under way.
  uint32_t error_offset_ = kNoOffset;  // Where in the text it, or the kFatal under way, was raised.
  absl::Status status_;
  std::vector<Json> globals_;
  std::vector<bool> globals_known_;
};

}  // namespace skald::expression
