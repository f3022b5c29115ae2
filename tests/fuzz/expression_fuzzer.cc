// Goal: no text, as an expression or as a template, crashes or hangs the compiler or the machine.
// Method: the input's first line is the value an expression is evaluated on, the rest is the
// expression; the budget is small, so that running out of it is frequent. Results must be readable
// again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "engine/expression/expression.h"
#include "engine/expression/template.h"

namespace skald::expression {
namespace {

constexpr Budget kSmallBudget = {.steps_max = 20'000, .bytes_max = 1 << 20};

// An error's place lies in the text, or right behind it.
void CheckPlace(const absl::Status& status, absl::string_view text) {
  const std::optional<ErrorPlace> place = PlaceOfError(status);
  SKALD_CHECK(!place.has_value() || (place->offset <= text.size() && place->column > 0));
}

void EvaluateOn(absl::string_view text, const Json& input) {
  const absl::StatusOr<Expression> expression =
      Expression::Compile(text, {.variables = {"input", "context"}});
  if (!expression.ok()) return CheckPlace(expression.status(), text);
  const auto give = [&input](absl::string_view) { return input; };
  const absl::FunctionRef<Json(absl::string_view)> variable = give;
  const Environment environment = {.variable = &variable, .budget = kSmallBudget};
  const absl::Status status = expression->ForEach(input, environment, [](Json value) {
    SKALD_CHECK(Json::Parse(value.ToText(), {.bytes_max = 64 << 20}).ok());
    return true;
  });
  SKALD_CHECK(status.ok() || absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status));
  SKALD_CHECK(IsValidUtf8(status.message()));
  CheckPlace(status, text);
}

void FillTemplate(absl::string_view text, const Json& input) {
  if (!IsValidUtf8(text)) return;
  for (const Mode mode : {Mode::kStrict, Mode::kLoose}) {
    std::vector<TemplateError> errors;
    const Template tested =
        Template::Compile(Json::String(text), {.mode = mode, .field = Field::kValue}, &errors);
    if (!errors.empty()) continue;
    const absl::StatusOr<Json> filled = tested.Evaluate(input, {.budget = kSmallBudget});
    SKALD_CHECK(mode == Mode::kStrict || filled.ok() || absl::IsResourceExhausted(filled.status()));
  }
}

}  // namespace
}  // namespace skald::expression

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), text.size());
  const absl::StatusOr<skald::Json> input = skald::Json::Parse(text.substr(0, line));
  const absl::string_view program = text.substr(std::min(line + 1, text.size()));
  skald::expression::EvaluateOn(program, input.ok() ? *input : skald::Json());
  skald::expression::FillTemplate(program, input.ok() ? *input : skald::Json());
  return 0;
}
