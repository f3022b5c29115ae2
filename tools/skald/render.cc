#include "tools/skald/render.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace skald::tools {

namespace {

// The name of an enum's value without its prefix, in lower case.
std::string Word(const std::string& name, absl::string_view prefix) {
  std::string word = absl::AsciiStrToLower(name.substr(std::min(prefix.size(), name.size())));
  return word == "unspecified" ? "" : word;
}

Json OptionalText(const std::string& text) {
  return text.empty() ? Json::Null() : Json::String(text);
}

Json CompensationToJson(const v1::Compensation& compensation) {
  Json::ArrayBuilder steps;
  for (const v1::CompensationStep& step : compensation.steps()) {
    Json::ObjectBuilder object;
    object.Add("task", Json::String(step.task()))
        .Add("name", Json::String(step.name()))
        .Add("state", Json::String(Word(v1::CompensationStep::State_Name(step.state()), "STATE_")))
        .Add("attempts", Json::Int(step.attempts()));
    steps.Add(std::move(object).Build());
  }
  Json::ObjectBuilder object;
  object
      .Add("outcome",
           Json::String(Word(v1::Compensation::Outcome_Name(compensation.outcome()), "OUTCOME_")))
      .Add("failed", Json::Int(compensation.failed()))
      .Add("steps", std::move(steps).Build());
  return std::move(object).Build();
}

Json ActiveTaskToJson(const v1::ActiveTask& task) {
  Json::ObjectBuilder object;
  object.Add("task", Json::String(task.task()))
      .Add("name", Json::String(task.name()))
      .Add("state", Json::String(Word(v1::ActiveTask::State_Name(task.state()), "STATE_")))
      .Add("compensation", Json::Bool(task.compensation()))
      .Add("attempt", Json::Int(task.attempt()))
      .Add("function", OptionalText(task.function()))
      .Add("due_time", TimeToJson(task.due_time(), task.has_due_time()));
  return std::move(object).Build();
}

std::string CompensationText(const v1::Compensation& compensation, const Style& style) {
  std::string text =
      absl::StrCat("undo        ",
                   Word(v1::Compensation::Outcome_Name(compensation.outcome()), "OUTCOME_"), "\n");
  for (const v1::CompensationStep& step : compensation.steps()) {
    const std::string state = Word(v1::CompensationStep::State_Name(step.state()), "STATE_");
    absl::StrAppend(&text, "            ", step.name(), ": ",
                    state == "parked" || state == "failed" ? style.Red(state) : state,
                    step.attempts() > 1 ? absl::StrCat(" after ", step.attempts(), " tries") : "",
                    "\n");
  }
  return text;
}

}  // namespace

Json ParseOrText(const std::string& text) {
  if (text.empty()) return Json::Null();
  absl::StatusOr<Json> value = Json::Parse(text);
  return value.ok() ? *std::move(value) : Json::String(text);
}

std::string Shorten(std::string text, size_t width) {
  if (text.size() <= width) return text;
  size_t end = width > 0 ? width - 1 : 0;
  // Not in the middle of a letter.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text + "…";
}

std::string Hex(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

Json TimeToJson(const google::protobuf::Timestamp& time, bool present) {
  return present ? Json::String(TimeText(FromProto(time))) : Json::Null();
}

std::string DurationText(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds < 0.001) return absl::StrFormat("%.0f us", seconds * 1e6);
  if (seconds < 1) return absl::StrFormat("%.1f ms", seconds * 1e3);
  if (seconds < 120) return absl::StrFormat("%.2f s", seconds);
  return absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

Json PositionToJson(const v1::LogPosition& position) {
  Json::ObjectBuilder object;
  object.Add("partition", Json::Int(position.partition()))
      .Add("position", Json::Int(static_cast<int64_t>(position.position())));
  return std::move(object).Build();
}

Json ProblemToJson(const v1::Problem& problem) {
  Json::ObjectBuilder object;
  object.Add("type", Json::String(problem.type()))
      .Add("status", Json::Int(problem.status()))
      .Add("title", OptionalText(problem.title()))
      .Add("detail", OptionalText(problem.detail()))
      .Add("instance", OptionalText(problem.instance()));
  return std::move(object).Build();
}

std::string ProblemToLine(const v1::Problem& problem) {
  std::string line = absl::StrCat(problem.status());
  if (!problem.title().empty()) absl::StrAppend(&line, " ", problem.title());
  if (!problem.detail().empty()) {
    absl::StrAppend(&line, problem.title().empty() ? " " : ": ", problem.detail());
  }
  const size_t slash = problem.type().rfind('/');
  if (slash != std::string::npos) {
    absl::StrAppend(&line, " (", problem.type().substr(slash + 1), ")");
  }
  return line;
}

Json IncidentToJson(const v1::Incident& incident) {
  Json::ArrayBuilder verbs;
  for (const std::string& verb : incident.verbs()) verbs.Add(Json::String(verb));
  Json::ObjectBuilder object;
  object.Add("kind", Json::String(Word(v1::Incident::Kind_Name(incident.kind()), "KIND_")))
      .Add("task", Json::String(incident.task()))
      .Add("name", Json::String(incident.name()))
      .Add("error", incident.has_error() ? ProblemToJson(incident.error()) : Json::Null())
      .Add("since", TimeToJson(incident.create_time(), incident.has_create_time()))
      .Add("verbs", std::move(verbs).Build());
  return std::move(object).Build();
}

std::string StatusWord(v1::SagaStatus status) {
  return Word(v1::SagaStatus_Name(status), "SAGA_STATUS_");
}

bool HasEnded(v1::SagaStatus status) {
  return status == v1::SAGA_STATUS_COMPLETED || status == v1::SAGA_STATUS_FAULTED ||
         status == v1::SAGA_STATUS_CANCELLED;
}

int ExitCodeOf(const v1::Saga& saga) {
  switch (saga.status()) {
    case v1::SAGA_STATUS_COMPLETED:
      return kExitOk;
    case v1::SAGA_STATUS_FAULTED:
      return kExitFaulted;
    case v1::SAGA_STATUS_CANCELLED:
      return kExitCancelled;
    case v1::SAGA_STATUS_SUSPENDED:
      return kExitSuspended;
    default:
      return kExitError;
  }
}

Json SagaToJson(const v1::Saga& saga) {
  Json::ObjectBuilder definition;
  definition.Add("name", Json::String(saga.definition_name()))
      .Add("version", Json::String(saga.definition_version()))
      .Add("hash", Json::String(Hex(saga.definition_hash())));
  Json::ArrayBuilder active, incidents;
  for (const v1::ActiveTask& task : saga.active_tasks()) active.Add(ActiveTaskToJson(task));
  for (const v1::Incident& incident : saga.incidents()) incidents.Add(IncidentToJson(incident));
  Json::ObjectBuilder object;
  object.Add("saga_id", Json::String(saga.saga_id()))
      .Add("namespace", Json::String(saga.namespace_()))
      .Add("definition", std::move(definition).Build())
      .Add("status", Json::String(StatusWord(saga.status())))
      .Add("suspend_reason",
           OptionalText(Word(v1::SuspendReason_Name(saga.suspend_reason()), "SUSPEND_REASON_")))
      .Add("input", ParseOrText(saga.input()))
      .Add("output", ParseOrText(saga.output()))
      .Add("error", saga.has_error() ? ProblemToJson(saga.error()) : Json::Null())
      .Add("compensation",
           saga.has_compensation() ? CompensationToJson(saga.compensation()) : Json::Null())
      .Add("active_tasks", std::move(active).Build())
      .Add("incidents", std::move(incidents).Build())
      .Add("create_time", TimeToJson(saga.create_time(), saga.has_create_time()))
      .Add("update_time", TimeToJson(saga.update_time(), saga.has_update_time()))
      .Add("end_time", TimeToJson(saga.end_time(), saga.has_end_time()))
      .Add("revision", Json::Int(static_cast<int64_t>(saga.revision())));
  return std::move(object).Build();
}

std::string PaintStatus(const v1::Saga& saga, const Style& style) {
  std::string word = StatusWord(saga.status());
  switch (saga.status()) {
    case v1::SAGA_STATUS_COMPLETED:
      return style.Green(word);
    case v1::SAGA_STATUS_FAULTED:
    case v1::SAGA_STATUS_CANCELLED:
      return style.Red(word);
    case v1::SAGA_STATUS_SUSPENDED:
      if (saga.suspend_reason() == v1::SUSPEND_REASON_PARKED) word += " (parked)";
      return style.Yellow(word);
    default:
      return style.Cyan(word);
  }
}

std::string SagaToLine(const v1::Saga& saga, const Style& style) {
  const absl::Time end = saga.has_end_time() ? FromProto(saga.end_time()) : absl::InfiniteFuture();
  return absl::StrFormat("%s/%s  %s  %s@%s  %s%s", saga.namespace_(), style.Bold(saga.saga_id()),
                         PaintStatus(saga, style), saga.definition_name(),
                         saga.definition_version(), TimeText(FromProto(saga.create_time())),
                         saga.has_end_time()
                             ? absl::StrCat("  ", DurationText(end - FromProto(saga.create_time())))
                             : "");
}

std::string SagaToText(const v1::Saga& saga, const Style& style) {
  std::string text = absl::StrCat(style.Bold(absl::StrCat(saga.namespace_(), "/", saga.saga_id())),
                                  "  ", PaintStatus(saga, style), "\n");
  absl::StrAppend(&text, "definition  ", saga.definition_name(), " ", saga.definition_version(),
                  "\nstarted     ", TimeText(FromProto(saga.create_time())), "\n");
  if (saga.has_end_time()) {
    absl::StrAppend(&text, "ended       ", TimeText(FromProto(saga.end_time())), ", after ",
                    DurationText(FromProto(saga.end_time()) - FromProto(saga.create_time())), "\n");
  }
  absl::StrAppend(&text, "input       ", Shorten(saga.input(), 200), "\n");
  if (!saga.output().empty()) {
    absl::StrAppend(&text, "output      ", Shorten(saga.output(), 2'000), "\n");
  }
  if (saga.has_error()) {
    absl::StrAppend(&text, "error       ", style.Red(ProblemToLine(saga.error())),
                    "\n            at ", saga.error().instance(), "\n");
  }
  if (saga.has_compensation()) absl::StrAppend(&text, CompensationText(saga.compensation(), style));
  for (const v1::ActiveTask& task : saga.active_tasks()) {
    absl::StrAppend(
        &text, "now         ", task.name(), " ",
        Word(v1::ActiveTask::State_Name(task.state()), "STATE_"),
        task.attempt() > 1 ? absl::StrCat(", attempt ", task.attempt()) : "",
        task.has_due_time() ? absl::StrCat(", due ", TimeText(FromProto(task.due_time()))) : "",
        "\n");
  }
  for (const v1::Incident& incident : saga.incidents()) {
    std::string verbs;
    for (const std::string& verb : incident.verbs()) {
      absl::StrAppend(&verbs, verbs.empty() ? "" : ", ", verb);
    }
    absl::StrAppend(&text, style.Yellow("incident"), "    ", incident.task(), ": ",
                    ProblemToLine(incident.error()), "\n            can be: ", verbs, "\n");
  }
  text.pop_back();  // the caller ends the line
  return text;
}

Json DiagnosticToJson(const v1::Diagnostic& diagnostic) {
  Json::ObjectBuilder object;
  object
      .Add("severity",
           Json::String(Word(v1::Diagnostic::Severity_Name(diagnostic.severity()), "SEVERITY_")))
      .Add("line", Json::Int(diagnostic.line()))
      .Add("column", Json::Int(diagnostic.column()))
      .Add("pointer", Json::String(diagnostic.pointer()))
      .Add("message", Json::String(diagnostic.message()));
  return std::move(object).Build();
}

// As compilers write it, so that editors find the place.
std::string DiagnosticToLine(const v1::Diagnostic& diagnostic, absl::string_view file,
                             const Style& style) {
  std::string place(file);
  if (diagnostic.line() > 0) {
    absl::StrAppend(&place, ":", diagnostic.line());
    if (diagnostic.column() > 0) absl::StrAppend(&place, ":", diagnostic.column());
  }
  const bool error = diagnostic.severity() == v1::Diagnostic::SEVERITY_ERROR;
  return absl::StrCat(style.Bold(place), ": ", error ? style.Red("error") : style.Yellow("warning"),
                      ": ", diagnostic.message(),
                      diagnostic.pointer().empty()
                          ? ""
                          : style.Dim(absl::StrCat("  [", diagnostic.pointer(), "]")));
}

}  // namespace skald::tools
