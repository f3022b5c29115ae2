#include "tests/support/saga_script.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/definition/compile.h"
#include "gtest/gtest.h"

namespace skald::testing {
namespace {

// The first word of `rest`, which is cut off it.
std::string Word(absl::string_view* rest) {
  const size_t space = rest->find(' ');
  std::string word(rest->substr(0, space));
  *rest = space == absl::string_view::npos ? absl::string_view() : rest->substr(space + 1);
  return word;
}

saga::Payload Value(absl::string_view text) {
  return {Json::Parse(text.empty() ? "null" : text).value(),
          std::string(text.empty() ? "null" : text)};
}

}  // namespace

std::string SagaScript::Run(absl::string_view directive, const std::string& body) {
  absl::string_view rest = directive;
  const std::string verb = Word(&rest);
  if (verb == "define") return Define(body);
  if (verb == "tick") {
    double seconds = 0;
    EXPECT_TRUE(absl::SimpleAtod(rest, &seconds)) << rest;
    return Report(absl::OkStatus(), harness_->Advance(static_cast<Micros>(seconds * kSecond)));
  }
  if (verb == "continue") return Report(absl::OkStatus(), harness_->Continue());
  if (verb == "bound") {
    int events = 0;
    EXPECT_TRUE(absl::SimpleAtoi(rest, &events));
    harness_->set_events_per_step(events);
    return "";
  }
  if (verb == "view") return View();
  std::optional<saga::Command> command = Parse(verb, rest);
  if (!command) return absl::StrCat("no open call '", rest, "'\n");
  SagaHarness::Result result = harness_->Apply(*std::move(command));
  return Report(result.reply, result.events);
}

std::string SagaScript::Define(const std::string& text) {
  definition::CompileResult compiled = definition::Compile(text);
  if (!compiled.ok()) return absl::StrCat(compiled.status().message(), "\n");
  harness_ = std::make_unique<SagaHarness>(compiled.program);
  return "";
}

std::optional<saga::Command> SagaScript::Parse(const std::string& verb, absl::string_view rest) {
  if (verb == "start") return saga::Command{.request = saga::StartSaga{.input = Value(rest)}};
  if (verb == "answer" || verb == "fail" || verb == "quiesce" || verb == "again" || verb == "late")
    return ParseAnswer(verb, rest);
  if (verb == "cancel") {
    return saga::Command{
        .request = saga::CancelSaga{
            .reason = "asked",
            .compensate = absl::StrContains(rest, "compensate") ? std::optional(true)
                          : absl::StrContains(rest, "abandon")  ? std::optional(false)
                                                                : std::nullopt,
            .force = absl::StrContains(rest, "force")}};
  }
  if (verb == "terminate") return saga::Command{.request = saga::TerminateSaga{std::string(rest)}};
  if (verb == "suspend") return saga::Command{.request = saga::SuspendSaga{std::string(rest)}};
  if (verb == "resume") return saga::Command{.request = saga::ResumeSaga{}};
  return ParseVerb(verb, rest);
}

std::optional<saga::Command> SagaScript::ParseVerb(const std::string& verb,
                                                   absl::string_view rest) {
  const std::string task = Word(&rest);
  if (verb == "retry-undo") return saga::Command{.request = saga::RetryCompensation{task}};
  if (verb == "skip-undo")
    return saga::Command{.request = saga::SkipCompensation{task, std::string(rest)}};
  if (verb == "resolve-undo")
    return saga::Command{.request = saga::ResolveCompensation{task, std::string(rest)}};
  if (verb == "retry-task") return saga::Command{.request = saga::RetryTask{task}};
  if (verb == "complete-task")
    return saga::Command{.request = saga::CompleteTask{task, Value(rest), "by hand"}};
  if (verb == "fail-task") return saga::Command{.request = saga::FailTask{task, "by hand"}};
  ADD_FAILURE() << "unknown directive " << verb;
  return std::nullopt;
}

std::optional<saga::Command> SagaScript::ParseAnswer(const std::string& verb,
                                                     absl::string_view rest) {
  const std::string name = Word(&rest);
  // `again` answers with the token that was used last, `late` answers the call that was given up.
  std::optional<saga::TaskToken> token = verb == "again"  ? last_token_
                                         : verb == "late" ? harness_->LateTokenOf(name)
                                                          : harness_->TokenOf(name);
  if (!token) return std::nullopt;
  last_token_ = token;
  if (verb == "quiesce") {
    return saga::Command{.request = saga::QuiesceTask{*token, absl::StrContains(rest, "never")}};
  }
  saga::AnswerTask answer{.token = *token};
  if (verb == "fail") {
    answer.error = Value(rest).value;
  } else {
    answer.output = Value(rest);
  }
  return saga::Command{.request = std::move(answer)};
}

std::string SagaScript::Report(const absl::Status& reply, const std::vector<std::string>& events) {
  std::string text;
  if (!reply.ok()) absl::StrAppend(&text, "refused: ", reply.message(), "\n");
  for (const std::string& event : events) absl::StrAppend(&text, event, "\n");
  const saga::SagaState& state = harness_->state();
  absl::StrAppend(&text, "=> ", saga::StatusName(saga::StatusOf(state)));
  for (const saga::OpenCall& call : saga::OpenCalls(state)) {
    absl::StrAppend(&text, " | ", call.of->call->function, call.of->call->arguments.ToText(), " ",
                    saga::IdempotencyKey(state.key, *call.of->call), " attempt ", call.attempt);
  }
  if (saga::StatusOf(state) == saga::Status::kCompleted)
    absl::StrAppend(&text, " ", state.output.ToText());
  return text + "\n";
}

std::string SagaScript::View() {
  const saga::SagaView view = saga::ViewOf(harness_->state());
  std::string text = absl::StrCat("status ", saga::StatusName(view.status), "\n");
  if (!view.error.is_null()) absl::StrAppend(&text, "error ", view.error.ToText(), "\n");
  if (view.compensation) {
    absl::StrAppend(&text, "compensation ", view.compensation->outcome, " failed ",
                    view.compensation->failed, "\n");
    for (const saga::CompensationStep& step : view.compensation->steps) {
      absl::StrAppend(&text, "step ", step.task, " ", step.state, " ", step.attempts, "\n");
    }
  }
  for (const saga::ActiveTask& task : view.active)
    absl::StrAppend(&text, "active ", task.task, " ", task.state, "\n");
  for (const saga::Incident& incident : view.incidents) {
    absl::StrAppend(&text, "incident ", incident.task, " ", incident.verbs, "\n");
  }
  return text;
}

}  // namespace skald::testing
