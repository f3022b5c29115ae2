#include "tests/support/saga_harness.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/sha256.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"

namespace skald::testing {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string FormatFields(const Message& message, const std::vector<std::string>& slots,
                         Timestamp start);

std::string FormatValue(const Message& message, const FieldDescriptor* field, int index,
                        const std::vector<std::string>& slots, Timestamp start) {
  const auto* reflection = message.GetReflection();
  const bool many = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return many ? reflection->GetRepeatedString(message, field, index)
                  : reflection->GetString(message, field);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = many ? reflection->GetRepeatedEnum(message, field, index)
                               : reflection->GetEnum(message, field);
      // Without the type's prefix: WORKER of FRAME_KIND_WORKER.
      std::string name = value->name();
      for (absl::string_view prefix :
           {"FRAME_KIND_", "OUTPUT_SOURCE_", "COMPENSATION_CAUSE_", "FAULT_PLAN_", "KIND_"}) {
        if (absl::StartsWith(name, prefix)) return name.substr(prefix.size());
      }
      return name;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return absl::StrCat("{",
                          FormatFields(many ? reflection->GetRepeatedMessage(message, field, index)
                                            : reflection->GetMessage(message, field),
                                       slots, start),
                          "}");
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true";
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(many ? reflection->GetRepeatedUInt32(message, field, index)
                               : reflection->GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection->GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection->GetUInt64(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection->GetInt64(message, field));
    default:
      return "?";
  }
}

std::string FormatFields(const Message& message, const std::vector<std::string>& slots,
                         Timestamp start) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::string text;
  for (const FieldDescriptor* field : fields) {
    std::string name = field->name();
    std::string value;
    if (absl::EndsWith(name, "_slot")) {
      name.resize(name.size() - 5);
      value = slots.at(message.GetReflection()->GetUInt32(message, field) - 1);
    } else if (absl::EndsWith(name, "_us")) {
      name.resize(name.size() - 3);
      const int64_t us = message.GetReflection()->GetInt64(message, field) - start.value();
      value = absl::StrCat("+", us / 1000, "ms");
    } else if (field->is_repeated()) {
      const int size = message.GetReflection()->FieldSize(message, field);
      for (int i = 0; i < size; ++i) {
        absl::StrAppend(&value, i ? "," : "", FormatValue(message, field, i, slots, start));
      }
    } else {
      value = FormatValue(message, field, 0, slots, start);
    }
    absl::StrAppend(&text, text.empty() ? "" : " ", name, "=", value);
  }
  return text;
}

void Fold(const log::v1::CommitHeader& header, const log::v1::EventBodies& bodies,
          const std::vector<std::string>& texts, saga::SagaState* state) {
  std::vector<Json> slots;
  for (const std::string& text : texts) slots.push_back(Json::Parse(text).value());
  for (int i = 0; i < bodies.events_size(); ++i) {
    const absl::Status evolved =
        saga::EvolveRead(bodies.events(i),
                         {.header = header,
                          .revision = Revision(header.first_revision() + i),
                          .position = Position(header.first_position() + i),
                          .slots = slots},
                         *state);
    EXPECT_TRUE(evolved.ok()) << evolved;
  }
}

}  // namespace

std::string FormatEvent(const log::v1::Event& event, const std::vector<std::string>& slots,
                        Timestamp start) {
  const auto* field = event.GetDescriptor()->FindFieldByNumber(static_cast<int>(event.kind_case()));
  const Message& body = event.GetReflection()->GetMessage(event, field);
  const std::string fields = FormatFields(body, slots, start);
  return absl::StrCat(body.GetDescriptor()->name(), fields.empty() ? "" : " ", fields);
}

SagaHarness::SagaHarness(std::shared_ptr<const definition::Program> program)
    : program_(std::move(program)) {}

SagaHarness::Result SagaHarness::Apply(saga::Command command) {
  command.saga = {program_->namespace_name, "s1"};
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  const saga::DecideContext context{.now = now_,
                                    .random = random_,
                                    .program = program_.get(),
                                    .next_position = Position(state_.events + 1),
                                    .limits = limits_};
  saga::Decision decision = saga::Decide(state_, command, context);
  saga::Decide(state_, command, context, again_);
  EXPECT_EQ(decision.reply, again_.reply) << "a decision is not pure";
  EXPECT_EQ(decision.header.SerializeAsString(), again_.header.SerializeAsString())
      << "a decision is not pure";
  EXPECT_EQ(decision.bodies.SerializeAsString(), again_.bodies.SerializeAsString())
      << "a decision is not pure";
  EXPECT_EQ(decision.slots, again_.slots) << "a decision is not pure";
  EXPECT_EQ(saga::EncodeState(decision.state), saga::EncodeState(again_.state))
      << "a decision is not pure";
  Result result{.reply = decision.reply};
  for (const log::v1::Event& event : decision.bodies.events()) {
    result.events.push_back(FormatEvent(event, decision.slots, start_));
    history_.push_back(result.events.back());
    if (std::getenv("SKALD_TRACE") != nullptr)
      std::fprintf(stderr, "%s\n", history_.back().c_str());
  }
  if (!result.events.empty()) {
    state_ = std::move(decision.state);
    commits_.push_back(
        {std::move(decision.header), std::move(decision.bodies), std::move(decision.slots)});
  }
  Check();
  return result;
}

saga::SagaState SagaHarness::Replay() const {
  saga::SagaState state;
  for (const Commit& commit : commits_) Fold(commit.header, commit.bodies, commit.slots, &state);
  return state;
}

std::string StateDigest(const saga::SagaState& state) {
  return absl::BytesToHexString(Sha256(saga::EncodeState(state)));
}

std::string SagaHarness::Golden() const {
  std::string text;
  for (const Commit& commit : commits_) {
    absl::StrAppend(&text, "commit ", absl::BytesToHexString(commit.header.SerializeAsString()),
                    " ", absl::BytesToHexString(commit.bodies.SerializeAsString()), "\n");
    for (const std::string& slot : commit.slots) absl::StrAppend(&text, "slot ", slot, "\n");
  }
  absl::StrAppend(&text, "state ", StateDigest(state_), "\n");
  return text;
}

std::pair<saga::SagaState, std::string> ReplayGolden(absl::string_view golden,
                                                     std::vector<std::string>* kinds) {
  saga::SagaState state;
  std::string digest;
  log::v1::CommitHeader header;
  log::v1::EventBodies bodies;
  std::vector<std::string> slots;
  const auto flush = [&] {
    if (bodies.events_size() > 0) Fold(header, bodies, slots, &state);
    for (const log::v1::Event& event : bodies.events()) {
      kinds->push_back(
          event.GetDescriptor()->FindFieldByNumber(static_cast<int>(event.kind_case()))->name());
    }
    bodies.Clear();
    slots.clear();
  };
  for (absl::string_view line : absl::StrSplit(golden, '\n', absl::SkipEmpty())) {
    if (absl::ConsumePrefix(&line, "slot ")) {
      slots.emplace_back(line);
      continue;
    }
    flush();
    if (absl::ConsumePrefix(&line, "state ")) {
      digest = std::string(line);
    } else if (absl::ConsumePrefix(&line, "commit ")) {
      const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
      EXPECT_EQ(parts.size(), 2u);
      EXPECT_TRUE(header.ParseFromString(absl::HexStringToBytes(parts[0])));
      EXPECT_TRUE(bodies.ParseFromString(absl::HexStringToBytes(parts[1])));
    }
  }
  return {std::move(state), std::move(digest)};
}

void SagaHarness::Check() const {
  const std::string live = saga::EncodeState(state_);
  EXPECT_EQ(live, saga::EncodeState(Replay())) << "replayed state differs from the live one";
  absl::StatusOr<saga::SagaState> decoded = saga::DecodeState(live);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(live, saga::EncodeState(*decoded)) << "a row does not survive its encoding";
  EXPECT_EQ(saga::PendingTimers(state_), saga::PendingTimers(*decoded));
  EXPECT_EQ(saga::OpenCalls(state_), saga::OpenCalls(*decoded));
  EXPECT_EQ(saga::AwaitedCalls(state_), saga::AwaitedCalls(*decoded));
  if (state_.is_ended()) {
    EXPECT_TRUE(saga::OpenCalls(state_).empty());
    EXPECT_TRUE(saga::PendingTimers(state_).empty());
  }
}

std::vector<std::string> SagaHarness::Continue() {
  std::vector<std::string> events;
  for (int step = 0; step < 10'000; ++step) {
    const std::vector<saga::Timer> timers = saga::PendingTimers(state_);
    auto cut = std::find_if(timers.begin(), timers.end(), [](const saga::Timer& timer) {
      return timer.kind == saga::FireTimer::Kind::kContinue;
    });
    if (cut == timers.end()) return events;
    Result result = Apply({.request = saga::FireTimer{cut->kind, cut->frame, cut->due}});
    EXPECT_FALSE(result.events.empty()) << "a step that was cut short has nothing to do";
    if (result.events.empty()) return events;
    events.insert(events.end(), result.events.begin(), result.events.end());
  }
  ADD_FAILURE() << "a macro step does not end";
  return events;
}

std::vector<std::string> SagaHarness::Advance(Micros span) {
  std::vector<std::string> events;
  const Timestamp until = After(now_, span);
  for (int fired = 0; fired < 10'000; ++fired) {
    const std::vector<saga::Timer> timers = saga::PendingTimers(state_);
    if (state_.suspended || timers.empty() || timers.front().due > until) break;
    now_ = std::max(now_, timers.front().due);
    Result result = Apply({.request = saga::FireTimer{timers.front().kind, timers.front().frame,
                                                      timers.front().due}});
    events.insert(events.end(), result.events.begin(), result.events.end());
  }
  now_ = std::max(now_, until);
  return events;
}

namespace {

bool IsCalled(absl::string_view name, absl::string_view task, const saga::WorkerCall& call) {
  return name == call.function || name == task || name == saga::TaskName(task);
}

}  // namespace

std::optional<saga::TaskToken> SagaHarness::LateTokenOf(absl::string_view name) const {
  std::optional<saga::TaskToken> token;
  for (const saga::Lingering& call : state_.lingering) {
    if (IsCalled(name, call.task, call.call))
      token = saga::TaskToken{state_.key, call.frame, call.call.attempt};
  }
  return token;
}

std::optional<saga::TaskToken> SagaHarness::TokenOf(absl::string_view name) const {
  std::optional<saga::TaskToken> token = LateTokenOf(name);
  for (const saga::Frame& frame : state_.frames) {
    if (frame.call && IsCalled(name, frame.task, *frame.call)) {
      token = saga::TaskToken{state_.key, frame.id, frame.call->attempt};
    }
  }
  return token;
}

}  // namespace skald::testing
