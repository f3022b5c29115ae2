// Goal: commands are decided once and in order, and nothing that is said of them leaves before it
// is durable. Method: one partition, driven step by step.
#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/partition_world.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using saga::CancelSaga;
using saga::Status;
using saga::SuspendSaga;
using ::testing::HasSubstr;

class PartitionCommandsTest : public ::testing::Test {
 protected:
  PartitionCommandsTest() {
    world_.MustDeploy(kOrder);
    world_.MustDeploy(kNothing);
  }

  static ErrorReason ReasonOf(const absl::Status& status) {
    const std::optional<ErrorInfo> info = GetErrorInfo(status);
    return info ? info->reason : ErrorReason::kInternal;
  }
  ErrorReason Refusal(saga::Command command) {
    const auto reply = world_.Do(std::move(command));
    EXPECT_FALSE(reply.ok());
    return ReasonOf(reply.status());
  }

  PartitionWorld world_;
};

TEST_F(PartitionCommandsTest, NothingLeavesBeforeItIsDurable) {
  const auto reply = world_.Submit(world_.Start("s1", "order"));
  world_.Poll();
  EXPECT_EQ(world_.staged(), 1u);
  EXPECT_FALSE(reply->has_value());
  EXPECT_TRUE(world_.outlet().ready.empty());
  world_.Flush();
  ASSERT_TRUE(reply->has_value());
  EXPECT_OK(**reply);
  EXPECT_EQ(world_.outlet().ready.size(), 1u);
}

TEST_F(PartitionCommandsTest, APartitionRunsAheadOfItsLog) {
  const auto started = world_.Submit(world_.Start("s1", "order"));
  world_.Poll();
  const auto cancelled =
      world_.Submit(PartitionWorld::Make("s1", CancelSaga{.reason = "", .compensate = {}}));
  world_.Poll();
  EXPECT_EQ(world_.staged(), 2u);
  EXPECT_FALSE(cancelled->has_value());
  world_.Flush();
  EXPECT_TRUE(cancelled->has_value());
  EXPECT_TRUE(started->has_value());
}

TEST_F(PartitionCommandsTest, ARefusalFormedOnUndurableStateWaitsForIt) {
  world_.Submit(world_.Start("s1", "order"));
  const auto again = world_.Submit(world_.Start("s1", "order"));
  const auto read = world_.Get("s1");
  world_.Poll();
  EXPECT_FALSE(again->has_value());
  EXPECT_FALSE(read->has_value());
  world_.Flush();
  ASSERT_TRUE(again->has_value());
  EXPECT_EQ(ReasonOf((*again)->status()), ErrorReason::kSagaAlreadyExists);
  ASSERT_TRUE(read->has_value());
  EXPECT_EQ((**read)->status, Status::kRunning);
}

// ---- The order of a turn ----

TEST_F(PartitionCommandsTest, StartsGiveWayToAnswers) {
  std::vector<saga::Command> answers;
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(world_.Do(world_.Start(absl::StrCat("begun", i), "order")));
    answers.push_back(world_.Answer(absl::StrCat("begun", i, "/1/1")));
  }
  std::vector<std::shared_ptr<PartitionWorld::Reply>> starts, answered;
  for (int i = 0; i < 200; ++i) {
    starts.push_back(world_.Submit(world_.Start(absl::StrCat("new", i), "order")));
  }
  for (saga::Command& answer : answers) answered.push_back(world_.Submit(std::move(answer)));
  const auto count = [](const auto& replies) {
    return std::count_if(replies.begin(), replies.end(),
                         [](const auto& reply) { return reply->has_value(); });
  };
  world_.Poll();
  world_.Flush();
  EXPECT_EQ(count(answered), 10) << "came last, and are all taken";
  EXPECT_EQ(count(starts), 256 - 8 * 10);
  EXPECT_TRUE(starts.front()->has_value());
  EXPECT_FALSE(starts.back()->has_value());
  world_.Poll();
  world_.Flush();
  EXPECT_EQ(count(starts), 200) << "with nothing else to do";
}

TEST_F(PartitionCommandsTest, StartsGoOnHoweverManyAnswersThereAre) {
  ASSERT_OK(world_.Do(world_.Start("begun", "order")));
  const saga::Command answer = world_.Answer();
  for (int i = 0; i < 200; ++i) world_.Submit(answer);
  for (int i = 0; i < 100; ++i) world_.Submit(world_.Start(absl::StrCat("new", i), "order"));
  world_.Poll();
  EXPECT_EQ(world_.staged(), 1u + 256 / 32);
}

TEST_F(PartitionCommandsTest, AWaitThatFollowsAStartFindsItsSaga) {
  for (int i = 0; i < 300; ++i) world_.Submit(world_.Start(absl::StrCat("s", i), "nothing"));
  const auto waited = world_.Wait("s299");
  const auto read = world_.Get("s299");
  world_.Settle();
  ASSERT_TRUE(waited->has_value() && read->has_value());
  EXPECT_OK(**waited);
  EXPECT_OK(**read);
}

TEST_F(PartitionCommandsTest, WithNothingUndurableAnswersLeaveAtOnce) {
  const auto read = world_.Get("s1");
  world_.Poll();
  ASSERT_TRUE(read->has_value());
  EXPECT_EQ(ReasonOf((*read)->status()), ErrorReason::kSagaNotFound);
}

TEST_F(PartitionCommandsTest, TheReplyNamesItsPlaceAndItsSaga) {
  const auto reply = world_.Do(world_.Start("s1", "nothing"));
  ASSERT_OK(reply);
  EXPECT_EQ(reply->position.position, world_.log().LastPosition(PartitionId(0)));
  EXPECT_EQ(reply->saga, (SagaKey{"test", "s1"}));
  EXPECT_FALSE(reply->duplicate);
  EXPECT_EQ(world_.MustGet("s1").status, Status::kCompleted);
}

TEST_F(PartitionCommandsTest, WhatDoesNotExistIsRefused) {
  EXPECT_EQ(Refusal(world_.Start("s1", "unheard-of")), ErrorReason::kDefinitionNotFound);
  EXPECT_EQ(Refusal(PartitionWorld::Make("s1", SuspendSaga{})), ErrorReason::kSagaNotFound);
}

TEST_F(PartitionCommandsTest, AStartIsRememberedByItsSaga) {
  const auto start = PartitionWorld::WithRequest(world_.Start("s1", "order"), "r1", 11);
  ASSERT_OK(world_.Do(start));
  const Position end = world_.log().LastPosition(PartitionId(0));
  const auto again = world_.Do(start);
  ASSERT_OK(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(world_.log().LastPosition(PartitionId(0)), end);
  // For good, not for a day.
  world_.Advance(2 * kDay);
  world_.Restart();
  EXPECT_OK(world_.Do(start));
  EXPECT_EQ(Refusal(PartitionWorld::WithRequest(world_.Start("s1", "order"), "r1", 12)),
            ErrorReason::kRequestIdReused);
  EXPECT_EQ(Refusal(PartitionWorld::WithRequest(world_.Start("s1", "order"), "r2", 11)),
            ErrorReason::kSagaAlreadyExists);
  EXPECT_EQ(Refusal(world_.Start("s1", "order")), ErrorReason::kSagaAlreadyExists);
}

TEST_F(PartitionCommandsTest, OtherVerbsAreRememberedForADay) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  const auto suspend =
      PartitionWorld::WithRequest(PartitionWorld::Make("s1", SuspendSaga{}), "r1", 5);
  const auto first = world_.Do(suspend);
  ASSERT_OK(first);
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", saga::ResumeSaga{})));
  world_.Advance(kDay - kSecond);
  const auto again = world_.Do(suspend);
  ASSERT_OK(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->position.position, first->position.position);
  EXPECT_EQ(world_.MustGet("s1").status, Status::kRunning) << "it was suspended again";
  EXPECT_EQ(
      Refusal(PartitionWorld::WithRequest(PartitionWorld::Make("s1", SuspendSaga{}), "r1", 6)),
      ErrorReason::kRequestIdReused);
  // After a day the id is free again.
  world_.Advance(2 * kSecond);
  const auto later = world_.Do(suspend);
  ASSERT_OK(later);
  EXPECT_FALSE(later->duplicate);
  EXPECT_EQ(world_.MustGet("s1").status, Status::kSuspended);
}

TEST_F(PartitionCommandsTest, ExpiredRequestsLeaveNoRows) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  const size_t before = world_.Rows().size();
  ASSERT_OK(
      world_.Do(PartitionWorld::WithRequest(PartitionWorld::Make("s1", SuspendSaga{}), "r1", 5)));
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", saga::ResumeSaga{})));
  world_.Advance(kDay);
  ASSERT_OK(world_.Do(world_.Start("s2", "nothing")));
  world_.Advance(kSecond);
  size_t dedup_rows = 0;
  const std::string prefix = partition::TablePrefix(storage::Table::kDedup, PartitionId(0));
  ASSERT_OK(world_.views().Scan(prefix, storage::PrefixEnd(prefix),
                                [&](absl::string_view, absl::string_view) {
                                  ++dedup_rows;
                                  return true;
                                }));
  EXPECT_EQ(dedup_rows, 0u);
  EXPECT_EQ(world_.Rows(), world_.ReplayedRows());
  EXPECT_GT(world_.Rows().size(), before);
}

TEST_F(PartitionCommandsTest, RefusalsAreNotRemembered) {
  const auto resume =
      PartitionWorld::WithRequest(PartitionWorld::Make("s1", saga::ResumeSaga{}), "r1", 5);
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  EXPECT_EQ(Refusal(resume), ErrorReason::kSagaNotSuspended);
  ASSERT_OK(world_.Do(PartitionWorld::Make("s1", SuspendSaga{})));
  const auto reply = world_.Do(resume);
  ASSERT_OK(reply);
  EXPECT_FALSE(reply->duplicate);
}

TEST_F(PartitionCommandsTest, TheFirstAnswerToAnAttemptWins) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  const saga::Command answer = world_.Answer();
  ASSERT_OK(world_.Do(answer));
  EXPECT_EQ(Refusal(answer), ErrorReason::kTaskNotRunning);
  ASSERT_OK(world_.Do(world_.Answer()));
  EXPECT_EQ(world_.MustGet("s1").status, Status::kCompleted);
  EXPECT_TRUE(world_.outlet().ready.empty());
}

TEST_F(PartitionCommandsTest, TheNewestVersionIsTheHighest) {
  world_.MustDeploy(kOrder2);
  world_.MustDeploy(kOrder1_9);
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  EXPECT_EQ(world_.MustGet("s1").definition_version, "1.10.0");
  saga::Command old = world_.Start("s2", "order");
  std::get<saga::StartSaga>(old.request).definition_version = "1.0.0";
  ASSERT_OK(world_.Do(old));
  EXPECT_EQ(world_.MustGet("s2").definition_version, "1.0.0");
}

TEST_F(PartitionCommandsTest, TimesNeverGoBack) {
  ASSERT_OK(world_.Do(world_.Start("s1", "order")));
  const Timestamp started = world_.MustGet("s1").updated;
  world_.clock().Advance(-kHour);
  ASSERT_OK(world_.Do(world_.Answer()));
  EXPECT_GE(world_.MustGet("s1").updated, started);
  world_.Restart();
  ASSERT_OK(world_.Do(world_.Answer()));
  EXPECT_GE(world_.MustGet("s1").updated, started);
}

TEST(PartitionOverloadTest, OverTheBoundsRequestsAreRefusedAtOnce) {
  PartitionWorld world({.commands_max = 2});
  world.MustDeploy(kNothing);
  const auto first = world.Submit(world.Start("s1", "nothing"));
  const auto second = world.Submit(world.Start("s2", "nothing"));
  const auto third = world.Submit(world.Start("s3", "nothing"));
  ASSERT_TRUE(third->has_value());
  EXPECT_TRUE(HasReason((*third)->status(), ErrorReason::kPartitionOverloaded));
  // Decided is not done: the bound holds until the answer has left.
  world.Poll();
  EXPECT_TRUE(world.Submit(world.Start("s3", "nothing"))->has_value());
  world.Flush();
  EXPECT_OK(**first);
  EXPECT_OK(**second);
  EXPECT_OK(world.Do(world.Start("s3", "nothing")));
}

TEST(PartitionOverloadTest, ASlowDiskIsNoOverload) {
  PartitionWorld world({.commands_max = 64});
  world.MustDeploy(kNothing);
  const saga::Command start = world.Start("s", "nothing");
  for (int turn = 0; turn < 100; ++turn) {
    const auto first = world.Submit(world.Start(absl::StrCat("a", turn), "nothing"));
    world.Poll();
    // Comes while the first is written, and is decided with the next turn.
    world.clock().Advance(30 * kMillisecond);
    const auto second = world.Submit(world.Start(absl::StrCat("b", turn), "nothing"));
    world.Flush();
    world.Poll();
    world.clock().Advance(30 * kMillisecond);
    world.Flush();
    ASSERT_OK(**first);
    ASSERT_OK(**second);
  }
  std::vector<partition::Ticket> tickets;
  for (int i = 0; i < 48; ++i) {
    auto ticket = world.partition().admission().Enter(start, partition::Caller::kStream);
    ASSERT_OK(ticket) << i;
    tickets.push_back(*std::move(ticket));
  }
}

TEST(PartitionOverloadTest, NewSagasOfStreamsWaitWhileAnswersDo) {
  PartitionWorld world({.commands_max = 64});
  world.MustDeploy(kOrder);
  // The disk is fast, for starts and for answers.
  ASSERT_OK(world.Do(world.Start("s", "order")));
  ASSERT_OK(world.Do(world.Answer()));
  // How many get in after a second of such requests, each of a saga that has just begun and each of
  // which waits for 20 ms.
  const auto room_after = [&](const std::string& name, const auto& request_of) {
    for (int turn = 0; turn < 50; ++turn) {
      const std::string id = absl::StrCat(name, turn);
      EXPECT_OK(world.Do(world.Start(id, "order")));
      const auto reply = world.Submit(request_of(id));
      world.Poll();
      world.clock().Advance(20 * kMillisecond);
      world.Poll();
      world.Flush();
      EXPECT_OK(**reply);
    }
    std::vector<partition::Ticket> tickets;
    while (tickets.size() < 64) {
      auto ticket = world.partition().admission().Enter(world.Start("s", "order"),
                                                        partition::Caller::kStream);
      if (!ticket.ok()) break;
      tickets.push_back(*std::move(ticket));
    }
    return tickets.size();
  };
  EXPECT_EQ(room_after(
                "a", [](const std::string& id) { return PartitionWorld::Make(id, SuspendSaga{}); }),
            48u);
  EXPECT_EQ(room_after("b", [&](const std::string&) { return world.Answer(); }), 32u);
}

TEST(PartitionDiskSpaceTest, FloorsRefuseStepByStep) {
  PartitionWorld world({.free_bytes_soft = 1'000, .free_bytes_hard = 100});
  world.MustDeploy(kOrder);
  ASSERT_OK(world.Do(world.Start("s1", "order")));
  world.partition().admission().SetFreeBytes(500);
  const auto start = world.Do(world.Start("s2", "order"));
  EXPECT_TRUE(HasReason(start.status(), ErrorReason::kDiskSpaceLow));
  EXPECT_FALSE(world.partition().admission().EnterDeploy(1).ok());
  EXPECT_OK(world.Do(world.Answer()));
  world.partition().admission().SetFreeBytes(50);
  EXPECT_TRUE(HasReason(world.Do(world.Answer()).status(), ErrorReason::kDiskSpaceLow));
  EXPECT_EQ(world.MustGet("s1").status, Status::kRunning);
  world.partition().admission().SetFreeBytes(5'000);
  EXPECT_OK(world.Do(world.Answer()));
}

TEST(PartitionDiskSpaceTest, RoomForWhatIsInMemoryIsNotFree) {
  PartitionWorld world({.free_bytes_soft = 1'000, .free_bytes_hard = 100});
  world.MustDeploy(kOrder);
  partition::Admission& admission = world.partition().admission();
  admission.SetFreeBytes(5'000, 4'001);
  const auto start = world.Do(world.Start("s1", "order"));
  EXPECT_TRUE(HasReason(start.status(), ErrorReason::kDiskSpaceLow));
  EXPECT_THAT(std::string(start.status().message()),
              HasSubstr("5000 bytes free, of which 4001 are"));
  admission.SetFreeBytes(5'000, 4'000);
  EXPECT_OK(world.Do(world.Start("s1", "order")));
  // What has begun goes on by what is free now.
  admission.SetFreeBytes(500, 4'001);
  EXPECT_OK(world.Do(world.Answer()));
}

TEST(PartitionDiskSpaceTest, AFloorOfNothingIsNone) {
  PartitionWorld world({.free_bytes_soft = 0, .free_bytes_hard = 0});
  world.MustDeploy(kOrder);
  world.partition().admission().SetFreeBytes(0, 4'000);
  EXPECT_OK(world.Do(world.Start("s1", "order")));
}

}  // namespace
}  // namespace skald::testing
