// Goal: whatever a definition says and whatever order answers, timers and operators come in, a saga
// keeps its promises. Method: random definitions and commands by seed. After every command the
// harness compares the live state with a replay from the first event and with its decoded row, so a
// restart is played after every step. Then everything is answered and the end is checked. A failing
// seed is printed; SKALD_SEED=N plays that seed, SKALD_SEEDS=N that many from there.

#include <cstdlib>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/definition/compile.h"
#include "gtest/gtest.h"
#include "tests/property/promise_checker.h"
#include "tests/property/random_definition.h"
#include "tests/support/saga_harness.h"

namespace skald::testing {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  return text && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

class Player {
 public:
  Player(uint64_t seed, std::shared_ptr<const definition::Program> program)
      : random_(seed * 7919 + 1), harness_(std::move(program)) {
    if (random_() % 3 == 0) harness_.set_events_per_step(1 + random_() % 5);
  }

  void Play() {
    harness_.Apply({.request = saga::StartSaga{.input = saga::Payload::Of(Json::EmptyObject())}});
    for (int step = 0; step < 40 && !harness_.state().is_ended(); ++step) Disturb();
    for (int step = 0; step < 2'000 && !harness_.state().is_ended(); ++step) Settle();
    ASSERT_TRUE(harness_.state().is_ended())
        << "the saga neither ends nor waits for a named reason: "
        << saga::StatusName(saga::StatusOf(harness_.state()));
    AnswerLate();
    CheckHistory();
    PromiseChecker checker;
    harness_.ForEachEvent([&](const log::v1::Event& event) { checker.See(event); });
    checker.CheckEnd(harness_.state());
  }

  std::string History() const { return absl::StrJoin(harness_.history(), "\n"); }

 private:
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  void Answer(const saga::TaskToken& token, bool success) {
    saga::AnswerTask answer{.token = token};
    if (success) {
      answer.output =
          saga::Payload::Of(Json::Parse(absl::StrCat("{\"n\":", Below(4), "}")).value());
    } else {
      const int statuses[] = {503, 409, 422, 408};
      answer.error = Json::Parse(absl::StrCat("{\"status\":", statuses[Below(4)], "}")).value();
    }
    harness_.Apply({.request = std::move(answer)});
  }

  void AnswerSome(bool success) {
    std::vector<saga::TaskToken> tokens;
    for (const saga::OpenCall& call : saga::OpenCalls(harness_.state())) {
      tokens.push_back({harness_.state().key, call.frame, call.attempt});
    }
    for (const saga::TaskToken& token : saga::AwaitedCalls(harness_.state()))
      tokens.push_back(token);
    if (!tokens.empty()) Answer(tokens[Below(static_cast<uint32_t>(tokens.size()))], success);
  }

  // Given-up calls may succeed at any time, also after the end.
  void AnswerLate() {
    const std::vector<saga::Lingering>& calls = harness_.state().lingering;
    if (calls.empty()) return;
    const saga::Lingering& call = calls[Below(static_cast<uint32_t>(calls.size()))];
    Answer({harness_.state().key, call.frame, call.call.attempt}, true);
  }

  void Quiesce() {
    const std::vector<saga::TaskToken> tokens = saga::AwaitedCalls(harness_.state());
    if (!tokens.empty())
      harness_.Apply({.request = saga::QuiesceTask{tokens.front(), Below(2) == 0}});
  }

  void Operate() {
    switch (Below(8)) {
      case 0:
        harness_.Apply({.request = saga::RetryCompensation{}});
        break;
      case 1:
        harness_.Apply({.request = saga::SkipCompensation{"", "no need"}});
        break;
      case 2:
        harness_.Apply({.request = saga::ResolveCompensation{"", "by hand"}});
        break;
      case 3:
        harness_.Apply({.request = saga::RetryTask{}});
        break;
      case 4:
        harness_.Apply(
            {.request = saga::CompleteTask{"", saga::Payload::Of(Json::EmptyObject()), "by hand"}});
        break;
      case 5:
        harness_.Apply({.request = saga::FailTask{"", "by hand"}});
        break;
      default:
        SettleParked();
        break;
    }
  }

  // Any parked work, whichever it is.
  void SettleParked() {
    for (const saga::Incident& incident : saga::ViewOf(harness_.state()).incidents) {
      if (incident.kind == saga::Incident::Kind::kParkedTask) {
        // Tasks inside the engine that fail again and again are failed for good.
        harness_.Apply({.request = saga::FailTask{incident.task, "by hand"}});
      } else if (incident.kind == saga::Incident::Kind::kParkedCompensation) {
        harness_.Apply({.request = saga::ResolveCompensation{incident.task, "by hand"}});
      } else if (Below(2) == 0) {
        harness_.Apply({.request = saga::ResolveCompensation{incident.task, "looked at"}});
      }
    }
  }

  void Disturb() {
    switch (Below(20)) {
      case 0:
        if (Below(8) == 0) {
          harness_.Apply({.request = saga::TerminateSaga{"asked"}});
        } else {
          harness_.Apply({.request = saga::CancelSaga{.reason = "asked", .force = Below(2) == 0}});
        }
        break;
      case 1:
        harness_.Apply({.request = saga::SuspendSaga{"asked"}});
        break;
      case 2:
      case 3:
        harness_.Apply({.request = saga::ResumeSaga{}});
        break;
      case 4:
      case 5:
        Operate();
        break;
      case 6:
      case 7:
        Quiesce();
        break;
      case 8:
      case 9:
      case 10:
        harness_.Advance(Below(40) * kSecond);
        break;
      case 11:
        harness_.Continue();
        AnswerLate();
        break;
      case 12:
      case 13:
      case 14:
      case 15:
        AnswerSome(false);
        break;
      default:
        AnswerSome(true);
        break;
    }
  }

  void Settle() {
    harness_.Apply({.request = saga::ResumeSaga{}});
    harness_.Continue();
    SettleParked();
    AnswerSome(Below(10) != 0);
    Quiesce();
    harness_.Advance(5 * kSecond);
  }

  void CheckHistory() {
    const std::vector<std::string>& history = harness_.history();
    size_t ended = history.size();
    std::map<std::string, int> starts;
    std::map<std::string, int> ends;
    for (size_t i = 0; i < history.size(); ++i) {
      const std::string& event = history[i];
      const bool end = absl::StartsWith(event, "SagaCompleted") ||
                       absl::StartsWith(event, "SagaFaulted") ||
                       absl::StartsWith(event, "SagaCancelled");
      if (ended < i) {
        EXPECT_TRUE(absl::StartsWith(event, "LateCompletion") ||
                    absl::StartsWith(event, "LateEffectResolved"))
            << "after the end: " << event;
      }
      if (end) {
        EXPECT_EQ(ended, history.size()) << "ended twice";
        ended = i;
      }
      if (absl::StartsWith(event, "CompensationStep")) CountStep(event, &starts, &ends);
    }
    EXPECT_LT(ended, history.size());
    for (const auto& [seq, count] : ends)
      EXPECT_EQ(count, 1) << "undo " << seq << " ended " << count << " times";
  }

  static void CountStep(const std::string& event, std::map<std::string, int>* starts,
                        std::map<std::string, int>* ends) {
    const size_t at = event.find("seq=");
    const std::string seq = event.substr(at, event.find(' ', at) - at);
    if (absl::StartsWith(event, "CompensationStepStarted")) {
      EXPECT_EQ((*ends)[seq], 0) << "an undo that ended starts again: " << event;
      ++(*starts)[seq];
      ends->erase(seq);
    } else if (!absl::StartsWith(event, "CompensationStepParked")) {
      ++(*ends)[seq];
    }
  }

  std::mt19937_64 random_;
  SagaHarness harness_;
};

TEST(SagaPropertyTest, EveryStepReplaysAndEverySagaEnds) {
  const uint64_t first = FromEnvironment("SKALD_SEED", 1);
  const uint64_t count = FromEnvironment("SKALD_SEEDS", std::getenv("SKALD_SEED") ? 1 : 1'000);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const std::string text = RandomDefinition(seed).Text();
    definition::CompileResult compiled = definition::Compile(text);
    ASSERT_TRUE(compiled.ok()) << "seed " << seed << ": " << compiled.status() << "\n" << text;
    Player player(seed, compiled.program);
    player.Play();
    if (::testing::Test::HasFailure()) {
      FAIL() << "SKALD_SEED=" << seed << "\n" << text << "\n" << player.History();
    }
  }
}

}  // namespace
}  // namespace skald::testing
