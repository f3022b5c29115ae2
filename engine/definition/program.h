// A compiled definition: a flat vector of nodes with resolved jumps, compiled expressions, retry
// policies and scopes.
//
// Built once at deploy by Compile (compile.h), shared by every saga that is pinned to it (by the
// SHA-256 of its text), immutable. The core (engine/saga) walks it; nothing here is stored:
// histories name tasks by JSON pointer, so they outlive changes of this layout.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/definition/duration.h"
#include "engine/expression/template.h"
#include "engine/schema/schema.h"

namespace skald::definition {

using expression::Template;

// A node's place in Program::nodes.
using NodeIndex = uint32_t;
inline constexpr NodeIndex kNoNode = std::numeric_limits<NodeIndex>::max();

enum class NodeKind : uint8_t {
  kDo,            // body in order
  kSet,           // output = template
  kSwitch,        // first case that holds names the next task
  kCallFunction,  // call of a use.functions entry: runs node `callee`
  kCallWorker,    // call of a worker function: leaves the process
  kTry,           // body, catch, retry
  kRaise,         // raises an error
  kWait,          // durable timer
  kCompensate,    // explicit undo: call compensate:1.0.0@default
};

// Where to go after a task.
struct Flow {
  enum class Kind : uint8_t { kContinue, kExit, kEnd, kTask };
  Kind kind = Kind::kContinue;
  NodeIndex target = kNoNode;  // of kTask: a task in the same list
};

// A duration that is constant or computed by an expression when it is needed.
struct DurationTemplate {
  Duration constant;
  std::optional<Template> computed;  // yields an ISO 8601 string or a duration object
};

enum class Backoff : uint8_t { kConstant, kLinear, kExponential };

// `use.retries` entry or inline. Delay before the n-th retry: constant d, linear d*n, exponential
// d*2^(n-1), plus jitter, at most 1 day.
struct RetryPolicy {
  std::optional<Template> when;
  std::optional<Template> except_when;
  DurationTemplate delay;
  Backoff backoff = Backoff::kConstant;
  std::optional<std::pair<DurationTemplate, DurationTemplate>>
      jitter;                                        // uniform between from and to
  std::optional<uint32_t> attempt_count_max;         // retries, the first try not counted
  std::optional<DurationTemplate> attempt_duration;  // each attempt
  std::optional<DurationTemplate> total_duration;    // all attempts and delays together
};

// `catch.errors.with`: what is given must be equal (types after canonicalising their prefix).
struct ErrorFilter {
  std::optional<std::string> type, instance, title, detail;
  std::optional<int64_t> status;
};

struct CatchClause {
  ErrorFilter filter;
  std::string as = "error";  // name of the variable that holds the error
  std::optional<Template> when;
  std::optional<Template> except_when;
  std::optional<RetryPolicy> retry;
  std::vector<NodeIndex> body;  // catch.do; empty without
  bool has_body = false;
  std::optional<Flow> then;
};

struct SwitchCase {
  std::string name;
  std::optional<Template> when;  // none: the default case
  Flow then;
};

// An error as `raise` writes it. `status` is constant; the rest may be expressions.
struct ErrorTemplate {
  Template type;
  int64_t status = 500;
  Template title;  // null when absent
  Template detail;
  Template instance;
};

enum class CompensationOrder : uint8_t { kReverse, kMirror, kParallel };
enum class OnExhausted : uint8_t { kPark, kContinue, kFault };

// How a task is undone (`metadata.saga.compensate`).
struct Compensation {
  NodeIndex handler =
      kNoNode;  // a kDo, kCallFunction or kCallWorker node whose reference starts with the holder's
  std::string
      reference;  // pointer of the compensate value: "/do/1/charge/metadata/saga/compensate"
  std::optional<Template> with;
  std::optional<Template> condition;  // `if`
  std::optional<RetryPolicy> retry;
  std::optional<DurationTemplate> timeout;
  OnExhausted on_exhausted = OnExhausted::kPark;
  bool register_attempt = false;  // register: attempt
};

// What makes a node a scope (explicitly or by a rule: docs/definitions.md, Undo).
struct ScopeOptions {
  std::string name;  // empty: the task's own name
  CompensationOrder order = CompensationOrder::kReverse;
  bool compensate_on_fault = true;
  bool compensate_on_timeout = true;
  bool compensate_on_cancel = true;
  bool compensate_on_retry = true;
  std::optional<DurationTemplate> timeout;  // of its whole compensation
  std::optional<RetryPolicy> forward;       // after its pivot; none: the default policy
};

// What an explicit compensate call undoes.
struct CompensateTarget {
  enum class Kind : uint8_t { kInnermost, kScope, kTask };
  Kind kind = Kind::kInnermost;
  std::string name;  // of kScope and kTask
};

struct Node {
  NodeKind kind = NodeKind::kDo;
  std::string name;       // "charge"; of the root "do"; of a function its name
  std::string reference;  // JSON pointer into the document: "/do/1/charge"
  NodeIndex parent =
      kNoNode;  // the node in whose list it stands; none for the root, functions and handlers
  NodeIndex next = kNoNode;  // the next task of its list
  Json definition;           // as written, for $task.definition

  // Common to all tasks (spec: order of evaluation).
  std::optional<Template> condition;  // `if`
  std::optional<schema::Schema> input_schema, output_schema, export_schema;
  std::optional<Template> input_from, output_as, export_as;
  std::optional<DurationTemplate> timeout;
  Flow then;

  // By kind.
  std::vector<NodeIndex> body;              // kDo, kTry
  std::optional<CatchClause> catch_clause;  // kTry
  Template value;                           // kSet
  std::vector<SwitchCase> cases;            // kSwitch
  std::string function;                     // kCallFunction, kCallWorker: the name
  NodeIndex callee = kNoNode;               // kCallFunction
  std::optional<Template> with;        // kCallFunction, kCallWorker: none = the transformed input
  std::optional<ErrorTemplate> error;  // kRaise
  DurationTemplate wait;               // kWait
  CompensateTarget compensate_target;  // kCompensate

  // Sagas.
  std::optional<Compensation> compensation;  // its own, or its callee's definition's
  std::optional<ScopeOptions> scope;         // present: the node is a scope
  std::optional<RetryPolicy> forward;        // of a task after a pivot
  bool pivot = false;
};

// A value that lists and queries of sagas can be filtered and ordered by
// (document.metadata.skald.attributes). Whoever keeps them evaluates it: `.` and $input are the raw
// input, $context and $output the saga's (null until there is one), $saga {namespace, id,
// definition, version}.
struct Attribute {
  std::string name;
  Template value;
};

struct Program {
  std::string namespace_name;
  std::string name;
  std::string version;
  std::string title, summary;
  std::string hash;  // SHA-256 of the text, 32 bytes
  Json document;     // the whole definition

  std::optional<schema::Schema> input_schema, output_schema;
  std::optional<Template> input_from, output_as;
  std::optional<DurationTemplate> timeout;
  std::vector<Attribute> attributes;  // as written

  std::vector<Node> nodes;  // nodes[0] is the root: kDo with reference "/do" and the root's scope
  absl::flat_hash_map<std::string, NodeIndex> by_reference;
  std::vector<std::string> worker_functions;  // names of every worker function it calls, sorted

  const Node& node(NodeIndex index) const { return nodes[index]; }
  // The node with that JSON pointer, or kNoNode.
  NodeIndex Find(absl::string_view reference) const {
    auto it = by_reference.find(reference);
    return it == by_reference.end() ? kNoNode : it->second;
  }
};

}  // namespace skald::definition
