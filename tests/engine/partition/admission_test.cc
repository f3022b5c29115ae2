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

saga::Command Start() {
  saga::Command start = Small();
  start.request = saga::StartSaga{};
  return start;
}

// Tells of the same delay, again and again.
class Clock {
 public:
  void Tell(Admission& admission, Micros delay, int tenths, Micros write_time = 0) {
    for (int i = 0; i < 5 * tenths; ++i) {
      admission.SetDelays({.all = delay, .write = write_time}, now_);
      now_ = After(now_, 20 * kMillisecond);
    }
  }

 private:
  Timestamp now_{kSecond};
};

// Lets sagas of streams in until there is no more room. Returns how many are under way then.
size_t Fill(Admission& admission, std::vector<Ticket>& under_way) {
  while (under_way.size() < 1'000) {
    absl::StatusOr<Ticket> ticket = admission.Enter(Start(), Caller::kStream);
    if (!ticket.ok()) break;
    under_way.push_back(*std::move(ticket));
  }
  return under_way.size();
}

TEST(AdmissionTest, RoomIsWhatMakesTheWaitAsLongAsItMayBe) {
  Admission admission(PartitionId(0), {.commands_max = 512, .start_delay_max = 200});
  std::vector<Ticket> under_way;
  for (int i = 0; i < 100; ++i) under_way.push_back(*admission.Enter(Start(), Caller::kStream));
  Timestamp now{kSecond};
  const auto tell = [&](Micros delay) {
    admission.SetDelays({.all = delay}, now);
    now = After(now, 100 * kMillisecond);
  };
  tell(250);
  tell(250);
  EXPECT_FALSE(admission.Enter(Start(), Caller::kStream).ok());
  under_way.clear();
  EXPECT_EQ(Fill(admission, under_way), 80u) << "100 waited for 250, so 80 wait for 200";
  tell(200);
  EXPECT_EQ(Fill(admission, under_way), 90u) << "it grows little by little";
  tell(200);
  EXPECT_EQ(Fill(admission, under_way), 101u);
  for (int i = 0; i < 20; ++i) {
    tell(0);
    Fill(admission, under_way);
  }
  EXPECT_EQ(Fill(admission, under_way), 384u) << "three quarters of the most";
}

TEST(AdmissionTest, NewSagasGetLessRoomWhileTheWaitIsLong) {
  Admission admission(PartitionId(0), {.commands_max = 256, .start_delay_max = 200});
  std::vector<Ticket> under_way;
  for (int i = 0; i < 8; ++i) under_way.push_back(*admission.Enter(Start()));
  Clock().Tell(admission, 10'000, 10);
  EXPECT_TRUE(HasReason(admission.Enter(Start()).status(), ErrorReason::kPartitionOverloaded));
  EXPECT_OK(admission.Enter(Small())) << "sagas that are begun go on";
  under_way.resize(7);
  EXPECT_OK(admission.Enter(Start())) << "a few calls are let in however long the wait";
  EXPECT_FALSE(admission.Enter(Start(), Caller::kStream).ok());
  under_way.resize(1);
  EXPECT_OK(admission.Enter(Start(), Caller::kStream)) << "and fewer of streams";
}

TEST(AdmissionTest, LessRoomHasItsTimeToShow) {
  Admission admission(PartitionId(0), {.commands_max = 512, .start_delay_max = 50 * kMillisecond});
  std::vector<Ticket> under_way;
  for (int i = 0; i < 100; ++i) under_way.push_back(*admission.Enter(Start(), Caller::kStream));
  const auto tell = [&](int tenths) {
    admission.SetDelays({.all = 100 * kMillisecond},
                        Timestamp(kSecond + tenths * 100 * kMillisecond));
  };
  tell(0);
  tell(1);
  tell(2);
  under_way.clear();
  EXPECT_EQ(Fill(admission, under_way), 50u) << "not 25: those that waited so long may still wait";
  tell(3);
  under_way.clear();
  EXPECT_EQ(Fill(admission, under_way), 25u);
}

TEST(AdmissionTest, WhatASlowDiskTakesIsNoQueue) {
  Admission admission(PartitionId(0), {.commands_max = 64, .start_delay_max = 200});
  Clock clock;
  clock.Tell(admission, 500, 10, 150);
  std::vector<Ticket> under_way;
  for (int i = 0; i < 48; ++i) under_way.push_back(*admission.Enter(Start(), Caller::kStream));
  under_way.clear();
  clock.Tell(admission, 501, 10, 150);
  under_way.push_back(*admission.Enter(Start(), Caller::kStream));
  EXPECT_FALSE(admission.Enter(Start(), Caller::kStream).ok());
}

TEST(AdmissionTest, OneLongWaitHalvesTheRoomAtMost) {
  Admission admission(PartitionId(0), {.commands_max = 512, .start_delay_max = 200});
  std::vector<Ticket> under_way;
  for (int i = 0; i < 100; ++i) under_way.push_back(*admission.Enter(Start(), Caller::kStream));
  for (int tenths = 0; tenths < 2; ++tenths) {
    admission.SetDelays({.all = kSecond}, Timestamp(kSecond + tenths * 100 * kMillisecond));
  }
  under_way.clear();
  EXPECT_EQ(Fill(admission, under_way), 50u);
  // The next look is when what waited so long is gone.
  admission.SetDelays({.all = kSecond}, Timestamp(3 * kSecond));
  under_way.clear();
  EXPECT_EQ(Fill(admission, under_way), 50u);
}

TEST(AdmissionTest, FromItsLeastTheRoomComesBackWithinFiveSeconds) {
  Admission admission(PartitionId(0), {.commands_max = 512, .start_delay_max = 200});
  std::vector<Ticket> under_way;
  Clock clock;
  clock.Tell(admission, 10'000, 20);
  EXPECT_EQ(Fill(admission, under_way), 4u);
  for (int tenths = 0; tenths < 45; ++tenths) {
    clock.Tell(admission, 0, 1);
    Fill(admission, under_way);
  }
  EXPECT_EQ(under_way.size(), 384u);
}

TEST(AdmissionTest, TheMeanWaitCounts) {
  Admission admission(PartitionId(0), {.commands_max = 64, .start_delay_max = 200});
  // Waves, long and none by turns.
  for (int i = 0; i < 100; ++i) {
    admission.SetDelays({.all = i % 2 == 0 ? 300 : 0}, Timestamp(kSecond + i * 20 * kMillisecond));
  }
  std::vector<Ticket> under_way;
  for (int i = 0; i < 48; ++i) under_way.push_back(*admission.Enter(Start(), Caller::kStream));
}

TEST(AdmissionTest, StreamsWaitWhileWhatHasBegunWaits) {
  Admission admission(PartitionId(0), {.commands_max = 512,
                                       .start_delay_max = 50 * kMillisecond,
                                       .begun_delay_max = 2 * kMillisecond,
                                       .begun_room_min = 20});
  Timestamp now{kSecond};
  const auto tell = [&](Micros begun, Micros write = 0) {
    admission.SetDelays({.all = 10 * kMillisecond, .begun = begun, .write = write}, now);
    now = After(now, 100 * kMillisecond);
  };
  std::vector<Ticket> under_way;
  for (int i = 0; i < 100; ++i) under_way.push_back(*admission.Enter(Start(), Caller::kStream));
  tell(2'500);
  tell(2'500);
  under_way.clear();
  EXPECT_EQ(Fill(admission, under_way), 80u) << "100 waited for 2.5 ms, so 80 wait for 2";
  // As a flood does: what room there is, is taken at once.
  const auto room_after = [&](Micros begun, Micros write) {
    for (int i = 0; i < 40; ++i) {
      tell(begun, write);
      under_way.clear();
      Fill(admission, under_way);
    }
    return under_way.size();
  };
  EXPECT_EQ(room_after(kSecond, 0), 20u);
  EXPECT_EQ(room_after(4 * kMillisecond, kMillisecond), 384u) << "what the disk takes is no queue";
  EXPECT_EQ(room_after(8 * kMillisecond, kMillisecond), 20u);
  // It mostly takes little, and often much.
  admission.SetWriteTime(3 * kMillisecond);
  EXPECT_EQ(room_after(8 * kMillisecond, kMillisecond), 384u);
}

TEST(AdmissionTest, StreamsGetRoomAsTheyUseIt) {
  Admission admission(PartitionId(0), {.commands_max = 4'096, .begun_room_min = 10});
  std::vector<Ticket> under_way;
  EXPECT_EQ(Fill(admission, under_way), 80u);
  Clock clock;
  clock.Tell(admission, 0, 2);
  EXPECT_EQ(Fill(admission, under_way), 90u);
  under_way.resize(20);
  clock.Tell(admission, 0, 50);
  EXPECT_EQ(Fill(admission, under_way), 101u) << "in use until the first look, and not after it";
  clock.Tell(admission, 0, 20);
  EXPECT_EQ(Fill(admission, under_way), 225u) << "it grows while half of it is in use";
}

TEST(AdmissionTest, WhatStreamsHaveUnderWayDoesNotCountAgainstCalls) {
  Admission admission(PartitionId(0), {.commands_max = 256, .start_delay_max = 200});
  std::vector<Ticket> under_way;
  for (int i = 0; i < 100; ++i) under_way.push_back(*admission.Enter(Start(), Caller::kStream));
  Clock().Tell(admission, 20'000, 10);
  EXPECT_FALSE(admission.Enter(Start(), Caller::kStream).ok());
  for (int i = 0; i < 8; ++i) under_way.push_back(*admission.Enter(Start()));
  EXPECT_FALSE(admission.Enter(Start()).ok()) << "but calls do";
  under_way.clear();
  EXPECT_OK(admission.Enter(Start(), Caller::kStream));
}

TEST(AdmissionTest, StreamsLeaveRoomToCalls) {
  Admission admission(PartitionId(0), {.commands_max = 64});
  std::vector<Ticket> under_way;
  for (int i = 0; i < 48; ++i) under_way.push_back(*admission.Enter(Start(), Caller::kStream));
  EXPECT_TRUE(HasReason(admission.Enter(Start(), Caller::kStream).status(),
                        ErrorReason::kPartitionOverloaded));
  for (int i = 0; i < 16; ++i) under_way.push_back(*admission.Enter(Start()));
  EXPECT_FALSE(admission.Enter(Start()).ok());
  // One at a time goes in however small the room.
  Admission narrow(PartitionId(0), {.commands_max = 1});
  EXPECT_OK(narrow.Enter(Start(), Caller::kStream));
}

}  // namespace
}  // namespace skald::partition
