#include "engine/partition/admission.h"

#include "base/errors.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace skald::partition {
namespace {

saga::Command Small() { return {.saga = {"shop", "s"}, .request = saga::ResumeSaga{}}; }

TEST(AdmissionTest, BoundsWhatIsUnderWay) {
  Admission admission(PartitionId(3), {.commands_max = 2});
  absl::StatusOr<Ticket> first = admission.Enter(Small());
  const absl::StatusOr<Ticket> second = admission.Enter(Small());
  EXPECT_OK(first);
  EXPECT_OK(second);
  const absl::StatusOr<Ticket> third = admission.Enter(Small());
  EXPECT_TRUE(HasReason(third.status(), ErrorReason::kPartitionOverloaded));
  EXPECT_TRUE(GetErrorInfo(third.status())->retry_after.has_value());
  EXPECT_EQ(admission.under_way(), 2u);
  *first = Ticket();
  EXPECT_EQ(admission.under_way(), 1u);
  EXPECT_OK(admission.Enter(Small()));
}

TEST(AdmissionTest, AMovedTicketIsGivenBackOnce) {
  Admission admission(PartitionId(0), {});
  {
    Ticket ticket = *admission.EnterRead();
    Ticket moved = std::move(ticket);
    EXPECT_EQ(admission.under_way(), 1u);
    Ticket other = *admission.EnterRead();
    other = std::move(moved);
    EXPECT_EQ(admission.under_way(), 2u)
        << "a swapped ticket lives as long as the one it was swapped with";
  }
  EXPECT_EQ(admission.under_way(), 0u);
}

TEST(AdmissionTest, BoundsBytesButLetsOneLargeRequestIn) {
  Admission admission(PartitionId(0), {.bytes_max = 10'000});
  saga::Command large = Small();
  large.request = saga::StartSaga{.definition_name = "d",
                                  .definition_version = {},
                                  .input = {Json(), std::string(50'000, 'x')}};
  absl::StatusOr<Ticket> first = admission.Enter(large);
  EXPECT_OK(first);
  EXPECT_FALSE(admission.Enter(large).ok());
  *first = Ticket();
  EXPECT_OK(admission.Enter(large));
}

TEST(AdmissionTest, AnswersHaveTwiceTheRoom) {
  Admission admission(PartitionId(0), {.commands_max = 1});
  const absl::StatusOr<Ticket> first = admission.Enter(Small());
  EXPECT_FALSE(admission.Enter(Small()).ok());
  saga::Command answer = Small();
  answer.request = saga::AnswerTask{};
  const absl::StatusOr<Ticket> second = admission.Enter(answer);
  EXPECT_OK(second);
  EXPECT_FALSE(admission.Enter(answer).ok());
}

TEST(AdmissionTest, NewSagasGetLessRoomWhileTheWaitIsLong) {
  Admission admission(PartitionId(0), {.commands_max = 64, .start_delay_max = 200});
  saga::Command start = Small();
  start.request = saga::StartSaga{};
  std::vector<Ticket> under_way;
  for (int i = 0; i < 4; ++i) under_way.push_back(*admission.Enter(start));
  Timestamp now(kSecond);
  for (int i = 0; i < 100; ++i) {
    admission.SetDelay(201, now);
    now = After(now, 20 * kMillisecond);
  }
  EXPECT_TRUE(HasReason(admission.Enter(start).status(), ErrorReason::kPartitionOverloaded));
  EXPECT_OK(admission.Enter(Small())) << "sagas that are begun go on";
  under_way.resize(1);
  EXPECT_OK(admission.Enter(start)) << "a few are let in however long the wait";
  for (int i = 0; i < 2; ++i) {
    admission.SetDelay(200, now);
    now = After(now, 20 * kMillisecond);
  }
  for (int i = 0; i < 3; ++i) under_way.push_back(*admission.Enter(start));
  EXPECT_FALSE(admission.Enter(start).ok()) << "the room grows little by little";
  for (int i = 0; i < 100; ++i) {
    admission.SetDelay(0, now);
    now = After(now, 20 * kMillisecond);
  }
  while (under_way.size() < 64) under_way.push_back(*admission.Enter(start));
  EXPECT_FALSE(admission.Enter(start).ok());
}

TEST(AdmissionTest, OneLongWaitChangesLittle) {
  Admission admission(PartitionId(0), {.commands_max = 64, .start_delay_max = 200});
  saga::Command start = Small();
  start.request = saga::StartSaga{};
  for (int i = 0; i < 100; ++i) admission.SetDelay(1'000, Timestamp(kSecond + i));
  std::vector<Ticket> under_way;
  for (int i = 0; i < 48; ++i) under_way.push_back(*admission.Enter(start));
  EXPECT_FALSE(admission.Enter(start).ok());
}

}  // namespace
}  // namespace skald::partition
