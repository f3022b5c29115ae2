#include "engine/expression/comparison.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "absl/hash/hash.h"

namespace skald::expression {
namespace {

bool Holds(BinaryOp op, int order) {
  switch (op) {
    case BinaryOp::kEq:
      return order == 0;
    case BinaryOp::kNe:
      return order != 0;
    case BinaryOp::kLt:
      return order < 0;
    case BinaryOp::kLe:
      return order <= 0;
    case BinaryOp::kGt:
      return order > 0;
    case BinaryOp::kGe:
      return order >= 0;
    case BinaryOp::kAdd:
    case BinaryOp::kSub:
    case BinaryOp::kMul:
    case BinaryOp::kDiv:
    case BinaryOp::kMod:
      break;
  }
  return false;
}

// Sorting the keys of a large object takes about as long as so many walks.
constexpr uint64_t kSortingPerWalk = 8;

bool IsEquality(BinaryOp op) { return op == BinaryOp::kEq || op == BinaryOp::kNe; }

bool CompareTexts(Machine& machine, BinaryOp op, const Json& left, const Json& right, Json& out) {
  const absl::string_view a = left.AsString();
  const absl::string_view b = right.AsString();
  if (IsEquality(op) && a.size() != b.size()) {
    out = Json::Bool(op == BinaryOp::kNe);
    return true;
  }
  if (!machine.SpendWalk(a.size() < b.size() ? left : right)) return false;
  out = Json::Bool(Holds(op, a.compare(b)));
  return true;
}

bool CompareContainers(Machine& machine, BinaryOp op, const Json& left, const Json& right,
                       Json& out) {
  const size_t a = left.Size();
  const size_t b = right.Size();
  // Empty ones are less than all others of their kind.
  if (a != b && (IsEquality(op) || a == 0 || b == 0)) {
    out = Json::Bool(Holds(op, a < b ? -1 : 1));
    return true;
  }
  // Which object is less shows when the keys of both are sorted, however small one of them is.
  if (!machine.SpendWalk(left) || !machine.SpendWalk(right)) return false;
  // Sorts no keys; but it takes not-a-number as equal to itself.
  if (IsEquality(op) && !(left == right)) {
    out = Json::Bool(op == BinaryOp::kNe);
    return true;
  }
  out = Json::Bool(Holds(op, Json::CompareAsJq(left, right)));
  return true;
}

// Equal values have equal prints: members count wherever they stand, numbers by their doubles.
uint64_t PrintOf(const Json& value) {
  using Part = std::tuple<uint64_t, int, uint64_t>;  // place, kind, content
  const absl::Hash<Part> mix;
  uint64_t print = 0;
  std::vector<std::pair<const Json*, uint64_t>> pending = {{&value, 0}};
  while (!pending.empty()) {
    const auto [part, place] = pending.back();
    pending.pop_back();
    uint64_t content = 0;
    if (part->is_number()) {
      const double number = part->AsDouble();
      content = std::isnan(number) ? 1 : absl::Hash<double>()(number);
    } else if (part->is_string()) {
      content = absl::Hash<absl::string_view>()(part->AsString());
    } else if (part->is_array()) {
      content = part->Size();
      for (size_t i = 0; i < content; ++i) pending.emplace_back(&part->At(i), mix({place, 0, i}));
    } else if (part->is_object()) {
      content = part->Size();
      for (const Json::Member& member : part->AsObject()) {
        const uint64_t key = absl::Hash<absl::string_view>()(member.key());
        pending.emplace_back(&member.value, mix({place, 0, key}));
      }
    }
    print += mix({place, static_cast<int>(part->kind()), content});
  }
  return print;
}

}  // namespace

bool CompareBy(Machine& machine, BinaryOp op, const Json& left, const Json& right, Json& out) {
  if (left.kind() == right.kind()) {
    if (left.is_string()) return CompareTexts(machine, op, left, right, out);
    if (left.is_array() || left.is_object()) {
      return CompareContainers(machine, op, left, right, out);
    }
    if (!machine.SpendWalk(left) || !machine.SpendWalk(right)) return false;
  }
  out = Json::Bool(Holds(op, Json::CompareAsJq(left, right)));
  return true;
}

bool StepsOf(Machine& machine, const Json& value, uint64_t& steps) {
  steps = 0;
  if (!value.is_array() && !value.is_object()) return true;
  const uint64_t before = machine.steps_left();
  if (!machine.SpendWalk(value)) return false;
  steps = before - machine.steps_left();
  return true;
}

bool SpendOrder(Machine& machine, const Json& a, uint64_t steps_a, const Json& b,
                uint64_t steps_b) {
  if (a.kind() != b.kind()) return true;
  return machine.Spend(kSortingPerWalk *
                       (steps_a > steps_b ? steps_a - steps_b : steps_b - steps_a));
}

bool TakePrints(Machine& machine, absl::Span<const Json> values, std::vector<Printed>& out) {
  if (!machine.Charge(values.size() * sizeof(Printed)) || !machine.Spend(values.size() / 8)) {
    return false;
  }
  out.reserve(values.size());
  for (const Json& value : values) {
    const uint64_t before = machine.steps_left();
    if (!machine.SpendWalk(value)) return false;
    out.push_back({&value, PrintOf(value), before - machine.steps_left()});
  }
  return true;
}

bool SamePrinted(Machine& machine, const Printed& a, const Printed& b, bool& same) {
  same = false;
  if (a.print != b.print) return true;
  if (!machine.Spend(std::max(a.steps, b.steps))) return false;
  same = *a.value == *b.value;
  return true;
}

}  // namespace skald::expression
