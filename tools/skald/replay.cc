#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/skald/render.h"
#include "tools/skald/replay_steps.h"
#include "tools/skald/state_changes.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

constexpr char kKeys[] =
    "n or Enter: next   p: previous   g REVISION: go there   f, l: first, last\n"
    "s: the whole state   h: these keys   q: quit";

// What an event changed. That each event has the next revision and a time of its own goes without
// saying.
std::vector<StateChange> ChangesOf(const std::optional<Json>& before, const Json& after) {
  if (!before) return {{"", std::nullopt, after}};
  const Json revision = before->Get("revision");
  const Json update_time = before->Get("update_time");
  return ChangesBetween(*before, after.With("revision", revision).With("update_time", update_time));
}

Json StepToJson(const ReplayStep& step, const std::vector<StateChange>& changes) {
  Json::ObjectBuilder object;
  object.Add("revision", Json::Int(static_cast<int64_t>(step.event.revision())))
      .Add("event", EventToJson(step.event))
      .Add("changes", ChangesToJson(changes));
  return std::move(object).Build();
}

// The event, and what it changed.
void PrintStep(const Invocation& call, const ReplayStep& step,
               const std::vector<StateChange>& changes) {
  const Style& style = call.style();
  call.PrintLine(absl::StrCat(style.Bold(absl::StrCat("#", step.event.revision())), "  ",
                              EventToLine(step.event, FromProto(step.saga.create_time()), style)));
  for (const StateChange& change : changes) {
    // Of the first event: that it is all new.
    if (!change.pointer.empty()) call.PrintLine("      " + ChangeToLine(change, style));
  }
}

void PrintState(const Invocation& call, const ReplayStep& step) {
  call.PrintLine(SagaToText(step.saga, call.style()));
  if (!step.context.is_null()) {
    call.PrintLine(absl::StrCat("context     ", Shorten(step.context.ToText(), 2'000)));
  }
}

// ---- All steps ----

int PrintAll(Invocation& call, const SagaKey& key, const v1::AsOf& as_of) {
  std::optional<Json> before;
  const grpc::Status status = ReadSteps(call, key, 0, as_of, [&](ReplayStep step) {
    Json after = step.ToJson();
    const std::vector<StateChange> changes = ChangesOf(before, after);
    before = std::move(after);
    if (call.json()) {
      call.PrintJson(StepToJson(step, changes));
    } else {
      PrintStep(call, step, changes);
    }
    return std::cout.good();
  });
  return status.ok() ? kExitOk : call.Fail(status);
}

// ---- One moment ----

int PrintMoment(Invocation& call, const SagaKey& key, v1::AsOf as_of) {
  v1::Saga saga;
  grpc::Status status = FetchSagaAsOf(call, key, as_of, saga);
  if (!status.ok()) return call.Fail(status);
  as_of.set_revision(saga.revision());
  const uint64_t from = saga.revision() == 0 ? 0 : saga.revision() - 1;
  std::optional<Json> before;
  ReplayStep last;
  status = ReadSteps(call, key, from, as_of, [&](ReplayStep step) {
    if (step.event.revision() < saga.revision()) before = step.ToJson();
    last = std::move(step);
    return true;
  });
  if (!status.ok()) return call.Fail(status);
  const Json state = last.ToJson();
  const std::vector<StateChange> changes = ChangesOf(before, state);
  if (call.json()) {
    call.PrintJson(StepToJson(last, changes).With("state", state));
  } else {
    PrintState(call, last);
    PrintStep(call, last, changes);
  }
  return kExitOk;
}

// ---- Step by step ----

class Stepper {
 public:
  Stepper(Invocation& call, SagaKey key) : call_(call), steps_(call, std::move(key)) {}

  int Run() {
    if (grpc::Status status = steps_.Refresh(); !status.ok()) return call_.Fail(status);
    call_.PrintLine(absl::StrCat("Revisions 0 to ", steps_.last(), ".\n", kKeys));
    if (grpc::Status status = GoTo(0); !status.ok()) return call_.Fail(status);
    std::string line;
    while (Ask(line)) {
      const grpc::Status status = Obey(line);
      if (!status.ok()) return call_.Fail(status);
      if (is_over_) break;
    }
    return kExitOk;
  }

 private:
  bool Ask(std::string& line) const {
    std::cout << call_.style().Dim(absl::StrCat(at_, "/", steps_.last())) << "> " << std::flush;
    if (std::getline(std::cin, line)) return true;
    std::cout << "\n";
    return false;
  }

  grpc::Status Obey(const std::string& line) {
    const std::vector<std::string> words =
        absl::StrSplit(absl::StripAsciiWhitespace(line), ' ', absl::SkipEmpty());
    const std::string key = words.empty() ? "n" : words[0];
    uint64_t revision = 0;
    if (absl::SimpleAtoi(words.size() > 1 && key == "g" ? words[1] : key, &revision)) {
      return GoTo(revision);
    }
    if (key == "n") return GoTo(at_ + 1);
    if (key == "p" && at_ == 0) return Say("this is the first event");
    if (key == "p") return GoTo(at_ - 1);
    if (key == "f") return GoTo(0);
    if (key == "l") {
      const grpc::Status status = steps_.Refresh();
      return status.ok() ? GoTo(steps_.last()) : status;
    }
    if (key == "s") {
      PrintState(call_, steps_.At(at_));
    } else if (key == "q") {
      is_over_ = true;
    } else {
      return Say(key == "g" ? "g expects a revision: g 5" : kKeys);
    }
    return grpc::Status::OK;
  }

  grpc::Status Say(const std::string& what) const {
    call_.PrintLine(what);
    return grpc::Status::OK;
  }

  grpc::Status GoTo(uint64_t revision) {
    if (revision > steps_.last()) {
      // The saga may have gone on meanwhile.
      if (grpc::Status status = steps_.Refresh(); !status.ok()) return status;
      if (revision > steps_.last()) {
        return Say(absl::StrCat("the last revision is ", steps_.last()));
      }
    }
    if (grpc::Status status = steps_.Load(revision); !status.ok()) return status;
    at_ = revision;
    std::optional<Json> before;
    if (revision > 0) before = steps_.At(revision - 1).ToJson();
    const ReplayStep& step = steps_.At(revision);
    PrintStep(call_, step, ChangesOf(before, step.ToJson()));
    return grpc::Status::OK;
  }

  Invocation& call_;
  StepWindow steps_;
  uint64_t at_ = 0;
  bool is_over_ = false;
};

int Run(Invocation& call) {
  std::string at;
  bool all = false;
  call.AddNamespaceFlag();
  call.flags()
      .Add("at", &at, "MOMENT",
           "The saga as it was: after a revision (5), at a time (2026-01-31T08:00:00Z) or at a "
           "place in the log (position:4711).")
      .Add("all", &all, "Every step with what it changed; with --at, up to there.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  v1::AsOf as_of;
  if (!at.empty()) {
    absl::StatusOr<v1::AsOf> moment = ParseMoment(at);
    if (!moment.ok()) return call.BadUsage(moment.status().message());
    as_of = *std::move(moment);
  }
  const SagaKey key = call.SagaOf(call.words()[0]);
  if (all) return PrintAll(call, key, as_of);
  if (!at.empty()) return PrintMoment(call, key, as_of);
  const bool by_hand = !call.json() && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
  return by_hand ? Stepper(call, key).Run() : PrintAll(call, key, as_of);
}

}  // namespace

const Verb kReplayVerb = {
    "replay", "step through a saga's past", "NAMESPACE/SAGA_ID",
    "Shows how a saga became what it is: each event, and what it changed in the saga's state, as\n"
    "JSON pointer, old value → new value. On a terminal one step at a time, forwards and\n"
    "backwards: n or Enter next, p previous, g REVISION, f first, l last, s the whole state,\n"
    "q quit. Else, or with --all, every step. With --at the state as it was then.\n\n"
    "With --json one object a step: revision, event, changes [{pointer, old, new}]; the first\n"
    "step's change is the whole state. With --at also state, as skald get --json has it, and its\n"
    "context. What is not there has no old or new.\n\n"
    "Examples:\n"
    "  skald replay shop/order-1001\n"
    "  skald replay shop/order-1001 --at 5\n"
    "  skald replay shop/order-1001 --at 2026-01-31T08:00:00Z --json | jq .state.status\n"
    "  skald replay shop/order-1001 --all\n\n"
    "Exits with 0; 1 when there is no such saga or it had not begun then; 2 for a moment that is "
    "in\n"
    "the future or past the saga's end.",
    Run};

}  // namespace skald::tools
