#include "engine/definition/grammar.h"

#include <limits>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/definition/duration.h"
#include "engine/definition/unsupported.h"

namespace skald::definition::grammar {
namespace {

constexpr int64_t kIntMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kIntMax = std::numeric_limits<int64_t>::max();

void Schema(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "a schema";
  if (!shape.Object(value, kWhat,
                    {{"format", Text}, {"document", Any}, {"resource", ExternalResource}})) {
    return;
  }
  shape.ExactlyOneOf(value, kWhat, {"document", "resource"});
}

// A string or an object: what `from` and `as` take.
void Transformation(Shape& shape, const Value& value) {
  if (!value.is_string() && !value.is_object()) {
    shape.Expected(value, "an expression or an object with expressions in it");
  }
}

void DelayBackoff(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "a backoff";
  if (!shape.Object(value, kWhat,
                    {{"constant", AnyObject}, {"exponential", AnyObject}, {"linear", AnyObject}})) {
    return;
  }
  shape.ExactlyOneOf(value, kWhat, {"constant", "exponential", "linear"});
}

void RetryCount(Shape& shape, const Value& value) {
  shape.Integer(value, "a number of retries", 0, std::numeric_limits<int32_t>::max());
}

void RetryAttempt(Shape& shape, const Value& value) {
  shape.Object(value, "a limit of attempts", {{"count", RetryCount}, {"duration", Duration}});
}

void RetryLimit(Shape& shape, const Value& value) {
  shape.Object(value, "a retry limit", {{"attempt", RetryAttempt}, {"duration", Duration}});
}

void Jitter(Shape& shape, const Value& value) {
  shape.Object(value, "a jitter", {{"from", Duration, kRequired}, {"to", Duration, kRequired}});
}

void PointerOrExpression(Shape& shape, const Value& value) {
  shape.StringThat(
      value, "a JSON pointer such as /do/0/pay, or ${ ... }",
      [](absl::string_view text) { return IsJsonPointer(text) || IsWholeExpression(text); });
}

bool IsKnownDsl(absl::string_view version) { return absl::StartsWith(version, "1.0."); }

void Label(Shape& shape, const Value& value) {
  shape.StringThat(
      value, "a name of letters, digits and hyphens, at most 63, no hyphen at either end", IsLabel);
}

void Version(Shape& shape, const Value& value) {
  if (value.json().is_number()) {
    shape.Error(value,
                absl::StrCat("expected a semantic version such as '1.0.0', found the number ",
                             value.json().ToText(), "; put it in quotes"));
    return;
  }
  shape.StringThat(value, "a semantic version such as '1.0.0'", IsSemanticVersion);
}

void DslVersion(Shape& shape, const Value& value) {
  if (value.json().is_number() || !IsSemanticVersion(value.text())) return Version(shape, value);
  if (IsKnownDsl(value.text())) return;
  shape.diagnostics().Unsupported(value.place(), value.pointer(),
                                  NotSupportedYet(Unsupported::kDslVersion, value.text()));
}

void DocumentMetadata(Shape& shape, const Value& value) {
  if (!value.is_object()) return AnyObject(shape, value);
  const Value saga = value.Get("saga");
  if (saga) DocumentSaga(shape, saga);
  const Value skald = value.Get("skald");
  if (skald) DocumentSkald(shape, skald);
}

void DocumentInfo(Shape& shape, const Value& value) {
  shape.Object(value, "'document'",
               {{"dsl", DslVersion, kRequired},
                {"namespace", Label, kRequired},
                {"name", Label, kRequired},
                {"version", Version, kRequired},
                {"title", Text},
                {"summary", Text},
                {"tags", AnyObject},
                {"metadata", DocumentMetadata}});
}

void Catalog(Shape& shape, const Value& value) {
  shape.Object(value, "a catalog", {{"endpoint", Endpoint, kRequired}});
}

void ExtensionTarget(Shape& shape, const Value& value) {
  shape.OneOf(value, "what is extended",
              {"call", "composite", "emit", "for", "listen", "raise", "run", "set", "switch", "try",
               "wait", "all"});
}

void Extension(Shape& shape, const Value& value) {
  shape.Object(value, "an extension",
               {{"extend", ExtensionTarget, kRequired},
                {"when", ExpressionText},
                {"before", TaskList},
                {"after", TaskList}});
}

void Use(Shape& shape, const Value& value) {
  shape.Object(
      value, "'use'",
      {{"authentications",
        [](Shape& s, const Value& v) { s.MapOf(v, "authentications", AuthenticationPolicy); }},
       {"errors", [](Shape& s, const Value& v) { s.MapOf(v, "errors", Error); }},
       {"extensions", [](Shape& s, const Value& v) { s.NamedList(v, "extensions", Extension); }},
       {"functions", [](Shape& s, const Value& v) { s.MapOf(v, "functions", Task); }},
       {"retries", [](Shape& s, const Value& v) { s.MapOf(v, "retries", RetryPolicy); }},
       {"secrets", StringList},
       {"timeouts", [](Shape& s, const Value& v) { s.MapOf(v, "timeouts", Timeout); }},
       {"catalogs", [](Shape& s, const Value& v) { s.MapOf(v, "catalogs", Catalog); }}});
}

void ReadMode(Shape& shape, const Value& value) {
  shape.OneOf(value, "how events are read", {"data", "envelope", "raw"});
}

void Schedule(Shape& shape, const Value& value) {
  if (!shape.Object(value, "'schedule'",
                    {{"every", Duration},
                     {"cron", Text},
                     {"after", Duration},
                     {"on", EventStrategy},
                     {"read", ReadMode}})) {
    return;
  }
  if (value.Has("read") && !value.Has("on")) {
    shape.Error(value.Get("read"), "'read' has a meaning only beside 'on'");
  }
}

void Evaluate(Shape& shape, const Value& value) {
  shape.Object(value, "'evaluate'",
               {{"language", Text}, {"mode", [](Shape& s, const Value& v) {
                                       s.OneOf(v, "a mode of evaluation", {"strict", "loose"});
                                     }}});
}

}  // namespace

void Any(Shape&, const Value&) {}

void AnyObject(Shape& shape, const Value& value) {
  if (!value.is_object()) shape.Expected(value, "an object");
}

void Text(Shape& shape, const Value& value) { shape.String(value, "text"); }

void Flag(Shape& shape, const Value& value) { shape.Bool(value, "a flag"); }

void Whole(Shape& shape, const Value& value) { shape.Integer(value, "a number", kIntMin, kIntMax); }

void StringList(Shape& shape, const Value& value) { shape.ListOf(value, "strings", Text); }

void StringMap(Shape& shape, const Value& value) { shape.MapOf(value, "strings by name", Text); }

void ExpressionText(Shape& shape, const Value& value) { shape.String(value, "an expression"); }

void WholeExpression(Shape& shape, const Value& value) {
  shape.StringThat(value, "an expression ${ ... }", IsWholeExpression);
}

void UriTemplate(Shape& shape, const Value& value) {
  shape.StringThat(value, "a URI", IsUriTemplate);
}

void UriOrExpression(Shape& shape, const Value& value) {
  shape.StringThat(value, "a URI or ${ ... }", [](absl::string_view text) {
    return IsUriTemplate(text) || IsWholeExpression(text);
  });
}

void Duration(Shape& shape, const Value& value) {
  if (value.is_string() && IsWholeExpression(value.text())) return;
  if (value.is_object()) {
    constexpr auto kCount = [](Shape& s, const Value& v) {
      s.Integer(v, "a number of units", 0, kIntMax);
    };
    shape.Object(value, "a duration",
                 {{"days", kCount},
                  {"hours", kCount},
                  {"minutes", kCount},
                  {"seconds", kCount},
                  {"milliseconds", kCount}});
    for (const DocumentMember& member : value.members()) {
      const Json& count = member.value->value;
      if (!count.is_number() || !count.IsInt() || count.AsInt() < 0) return;  // said already
      if (!definition::Duration::FromJson(Json::Object({{member.key, count}})).ok()) return;
    }
  }
  const absl::StatusOr<definition::Duration> duration =
      definition::Duration::FromJson(value.json());
  if (!duration.ok()) shape.Error(value, duration.status().message());
}

void Timeout(Shape& shape, const Value& value) {
  shape.Object(value, "a timeout", {{"after", Duration, kRequired}});
}

void TimeoutOrName(Shape& shape, const Value& value) {
  if (value.is_string()) return;
  if (value.is_object()) return Timeout(shape, value);
  shape.Expected(value, "a timeout { after: ... } or the name of one in use.timeouts");
}

void RetryPolicy(Shape& shape, const Value& value) {
  shape.Object(value, "a retry policy",
               {{"when", ExpressionText},
                {"exceptWhen", ExpressionText},
                {"delay", Duration},
                {"backoff", DelayBackoff},
                {"limit", RetryLimit},
                {"jitter", Jitter}});
}

void RetryOrName(Shape& shape, const Value& value) {
  if (value.is_string()) return;
  if (value.is_object()) return RetryPolicy(shape, value);
  shape.Expected(value, "a retry policy or the name of one in use.retries");
}

void Error(Shape& shape, const Value& value) {
  shape.Object(value, "an error",
               {{"type", UriOrExpression, kRequired},
                {"status", Whole, kRequired},
                {"instance", PointerOrExpression},
                {"title", Text},
                {"detail", Text}});
}

void ErrorOrName(Shape& shape, const Value& value) {
  if (value.is_string()) return;
  if (value.is_object()) return Error(shape, value);
  shape.Expected(value, "an error or the name of one in use.errors");
}

void Input(Shape& shape, const Value& value) {
  shape.Object(value, "'input'", {{"schema", Schema}, {"from", Transformation}});
}

void Output(Shape& shape, const Value& value) {
  shape.Object(value, "'output'", {{"schema", Schema}, {"as", Transformation}});
}

void Export(Shape& shape, const Value& value) {
  shape.Object(value, "'export'", {{"schema", Schema}, {"as", Transformation}});
}

}  // namespace skald::definition::grammar

namespace skald::definition {

void CheckGrammar(const Value& root, DiagnosticSink& diagnostics) {
  Shape shape(diagnostics);
  shape.Object(root, "a definition",
               {{"document", grammar::DocumentInfo, kRequired},
                {"input", grammar::Input},
                {"use", grammar::Use},
                {"do", grammar::TaskList, kRequired},
                {"timeout", grammar::TimeoutOrName},
                {"output", grammar::Output},
                {"schedule", grammar::Schedule},
                {"evaluate", grammar::Evaluate}},
               OtherKeys::kWarned);
}

}  // namespace skald::definition
