// Events as JSON and as lines of a timeline.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/skald/render.h"

namespace skald::tools {

namespace {

// How an event type reads, and what of its data is worth a look.
struct Phrase {
  const char* type;
  const char* words;
  const char* value;  // a member of the data that is shown; empty: none
};

constexpr Phrase kPhrases[] = {
    {"SagaStarted", "saga started", "input"},
    {"SagaCompleted", "saga completed", "output"},
    {"SagaFaulted", "saga faulted", "error"},
    {"SagaCancelled", "saga cancelled", ""},
    {"SagaSuspended", "saga suspended", "reason"},
    {"SagaResumed", "saga resumed", ""},
    {"CancelRequested", "cancel requested", "reason"},
    {"TaskStarted", "started", ""},
    {"TaskCompleted", "completed", "output"},
    {"TaskSkipped", "skipped", ""},
    {"TaskFaulted", "failed", "error"},
    {"TaskQuiesced", "is quiet: no answer can come any more", ""},
    {"TaskCancelled", "cancelled", ""},
    {"TaskRetryScheduled", "will be retried", "error"},
    {"TaskRetried", "retried", ""},
    {"ErrorCaught", "error caught", "error"},
    {"ErrorRaised", "raised an error", "error"},
    {"TaskParked", "parked: an operator has to decide", "error"},
    {"LateCompletion", "completed too late", "output"},
    {"LateEffectResolved", "late effect resolved by an operator", "note"},
    {"CompensationArmed", "can be undone from here on", ""},
    {"CompensationDisarmed", "needs no undo", ""},
    {"CompensationOutcomeUnknown", "outcome unknown, will be undone too", ""},
    {"PivotPassed", "point of no return passed", ""},
    {"CompensationStarted", "undoing begins", "cause"},
    {"CompensationStepStarted", "undo started", ""},
    {"CompensationStepCompleted", "undone", ""},
    {"CompensationStepSkipped", "undo skipped", "reason"},
    {"CompensationStepFailed", "undo failed", "error"},
    {"CompensationStepParked", "undo parked: an operator has to decide", "error"},
    {"CompensationStepResolved", "undo resolved by an operator", "note"},
    {"CompensationCompleted", "undoing is over", "outcome"},
};

// The last segment of a pointer: the task's name. Handlers carry the name of what they undo.
std::string TaskName(const std::string& pointer) {
  const size_t handler = pointer.find("/metadata/saga/compensate");
  if (handler != std::string::npos) return "undo " + TaskName(pointer.substr(0, handler));
  if (pointer.empty() || pointer == "/do") return "-";  // the saga as a whole
  const size_t slash = pointer.rfind('/');
  return slash == std::string::npos ? pointer : pointer.substr(slash + 1);
}

// An error in a few words, anything else as JSON.
std::string ValueText(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return std::string(value.AsString().data(), value.AsString().size());
  if (value.is_object() && value.Find("status") != nullptr && value.Find("type") != nullptr) {
    v1::Problem problem;
    if (value.Get("status").IsInt()) {
      problem.set_status(static_cast<int32_t>(value.Get("status").AsInt()));
    }
    for (const auto& [name, field] :
         {std::pair<absl::string_view, std::string*>{"title", problem.mutable_title()},
          {"detail", problem.mutable_detail()},
          {"type", problem.mutable_type()}}) {
      if (value.Get(name).is_string()) *field = std::string(value.Get(name).AsString());
    }
    return ProblemToLine(problem);
  }
  return value.ToText();
}

// Who does it, and which try it is.
std::string CallText(const Json& data) {
  const Json& call = data.Get("call");
  if (!call.is_object()) return "";
  std::string text = absl::StrCat("worker function ", ValueText(call.Get("function")));
  const Json& attempt = call.Get("attempt");
  if (attempt.IsInt() && attempt.AsInt() > 1) {
    absl::StrAppend(&text, ", attempt ", attempt.AsInt());
  }
  return text;
}

std::string PaintWords(const v1::RecordedEvent& event, const std::string& words,
                       const Style& style) {
  if (event.type() == "SagaCompleted" || event.type() == "TaskCompleted") return style.Green(words);
  if (absl::StrContains(event.type(), "Parked")) return style.Yellow(words);
  if (absl::StrContains(event.type(), "Compensation")) return style.Cyan(words);
  if (absl::StrContains(event.type(), "Fault") || absl::StrContains(event.type(), "Error") ||
      event.type() == "TaskRetryScheduled") {
    return style.Red(words);
  }
  return words;
}

}  // namespace

Json EventToJson(const v1::RecordedEvent& event) {
  Json::ObjectBuilder causation;
  causation.Add("command", Json::String(event.causation().command()))
      .Add("position", Json::Int(static_cast<int64_t>(event.causation().position())));
  Json::ObjectBuilder object;
  object.Add("position", Json::Int(static_cast<int64_t>(event.position().position())))
      .Add("partition", Json::Int(event.position().partition()))
      .Add("revision", Json::Int(static_cast<int64_t>(event.revision())))
      .Add("time", TimeToJson(event.time(), event.has_time()))
      .Add("namespace", Json::String(event.namespace_()))
      .Add("saga_id", Json::String(event.saga_id()))
      .Add("type", Json::String(event.type()))
      .Add("task", event.task().empty() ? Json::Null() : Json::String(event.task()))
      .Add("causation", std::move(causation).Build())
      .Add("actor", event.actor().empty() ? Json::Null() : Json::String(event.actor()))
      .Add("data", event.data().empty() ? Json::EmptyObject() : ParseOrText(event.data()));
  return std::move(object).Build();
}

std::string EventToLine(const v1::RecordedEvent& event, absl::Time start, const Style& style) {
  const Json data = ParseOrText(event.data());
  std::string words, value;
  for (const Phrase& phrase : kPhrases) {
    if (event.type() != phrase.type) continue;
    words = phrase.words;
    if (*phrase.value != '\0') value = ValueText(data.Get(phrase.value));
  }
  if (words.empty()) words = event.type();
  if (value.empty()) value = CallText(data);
  const double seconds = absl::ToDoubleSeconds(FromProto(event.time()) - start);
  std::string line = absl::StrFormat("%s  %-20s %s", style.Dim(absl::StrFormat("+%9.4fs", seconds)),
                                     TaskName(event.task()), PaintWords(event, words, style));
  if (!value.empty()) absl::StrAppend(&line, style.Dim(absl::StrCat("  ", Shorten(value, 100))));
  return line;
}

bool EndsSaga(const v1::RecordedEvent& event) {
  return event.type() == "SagaCompleted" || event.type() == "SagaFaulted" ||
         event.type() == "SagaCancelled";
}

}  // namespace skald::tools
