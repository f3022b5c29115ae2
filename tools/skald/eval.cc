#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "engine/definition/names.h"
#include "engine/expression/expression.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

constexpr int kExitNotCompiled = kExitUsage;
constexpr int kExitNotEvaluated = kExitFaulted;

struct Argument {
  std::string name;
  Json value;
};

// "name=JSON", "name=@FILE", "name=-".
absl::StatusOr<Argument> ParseArgument(const std::string& word) {
  const size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  if (equals == std::string::npos || !definition::IsVariableName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--arg expects name=JSON, the name without '$', but got '", word, "'"));
  }
  const absl::StatusOr<std::string> text = ReadJsonArgument(word.substr(equals + 1));
  if (!text.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--arg ", name, ": ", text.status().message()));
  }
  SKALD_ASSIGN_OR_RETURN(Json value, Json::Parse(*text));
  return Argument{name, std::move(value)};
}

// The line of `text` with the place, and a caret under it. Of a long line, what is near.
std::string Excerpt(absl::string_view text, size_t offset) {
  constexpr size_t kBefore = 60;
  constexpr size_t kShown = 100;
  const auto is_inside = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  const size_t newline = offset == 0 ? absl::string_view::npos : text.rfind('\n', offset - 1);
  const size_t line = newline == absl::string_view::npos ? 0 : newline + 1;
  const size_t line_end = std::min(text.find('\n', offset), text.size());
  size_t begin = offset - line > kBefore ? offset - kBefore : line;
  while (begin < offset && is_inside(text[begin])) ++begin;
  size_t end = std::min(line_end, begin + kShown);
  while (end < line_end && is_inside(text[end])) ++end;

  const absl::string_view left = begin > line ? "..." : "";
  std::string caret(left.size(), ' ');
  for (const char c : text.substr(begin, offset - begin)) {
    if (!is_inside(c)) caret += c == '\t' ? '\t' : ' ';
  }
  return absl::StrCat("  ", left, text.substr(begin, end - begin), end < line_end ? "..." : "",
                      "\n  ", caret, "^");
}

int FailWithPlace(const Invocation& call, const absl::Status& status, const std::string& text,
                  int exit_code) {
  const std::optional<expression::ErrorPlace> place = expression::PlaceOfError(status);
  if (!call.json()) {
    call.Note(absl::StrCat("skald: ", status.message()));
    if (place.has_value()) call.Note(Excerpt(text, place->offset));
    return exit_code;
  }
  Json::ObjectBuilder fact;
  fact.Add("message", Json::String(status.message()));
  if (IsValidUtf8(text)) fact.Add("expression", Json::String(text));
  if (place.has_value()) {
    fact.Add("line", Json::Int(place->line)).Add("column", Json::Int(place->column));
  }
  Json::ObjectBuilder object;
  object.Add("error", std::move(fact).Build());
  call.Note(std::move(object).Build().ToText());
  return exit_code;
}

int Evaluate(const Invocation& call, const expression::Expression& compiled, const Json& input,
             const std::vector<Argument>& arguments, bool all) {
  const auto value_of = [&arguments](absl::string_view name) {
    // The last one given counts, as with every flag.
    for (auto argument = arguments.rbegin(); argument != arguments.rend(); ++argument) {
      if (argument->name == name) return argument->value;
    }
    return Json();
  };
  const absl::FunctionRef<Json(absl::string_view)> variable = value_of;
  const Timestamp now(absl::ToUnixMicros(absl::Now()));
  const absl::Status status =
      compiled.ForEach(input, {.now = now, .variable = &variable}, [&](const Json& result) {
        call.PrintJson(result);
        return all;
      });
  if (status.ok()) return kExitOk;
  return FailWithPlace(call, status, compiled.text(), kExitNotEvaluated);
}

int Run(Invocation& call) {
  std::string input_word;
  std::vector<std::string> argument_words;
  bool all = false;
  call.flags()
      .Add("input", &input_word, "JSON",
           "What '.' is: JSON, @FILE, or - for standard input; null if not given.")
      .Add("arg", &argument_words, "NAME=JSON",
           "Binds $NAME: JSON, @FILE, or - for standard input. May be given several times.")
      .Add("all", &all, "Print every result, one a line, not only the first.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  Json input;
  if (!input_word.empty()) {
    const absl::StatusOr<std::string> text = ReadJsonArgument(input_word);
    if (!text.ok()) {
      return call.FailWith(absl::StrCat("--input: ", text.status().message()), kExitUsage);
    }
    input = Json::Parse(*text).value();
  }
  std::vector<Argument> arguments;
  expression::CompileOptions options;
  for (const std::string& word : argument_words) {
    absl::StatusOr<Argument> argument = ParseArgument(word);
    if (!argument.ok()) return call.FailWith(argument.status().message(), kExitUsage);
    options.variables.push_back(argument->name);
    arguments.push_back(*std::move(argument));
  }
  const std::string& text = call.words()[0];
  const absl::StatusOr<expression::Expression> compiled =
      expression::Expression::Compile(text, options);
  if (!compiled.ok()) return FailWithPlace(call, compiled.status(), text, kExitNotCompiled);
  return Evaluate(call, *compiled, input, arguments, all);
}

}  // namespace

const Verb kEvalVerb = {
    "eval", "evaluate a jq expression without a server", "EXPRESSION [--input JSON]",
    "Evaluates an expression as the server does, within the same budget, and prints its first\n"
    "result as JSON; nothing when it has none. The expression stands alone, without ${ }.\n\n"
    "Examples:\n"
    "  skald eval '.items | map(.qty * .price) | add' --input @order.json\n"
    "  skald eval '.total > $limit' --input '{\"total\": 5}' --arg limit=3\n\n"
    "Exits with 0, 2 when the expression does not compile (or on bad usage), 3 when evaluating it\n"
    "fails.",
    Run};

}  // namespace skald::tools
