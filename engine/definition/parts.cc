#include "engine/definition/parts.h"

#include <limits>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/definition/suggest.h"
#include "engine/definition/unsupported.h"

namespace skald::definition {
namespace {

bool IsDuration(const Value& value) { return value.is_string() || value.is_object(); }

bool IsVariableCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

// The names that stand behind a `$` in a text, at most a handful.
std::vector<std::string> VariablesIn(absl::string_view text) {
  constexpr size_t kNamesMax = 32;
  std::vector<std::string> names;
  for (size_t dollar = text.find('$'); dollar != absl::string_view::npos;
       dollar = text.find('$', dollar + 1)) {
    size_t end = dollar + 1;
    while (end < text.size() && IsVariableCharacter(text[end])) ++end;
    const absl::string_view name = text.substr(dollar + 1, end - dollar - 1);
    if (IsVariableName(name)) names.emplace_back(name);
    if (names.size() == kNamesMax) break;
  }
  return names;
}

Backoff BackoffOf(const Value& policy) {
  const Value backoff = policy.Get("backoff");
  if (backoff.Has("linear")) return Backoff::kLinear;
  return backoff.Has("exponential") ? Backoff::kExponential : Backoff::kConstant;
}

}  // namespace

PartCompiler::PartCompiler(const Value& root, DiagnosticSink& diagnostics)
    : use_(root.Get("use")), diagnostics_(diagnostics) {
  const Value evaluate = root.Get("evaluate");
  if (evaluate.Get("mode").text() == "loose") mode_ = expression::Mode::kLoose;
  const Value language = evaluate.Get("language");
  if (!language.is_string() || language.text() == "jq") return;
  // Expressions of a language that is not known are not looked at.
  language_known_ = false;
  diagnostics_.Unsupported(language.place(), language.pointer(),
                           NotSupportedYet(Unsupported::kLanguage, language.text()));
}

std::optional<Template> PartCompiler::Expression(const Value& value, const Standpoint& from) {
  if (!value.is_string() && !value.is_object()) return std::nullopt;
  return Compile(value, expression::Field::kExpression, from);
}

std::optional<Template> PartCompiler::Data(const Value& value, const Standpoint& from) {
  if (!value) return std::nullopt;
  return Compile(value, expression::Field::kValue, from);
}

std::optional<Template> PartCompiler::Compile(const Value& value, expression::Field field,
                                              const Standpoint& from) {
  if (!language_known_) return std::nullopt;
  expression::TemplateOptions options{mode_, field, VariablesAt(from.site, from.locals)};
  // Compiled as if they were bound, so that the refusal can say why they are not.
  options.variables.emplace_back("secret");
  options.variables.emplace_back("secrets");
  std::vector<expression::TemplateError> errors;
  Template compiled = Template::Compile(value.json(), options, &errors);
  for (const expression::TemplateError& error : errors) {
    const Value at = value.Follow(error.pointer);
    diagnostics_.Error(at.place(), at.pointer(), Explain(at, error, field, from));
  }
  if (!errors.empty()) return std::nullopt;
  CheckSecrets(value, compiled, from.site);
  return compiled;
}

std::string PartCompiler::Explain(const Value& at, const expression::TemplateError& error,
                                  expression::Field field, const Standpoint& from) const {
  // When it compiles as soon as every variable in it is bound, a variable is all that is wrong.
  std::vector<std::string> all = AllVariables(from.locals);
  for (std::string& name : VariablesIn(at.text())) all.push_back(std::move(name));
  std::vector<expression::TemplateError> others;
  const Template anywhere = Template::Compile(at.json(), {mode_, field, std::move(all)}, &others);
  const std::vector<std::string> bound = VariablesAt(from.site, from.locals);
  if (others.empty()) {
    for (const std::string& name : anywhere.variables()) {
      if (IsSecretVariable(name) || absl::c_linear_search(bound, name)) continue;
      const std::optional<std::string> nearest = NearestName(name, bound);
      if (nearest) {
        return absl::StrCat("$", name, " is not bound here; did you mean '$", *nearest, "'?");
      }
      return absl::StrCat("$", name, " is not bound here; bound are $",
                          absl::StrJoin(bound, ", $"));
    }
  }
  return absl::StrCat("the expression does not compile: ", error.message);
}

void PartCompiler::CheckSecrets(const Value& value, const Template& compiled, Site site) {
  for (const std::string& name : compiled.variables()) {
    if (!IsSecretVariable(name)) continue;
    if (!MayReadSecrets(site)) {
      diagnostics_.Error(value.place(), value.pointer(),
                         absl::StrCat("$", name,
                                      " is not bound here: only input.from and the arguments of "
                                      "built-in calls may read secrets"));
    } else if (site != Site::kBuiltInArguments) {
      diagnostics_.Unsupported(value.place(), value.pointer(),
                               NotSupportedYet(Unsupported::kSecrets, absl::StrCat("$", name)));
    }
  }
}

std::optional<DurationTemplate> PartCompiler::Duration(const Value& value, const Standpoint& from) {
  if (!IsDuration(value)) return std::nullopt;
  if (value.is_string() && IsWholeExpression(value.text())) {
    return DurationTemplate{{}, Data(value, from)};
  }
  const absl::StatusOr<definition::Duration> constant =
      definition::Duration::FromJson(value.json());
  if (!constant.ok()) return std::nullopt;
  return DurationTemplate{*constant, std::nullopt};
}

Value PartCompiler::Resolve(const Value& value, absl::string_view section, absl::string_view what) {
  if (!value.is_string()) return value;
  const Value entries = use_.Get(section);
  const Value entry = entries.Get(value.text());
  if (entry) {
    used_.insert(entry.pointer());
    return entry;
  }
  std::vector<std::string> names;
  // When no more findings are kept, none is worth a long search.
  if (!diagnostics_.full()) {
    for (const DocumentMember& member : entries.members()) names.push_back(member.key);
  }
  diagnostics_.Error(value.place(), value.pointer(),
                     absl::StrCat("use.", section, " has no ", what, " '", value.text(), "'",
                                  DidYouMean(value.text(), names)));
  return Value();
}

std::optional<DurationTemplate> PartCompiler::Timeout(const Value& value, const Standpoint& from) {
  if (value.is_string() && definition::Duration::ParseIso8601(value.text()).ok()) {
    diagnostics_.Error(
        value.place(), value.pointer(),
        absl::StrCat("a timeout is an object or a name: write { after: ", value.text(), " }"));
    return std::nullopt;
  }
  return Duration(Resolve(value, "timeouts", "timeout").Get("after"), from);
}

std::optional<RetryPolicy> PartCompiler::Retry(const Value& value, const Standpoint& from) {
  const Value written = Resolve(value, "retries", "retry policy");
  if (!written.is_object()) return std::nullopt;
  RetryPolicy policy;
  policy.when = Expression(written.Get("when"), from);
  policy.except_when = Expression(written.Get("exceptWhen"), from);
  policy.delay = Duration(written.Get("delay"), from).value_or(DurationTemplate());
  policy.backoff = BackoffOf(written);
  const Value jitter = written.Get("jitter");
  const std::optional<DurationTemplate> jitter_from = Duration(jitter.Get("from"), from);
  const std::optional<DurationTemplate> jitter_to = Duration(jitter.Get("to"), from);
  if (jitter_from && jitter_to) policy.jitter.emplace(*jitter_from, *jitter_to);
  const Value limit = written.Get("limit");
  const Json& count = limit.Get("attempt").Get("count").json();
  if (count.is_number() && count.IsInt() && count.AsInt() >= 0 &&
      count.AsInt() <= std::numeric_limits<int32_t>::max()) {
    policy.attempt_count_max = static_cast<uint32_t>(count.AsInt());
  }
  policy.attempt_duration = Duration(limit.Get("attempt").Get("duration"), from);
  policy.total_duration = Duration(limit.Get("duration"), from);
  return policy;
}

std::optional<ErrorTemplate> PartCompiler::Error(const Value& value, const Standpoint& from) {
  const Value written = Resolve(value, "errors", "error");
  if (!written.is_object()) return std::nullopt;
  ErrorTemplate error;
  error.type = Data(written.Get("type"), from).value_or(Template());
  error.title = Data(written.Get("title"), from).value_or(Template());
  error.detail = Data(written.Get("detail"), from).value_or(Template());
  error.instance = Data(written.Get("instance"), from).value_or(Template());
  const Json& status = written.Get("status").json();
  if (status.is_number() && status.IsInt()) error.status = status.AsInt();
  return error;
}

std::optional<schema::Schema> PartCompiler::Schema(const Value& holder) {
  const Value written = holder.Get("schema");
  const Value resource = written.Get("resource");
  if (resource) {
    diagnostics_.Unsupported(resource.key_place(), resource.pointer(),
                             NotSupportedYet(Unsupported::kExternalSchema, "resource"));
    return std::nullopt;
  }
  const Value format = written.Get("format");
  if (format.is_string() && format.text() != "json" && !absl::StartsWith(format.text(), "json:")) {
    diagnostics_.Unsupported(format.place(), format.pointer(),
                             NotSupportedYet(Unsupported::kSchemaFormat, format.text()));
    return std::nullopt;
  }
  const Value document = written.Get("document");
  if (!document) return std::nullopt;
  absl::StatusOr<schema::Schema> compiled = schema::Schema::Compile(document.json());
  if (compiled.ok()) return *std::move(compiled);
  if (absl::IsNotFound(compiled.status())) {
    diagnostics_.Unsupported(
        document.place(), document.pointer(),
        absl::StrCat("this version does not fetch schemas: ", compiled.status().message()));
  } else {
    diagnostics_.Error(document.place(), document.pointer(),
                       absl::StrCat("this is no JSON Schema: ", compiled.status().message()));
  }
  return std::nullopt;
}

void PartCompiler::CheckUnused() {
  const Standpoint in_catch{Site::kTaskBody, {"error"}};
  const auto check = [&](absl::string_view section, auto compile) {
    for (const DocumentMember& member : use_.Get(section).members()) {
      const Value entry = use_.Get(section).Of(member);
      if (entry.is_object() && !used_.contains(entry.pointer())) compile(entry);
    }
  };
  check("timeouts", [&](const Value& v) { Timeout(v, {Site::kTaskBody, {}}); });
  check("errors", [&](const Value& v) { Error(v, {Site::kTaskBody, {}}); });
  check("retries", [&](const Value& v) { Retry(v, in_catch); });
}

}  // namespace skald::definition
