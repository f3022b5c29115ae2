// How the API's messages look: as JSON for programs, as lines for people.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/json.h"
#include "skald/v1/definition_service.pb.h"
#include "skald/v1/event.pb.h"
#include "skald/v1/saga.pb.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

// {"saga_id", "namespace", "status", "output", "error", "compensation", ...}. What there is none of
// is null.
Json SagaToJson(const v1::Saga& saga);
// A few lines: status, definition, times, values, incidents.
std::string SagaToText(const v1::Saga& saga, const Style& style);
// One line of a list.
std::string SagaToLine(const v1::Saga& saga, const Style& style);
// "completed".
std::string StatusWord(v1::SagaStatus status);
std::string PaintStatus(const v1::Saga& saga, const Style& style);
bool HasEnded(v1::SagaStatus status);
// What `run` and `start --wait` exit with.
int ExitCodeOf(const v1::Saga& saga);

Json ProblemToJson(const v1::Problem& problem);
// "503 charge declined: no funds (https://.../communication)".
std::string ProblemToLine(const v1::Problem& problem);
Json IncidentToJson(const v1::Incident& incident);

// {"position", "revision", "time", "type", "task", "causation", "data", ...}.
Json EventToJson(const v1::RecordedEvent& event);
// One line of a timeline: time since `start`, the task, and what happened in words.
std::string EventToLine(const v1::RecordedEvent& event, absl::Time start, const Style& style);
// The saga is over after this event.
bool EndsSaga(const v1::RecordedEvent& event);

Json DiagnosticToJson(const v1::Diagnostic& diagnostic);
std::string DiagnosticToLine(const v1::Diagnostic& diagnostic, absl::string_view file,
                             const Style& style);

Json PositionToJson(const v1::LogPosition& position);
// "2026-07-29T10:00:00.123456Z"; null or "-" without.
Json TimeToJson(const google::protobuf::Timestamp& time, bool present);
std::string TimeText(absl::Time time);
std::string DurationText(absl::Duration duration);
std::string Hex(absl::string_view bytes);
// JSON text as a value; what does not parse becomes a string.
Json ParseOrText(const std::string& text);
// A cut to `width` characters, with "…" when something is missing.
std::string Shorten(std::string text, size_t width);

}  // namespace skald::tools
