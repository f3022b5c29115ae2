#include "engine/partition/gate.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::partition {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Writes down what leaves, in order.
class GateTest : public ::testing::Test, private Outlet {
 protected:
  GateTest() : gate_(PartitionId(2), *this) {}

  void HoldAnswer(uint64_t needs, std::string name) {
    gate_.Hold(Position(needs),
               Answer<CommandReply>{[this, name](absl::StatusOr<CommandReply> reply) {
                                      left_.push_back(reply.ok() ? name : name + " failed");
                                    },
                                    CommandReply(), Ticket()});
  }
  void HoldTask(uint64_t needs, uint32_t frame) {
    auto task = std::make_shared<task::ReadyTask>();
    task->token = Token(frame);
    gate_.Hold(Position(needs), EnqueueTask{std::move(task)});
  }
  static saga::TaskToken Token(uint32_t frame) { return {{"shop", "s"}, saga::FrameId(frame), 1}; }

  Gate gate_;
  std::vector<std::string> left_;

 private:
  std::string Frames(absl::Span<const saga::TaskToken> tokens) {
    std::string frames;
    for (const saga::TaskToken& token : tokens) absl::StrAppend(&frames, " ", token.frame.value());
    return frames;
  }
  void Enqueue(PartitionId, std::vector<task::ReadyTaskPtr> tasks) override {
    std::vector<saga::TaskToken> tokens;
    for (const auto& task : tasks) tokens.push_back(task->token);
    left_.push_back("enqueue" + Frames(tokens));
  }
  void Withdraw(absl::Span<const saga::TaskToken> tokens) override {
    left_.push_back("withdraw" + Frames(tokens));
  }
  void Refilled(task::RefillReply reply) override {
    left_.push_back("refilled " + reply.request.function);
  }
  void Cancel(absl::Span<const CancelledTask> tasks) override {
    std::vector<saga::TaskToken> tokens;
    for (const auto& task : tasks) tokens.push_back(task.token);
    left_.push_back("cancel" + Frames(tokens));
  }
  void Closed(absl::Span<const saga::TaskToken> tokens) override {
    left_.push_back("closed" + Frames(tokens));
  }
  void Dismissed(absl::Span<const saga::TaskToken> tokens) override {
    left_.push_back("dismissed" + Frames(tokens));
  }
  void Send(Message message) override {
    left_.push_back(absl::StrCat("send ", message.body.seq()));
  }
  void Acknowledge(PartitionId sender, PartitionId receiver, uint64_t through) override {
    left_.push_back(
        absl::StrCat("ack ", sender.value(), " ", receiver.value(), " ", through));
  }
  void Deployed(PartitionId, const DefinitionPtr&) override { left_.push_back("deployed"); }
};

TEST_F(GateTest, EffectsLeaveInOrderWhenWhatTheyNeedIsDurable) {
  HoldAnswer(1, "a");
  HoldAnswer(3, "b");
  HoldAnswer(3, "c");
  HoldAnswer(4, "d");
  EXPECT_THAT(left_, IsEmpty());
  gate_.Open(Position(2));
  EXPECT_THAT(left_, ElementsAre("a"));
  gate_.Open(Position(3));
  EXPECT_THAT(left_, ElementsAre("a", "b", "c"));
  EXPECT_EQ(gate_.waiting(), 1u);
}

TEST_F(GateTest, WhatIsDurableLeavesAtOnce) {
  gate_.Open(Position(5));
  HoldAnswer(5, "a");
  EXPECT_THAT(left_, ElementsAre("a"));
}

TEST_F(GateTest, TasksOfOneOpeningLeaveTogether) {
  HoldTask(1, 1);
  gate_.Hold(Position(1), CloseTask{Token(7), true});
  HoldTask(2, 2);
  gate_.Hold(Position(2), CancelTask{{Token(8)}});
  gate_.Hold(Position(2), CloseTask{Token(9), false});
  HoldTask(3, 3);
  gate_.Open(Position(2));
  EXPECT_THAT(left_, ElementsAre("enqueue 1 2", "cancel 8", "closed 7", "dismissed 9"));
}

TEST_F(GateTest, WhatWasAskedForLeavesInItsPlace) {
  HoldTask(1, 1);
  gate_.Hold(Position(2), CloseTask{Token(7), true});
  gate_.Hold(Position(2), RefillQueue{{.request = {.source = {}, .function = "f", .from = {}}}});
  gate_.Hold(Position(3), CloseTask{Token(8), true});
  gate_.Open(Position(3));
  EXPECT_THAT(left_, ElementsAre("enqueue 1", "closed 7", "refilled f", "closed 8"));
}

TEST_F(GateTest, ATaskThatComesBackIsEnqueuedAfterItsWithdrawal) {
  HoldTask(1, 1);
  gate_.Hold(Position(2), WithdrawTask{Token(1)});
  HoldTask(3, 1);
  gate_.Open(Position(3));
  EXPECT_THAT(left_, ElementsAre("enqueue 1", "withdraw 1", "enqueue 1"));
}

TEST_F(GateTest, ACallbackMayHoldMore) {
  gate_.Hold(Position(1), Answer<CommandReply>{[this](absl::StatusOr<CommandReply>) {
                                                 left_.push_back("a");
                                                 HoldAnswer(2, "b");
                                               },
                                               CommandReply(), Ticket()});
  gate_.Open(Position(1));
  EXPECT_THAT(left_, ElementsAre("a"));
  gate_.Open(Position(2));
  EXPECT_THAT(left_, ElementsAre("a", "b"));
}

TEST_F(GateTest, MessagesAndAcknowledgementsWaitToo) {
  Message message;
  message.body.set_seq(9);
  gate_.Hold(Position(1), SendMessage{std::move(message)});
  gate_.Hold(Position(1), AcknowledgeMessages{PartitionId(5), 4});
  EXPECT_THAT(left_, IsEmpty());
  gate_.Open(Position(1));
  EXPECT_THAT(left_, ElementsAre("send 9", "ack 5 2 4"));
}

TEST_F(GateTest, WhatIsDiscardedFailsAndDoesNothing) {
  HoldAnswer(1, "a");
  HoldTask(1, 1);
  HoldAnswer(2, "b");
  gate_.Discard(absl::UnavailableError("lost"), Position(0));
  EXPECT_THAT(left_, ElementsAre("a failed", "b failed"));
  HoldAnswer(1, "c");
  gate_.Open(Position(1));
  EXPECT_THAT(left_, ElementsAre("a failed", "b failed", "c"));
}

}  // namespace
}  // namespace skald::partition
