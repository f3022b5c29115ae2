// Goal: what partition 0 keeps for the whole store, declared read models and rotations of the audit
// key, is durable before it is told, survives restarts, and follows from the log alone. Method: a
// partition driven step by step; the bytes of its events against golden ones.
#include <fstream>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_record.h"
#include "tests/engine/partition/definitions_in_tests.h"
#include "tests/support/partition_world.h"
#include "tests/support/status_matchers.h"

namespace skald::testing {
namespace {

using partition::DeployModel;
using partition::DropModel;
using partition::RecordKeyRotation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

DeployModel Deploying(const std::string& name, const std::string& text) {
  return {.name = name, .hash = Sha256(text), .text = text, .actor = "ann"};
}

class StoreChangesTest : public ::testing::Test {
 protected:
  absl::StatusOr<partition::StoreChanged> Do(partition::StoreChange change) {
    const auto reply = world_.Change(std::move(change));
    world_.Settle();
    return reply->value_or(absl::InternalError("no answer"));
  }
  // "name: text", of what was published.
  std::vector<std::string> Published() {
    std::vector<std::string> all;
    for (const auto& model : world_.outlet().models) {
      all.push_back(absl::StrCat(model->name, ": ", model->text));
    }
    return all;
  }

  PartitionWorld world_{{.partitions = 2}};
};

TEST_F(StoreChangesTest, AModelIsToldWhenItIsDurable) {
  const auto reply = world_.Change(Deploying("orders", "one"));
  world_.Poll();
  EXPECT_FALSE(reply->has_value());
  EXPECT_THAT(Published(), IsEmpty());
  world_.Settle();
  ASSERT_OK(**reply);
  EXPECT_FALSE((**reply)->unchanged);
  EXPECT_EQ((**reply)->position.position, Position(1));
  ASSERT_THAT(Published(), ElementsAre("orders: one"));
  const partition::DeployedModel& model = *world_.outlet().models[0];
  EXPECT_EQ(model.hash, Sha256("one"));
  EXPECT_EQ(model.actor, "ann");
  EXPECT_EQ(model.position, Position(1));
  EXPECT_EQ(model.deployed, world_.clock().Now());
  EXPECT_EQ(world_.log().LastPosition(PartitionId(1)), Position(0)) << "of no concern to others";
}

TEST_F(StoreChangesTest, TheSameTextAgainChangesNothingAndAnotherReplacesIt) {
  ASSERT_OK(Do(Deploying("orders", "one")));
  ASSERT_OK_AND_ASSIGN(const auto again, Do(Deploying("orders", "one")));
  EXPECT_TRUE(again.unchanged);
  EXPECT_EQ(again.position.position, Position(1));
  EXPECT_EQ(world_.log().LastPosition(PartitionId(0)), Position(1));
  ASSERT_OK_AND_ASSIGN(const auto other, Do(Deploying("orders", "two")));
  EXPECT_FALSE(other.unchanged);
  ASSERT_OK(Do(Deploying("items", "three")));
  EXPECT_THAT(Published(), ElementsAre("items: three", "orders: two"));
}

TEST_F(StoreChangesTest, ADroppedModelIsGone) {
  EXPECT_TRUE(HasReason(Do(DropModel{.name = "orders"}).status(), ErrorReason::kModelNotFound));
  ASSERT_OK(Do(Deploying("orders", "one")));
  ASSERT_OK(Do(DropModel{.name = "orders", .reason = "nobody reads it", .actor = "ann"}));
  EXPECT_THAT(Published(), IsEmpty());
  world_.Restart();
  EXPECT_THAT(Published(), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const auto back, Do(Deploying("orders", "one")));
  EXPECT_FALSE(back.unchanged);
  EXPECT_EQ(world_.Rows(), world_.ReplayedRows());
}

TEST_F(StoreChangesTest, ModelsAreBounded) {
  for (size_t i = 0; i < partition::kModelsMax; ++i) {
    ASSERT_OK(Do(Deploying(absl::StrCat("m", i), "text")));
  }
  EXPECT_TRUE(HasReason(Do(Deploying("more", "text")).status(), ErrorReason::kTooManyModels));
  EXPECT_OK(Do(Deploying("m7", "another"))) << "replacing one takes no more room";
  ASSERT_OK(Do(DropModel{.name = "m7"}));
  EXPECT_OK(Do(Deploying("more", "text")));
}

TEST_F(StoreChangesTest, RestartsWithAndWithoutViewsKeepModels) {
  world_.MustDeploy(kOrder);
  ASSERT_OK(Do(Deploying("orders", "one")));
  ASSERT_OK(Do(RecordKeyRotation{.old_key_id = "00000001",
                                 .new_key_id = "00000002",
                                 .new_key = "skald/x+00000002+AQ==",
                                 .reason = "yearly",
                                 .actor = "ann"}));
  ASSERT_OK(Do(Deploying("items", "two")));
  const auto rows = world_.Rows();
  EXPECT_EQ(rows, world_.ReplayedRows());
  world_.Restart();
  EXPECT_THAT(Published(), ElementsAre("items: two", "orders: one"));
  EXPECT_EQ(world_.outlet().models[1]->actor, "ann");
  world_.RestartWithoutViews();
  EXPECT_THAT(Published(), ElementsAre("items: two", "orders: one"));
  EXPECT_EQ(world_.Rows(), rows);
  ASSERT_OK_AND_ASSIGN(const auto again, Do(Deploying("items", "two")));
  EXPECT_TRUE(again.unchanged);
}

TEST_F(StoreChangesTest, WhatTheLogLostWasNotDeployed) {
  ASSERT_OK(Do(Deploying("orders", "one")));
  const auto lost = world_.Change(Deploying("orders", "two"));
  world_.Poll();
  world_.Lose(PartitionId(0));
  ASSERT_TRUE(lost->has_value());
  EXPECT_TRUE(HasReason((*lost)->status(), ErrorReason::kPartitionNotServing));
  EXPECT_THAT(Published(), ElementsAre("orders: one"));
}

// ---- Bytes ----

TEST_F(StoreChangesTest, EventsHaveTheirGoldenBytes) {
  std::map<std::string, std::string> golden;
  std::ifstream file(SKALD_SOURCE_DIR "/tests/golden/formats/store_events_v1.hex");
  for (std::string name, hex; file >> name >> hex;) golden[name] = hex;
  ASSERT_OK(Do(Deploying("orders", "model: orders\n")));
  ASSERT_OK(Do(DropModel{.name = "orders", .reason = "nobody reads it", .actor = "ann"}));
  ASSERT_OK(Do(RecordKeyRotation{.old_key_id = "5d1f2a3c",
                                 .new_key_id = "0badcafe",
                                 .new_key = "skald/00+0badcafe+AQ==",
                                 .reason = "yearly",
                                 .actor = "ann"}));
  std::map<std::string, std::string> seen;
  for (const auto cursor = world_.log().Read(PartitionId(0), Position(1)); cursor->Valid();
       cursor->Next()) {
    ASSERT_OK_AND_ASSIGN(const storage::CommitView commit,
                         storage::DecodeCommit(cursor->record()));
    std::string slots;
    for (const absl::string_view slot : commit.slots) absl::StrAppend(&slots, slot);
    seen[commit.header.cause().command()] = absl::BytesToHexString(commit.bodies);
    seen[commit.header.cause().command() + ".slots"] = absl::BytesToHexString(slots);
    EXPECT_EQ(commit.header.actor(), "ann");
  }
  EXPECT_EQ(seen, golden);
}

}  // namespace
}  // namespace skald::testing
