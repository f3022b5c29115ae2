// Goal: a partition that comes back is the one that went, and partitions that talk agree. Method:
// restarts, lost logs and lost messages between the steps; rows compared with a replay of the log.
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_record.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/partition_world.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using saga::Status;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---- The watermark ----

TEST(PartitionWatermarkTest, StandsBelowWhatIsNotDurableAndBelowWhatComes) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  storage::Watermark& watermark = world.partition().watermark();
  const Timestamp floor = After(world.clock().Now(), kHour);
  EXPECT_EQ(watermark.Raise(floor).through, floor) << "all is durable, and the rest comes later";
  const auto started = world.Submit(world.Start("s1", "order"));
  world.Poll();
  EXPECT_EQ(watermark.Raise(After(floor, kHour)).through, floor);
  world.Settle();
  ASSERT_OK(**started);
  EXPECT_EQ(watermark.Raise(After(floor, kHour)).through, After(floor, kHour));
  EXPECT_EQ(watermark.Raise(After(floor, kHour)).latest, After(floor, 1));
  const auto cursor = world.log().Read(PartitionId(0), world.log().LastPosition(PartitionId(0)));
  const auto commit = storage::DecodeCommit(cursor->record());
  EXPECT_EQ(Timestamp(commit->header.time_us()), After(floor, 1));
}

TEST(PartitionWatermarkTest, WhatTheLogLostHoldsNothingUp) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  world.Submit(world.Start("s1", "order"));
  world.Poll();
  const Timestamp floor = After(world.clock().Now(), kHour);
  storage::Watermark& watermark = world.partition().watermark();
  EXPECT_LT(watermark.Raise(floor).through, floor);
  world.Lose(PartitionId(0));
  EXPECT_EQ(watermark.Raise(floor).through, floor);
}

// ---- Recovery ----

TEST(PartitionRecoveryTest, WhatWasNotDurableIsGoneAndTheRestIsThere) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  ASSERT_OK(world.Do(world.Start("s1", "order")));
  const auto lost = world.Submit(world.Start("s2", "order"));
  world.Poll();
  world.Restart();
  ASSERT_TRUE(lost->has_value());
  EXPECT_TRUE(HasReason((*lost)->status(), ErrorReason::kPartitionNotServing));
  EXPECT_EQ(world.MustGet("s1").status, Status::kRunning);
  EXPECT_OK(world.Do(world.Start("s2", "order")));
}

TEST(PartitionRecoveryTest, ViewsAreRebuiltFromTheLog) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  world.MustDeploy(kPause);
  ASSERT_OK(world.Do(world.Start("s1", "order")));
  ASSERT_OK(world.Do(world.Answer()));
  ASSERT_OK(world.Do(world.Start("s2", "pause")));
  const auto before = world.Rows();
  world.RestartWithoutViews();
  EXPECT_EQ(world.Rows(), before);
  EXPECT_THAT(world.outlet().ready, SizeIs(1));
  ASSERT_OK(world.Do(world.Answer()));
  EXPECT_EQ(world.MustGet("s1").status, Status::kCompleted);
}

TEST(PartitionRecoveryTest, ViewsAheadOfTheLogAreRefused) {
  PartitionWorld world;
  world.MustDeploy(kNothing);
  storage::MemoryEventLog shorter({.partition_count = 1});
  runtime::ProgramCache programs({});
  RecordingOutlet outlet;
  world.Rows();
  partition::Partition partition(
      {}, {.log = shorter, .views = world.views(), .programs = programs, .outlet = outlet});
  EXPECT_TRUE(HasReason(partition.Recover(world.clock().Now()), ErrorReason::kLogCorrupt));
}

TEST(PartitionRecoveryTest, RowsAreWrittenOnlyWhenTheLogIsDurable) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  world.Advance(kSecond);
  const Position applied = world.partition().stats().applied;
  world.Submit(world.Start("s1", "order"));
  world.Poll();
  world.clock().Advance(kSecond);
  world.Poll();  // seals
  EXPECT_EQ(world.partition().stats().applied, applied);
  world.Flush();
  EXPECT_EQ(world.partition().stats().applied, world.log().LastPosition(PartitionId(0)));
}

TEST(PartitionRecoveryTest, ALostLogIsRebuiltAndWaitersGoOn) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  ASSERT_OK(world.Do(world.Start("s1", "order")));
  const auto waits = world.Wait("s1");
  const auto gone = world.Wait("s2");
  world.Settle();
  const auto lost = world.Submit(world.Answer("s1/1/1"));
  const auto born = world.Submit(world.Start("s2", "order"));
  world.Poll();
  const auto kept = world.Get("s1");  // not taken yet: it is answered after
  const auto waits_for_lost = world.Wait("s2");
  world.Lose(PartitionId(0));
  ASSERT_TRUE(lost->has_value());
  EXPECT_TRUE(HasReason((*lost)->status(), ErrorReason::kPartitionNotServing));
  EXPECT_TRUE(born->has_value());
  world.Settle();
  ASSERT_TRUE(waits_for_lost->has_value());
  EXPECT_TRUE(HasReason((*waits_for_lost)->status(), ErrorReason::kSagaNotFound));
  EXPECT_TRUE(gone->has_value());
  ASSERT_TRUE(kept->has_value());
  EXPECT_OK(**kept);
  ASSERT_OK(world.Do(world.Answer("s1/1/1")));
  ASSERT_OK(world.Do(world.Answer("s1/2/1")));
  EXPECT_TRUE(waits->has_value());
  EXPECT_EQ(world.Rows(), world.ReplayedRows());
}

TEST(PartitionRecoveryTest, WhatALostLogStillHasIsTold) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  ASSERT_OK(world.Do(world.Start("s1", "order")));
  const auto answered = world.Submit(world.Answer("s1/1/1"));
  world.Poll();
  world.FlushUntold();
  world.Lose(PartitionId(0));
  ASSERT_TRUE(answered->has_value());
  EXPECT_OK(**answered);
  EXPECT_EQ(world.outlet().ready.count("s1/1/1"), 0u);
  EXPECT_EQ(world.outlet().ready.count("s1/2/1"), 1u);
}

// Goal: a partition that may not go on leaves nobody waiting, as who waits may be what must end
// before the partition can. Method: one request at each place: before it is taken, at the gate,
// for the saga's end, and after.
TEST(PartitionGiveUpTest, EveryoneIsAnsweredAndNothingMoreIsDecided) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  ASSERT_OK(world.Do(world.Start("s1", "order")));
  const auto ends = world.Wait("s1");
  world.Settle();
  const auto gated = world.Submit(world.Start("s2", "order"));
  std::optional<absl::StatusOr<partition::History>> history;
  const auto find = [&] {
    history.reset();
    world.partition().FindHistory(
        {"test", "s2"}, Revision(0), {},
        [&](absl::StatusOr<partition::History> found) { history = std::move(found); });
  };
  find();
  world.Poll();
  ASSERT_FALSE(gated->has_value());
  ASSERT_FALSE(history.has_value()) << "it is gone if the start is";
  const auto came = world.Get("s1");
  const auto is_refused = [](const auto& answer) {
    return answer.has_value() && HasReason(answer->status(), ErrorReason::kPartitionNotServing);
  };
  world.partition().GiveUp(absl::InternalError("the disk has gone"));
  EXPECT_TRUE(is_refused(*ends));
  EXPECT_TRUE(is_refused(*gated));
  EXPECT_TRUE(is_refused(history));
  EXPECT_TRUE(is_refused(*came));
  EXPECT_THAT((*came)->status().message(), ::testing::HasSubstr("the disk has gone"));

  const size_t staged = world.staged();
  const auto late = world.Submit(world.Start("s3", "order"));
  const auto late_wait = world.Wait("s1");
  find();
  bool captured = false;
  world.partition().Capture([&](std::unique_ptr<storage::ViewSnapshot> snapshot, Position) {
    EXPECT_EQ(snapshot, nullptr);
    captured = true;
  });
  EXPECT_TRUE(captured);
  EXPECT_LE(world.partition().NextDue(), world.clock().Now());
  world.Poll();
  EXPECT_TRUE(is_refused(*late));
  EXPECT_TRUE(is_refused(*late_wait));
  EXPECT_TRUE(is_refused(history));
  EXPECT_EQ(world.staged(), staged);
  EXPECT_EQ(world.partition().NextDue(), kNever) << "nothing starts by itself any more";
}

TEST(PartitionSealTest, PartitionsWriteTheirRowsOneAfterAnother) {
  constexpr uint32_t kPartitions = 5;
  PartitionWorld world({.partitions = kPartitions});
  world.MustDeploy(kNothing);
  world.Advance(kSecond);
  for (uint32_t id = 0; id < kPartitions; ++id) {
    world.Submit(world.Start(absl::StrCat("s", id), "nothing"), PartitionId(id));
  }
  world.Settle();
  std::map<uint32_t, int> written;  // by partition: after so many milliseconds
  for (int passed = 1; passed <= 375; ++passed) {
    world.Advance(kMillisecond);
    for (uint32_t id = 0; id < kPartitions; ++id) {
      const partition::PartitionStats stats = world.partition(id).stats();
      if (stats.applied == stats.staged) written.emplace(id, passed);
    }
  }
  std::set<int> moments;
  for (const auto& [id, passed] : written) moments.insert(passed);
  ASSERT_THAT(moments, SizeIs(kPartitions)) << "each at another moment";
  EXPECT_GE(*moments.begin(), 125);
  EXPECT_EQ(*moments.rbegin() - *moments.begin(), 200) << "evenly over the interval of 250 ms";
}

TEST(PartitionRecoveryTest, SagasOutOfMemoryAreReadBackAsTheyWere) {
  PartitionWorld small({.cached_state_bytes = 1});
  PartitionWorld large;
  for (PartitionWorld* const world : {&small, &large}) {
    world->MustDeploy(kOrder);
    for (int step = 0; step < 3; ++step) {
      for (int saga = 0; saga < 20; ++saga) {
        const std::string id = absl::StrCat("s", saga);
        ASSERT_OK(world->Do(step == 0 ? world->Start(id, "order")
                                      : world->Answer(absl::StrCat(id, "/", step, "/1"))));
      }
      world->Advance(kSecond);
      const size_t cached = world->partition().stats().cached_states;
      const size_t running = step < 2 ? 20 : 0;
      EXPECT_EQ(cached, world == &small ? 0 : running) << step;
    }
  }
  EXPECT_EQ(small.Rows(), large.Rows());
}

TEST(PartitionRecoveryTest, AHistoryIsFoundAcrossSealsAndRestarts) {
  PartitionWorld world;
  world.MustDeploy(kOrder);
  ASSERT_OK(world.Do(world.Start("s1", "order")));
  world.Advance(kSecond);
  ASSERT_OK(world.Do(world.Start("s2", "order")));
  ASSERT_OK(world.Do(world.Answer("s1/1/1")));
  const auto find = [&](Revision from) {
    partition::History history;
    world.partition().FindHistory({"test", "s1"}, from, partition::Ticket(),
                                  [&](absl::StatusOr<partition::History> found) {
                                    ASSERT_OK(found);
                                    history = *std::move(found);
                                  });
    world.Settle();
    return history;
  };
  const partition::History all = find(Revision(0));
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].revision, Revision(0));
  EXPECT_EQ(all[1].revision, Revision(all[0].count));
  EXPECT_GT(all[1].first, all[0].first.Plus(all[0].count));
  EXPECT_THAT(find(all[1].revision), SizeIs(1));
  EXPECT_THAT(find(all[1].revision.Plus(all[1].count)), IsEmpty());
  world.RestartWithoutViews();
  EXPECT_EQ(find(Revision(0)).size(), 2u);
}

// ---- Definitions and messages ----

TEST(PartitionDeployTest, ADefinitionReachesEveryPartitionBeforeItIsAnswered) {
  PartitionWorld world({.partitions = 3});
  const auto reply = world.Deploy(kOrder);
  world.Poll();
  world.Flush();
  EXPECT_FALSE(reply->has_value());
  EXPECT_EQ(world.outlet().definitions, 1u);
  world.Deliver();
  world.Poll();
  world.Deliver();
  EXPECT_FALSE(reply->has_value()) << "the others do not have it durable";
  world.Settle();
  ASSERT_TRUE(reply->has_value());
  EXPECT_OK(**reply);
  EXPECT_EQ(world.outlet().definitions, 3u);
  for (uint32_t id = 0; id < 3; ++id) {
    const auto started = world.Submit(world.Start("s1", "order"), PartitionId(id));
    world.Settle();
    ASSERT_TRUE(started->has_value());
    EXPECT_OK(**started);
  }
}

TEST(PartitionDeployTest, AVersionNeverChanges) {
  PartitionWorld world({.partitions = 2});
  world.MustDeploy(kOrder);
  const auto same = world.Deploy(kOrder);
  const auto changed = world.Deploy(kOrderChanged);
  world.Settle();
  ASSERT_OK(**same);
  EXPECT_TRUE((**same)->already_deployed);
  EXPECT_TRUE(HasReason((*changed)->status(), ErrorReason::kDefinitionAlreadyExists));
}

TEST(PartitionMailboxTest, LostMessagesAreSentAgain) {
  PartitionWorld world({.partitions = 2});
  const auto first = world.Deploy(kOrder);
  world.Poll();
  world.Flush();
  ASSERT_THAT(world.outlet().messages, SizeIs(1));
  world.outlet().messages.clear();
  // The second arrives, but nobody takes it before the first.
  const auto second = world.Deploy(kPause);
  world.Settle();
  EXPECT_FALSE(first->has_value());
  EXPECT_FALSE(second->has_value());
  world.Advance(6 * kSecond);
  EXPECT_TRUE(first->has_value());
  EXPECT_TRUE(second->has_value());
}

TEST(PartitionMailboxTest, MessagesThatARestartLostAreSentAgainAtOnce) {
  PartitionWorld world({.partitions = 2});
  world.Deploy(kOrder);
  world.Poll();
  world.Flush();
  world.Restart();
  world.Settle();
  EXPECT_THAT(world.outlet().messages, IsEmpty());
  const auto started = world.Submit(world.Start("s1", "order"), PartitionId(1));
  world.Settle();
  EXPECT_OK(**started);
}

TEST(PartitionMailboxTest, ALostAcknowledgementIsGivenAgainWithoutASecondEffect) {
  PartitionWorld world({.partitions = 2});
  const auto reply = world.Deploy(kOrder);
  world.Poll();
  world.Flush();
  world.Deliver();
  world.Poll();
  world.Flush();
  ASSERT_THAT(world.outlet().acks, SizeIs(1));
  world.outlet().acks.clear();
  const Position end = world.log().LastPosition(PartitionId(1));
  world.Advance(6 * kSecond);
  EXPECT_TRUE(reply->has_value());
  EXPECT_EQ(world.log().LastPosition(PartitionId(1)), end);
}

TEST(PartitionMailboxTest, AcknowledgedMessagesAreTrimmedOnceASecond) {
  PartitionWorld world({.partitions = 2});
  world.MustDeploy(kOrder);
  world.MustDeploy(kPause);
  world.Advance(kSecond);
  world.Advance(kSecond);
  const Position end = world.log().LastPosition(PartitionId(0));
  world.Advance(kMinute);
  EXPECT_EQ(world.log().LastPosition(PartitionId(0)), end);
  // Nothing is left to send, and numbers go on.
  world.Restart();
  world.Settle();
  EXPECT_EQ(world.log().LastPosition(PartitionId(0)), end);
  world.MustDeploy(kNothing);
  EXPECT_EQ(world.Rows(), world.ReplayedRows());
}

TEST(PartitionMailboxTest, AMessageThatCannotBeTakenIsRefusedAndTheNextGoesOn) {
  PartitionWorld world({.partitions = 2});
  partition::Message message{.from = PartitionId(0), .time = Timestamp(0), .body = {}, .slots = {}};
  message.body.set_to(1);
  message.body.set_seq(1);  // no command that this version knows
  world.partition(1).Receive(message);
  world.Poll();
  world.Flush();
  EXPECT_EQ(world.log().LastPosition(PartitionId(1)), Position(1));
  EXPECT_THAT(world.outlet().acks, SizeIs(1));
}

TEST(PartitionMailboxTest, AnEffectIsNotEarlierThanItsCause) {
  PartitionWorld world({.partitions = 2});
  partition::Message message{.from = PartitionId(0),
                             .time = After(world.clock().Now(), kHour),
                             .body = {},
                             .slots = {}};
  message.body.set_to(1);
  message.body.set_seq(1);
  world.partition(1).Receive(message);
  world.Poll();
  world.Flush();
  const auto cursor = world.log().Read(PartitionId(1), Position(1));
  ASSERT_TRUE(cursor->Valid());
  ASSERT_OK_AND_ASSIGN(const storage::CommitView commit, storage::DecodeCommit(cursor->record()));
  EXPECT_EQ(commit.header.time_us(), message.time.value());
}

TEST(PartitionMailboxTest, ALostCommitIsAskedForAgain) {
  PartitionWorld world({.partitions = 2});
  const auto reply = world.Deploy(kOrder);
  world.Poll();
  world.Flush();
  world.Deliver();
  world.Poll();
  world.Lose(PartitionId(1));
  world.Settle();
  EXPECT_FALSE(reply->has_value());
  world.Advance(6 * kSecond);
  EXPECT_TRUE(reply->has_value());
}

}  // namespace
}  // namespace skald::testing
