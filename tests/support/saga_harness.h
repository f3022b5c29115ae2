// One saga without partition, disk or clock: commands in, events out. After every command it checks
// what must always hold: the state that Decide returned equals the fold of all events so far, and
// survives its row's encoding.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/definition/program.h"
#include "engine/saga/decide.h"
#include "engine/saga/evolve.h"
#include "engine/saga/pending.h"
#include "engine/saga/state.h"

namespace skald::testing {

class SagaHarness {
 public:
  explicit SagaHarness(std::shared_ptr<const definition::Program> program);

  struct Result {
    absl::Status reply;
    std::vector<std::string> events;  // one line each, as FormatEvent gives
  };

  // Decides, folds, checks. The command's saga is filled in.
  Result Apply(saga::Command command);
  // Fires everything that is due by now + span, in order, moving the clock as it goes.
  std::vector<std::string> Advance(Micros span);
  // Lets time pass without firing anything. It never goes back.
  void MoveClock(Timestamp now) { now_ = std::max(now_, now); }
  // Fires timers of macro steps that were cut short.
  std::vector<std::string> Continue();

  const saga::SagaState& state() const { return state_; }
  Timestamp now() const { return now_; }
  const definition::Program& program() const { return *program_; }
  // All events so far.
  const std::vector<std::string>& history() const { return history_; }
  // Calls `visit` for every event so far, from the first.
  template <typename Visit>
  void ForEachEvent(const Visit& visit) const {
    for (const Commit& commit : commits_) {
      for (const log::v1::Event& event : commit.bodies.events()) visit(event);
    }
  }
  // Macro steps are cut after this many events.
  void set_events_per_step(size_t events) { limits_.events_per_step = events; }
  // The token of the open or given-up call of a function or task; the newest if there are several.
  std::optional<saga::TaskToken> TokenOf(absl::string_view name) const;
  // Of a given-up call only, the newest.
  std::optional<saga::TaskToken> LateTokenOf(absl::string_view name) const;
  // Everything committed so far as a golden history: a line per header, bodies and slot, in
  // hexadecimal or as text, ended by the digest of the state's row.
  std::string Golden() const;
  // The state that folding all events from the first gives.
  saga::SagaState Replay() const;

 private:
  struct Commit {
    log::v1::CommitHeader header;
    log::v1::EventBodies bodies;
    std::vector<std::string> slots;
  };
  void Check() const;

  const std::shared_ptr<const definition::Program> program_;
  const Timestamp start_{1'700'000'000 * kSecond};
  Timestamp now_ = start_;
  saga::SagaState state_;
  saga::Decision again_;  // whose memory is used again and again
  saga::DecideLimits limits_;
  std::vector<Commit> commits_;
  std::vector<std::string> history_;
  uint64_t random_ = 1;
};

// "TaskStarted /do/0/reserve frame=1 kind=WORKER ...": slots as JSON, times in seconds since
// `start`.
std::string FormatEvent(const log::v1::Event& event, const std::vector<std::string>& slots,
                        Timestamp start);

// Folds a golden history. Gives its state, and the digest that it promises.
std::pair<saga::SagaState, std::string> ReplayGolden(absl::string_view golden,
                                                     std::vector<std::string>* kinds);
// SHA-256 of the state's row, in hexadecimal.
std::string StateDigest(const saga::SagaState& state);

}  // namespace skald::testing
