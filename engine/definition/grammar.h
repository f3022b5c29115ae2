// The form of a definition: what the standard's JSON Schema says, rule by rule, with messages made
// for people, plus the form of `metadata.saga`. Every construct is here, those the engine does not
// run yet too. What needs more than one value's own text (names, expressions, positions) is
// builder.h's.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "engine/definition/shape.h"

namespace skald::definition {

// Checks the whole definition.
void CheckGrammar(const Value& root, DiagnosticSink& diagnostics);

// The keyword that makes a task what it is ("call", "do", "for", ...). Nothing when there is none.
std::optional<absl::string_view> TaskKeyword(const Value& task);

// Whether `callee`, the value of a `call`, is one of the standard's own ("http", "grpc", ...).
bool IsBuiltInCall(absl::string_view callee);

// The one function of the default catalog: an explicit undo.
inline constexpr absl::string_view kCompensateCall = "compensate:1.0.0@default";

// One rule per construct; each is a ShapeCheck.
namespace grammar {

// grammar.cc
void Any(Shape& shape, const Value& value);
void AnyObject(Shape& shape, const Value& value);
void Text(Shape& shape, const Value& value);
void Flag(Shape& shape, const Value& value);
void Whole(Shape& shape, const Value& value);
void StringList(Shape& shape, const Value& value);
void StringMap(Shape& shape, const Value& value);
void ExpressionText(Shape& shape, const Value& value);
void WholeExpression(Shape& shape, const Value& value);
void UriTemplate(Shape& shape, const Value& value);
void UriOrExpression(Shape& shape, const Value& value);
void Duration(Shape& shape, const Value& value);
void Timeout(Shape& shape, const Value& value);
void TimeoutOrName(Shape& shape, const Value& value);
void RetryPolicy(Shape& shape, const Value& value);
void RetryOrName(Shape& shape, const Value& value);
void Error(Shape& shape, const Value& value);
void ErrorOrName(Shape& shape, const Value& value);
void Input(Shape& shape, const Value& value);
void Output(Shape& shape, const Value& value);
void Export(Shape& shape, const Value& value);

// grammar_tasks.cc
void TaskList(Shape& shape, const Value& value);
void Task(Shape& shape, const Value& value);
void Then(Shape& shape, const Value& value);

// grammar_calls.cc
void CallArguments(Shape& shape, const Value& task);
void Endpoint(Shape& shape, const Value& value);
void ExternalResource(Shape& shape, const Value& value);
void AuthenticationPolicy(Shape& shape, const Value& value);
void AuthenticationOrName(Shape& shape, const Value& value);

// grammar_run.cc
void Run(Shape& shape, const Value& value);

// grammar_events.cc
void Emit(Shape& shape, const Value& value);
void Listen(Shape& shape, const Value& value);
void EventStrategy(Shape& shape, const Value& value);
void SubscriptionIterator(Shape& shape, const Value& value);

// grammar_saga.cc
void TaskSaga(Shape& shape, const Value& task);
void DocumentSaga(Shape& shape, const Value& value);

// grammar_skald.cc
void DocumentSkald(Shape& shape, const Value& value);

}  // namespace grammar
}  // namespace skald::definition
