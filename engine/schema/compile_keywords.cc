// The keywords of the compiler that look at scalars, combine schemas or refer to others.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/schema/compiler.h"

namespace skald::schema {
namespace {

uint8_t TypeBits(absl::string_view name) {
  const auto bit = [](Json::Kind kind) {
    return static_cast<uint8_t>(1 << static_cast<int>(kind));
  };
  if (name == "null") return bit(Json::Kind::kNull);
  if (name == "boolean") return bit(Json::Kind::kFalse) | bit(Json::Kind::kTrue);
  if (name == "number") return bit(Json::Kind::kNumber);
  if (name == "integer") return kIntegerType;
  if (name == "string") return bit(Json::Kind::kString);
  if (name == "array") return bit(Json::Kind::kArray);
  if (name == "object") return bit(Json::Kind::kObject);
  return 0;
}

// Adds an entry to a table of the graph and gives its place.
template <typename T>
uint64_t Store(std::vector<T>& table, T entry) {
  table.push_back(std::move(entry));
  return table.size() - 1;
}

}  // namespace

const Json* Compiler::FindString(const Draft& draft, Keyword keyword) {
  const Json* value = draft.Find(keyword);
  if (value == nullptr || value->is_string()) return value;
  AddError(draft, keyword, "expected a string");
  return nullptr;
}

const Json* Compiler::FindArray(const Draft& draft, Keyword keyword) {
  const Json* value = draft.Find(keyword);
  if (value == nullptr || value->is_array()) return value;
  AddError(draft, keyword, "expected an array");
  return nullptr;
}

const Json* Compiler::FindObject(const Draft& draft, Keyword keyword) {
  const Json* value = draft.Find(keyword);
  if (value == nullptr || value->is_object()) return value;
  AddError(draft, keyword, "expected an object");
  return nullptr;
}

std::optional<uint64_t> Compiler::FindCount(const Draft& draft, Keyword keyword) {
  const Json* value = draft.Find(keyword);
  if (value == nullptr) return std::nullopt;
  if (value->is_number() && IsIntegral(*value) && Json::Compare(*value, Json::Int(0)) >= 0) {
    // Nothing that is counted reaches an integer too large for int64.
    return value->IsInt() ? static_cast<uint64_t>(value->AsInt()) : INT64_MAX;
  }
  AddError(draft, keyword, "expected an integer of at least 0");
  return std::nullopt;
}

std::vector<std::string> Compiler::Names(const Draft& draft, Keyword keyword, const Json& names) {
  std::vector<std::string> result;
  bool is_names = names.is_array();
  for (const Json& name : names.is_array() ? names.AsArray() : absl::Span<const Json>()) {
    if (!name.is_string()) {
      is_names = false;
      break;
    }
    result.emplace_back(name.AsString());
  }
  std::vector<std::string> sorted = result;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) is_names = false;
  if (is_names) return result;
  AddError(draft, keyword, "expected an array of distinct strings");
  return {};
}

void Compiler::CompileType(Draft& draft) {
  const Json* type = draft.Find(Keyword::kType);
  if (type == nullptr) return;
  uint8_t types = 0;
  bool known = true;
  if (type->is_string()) {
    types = TypeBits(type->AsString());
    known = types != 0;
  } else {
    for (const std::string& name : Names(draft, Keyword::kType, *type)) {
      const uint8_t bits = TypeBits(name);
      known = known && bits != 0;
      types |= bits;
    }
  }
  if (!known) {
    AddError(draft, Keyword::kType,
             "expected of 'null', 'boolean', 'number', 'integer', 'string', 'array', 'object'");
  }
  if ((types & kNumberType) != 0) types &= static_cast<uint8_t>(~kIntegerType);
  draft.types = types;
}

void Compiler::CompileChoices(Draft& draft) {
  if (const Json* value = draft.Find(Keyword::kConst); value != nullptr) {
    draft.Add(
        Group::kAny,
        {.op = Op::kConst, .keyword = Keyword::kConst, .operand = Store(graph_.values, *value)});
  }
  if (const Json* choices = FindArray(draft, Keyword::kEnum); choices != nullptr) {
    std::vector<Json> sorted(choices->AsArray().begin(), choices->AsArray().end());
    std::sort(sorted.begin(), sorted.end(),
              [](const Json& a, const Json& b) { return Json::Compare(a, b) < 0; });
    draft.Add(Group::kAny, {.op = Op::kEnum,
                            .keyword = Keyword::kEnum,
                            .operand = Store(graph_.choices, std::move(sorted))});
  }
}

void Compiler::CompileNumbers(Draft& draft) {
  constexpr std::pair<Keyword, Op> kLimits[] = {
      {Keyword::kMinimum, Op::kMinimum},
      {Keyword::kExclusiveMinimum, Op::kExclusiveMinimum},
      {Keyword::kMaximum, Op::kMaximum},
      {Keyword::kExclusiveMaximum, Op::kExclusiveMaximum},
  };
  for (const auto& [keyword, op] : kLimits) {
    const Json* limit = draft.Find(keyword);
    if (limit == nullptr) continue;
    if (!limit->is_number()) {
      AddError(draft, keyword, "expected a number");
      continue;
    }
    draft.Add(Group::kNumber,
              {.op = op, .keyword = keyword, .operand = Store(graph_.values, *limit)});
  }
  if (const Json* number = draft.Find(Keyword::kMultipleOf); number != nullptr) {
    absl::StatusOr<Divisor> divisor = Divisor::Of(*number);
    if (!divisor.ok()) {
      return AddError(draft, Keyword::kMultipleOf, divisor.status().message());
    }
    draft.Add(Group::kNumber, {.op = Op::kMultipleOf,
                               .keyword = Keyword::kMultipleOf,
                               .operand = Store(graph_.divisors, *std::move(divisor))});
  }
}

void Compiler::CompileStrings(Draft& draft) {
  if (const Json* text = FindString(draft, Keyword::kPattern); text != nullptr) {
    absl::StatusOr<Regex> regex = Regex::Compile(text->AsString());
    if (regex.ok()) {
      Pattern pattern{.regex = *std::move(regex), .text = std::string(text->AsString())};
      draft.Add(Group::kString, {.op = Op::kPattern,
                                 .keyword = Keyword::kPattern,
                                 .operand = Store(graph_.patterns, std::move(pattern))});
    } else {
      AddError(draft, Keyword::kPattern, regex.status().message());
    }
  }
  const Json* format = FindString(draft, Keyword::kFormat);
  if (format == nullptr) return;
  const bool asserts =
      options_.assert_formats || (draft.vocabularies & kFormatAssertionVocabulary) != 0;
  FormatCheck* check = FindFormat(format->AsString());
  if (!asserts || check == nullptr) return;
  draft.Add(Group::kString,
            {.op = Op::kFormat,
             .keyword = Keyword::kFormat,
             .operand = Store(graph_.formats, Format{check, std::string(format->AsString())})});
}

void Compiler::CompileCounts(Draft& draft) {
  struct Limit {
    Keyword keyword;
    Op op;
    Group group;
  };
  constexpr Limit kLimits[] = {
      {Keyword::kMinLength, Op::kMinLength, Group::kString},
      {Keyword::kMaxLength, Op::kMaxLength, Group::kString},
      {Keyword::kMinItems, Op::kMinItems, Group::kArray},
      {Keyword::kMaxItems, Op::kMaxItems, Group::kArray},
      {Keyword::kMinProperties, Op::kMinProperties, Group::kObject},
      {Keyword::kMaxProperties, Op::kMaxProperties, Group::kObject},
  };
  for (const Limit& limit : kLimits) {
    const std::optional<uint64_t> count = FindCount(draft, limit.keyword);
    if (!count.has_value()) continue;
    draft.Add(limit.group, {.op = limit.op, .keyword = limit.keyword, .operand = *count});
  }
}

void Compiler::CompileReferences(Draft& draft) {
  CompileReference(draft, Keyword::kRef);
  CompileReference(draft, Keyword::kDynamicRef);
  // These have been read with the index; here only their shape matters.
  for (const Keyword keyword : {Keyword::kId, Keyword::kSchema, Keyword::kAnchor}) {
    FindString(draft, keyword);
  }
}

void Compiler::CompileReference(Draft& draft, Keyword keyword) {
  const Json* reference = FindString(draft, keyword);
  if (reference == nullptr) return;
  absl::StatusOr<Target> target = index_.Resolve(draft.location.resource, reference->AsString());
  if (!target.ok()) {
    if (absl::IsNotFound(target.status())) ++missing_documents_;
    return AddError(draft, keyword,
                    absl::StrCat("'", std::string(reference->AsString()),
                                 "' leads nowhere: ", target.status().message()));
  }
  // Also makes the dynamic anchors of the target's resource known.
  const NodeId node = NodeAt(target->location);
  if (keyword == Keyword::kRef || target->dynamic_anchor.empty()) {
    draft.Add(Group::kAny, {.op = Op::kRef, .keyword = keyword, .node = node});
    return;
  }
  graph_.has_dynamic_refs = true;
  draft.Add(Group::kAny, {.op = Op::kDynamicRef,
                          .keyword = keyword,
                          .node = node,
                          .operand = anchor_ids_.at(target->dynamic_anchor)});
}

void Compiler::CompileCombinations(Draft& draft) {
  constexpr std::pair<Keyword, Op> kCombinations[] = {
      {Keyword::kAllOf, Op::kAllOf},
      {Keyword::kAnyOf, Op::kAnyOf},
      {Keyword::kOneOf, Op::kOneOf},
  };
  for (const auto& [keyword, op] : kCombinations) {
    const Json* schemas = FindArray(draft, keyword);
    if (schemas == nullptr) continue;
    if (schemas->AsArray().empty()) {
      AddError(draft, keyword, "expected at least one schema");
      continue;
    }
    std::vector<NodeId> nodes;
    for (size_t i = 0; i < schemas->AsArray().size(); ++i) {
      nodes.push_back(ChildNode(draft, keyword, absl::StrCat(i), schemas->AsArray()[i]));
    }
    draft.Add(Group::kAny,
              {.op = op, .keyword = keyword, .operand = Store(graph_.lists, std::move(nodes))});
  }
  if (const Json* schema = draft.Find(Keyword::kNot); schema != nullptr) {
    draft.Add(Group::kAny, {.op = Op::kNot,
                            .keyword = Keyword::kNot,
                            .node = ChildNode(draft, Keyword::kNot, *schema)});
  }
}

void Compiler::CompileConditional(Draft& draft) {
  std::vector<NodeId> nodes;
  for (const Keyword keyword : {Keyword::kIf, Keyword::kThen, Keyword::kElse}) {
    const Json* schema = draft.Find(keyword);
    nodes.push_back(schema == nullptr ? kNoNode : ChildNode(draft, keyword, *schema));
  }
  // Even without branches `if` counts: what it evaluates is evaluated.
  if (nodes[0] == kNoNode) return;
  draft.Add(
      Group::kAny,
      {.op = Op::kIf, .keyword = Keyword::kIf, .operand = Store(graph_.lists, std::move(nodes))});
}

}  // namespace skald::schema
