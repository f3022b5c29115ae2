#include "engine/partition/mailbox.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/memory/memory_views.h"
#include "tests/support/status_matchers.h"

namespace skald::partition {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr PartitionId kSelf(0), kOther(1);

class MailboxTest : public ::testing::Test {
 protected:
  static Timestamp At(Micros offset) { return Timestamp(1'000 * kSecond + offset); }
  void Send(uint64_t seq, Timestamp time = At(0)) {
    mailbox_.OnSent(kOther, seq, Position(seq * 10), time, delta_);
  }

  storage::MemoryViews views_;
  storage::Delta delta_{views_, kSelf};
  Mailbox mailbox_{kSelf};
};

TEST_F(MailboxTest, NumbersAreDensePerReceiver) {
  EXPECT_EQ(mailbox_.NextSeq(kOther), 1u);
  Send(1);
  EXPECT_EQ(mailbox_.NextSeq(kOther), 2u);
  EXPECT_EQ(mailbox_.NextSeq(PartitionId(2)), 1u);
}

TEST_F(MailboxTest, TheMarkMovesByOne) {
  EXPECT_EQ(mailbox_.mark(kOther), 0u);
  mailbox_.OnTaken(kOther, 1, delta_);
  mailbox_.OnTaken(kOther, 2, delta_);
  EXPECT_EQ(mailbox_.mark(kOther), 2u);
  EXPECT_DEATH(mailbox_.OnTaken(kOther, 4, delta_), "");
}

TEST_F(MailboxTest, AcknowledgementsAreCommittedOnceASecond) {
  Send(1);
  EXPECT_THAT(mailbox_.AcksToCommit(At(0)), IsEmpty());
  mailbox_.Acknowledge(kOther, 1, At(0));
  EXPECT_TRUE(mailbox_.IsAcknowledged(kOther, 1));
  EXPECT_THAT(mailbox_.AcksToCommit(At(0)), ElementsAre(Pair(kOther, 1)));
  mailbox_.OnAcked(kOther, 1, delta_);
  Send(2);
  mailbox_.Acknowledge(kOther, 2, At(1));
  EXPECT_EQ(mailbox_.NextDue(), At(kSecond));
  EXPECT_THAT(mailbox_.AcksToCommit(At(kSecond - 1)), IsEmpty());
  EXPECT_THAT(mailbox_.AcksToCommit(At(kSecond)), SizeIs(1));
}

TEST_F(MailboxTest, WhatNobodyHeardOfForLongIsSentAgainInOrder) {
  Send(1);
  Send(2);
  Send(3);
  mailbox_.Acknowledge(kOther, 1, At(kSecond));
  EXPECT_THAT(mailbox_.MessagesToResend(At(2 * kSecond)), IsEmpty());
  const auto messages = mailbox_.MessagesToResend(At(6 * kSecond));
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(messages[0].seq, 2u);
  EXPECT_EQ(messages[0].commit, Position(20));
  EXPECT_EQ(messages[1].seq, 3u);
  EXPECT_THAT(mailbox_.MessagesToResend(At(7 * kSecond)), IsEmpty());
}

TEST_F(MailboxTest, MarksAreReadBack) {
  Send(1);
  Send(2);
  Send(3);
  mailbox_.OnTaken(PartitionId(4), 1, delta_);
  mailbox_.OnAcked(kOther, 2, delta_);
  Mailbox again(kSelf);
  ASSERT_OK(again.Load(delta_));
  EXPECT_EQ(again.mark(PartitionId(4)), 1u);
  EXPECT_EQ(again.NextSeq(kOther), 4u);
  EXPECT_TRUE(again.IsAcknowledged(kOther, 2));
  EXPECT_FALSE(again.IsAcknowledged(kOther, 3));
  again.ResendAll();
  const auto messages = again.MessagesToResend(At(0));
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].commit, Position(30));
}

TEST_F(MailboxTest, AnAcknowledgementOfWhatWasNeverSentCountsForNothing) {
  mailbox_.Acknowledge(kOther, 5, At(0));
  Send(1);
  mailbox_.Acknowledge(kOther, 5, At(0));
  EXPECT_THAT(mailbox_.AcksToCommit(At(0)), ElementsAre(Pair(kOther, 1)));
}

}  // namespace
}  // namespace skald::partition
