// Goal: every kind of saga state answers every command as the rules of sagas say, and nobody forgets a
// pair. Method: tests/decide/*.table, one file per state: how a saga gets there, then a line per
// command with the answer, the events and the status after them. A missing or unknown line fails,
// so does a kind of command or of timer that no line is about. Each cell is played on a saga of its
// own; the harness checks that replaying its events gives the live state. A refusal leaves
// everything as it was, with one exception (kQuiets). tests/decide/matrix.txt is the same at a
// glance.
//
// With SKALD_REWRITE=1 in the environment the lines are written anew; the diff is reviewed like
// code.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/errors.h"
#include "gtest/gtest.h"
#include "tests/support/saga_script.h"

namespace skald::testing {
namespace {

constexpr char kFolder[] = SKALD_SOURCE_DIR "/tests/decide";

// ---- The commands ----

// What a command is about is looked for in the state; a state without it has "no call" or "no
// timer" in its cell.
using Make = std::function<std::optional<saga::Command>(SagaScript&)>;

struct Row {
  std::string name;
  Make make;
};

saga::Command Of(decltype(saga::Command::request) request) {
  return {.actor = "auditor", .request = std::move(request)};
}

Make Always(decltype(saga::Command::request) request) {
  return [request](SagaScript&) { return Of(request); };
}

enum class Call { kOpen, kEarlier, kGivenUp, kClosed, kUnknown };

bool IsKnown(const saga::SagaState& state, const saga::TaskToken& token) {
  const saga::Frame* frame = state.Find(token.frame);
  return frame != nullptr ||
         std::any_of(state.lingering.begin(), state.lingering.end(),
                     [&](const saga::Lingering& call) { return call.frame == token.frame; });
}

std::optional<saga::TaskToken> Find(Call call, SagaScript& script) {
  const saga::SagaState& state = script.harness()->state();
  switch (call) {
    case Call::kOpen: {
      const std::vector<saga::OpenCall> open = saga::OpenCalls(state);
      if (open.empty()) return std::nullopt;
      return saga::TaskToken{state.key, open.front().frame, open.front().attempt};
    }
    case Call::kEarlier:
      // An attempt that failed or timed out, of a task that is called again or waits for it.
      for (const saga::Frame& frame : state.frames) {
        if (!frame.call) continue;
        if (frame.phase != saga::Frame::Phase::kRunning)
          return saga::TaskToken{state.key, frame.id, frame.call->attempt};
        if (frame.call->attempt > 1)
          return saga::TaskToken{state.key, frame.id, frame.call->attempt - 1};
      }
      return std::nullopt;
    case Call::kGivenUp:
      if (state.lingering.empty()) return std::nullopt;
      return saga::TaskToken{state.key, state.lingering.front().frame,
                             state.lingering.front().call.attempt};
    case Call::kClosed:
      if (!script.last_token() || IsKnown(state, *script.last_token())) return std::nullopt;
      return script.last_token();
    case Call::kUnknown:
      return saga::TaskToken{state.key, saga::FrameId(99), 1};
  }
  return std::nullopt;
}

Make Success(Call call) {
  return [call](SagaScript& script) -> std::optional<saga::Command> {
    const std::optional<saga::TaskToken> token = Find(call, script);
    if (!token) return std::nullopt;
    return Of(saga::AnswerTask{.token = *token, .output = saga::Payload::Of(Json::Int(7))});
  };
}

Make Failure(Call call, int status) {
  return [call, status](SagaScript& script) -> std::optional<saga::Command> {
    const std::optional<saga::TaskToken> token = Find(call, script);
    if (!token) return std::nullopt;
    return Of(saga::AnswerTask{
        .token = *token, .error = Json::Parse(absl::StrCat("{\"status\":", status, "}")).value()});
  };
}

Make Quiet(Call call, bool never_dispatched) {
  return [call, never_dispatched](SagaScript& script) -> std::optional<saga::Command> {
    const std::optional<saga::TaskToken> token = Find(call, script);
    if (!token) return std::nullopt;
    return Of(saga::QuiesceTask{*token, never_dispatched});
  };
}

// A new kind does not compile without a name here.
std::string TimerName(saga::FireTimer::Kind kind) {
  switch (kind) {
    case saga::FireTimer::Kind::kDue:
      return "FireTimer kDue";
    case saga::FireTimer::Kind::kDeadline:
      return "FireTimer kDeadline";
    case saga::FireTimer::Kind::kAttemptDeadline:
      return "FireTimer kAttemptDeadline";
    case saga::FireTimer::Kind::kUndoDeadline:
      return "FireTimer kUndoDeadline";
    case saga::FireTimer::Kind::kContinue:
      return "FireTimer kContinue";
  }
  return "";
}

// The first timer of that kind, at its time.
Make Fire(saga::FireTimer::Kind kind) {
  return [kind](SagaScript& script) -> std::optional<saga::Command> {
    for (const saga::Timer& timer : saga::PendingTimers(script.harness()->state())) {
      if (timer.kind != kind) continue;
      script.harness()->MoveClock(timer.due);
      return Of(saga::FireTimer{kind, timer.frame, timer.due});
    }
    return std::nullopt;
  };
}

// The first timer but not at its time, or with a time that it does not have any more.
Make Misfire(bool early) {
  return [early](SagaScript& script) -> std::optional<saga::Command> {
    for (const saga::Timer& timer : saga::PendingTimers(script.harness()->state())) {
      if (timer.kind == saga::FireTimer::Kind::kContinue) continue;
      if (early && timer.due <= script.harness()->now()) continue;
      if (!early) script.harness()->MoveClock(timer.due);
      const Timestamp due = early ? timer.due : Timestamp(timer.due.value() - 1);
      return Of(saga::FireTimer{timer.kind, timer.frame, due});
    }
    return std::nullopt;
  };
}

std::vector<Row> Rows() {
  using saga::FireTimer;
  const saga::Payload value = saga::Payload::Of(Json::Int(7));
  const auto cancel = [](std::optional<bool> compensate, bool force) {
    return Always(saga::CancelSaga{.reason = "asked", .compensate = compensate, .force = force});
  };
  return {
      {"StartSaga", Always(saga::StartSaga{.input = value})},
      {"CancelSaga", cancel(std::nullopt, false)},
      {"CancelSaga compensate", cancel(true, false)},
      {"CancelSaga abandon", cancel(false, false)},
      {"CancelSaga force", cancel(std::nullopt, true)},
      {"CancelSaga abandon force", cancel(false, true)},
      {"TerminateSaga", Always(saga::TerminateSaga{"enough"})},
      {"SuspendSaga", Always(saga::SuspendSaga{"hold"})},
      {"ResumeSaga", Always(saga::ResumeSaga{})},
      {"AnswerTask success, open attempt", Success(Call::kOpen)},
      {"AnswerTask error 503, open attempt", Failure(Call::kOpen, 503)},
      {"AnswerTask error 422, open attempt", Failure(Call::kOpen, 422)},
      {"AnswerTask success, earlier attempt", Success(Call::kEarlier)},
      {"AnswerTask error 503, earlier attempt", Failure(Call::kEarlier, 503)},
      {"AnswerTask success, given-up call", Success(Call::kGivenUp)},
      {"AnswerTask error 503, given-up call", Failure(Call::kGivenUp, 503)},
      {"AnswerTask success, answered call", Success(Call::kClosed)},
      {"AnswerTask error 503, answered call", Failure(Call::kClosed, 503)},
      {"AnswerTask success, unknown call", Success(Call::kUnknown)},
      {"AnswerTask error 503, unknown call", Failure(Call::kUnknown, 503)},
      {"QuiesceTask given-up call", Quiet(Call::kGivenUp, false)},
      {"QuiesceTask given-up call, never dispatched", Quiet(Call::kGivenUp, true)},
      {"QuiesceTask open attempt", Quiet(Call::kOpen, false)},
      {"QuiesceTask unknown call", Quiet(Call::kUnknown, false)},
      {"RetryCompensation", Always(saga::RetryCompensation{})},
      {"RetryCompensation of no task", Always(saga::RetryCompensation{"nobody"})},
      {"RetryCompensation of reserve", Always(saga::RetryCompensation{"reserve"})},
      {"SkipCompensation", Always(saga::SkipCompensation{"", "agreed"})},
      {"SkipCompensation of no task", Always(saga::SkipCompensation{"nobody", "agreed"})},
      {"SkipCompensation of reserve", Always(saga::SkipCompensation{"reserve", "agreed"})},
      {"ResolveCompensation", Always(saga::ResolveCompensation{"", "by hand"})},
      {"ResolveCompensation of no task", Always(saga::ResolveCompensation{"nobody", "by hand"})},
      {"ResolveCompensation of reserve", Always(saga::ResolveCompensation{"reserve", "by hand"})},
      {"RetryTask", Always(saga::RetryTask{})},
      {"RetryTask of no task", Always(saga::RetryTask{"nobody"})},
      {"RetryTask of reserve", Always(saga::RetryTask{"reserve"})},
      {"CompleteTask", Always(saga::CompleteTask{"", value, "by hand"})},
      {"CompleteTask of no task", Always(saga::CompleteTask{"nobody", value, "by hand"})},
      {"CompleteTask of reserve", Always(saga::CompleteTask{"reserve", value, "by hand"})},
      {"FailTask", Always(saga::FailTask{"", "by hand"})},
      {"FailTask of no task", Always(saga::FailTask{"nobody", "by hand"})},
      {"FailTask of reserve", Always(saga::FailTask{"reserve", "by hand"})},
      {TimerName(FireTimer::Kind::kDue), Fire(FireTimer::Kind::kDue)},
      {TimerName(FireTimer::Kind::kDeadline), Fire(FireTimer::Kind::kDeadline)},
      {TimerName(FireTimer::Kind::kAttemptDeadline), Fire(FireTimer::Kind::kAttemptDeadline)},
      {TimerName(FireTimer::Kind::kUndoDeadline), Fire(FireTimer::Kind::kUndoDeadline)},
      {TimerName(FireTimer::Kind::kContinue), Fire(FireTimer::Kind::kContinue)},
      {"FireTimer too early", Misfire(true)},
      {"FireTimer of another time", Misfire(false)},
      {"FireTimer of no frame",
       Always(FireTimer{FireTimer::Kind::kDue, saga::FrameId(99), Timestamp(0)})},
  };
}

// The one refusal with an event: the answer comes too late to count, but it tells that the worker
// is quiet.
constexpr absl::string_view kQuiets = "AnswerTask success, given-up call";

// ---- The tables ----

// The states that there must be a table of, in the order of the matrix.
constexpr absl::string_view kStates[] = {
    "not-started",
    "at-task",
    "at-try-task",
    "at-wait",
    "cut-short",
    "retry-wait",
    "try-called-again",
    "given-up-call",
    "explicit-undo",
    "suspended-at-task",
    "suspended-overdue",
    "quiescing",
    "quiescing-attempt",
    "undoing",
    "undoing-suspended",
    "undo-retry-wait",
    "undo-parked",
    "undo-parked-suspended",
    "undo-parked-twice",
    "after-pivot",
    "after-pivot-called-again",
    "forward-wait",
    "task-parked",
    "task-parked-suspended",
    "task-parked-inside",
    "completed",
    "faulted",
    "undo-stopped",
    "cancelled",
    "abandoned",
    "terminated",
    "late-effect",
};

struct Table {
  std::string name;
  std::string comment;  // what the state is
  std::string definition;
  std::vector<std::string> setup;
  std::map<std::string, std::string> cells;
};

std::string PathOf(absl::string_view state) { return absl::StrCat(kFolder, "/", state, ".table"); }

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Table ReadTable(absl::string_view state) {
  Table table{.name = std::string(state)};
  const std::string text = ReadFile(PathOf(state));
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits("----\n", 2));
  EXPECT_GE(parts.size(), 2u) << PathOf(state);
  if (parts.size() < 2) return table;
  for (absl::string_view line : absl::StrSplit(parts[0], '\n', absl::SkipEmpty())) {
    absl::StrAppend(absl::StartsWith(line, "#") ? &table.comment : &table.definition, line, "\n");
  }
  table.setup = absl::StrSplit(parts[1], '\n', absl::SkipEmpty());
  if (parts.size() < 3) return table;
  for (absl::string_view line : absl::StrSplit(parts[2], '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> cell =
        absl::StrSplit(line, absl::MaxSplits(" | ", 1));
    const std::string command(absl::StripAsciiWhitespace(cell.first));
    EXPECT_TRUE(table.cells.emplace(command, absl::StripAsciiWhitespace(cell.second)).second)
        << PathOf(state) << ": two lines for " << command;
  }
  return table;
}

// "TaskStarted charge", "CompensationStepStarted charge", "TaskStarted charge's undo".
std::string ShortEvent(const std::string& event) {
  const std::string type = event.substr(0, event.find(' '));
  const size_t at = event.find(" task=/");
  if (at == std::string::npos) return type;
  const std::string task = event.substr(at + 6, event.find(' ', at + 1) - at - 6);
  const bool undo = absl::StrContains(task, "/metadata/saga/compensate");
  return absl::StrCat(type, " ", task == "/do" ? "saga" : saga::TaskName(task),
                      undo ? "'s undo" : "");
}

struct Cell {
  std::string text;
  std::string code;  // in the matrix
};

constexpr std::pair<ErrorReason, absl::string_view> kCodes[] = {
    {ErrorReason::kSagaNotFound, "nf"},     {ErrorReason::kSagaAlreadyExists, "ex"},
    {ErrorReason::kSagaAlreadyEnded, "en"}, {ErrorReason::kSagaNotSuspended, "ns"},
    {ErrorReason::kSagaParked, "sp"},       {ErrorReason::kSagaPivotPassed, "pp"},
    {ErrorReason::kTaskNotFound, "tf"},     {ErrorReason::kTaskNotRunning, "nr"},
    {ErrorReason::kTaskNotParked, "np"},
};

Cell Play(const Table& table, const Row& row) {
  SagaScript script;
  EXPECT_EQ(script.Run("define", table.definition), "") << table.name;
  if (script.harness() == nullptr) return {};
  for (const std::string& line : table.setup) script.Run(line, "");
  SagaHarness& harness = *script.harness();
  std::optional<saga::Command> command = row.make(script);
  if (!command) return {absl::StartsWith(row.name, "FireTimer") ? "no timer" : "no call", ""};
  const std::string before = StateDigest(harness.state());
  const SagaHarness::Result result = harness.Apply(*std::move(command));
  Cell cell{"ok", result.events.empty() ? "." : "ok"};
  if (!result.reply.ok()) {
    const std::optional<ErrorInfo> info = GetErrorInfo(result.reply);
    EXPECT_TRUE(info.has_value()) << table.name << ", " << row.name << ": " << result.reply;
    if (!info) return {};
    EXPECT_TRUE(result.events.empty() || row.name == kQuiets)
        << table.name << ", " << row.name << ": a refusal changes nothing";
    cell.text = std::string(ErrorReasonName(info->reason));
    cell.code = "??";
    for (const auto& [reason, code] : kCodes) {
      if (reason == info->reason) cell.code = std::string(code);
    }
    EXPECT_NE(cell.code, "??") << table.name << ", " << row.name << " answers " << cell.text;
  }
  if (result.events.empty()) {
    EXPECT_EQ(StateDigest(harness.state()), before) << table.name << ", " << row.name;
    return cell;
  }
  std::vector<std::string> events;
  for (const std::string& event : result.events) events.push_back(ShortEvent(event));
  absl::StrAppend(&cell.text, ": ", absl::StrJoin(events, ", "), " => ",
                  saga::StatusName(saga::StatusOf(harness.state())));
  return cell;
}

std::string FormatTable(const Table& table, const std::vector<Row>& rows) {
  std::string text = absl::StrCat(table.comment, table.definition, "----\n",
                                  absl::StrJoin(table.setup, "\n"), "\n----\n");
  size_t width = 0;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  for (const Row& row : rows) {
    absl::StrAppendFormat(&text, "%-*s | %s\n", static_cast<int>(width), row.name,
                          table.cells.at(row.name));
  }
  return text;
}

class DecideTableTest : public ::testing::Test {
 protected:
  const bool rewrite_ = std::getenv("SKALD_REWRITE") != nullptr;
  const std::vector<Row> rows_ = Rows();
};

TEST_F(DecideTableTest, EveryStateAnswersEveryCommandAsWritten) {
  std::map<std::pair<std::string, std::string>, std::string> codes;
  for (absl::string_view state : kStates) {
    Table table = ReadTable(state);
    for (const Row& row : rows_) {
      const Cell cell = Play(table, row);
      codes[{std::string(state), row.name}] = cell.code;
      auto written = table.cells.find(row.name);
      if (rewrite_) {
        table.cells[row.name] = cell.text;
      } else if (written == table.cells.end()) {
        ADD_FAILURE() << PathOf(state) << " says nothing of " << row.name;
      } else {
        EXPECT_EQ(written->second, cell.text) << PathOf(state) << ": " << row.name;
      }
    }
    EXPECT_EQ(table.cells.size(), rows_.size()) << PathOf(state) << " has lines of no command";
    if (rewrite_) std::ofstream(PathOf(state)) << FormatTable(table, rows_);
  }
  std::string matrix =
      "# Every command (lines) in every kind of saga state (columns); the tables beside this file "
      "tell more.\n"
      "# ok accepted with events   .  accepted, nothing to do   blank: the state has no such call "
      "or timer\n"
      "# Refused: nf SAGA_NOT_FOUND  ex SAGA_ALREADY_EXISTS  en SAGA_ALREADY_ENDED  "
      "ns SAGA_NOT_SUSPENDED\n"
      "#          sp SAGA_PARKED  pp SAGA_PIVOT_PASSED  tf TASK_NOT_FOUND  nr TASK_NOT_RUNNING  "
      "np TASK_NOT_PARKED\n";
  int number = 0;
  for (absl::string_view state : kStates)
    absl::StrAppendFormat(&matrix, "%2d %s\n", ++number, state);
  absl::StrAppendFormat(&matrix, "\n%-44s", "");
  for (int i = 1; i <= number; ++i) absl::StrAppendFormat(&matrix, " %2d", i);
  for (const Row& row : rows_) {
    std::string line = absl::StrFormat("%-44s", row.name);
    for (absl::string_view state : kStates)
      absl::StrAppendFormat(&line, " %2s", codes[{std::string(state), row.name}]);
    absl::StrAppend(&matrix, "\n", absl::StripTrailingAsciiWhitespace(line));
  }
  matrix += "\n";
  const std::string path = absl::StrCat(kFolder, "/matrix.txt");
  if (rewrite_) std::ofstream(path) << matrix;
  EXPECT_EQ(ReadFile(path), matrix);
}

TEST_F(DecideTableTest, EveryFileIsOfAStateThatIsAskedFor) {
  const std::set<absl::string_view> known(std::begin(kStates), std::end(kStates));
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".table") continue;
    EXPECT_EQ(known.count(entry.path().stem().string()), 1u) << entry.path();
  }
}

TEST_F(DecideTableTest, EveryKindOfCommandAndTimerHasALine) {
  std::set<absl::string_view> named;
  for (const Row& row : rows_) {
    const std::pair<absl::string_view, absl::string_view> words =
        absl::StrSplit(row.name, absl::MaxSplits(' ', 1));
    named.insert(words.first);
  }
  EXPECT_EQ(named.size(), std::variant_size_v<decltype(saga::Command::request)>);
  using Kind = saga::FireTimer::Kind;
  for (Kind kind : {Kind::kDue, Kind::kDeadline, Kind::kAttemptDeadline, Kind::kUndoDeadline,
                    Kind::kContinue}) {
    EXPECT_TRUE(std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) {
      return row.name == TimerName(kind);
    })) << TimerName(kind);
  }
}

}  // namespace
}  // namespace skald::testing
