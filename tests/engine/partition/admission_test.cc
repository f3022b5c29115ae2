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

}  // namespace
}  // namespace skald::partition
