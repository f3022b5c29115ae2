#include "engine/expression/template.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "engine/expression/template_scanner.h"

namespace skald::expression {

struct Template::Node {
  class Builder;

  enum class Kind : uint8_t {
    kConstant,
    kExpression,  // The value of the one piece.
    kText,        // The pieces put together.
    kArray,
    kObject,
  };
  // Literal text, or an expression.
  struct Piece {
    std::string literal;
    std::optional<Expression> expression;
  };

  // Each takes what it costs from environment.shared, which is not null.
  absl::StatusOr<Json> Evaluate(const Json& input, const Environment& environment) const;
  absl::StatusOr<Json> EvaluateText(const Json& input, const Environment& environment) const;
  absl::StatusOr<Json> EvaluateChildren(const Json& input, const Environment& environment) const;

  Kind kind = Kind::kConstant;
  // Whether the source stands when evaluation fails.
  bool loose = false;
  Json source;
  std::string pointer;
  std::vector<Piece> pieces;
  // Of arrays and objects; the keys of arrays are empty.
  std::vector<std::pair<std::string, std::shared_ptr<const Node>>> children;
  // Of the root alone: the names its expressions use.
  std::vector<std::string> variables;
};

class Template::Node::Builder {
 public:
  Builder(const TemplateOptions& options, std::vector<TemplateError>* errors)
      : options_(options), errors_(errors) {}

  std::shared_ptr<const Node> BuildRoot(const Json& value) {
    std::shared_ptr<Node> root = Build(value, "", options_.field);
    std::sort(variables_.begin(), variables_.end());
    variables_.erase(std::unique(variables_.begin(), variables_.end()), variables_.end());
    root->variables = std::move(variables_);
    return root;
  }

 private:
  std::shared_ptr<Node> Build(const Json& value, std::string place, Field field) {
    auto node = std::make_shared<Node>();
    node->source = value;
    node->pointer = std::move(place);
    if (value.is_string()) {
      BuildString(field, *node);
    } else if (value.is_array()) {
      for (size_t i = 0; i < value.Size(); ++i) {
        AddChild("", absl::StrCat(i), value.At(i), Kind::kArray, *node);
      }
    } else if (value.is_object()) {
      for (const Json::Member& member : value.AsObject()) {
        const std::string escaped = absl::StrReplaceAll(member.key(), {{"~", "~0"}, {"/", "~1"}});
        AddChild(std::string(member.key()), escaped, member.value, Kind::kObject, *node);
      }
    }
    return node;
  }

  // Containers of constants alone stay constant, so that evaluating them costs nothing.
  void AddChild(std::string key, absl::string_view place, const Json& value, Kind parent_kind,
                Node& parent) {
    std::shared_ptr<const Node> child =
        Build(value, absl::StrCat(parent.pointer, "/", place), Field::kValue);
    if (child->kind != Kind::kConstant) parent.kind = parent_kind;
    parent.children.emplace_back(std::move(key), std::move(child));
  }

  void BuildString(Field field, Node& node) {
    const std::string text(node.source.AsString());
    node.loose = options_.mode == Mode::kLoose && field == Field::kValue;
    const bool bare_allowed = node.loose || field == Field::kExpression;
    const bool wrapped = absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "${");
    absl::StatusOr<std::vector<TemplatePart>> parts = ScanTemplate(text);
    if (!parts.ok()) {
      if (bare_allowed && !wrapped) return BuildBare(text, node);
      return Fail(parts.status(), node);
    }
    const size_t expressions = std::count_if(
        parts->begin(), parts->end(), [](const TemplatePart& part) { return part.is_expression; });
    if (const TemplatePart* whole = WholeExpression(*parts)) {
      node.kind = Kind::kExpression;
      AddExpression(whole->text, node);
    } else if (bare_allowed && (expressions == 0 || Compiles(text))) {
      // A condition may compare with a string that happens to hold `${`.
      BuildBare(text, node);
    } else if (expressions > 0 || absl::StrContains(text, "$${")) {
      node.kind = Kind::kText;
      for (const TemplatePart& part : *parts) {
        if (!part.is_expression) {
          node.pieces.push_back({part.text, std::nullopt});
        } else if (!AddExpression(part.text, node)) {
          return;
        }
      }
    }
  }

  // The one expression of a string that is nothing else but blanks, as in a folded YAML scalar.
  static const TemplatePart* WholeExpression(const std::vector<TemplatePart>& parts) {
    const TemplatePart* whole = nullptr;
    for (const TemplatePart& part : parts) {
      if (part.is_expression && whole == nullptr) {
        whole = &part;
      } else if (part.is_expression || !absl::StripAsciiWhitespace(part.text).empty()) {
        return nullptr;
      }
    }
    return whole;
  }

  bool Compiles(absl::string_view text) const {
    return Expression::Compile(text, {.variables = options_.variables}).ok();
  }

  void BuildBare(absl::string_view text, Node& node) {
    if (node.loose && absl::StripAsciiWhitespace(text).empty()) return;
    node.kind = Kind::kExpression;
    AddExpression(text, node);
  }

  // False when there is none to add: an error, or, in loose mode, a constant.
  bool AddExpression(absl::string_view text, Node& node) {
    absl::StatusOr<Expression> expression =
        absl::StripAsciiWhitespace(text).empty()
            ? absl::InvalidArgumentError("the expression is empty")
            : Expression::Compile(text, {.variables = options_.variables});
    if (!expression.ok()) {
      Fail(expression.status(), node);
      return false;
    }
    for (const std::string& name : expression->variables()) variables_.push_back(name);
    node.pieces.push_back({"", *std::move(expression)});
    return true;
  }

  void Fail(const absl::Status& status, Node& node) {
    node.kind = Kind::kConstant;
    node.pieces.clear();
    if (node.loose) return;
    errors_->push_back(TemplateError{node.pointer, std::string(status.message())});
  }

  const TemplateOptions& options_;
  std::vector<TemplateError>* const errors_;
  std::vector<std::string> variables_;
};

absl::StatusOr<Json> Template::Node::Evaluate(const Json& input,
                                              const Environment& environment) const {
  if (kind == Kind::kConstant) return source;
  if (kind == Kind::kArray || kind == Kind::kObject) return EvaluateChildren(input, environment);
  absl::StatusOr<Json> value = kind == Kind::kText
                                   ? EvaluateText(input, environment)
                                   : pieces[0].expression->First(input, environment);
  if (value.ok()) return value;
  if (loose && absl::IsInvalidArgument(value.status())) return source;
  return value.status();
}

absl::StatusOr<Json> Template::Node::EvaluateText(const Json& input,
                                                  const Environment& environment) const {
  std::string text;
  for (const Piece& piece : pieces) {
    const size_t before = text.size();
    absl::StrAppend(&text, piece.literal);
    if (piece.expression.has_value()) {
      SKALD_ASSIGN_OR_RETURN(const Json value, piece.expression->First(input, environment));
      if (value.is_string()) {
        absl::StrAppend(&text, value.AsString());
      } else {
        value.AppendTo(text);
      }
    }
    size_t& left = environment.shared->bytes_max;
    if (text.size() - before > left) {
      return absl::ResourceExhaustedError("the budget of the evaluation is used up: bytes");
    }
    left -= text.size() - before;
  }
  return Json::String(text);
}

absl::StatusOr<Json> Template::Node::EvaluateChildren(const Json& input,
                                                      const Environment& environment) const {
  Json::ArrayBuilder elements;
  Json object = Json::EmptyObject();
  for (const auto& [key, child] : children) {
    absl::StatusOr<Json> value = child->Evaluate(input, environment);
    if (!value.ok()) {
      // The innermost place is the one to name; an outer level finds it named.
      const bool leaf = child->kind == Kind::kExpression || child->kind == Kind::kText;
      if (!leaf) return value.status();
      return absl::Status(value.status().code(),
                          absl::StrCat(value.status().message(), " at '", child->pointer, "'"));
    }
    if (kind == Kind::kArray) {
      elements.Add(*std::move(value));
    } else {
      object = std::move(object).With(key, *std::move(value));
    }
  }
  return kind == Kind::kArray ? std::move(elements).Build() : std::move(object);
}

Template::Template() {
  static const auto& constant = *new std::shared_ptr<const Node>(std::make_shared<Node>());
  root_ = constant;
}

Template Template::Compile(const Json& value, const TemplateOptions& options,
                           std::vector<TemplateError>* errors) {
  Template result;
  result.root_ = Node::Builder(options, errors).BuildRoot(value);
  return result;
}

absl::StatusOr<Json> Template::Evaluate(const Json& input, const Environment& environment) const {
  if (environment.shared != nullptr) return root_->Evaluate(input, environment);
  // A definition may hold thousands of expressions, which no one could wait for if each had it all.
  Budget left = environment.budget;
  Environment together = environment;
  together.shared = &left;
  return root_->Evaluate(input, together);
}

bool Template::is_constant() const { return root_->kind == Node::Kind::kConstant; }

const Json& Template::source() const { return root_->source; }

absl::Span<const std::string> Template::variables() const { return root_->variables; }

}  // namespace skald::expression
