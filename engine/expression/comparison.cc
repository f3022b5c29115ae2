#include "engine/expression/comparison.h"

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

}  // namespace skald::expression
