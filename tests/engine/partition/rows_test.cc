#include "engine/partition/rows.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::partition {
namespace {

constexpr PartitionId kPartition(5);
const SagaKey kSaga{"shop", "a/b\0c"};

TEST(RowsTest, SagaKeysComeBack) {
  EXPECT_THAT(ParseSagaRowKey(SagaRowKey(kPartition, kSaga)), testing::IsOkAndHolds(kSaga));
  EXPECT_FALSE(ParseSagaRowKey("").ok());
  EXPECT_FALSE(ParseSagaRowKey(SagaRowKey(kPartition, kSaga) + "x").ok());
}

TEST(RowsTest, AStreamIndexComesBack) {
  const History commits = {{Position(100), 3, Revision(7)},
                           {Position(103), 1, Revision(10)},
                           {Position(500'000), 2, Revision(11)}};
  History back;
  ASSERT_OK(DecodeStreamIndex(StreamIndexKey(kPartition, kSaga, Revision(7)),
                              EncodeStreamIndex(commits), &back));
  ASSERT_EQ(back.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back[i].first, commits[i].first);
    EXPECT_EQ(back[i].count, commits[i].count);
    EXPECT_EQ(back[i].revision, commits[i].revision);
  }
  EXPECT_FALSE(DecodeStreamIndex(StreamIndexKey(kPartition, kSaga, Revision(7)), "", &back).ok());
}

TEST(RowsTest, TimersComeBackAndSortByTheirTime) {
  const saga::Timer early{Timestamp(5), saga::FrameId(9), saga::FireTimer::Kind::kDeadline};
  const saga::Timer late{Timestamp(6), saga::FrameId(1), saga::FireTimer::Kind::kDue};
  ASSERT_OK_AND_ASSIGN(const TimerRow row, ParseTimerKey(TimerKey(kPartition, kSaga, early)));
  EXPECT_EQ(row.saga, kSaga);
  EXPECT_EQ(row.timer, early);
  // No other timer, when bits of it are.
  std::string key = TimerKey(kPartition, kSaga, early);
  key.back() = static_cast<char>(key.back() | 0x0F);
  EXPECT_FALSE(ParseTimerKey(key).ok()) << "of no kind";
  key = TimerKey(kPartition, kSaga, early);
  key[key.size() - 8] = 1;
  EXPECT_FALSE(ParseTimerKey(key).ok()) << "of no frame";
  EXPECT_LT(TimerKey(kPartition, kSaga, early), TimerKey(kPartition, kSaga, late));
  EXPECT_LT(TimerKey(kPartition, kSaga, early), TimerBound(kPartition, Timestamp(6)));
  EXPECT_LT(TimerBound(kPartition, Timestamp(5)), TimerKey(kPartition, kSaga, early));
}

TEST(RowsTest, TasksComeBack) {
  task::ReadyTask task{.token = {kSaga, saga::FrameId(4), 2},
                       .function = "charge",
                       .reference = "/do/0/charge",
                       .definition_name = "order",
                       .definition_version = "1.0.0",
                       .idempotency_key = "s/do/0/charge/1",
                       .arguments = "{\"x\":1}",
                       .compensation = true,
                       .created = Timestamp(12'345),
                       .deadline = kNever};
  const std::string key = ReadyTaskKey(kPartition, kSaga, "charge", task.created,
                                       task.token.frame, task.token.attempt);
  ASSERT_OK_AND_ASSIGN(const task::ReadyTask back, DecodeReadyTask(key, EncodeReadyTask(task)));
  EXPECT_EQ(back.token, task.token);
  EXPECT_EQ(back.function, task.function);
  EXPECT_EQ(back.reference, task.reference);
  EXPECT_EQ(back.definition_name, task.definition_name);
  EXPECT_EQ(back.definition_version, task.definition_version);
  EXPECT_EQ(back.idempotency_key, task.idempotency_key);
  EXPECT_EQ(back.arguments, task.arguments);
  EXPECT_EQ(back.compensation, task.compensation);
  EXPECT_EQ(back.created, task.created);
  EXPECT_EQ(back.deadline, task.deadline);
  EXPECT_FALSE(DecodeReadyTask(key, "").ok());
}

TEST(RowsTest, RequestsAndDefinitionsComeBack) {
  ASSERT_OK_AND_ASSIGN(const DedupRow dedup,
                       DecodeDedup(EncodeDedup({.digest = ~uint64_t{0},
                                                .position = Position(9),
                                                .time = Timestamp(8),
                                                .saga_id = "s"})));
  EXPECT_EQ(dedup.digest, ~uint64_t{0});
  EXPECT_EQ(dedup.position, Position(9));
  EXPECT_EQ(dedup.saga_id, "s");
  ASSERT_OK_AND_ASSIGN(
      const DedupExpiryRow expiry,
      ParseDedupExpiryKey(DedupExpiryKey(kPartition, Timestamp(7), "shop", "r\0x")));
  EXPECT_EQ(expiry.time, Timestamp(7));
  EXPECT_EQ(expiry.namespace_name, "shop");
  ASSERT_OK_AND_ASSIGN(const DefinitionRow definition,
                       DecodeDefinition(EncodeDefinition(Position(3), "hash")));
  EXPECT_EQ(definition.position, Position(3));
  EXPECT_EQ(definition.hash, "hash");
}

}  // namespace
}  // namespace skald::partition
