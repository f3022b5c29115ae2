// Runs a graph on one value. Built for one run, on the stack of the caller.
//
// Without a list of violations it stops at the first failure and allocates nothing, but for
// equality of nested values, for `uniqueItems` on long arrays, for the bits of `unevaluated…` on
// objects and arrays with hundreds of parts, and for decimals with more than 15 digits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/json.h"
#include "engine/schema/graph.h"
#include "engine/schema/schema.h"

namespace skald::schema {

// Which members or elements of one value have been evaluated.
class Evaluated {
 public:
  explicit Evaluated(size_t count) : words_((count + 63) / 64) {}

  bool Has(size_t index) const { return ((words_[index / 64] >> (index % 64)) & 1) != 0; }
  void Mark(size_t index) { words_[index / 64] |= uint64_t{1} << (index % 64); }
  void MarkAll() {
    for (uint64_t& word : words_) word = ~uint64_t{0};
  }
  void Merge(const Evaluated& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  // An empty set for the same value.
  Evaluated Fresh() const { return Evaluated(words_.size() * 64); }

 private:
  absl::InlinedVector<uint64_t, 4> words_;
};

class Evaluator {
 public:
  explicit Evaluator(const Graph& graph) : graph_(graph), steps_left_(graph.steps_max) {}

  // True when `value` fits.
  bool Run(const Json& value);

  // Every violation, at most `max`.
  std::vector<Violation> Explain(const Json& value, size_t max);

 private:
  // How the value at hand is reached; linked through the stack.
  struct Step {
    const Step* parent;
    const Json* name;  // Of a member; nullptr for an element.
    size_t index;
  };

  // The resources entered on the way, each once: what dynamic references look through.
  struct Scope {
    const Scope* outer;
    uint32_t resource;
  };

  // What evaluation of a node needs beside the value.
  struct Place {
    const Scope* scope = nullptr;
    const Step* step = nullptr;
    Evaluated* evaluated = nullptr;  // Null when nobody asks.
  };

  // Where violations go.
  struct Collector {
    std::vector<Violation> violations;
    size_t max;

    bool full() const { return violations.size() >= max; }
  };

  // Nodes on the stack. A document of the greatest depth against a schema that takes seven nodes a
  // level fits, and all of them take less than 2 MB of stack.
  static constexpr int kDepthMax = 4096;

  static bool HasType(const Node& node, const Json& value);
  bool Evaluate(NodeId id, const Json& value, const Place& place);
  bool EvaluateKeywords(NodeId id, const Json& value, const Place& place);
  bool EvaluateTracked(NodeId id, const Json& value, const Place& place);
  bool RunGroups(NodeId id, const Json& value, const Place& place);
  bool RunGroup(NodeId id, InstructionRange range, const Json& value, const Place& place);
  bool Run(NodeId id, const Instruction& instruction, const Json& value, const Place& place);
  // The same node seen from inside its resource.
  bool EnterResource(NodeId id, const Json& value, const Place& place);

  // Any kind of value.
  bool RunEnum(const Instruction& instruction, const Json& value) const;
  bool RunDynamicRef(const Instruction& instruction, const Json& value, const Place& place);
  bool RunAllOf(const Instruction& instruction, const Json& value, const Place& place);
  bool RunAnyOf(NodeId id, const Instruction& instruction, const Json& value, const Place& place);
  bool RunOneOf(NodeId id, const Instruction& instruction, const Json& value, const Place& place);
  bool RunNot(const Instruction& instruction, const Json& value, const Place& place);
  bool RunIf(const Instruction& instruction, const Json& value, const Place& place);

  // Strings.
  bool HasLength(const Instruction& instruction, const Json& value) const;
  bool HasFormat(const Format& format, absl::string_view text);
  bool Matches(const Regex& regex, absl::string_view text);

  // Arrays and objects (evaluate_containers.cc).
  bool RunItems(const Instruction& instruction, const Json& value, const Place& place);
  bool RunContains(const Instruction& instruction, const Json& value, const Place& place);
  bool RunUniqueItems(const Json& value);
  bool RunMembers(NodeId id, const Instruction& instruction, const Json& value, const Place& place);
  // `known`: whether `properties` names the member; set when any keyword does.
  bool RunMember(const MemberRules& rules, const Property* property, const Json::Member& member,
                 const Place& below, bool& known);
  bool RunPropertyNames(NodeId id, const Instruction& instruction, const Json& value,
                        const Place& place);
  bool RunDependentRequired(NodeId id, const Instruction& instruction, const Json& value,
                            const Place& place);
  bool RunDependentSchemas(const Instruction& instruction, const Json& value, const Place& place);
  bool RunUnevaluatedItems(const Instruction& instruction, const Json& value, const Place& place);
  bool RunUnevaluatedProperties(const Instruction& instruction, const Json& value,
                                const Place& place);

  // Evaluates without collecting. What `id` evaluates goes to place.evaluated only when it fits.
  bool Test(NodeId id, const Json& value, const Place& place);
  // True when there is a reason to go on after a failure.
  bool Collecting() const { return collector_ != nullptr && !collector_->full() && !stopped_; }
  // Gives the whole run up: it fails, whatever a `not` on the way makes of it.
  bool Stop(absl::string_view reason);
  void Charge(size_t steps) { steps_left_ -= static_cast<int64_t>(steps); }

  // Violations (explain.cc). Each does nothing unless they are collected, and returns false.
  bool Report(NodeId id, Keyword keyword, const Place& place, std::string message);
  bool ReportFailure(NodeId id, const Instruction& instruction, const Json& value,
                     const Place& place);
  bool ReportType(NodeId id, const Json& value, const Place& place);
  bool ReportRejection(NodeId id, const Place& place);
  bool ReportMissing(NodeId id, const MemberRules& rules, const Json& value, const Place& place);
  bool ReportDependent(NodeId id, absl::string_view name, absl::string_view missing,
                       const Place& place);
  bool ReportBadName(NodeId id, const Instruction& instruction, const Json& name,
                     const Place& place);
  // The violations of the alternative that comes closest.
  void ReportClosest(const Instruction& instruction, const Json& value, const Place& place);
  std::string DescribeCount(const Instruction& instruction, const Json& value) const;
  std::string DescribeChoices(const Instruction& instruction) const;
  std::string DescribeExpected(const Instruction& instruction) const;

  const Graph& graph_;
  int64_t steps_left_;
  int depth_ = 0;
  bool stopped_ = false;
  absl::string_view stop_reason_;
  Collector* collector_ = nullptr;
};

}  // namespace skald::schema
