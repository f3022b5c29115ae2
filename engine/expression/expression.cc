#include "engine/expression/expression.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "engine/expression/compiler.h"
#include "engine/expression/lexer.h"
#include "engine/expression/machine.h"
#include "engine/expression/parser.h"

namespace skald::expression {
namespace {

constexpr size_t kTextMax = 1 << 20;
// What of an expression's text an error message shows.
constexpr size_t kShownTextMax = 200;

absl::Status WithExpression(const absl::Status& status, absl::string_view text, uint32_t offset) {
  absl::string_view shown = text.substr(0, kShownTextMax);
  while (!IsValidUtf8(shown)) shown.remove_suffix(1);
  std::string message = absl::StrCat(status.message(), " in the expression '", shown,
                                     shown.size() < text.size() ? "...'" : "'");
  if (offset == kNoOffset) return absl::Status(status.code(), message);
  const ErrorPlace place = Lexer(text).PlaceAt(offset);
  absl::StrAppend(&message, " (line ", place.line, ", column ", place.column, ")");
  return WithPlace(absl::Status(status.code(), message), place);
}

}  // namespace

struct Expression::Code {
  std::string text;
  Program program;
};

Expression::Expression(std::shared_ptr<const Code> code) : code_(std::move(code)) {}

absl::StatusOr<Expression> Expression::Compile(absl::string_view text,
                                               const CompileOptions& options) {
  if (text.size() > kTextMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the expression is longer than ", kTextMax, " bytes"));
  }
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError("the expression is not UTF-8");
  auto code = std::make_shared<Code>();
  code->text = std::string(text);
  Parser parser(code->text);
  SKALD_ASSIGN_OR_RETURN(const AstPtr tree, parser.ParseProgram());
  Compiler compiler(parser.lexer(), options.variables, code->program);
  SKALD_RETURN_IF_ERROR(compiler.CompileMain(*tree));
  return Expression(std::move(code));
}

absl::StatusOr<Json> Expression::First(const Json& input, const Environment& environment) const {
  Json first;
  bool found = false;
  SKALD_RETURN_IF_ERROR(ForEach(input, environment, [&](Json value) {
    first = std::move(value);
    found = true;
    return false;
  }));
  if (found) return first;
  return WithExpression(absl::InvalidArgumentError("no result"), code_->text, kNoOffset);
}

absl::Status Expression::ForEach(const Json& input, const Environment& environment,
                                 absl::FunctionRef<bool(Json)> result) const {
  Machine machine(code_->program, environment);
  const absl::Status status = machine.Evaluate(input, result);
  if (environment.shared != nullptr) *environment.shared = machine.left();
  if (status.ok()) return status;
  return WithExpression(status, code_->text, machine.error_offset());
}

const std::string& Expression::text() const { return code_->text; }

absl::Span<const std::string> Expression::variables() const { return code_->program.globals; }

}  // namespace skald::expression
