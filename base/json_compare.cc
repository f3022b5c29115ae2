// Equality, order and size of values. Each walks an explicit stack: values may be of any depth.
#include <cmath>

#include "base/json_node.h"
#include "base/json_number.h"

namespace skald {
namespace {

template <typename T>
int Order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// Precondition: `real` is a number, and no integer within int64 unless it is a negative zero.
int CompareIntToDouble(int64_t whole, double real) {
  if (real >= 9223372036854775808.0) return -1;
  if (real < -9223372036854775808.0) return 1;
  // Converting the integer would round it; truncating the double is exact.
  const auto truncated = static_cast<int64_t>(real);
  if (whole != truncated) return Order(whole, truncated);
  return Order(static_cast<double>(truncated), real);
}

}  // namespace

// Precondition: neither is not-a-number.
int Json::CompareNumbers(const Json& a, const Json& b) {
  if (a.tag() == kIntTag && b.tag() == kIntTag) return Order(a.AsInt(), b.AsInt());
  const double real_a = a.AsDouble();
  const double real_b = b.AsDouble();
  if (a.tag() != kLiteralTag && b.tag() != kLiteralTag) {
    if (a.tag() == kIntTag) return CompareIntToDouble(a.AsInt(), real_b);
    if (b.tag() == kIntTag) return -CompareIntToDouble(b.AsInt(), real_a);
    return Order(real_a, real_b);
  }
  // Rounding keeps the order, so only literals that round alike need their digits compared.
  if (real_a != real_b) return Order(real_a, real_b);
  // A finite literal that rounds to infinity is nearer to zero than infinity itself.
  if (std::isinf(real_a)) {
    if (a.tag() != kLiteralTag) return real_a > 0 ? 1 : -1;
    if (b.tag() != kLiteralTag) return real_b > 0 ? -1 : 1;
  }
  return Decimal::Compare(Decimal::Of(a.ToText()), Decimal::Of(b.ToText()));
}

// Walks two values side by side, with the pairs of containers on the way in frames.
class Json::Comparer {
 public:
  explicit Comparer(bool nan_equals_itself) : nan_equals_itself_(nan_equals_itself) {}

  int Run(const Json& a, const Json& b) {
    int order = Step(a, b);
    while (order == 0 && !frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next == frame.count) {
        order = frame.order_at_end;
        frames_.pop_back();
        continue;
      }
      const size_t next = frame.next++;
      if (frame.members_a.empty()) {
        order = Step(frame.elements_a[next], frame.elements_b[next]);
      } else {
        order = Step(frame.members_a[next]->value, frame.members_b[next]->value);
      }
    }
    return order;
  }

 private:
  struct Frame {
    size_t next = 0;
    size_t count = 0;
    int order_at_end = 0;  // The order when all pairs are equal.
    const Json* elements_a = nullptr;
    const Json* elements_b = nullptr;
    std::vector<const Member*> members_a = {};
    std::vector<const Member*> members_b = {};
  };

  // The order of scalars; containers get a frame and count as equal until it is walked.
  int Step(const Json& a, const Json& b) {
    const Kind kind = a.kind();
    if (kind != b.kind()) return Order(kind, b.kind());
    switch (kind) {
      case Kind::kNull:
      case Kind::kFalse:
      case Kind::kTrue:
        return 0;
      case Kind::kNumber:
        return StepNumbers(a, b);
      case Kind::kString:
        return a.AsString().compare(b.AsString());
      case Kind::kArray:
        return StepArrays(a, b);
      case Kind::kObject:
        return StepObjects(a, b);
    }
    return 0;
  }

  int StepNumbers(const Json& a, const Json& b) {
    const bool nan_a = a.tag() == kDoubleTag && std::isnan(a.AsDouble());
    const bool nan_b = b.tag() == kDoubleTag && std::isnan(b.AsDouble());
    if (!nan_a && !nan_b) return CompareNumbers(a, b);
    if (nan_a && nan_b) return nan_equals_itself_ ? 0 : -1;
    return nan_a ? -1 : 1;
  }

  int StepArrays(const Json& a, const Json& b) {
    if (IsSameNode(a, b)) return 0;
    const auto elements_a = a.AsArray();
    const auto elements_b = b.AsArray();
    frames_.push_back({.count = std::min(elements_a.size(), elements_b.size()),
                       .order_at_end = Order(elements_a.size(), elements_b.size()),
                       .elements_a = elements_a.data(),
                       .elements_b = elements_b.data()});
    return 0;
  }

  int StepObjects(const Json& a, const Json& b) {
    if (IsSameNode(a, b)) return 0;
    std::vector<const Member*> members_a = a.SortedMembers();
    std::vector<const Member*> members_b = b.SortedMembers();
    const size_t count = std::min(members_a.size(), members_b.size());
    for (size_t i = 0; i < count; ++i) {
      const int order = members_a[i]->key().compare(members_b[i]->key());
      if (order != 0) return order;
    }
    if (members_a.size() != members_b.size()) return Order(members_a.size(), members_b.size());
    frames_.push_back(
        {.count = count, .members_a = std::move(members_a), .members_b = std::move(members_b)});
    return 0;
  }

  // One node is equal to itself, unless it holds a not-a-number that is not.
  bool IsSameNode(const Json& a, const Json& b) const {
    return nan_equals_itself_ && a.payload_ == b.payload_;
  }

  const bool nan_equals_itself_;
  std::vector<Frame> frames_;
};

int Json::Compare(const Json& a, const Json& b) { return Comparer(true).Run(a, b); }

int Json::CompareAsJq(const Json& a, const Json& b) { return Comparer(false).Run(a, b); }

bool Json::Equal(const Json& a, const Json& b) {
  std::vector<std::pair<const Json*, const Json*>> pending;
  // False when the two differ at once; pairs of containers become pending.
  const auto may_be_equal = [&](const Json& x, const Json& y) {
    const Kind kind = x.kind();
    if (kind != y.kind()) return false;
    if (kind == Kind::kNumber) return Compare(x, y) == 0;
    if (x.head_ == y.head_ && x.payload_ == y.payload_) return true;
    if (kind == Kind::kString) return !x.IsSmall() && !y.IsSmall() && x.AsString() == y.AsString();
    if (x.Size() != y.Size()) return false;
    pending.emplace_back(&x, &y);
    return true;
  };
  if (!may_be_equal(a, b)) return false;
  while (!pending.empty()) {
    const auto [x, y] = pending.back();
    pending.pop_back();
    if (x->is_array()) {
      const auto elements = x->AsArray();
      const auto others = y->AsArray();
      for (size_t i = 0; i < elements.size(); ++i) {
        if (!may_be_equal(elements[i], others[i])) return false;
      }
      continue;
    }
    const auto members = x->AsObject();
    const auto others = y->AsObject();
    for (size_t i = 0; i < members.size(); ++i) {
      // Objects of one origin mostly have their members in one order.
      const bool in_place = members[i].key() == others[i].key();
      const Json* const other = in_place ? &others[i].value : y->Find(members[i].key());
      if (other == nullptr || !may_be_equal(members[i].value, *other)) return false;
    }
  }
  return true;
}

Json::Extent Json::Measure() const {
  struct Part {
    const Json* value;
    size_t depth;  // of what it stands in
  };
  Extent extent;
  std::vector<Part> pending = {{this, 0}};
  while (!pending.empty()) {
    const Json& value = *pending.back().value;
    const size_t depth = pending.back().depth + 1;
    pending.pop_back();
    extent.bytes += sizeof(Json);
    if (value.is_array() || value.is_object()) extent.depth = std::max(extent.depth, depth);
    if (!value.IsCounted()) continue;
    switch (value.tag()) {
      case kArrayTag:
        extent.bytes += sizeof(ArrayNode);
        for (const Json& element : value.AsArray()) pending.push_back({&element, depth});
        break;
      case kObjectTag:
        extent.bytes += sizeof(ObjectNode);
        for (const Member& member : value.AsObject()) {
          pending.push_back({&member.name, depth});
          pending.push_back({&member.value, depth});
        }
        break;
      default:  // A string or a literal.
        extent.bytes += sizeof(LiteralNode) + value.node()->size;
    }
  }
  return extent;
}

}  // namespace skald
