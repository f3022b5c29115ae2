// Goal: read models that are declared, and rotations of the audit key, are durable, told to who
// listens, and whole after a crash at any point between file and log. Method: the engine on memory
// and disk; crashes are played by leaving the files as a crash would.
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/sha256.h"
#include "engine/audit/key_file.h"
#include "engine/runtime/engine_impl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/engine_driver.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::testing {
namespace {

using runtime::DeployModelReply;
using runtime::Engine;
using runtime::KeyRotation;
using runtime::LogPosition;
using runtime::ModelInfo;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StoreTest : public ::testing::TestWithParam<bool> {
 protected:
  StoreTest() { Open(); }

  void Open() {
    runtime::EngineOptions options;
    if (GetParam()) options.data_dir = folder_.Sub("data");
    options.partition_count = 2;
    options.threads = 1;
    options.free_bytes_soft = options.free_bytes_hard = 0;
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    ASSERT_OK(engine);
    engine_ = *std::move(engine);
  }
  void Restart() {
    ASSERT_OK(engine_->Shutdown());
    engine_.reset();
    Open();
  }
  static std::string Text(const std::string& name, int init = 0) {
    return absl::StrCat("model: ", name, "\nevents: [{}]\nkey: .sagaId\ninit: ", init,
                        "\nreduce: . + 1\n");
  }
  absl::StatusOr<DeployModelReply> Deploy(const std::string& text) {
    Awaited<DeployModelReply> reply;
    engine_->DeployModel(text, "ann", reply.Callback());
    return reply.Get();
  }
  absl::StatusOr<LogPosition> Drop(const std::string& name) {
    Awaited<LogPosition> reply;
    engine_->DropModel(name, "nobody reads it", "ann", reply.Callback());
    return reply.Get();
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const ModelInfo& model : engine_->ListModels()) names.push_back(model.name);
    return names;
  }

  TempFolder folder_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(StoreTest, ModelsAreDeclaredAndDropped) {
  ASSERT_OK_AND_ASSIGN(const DeployModelReply first, Deploy(Text("orders")));
  EXPECT_EQ(first.name, "orders");
  EXPECT_EQ(first.hash, Sha256(Text("orders")));
  EXPECT_FALSE(first.already_deployed);
  ASSERT_OK_AND_ASSIGN(const DeployModelReply again, Deploy(Text("orders")));
  EXPECT_TRUE(again.already_deployed);
  EXPECT_EQ(again.position.position, first.position.position);
  ASSERT_OK(Deploy(Text("items")));
  EXPECT_THAT(Names(), ElementsAre("items", "orders"));
  ASSERT_OK_AND_ASSIGN(const ModelInfo info, engine_->GetModel("orders"));
  EXPECT_EQ(info.text, Text("orders"));
  EXPECT_EQ(info.actor, "ann");
  EXPECT_EQ(info.position.position, first.position.position);
  EXPECT_GT(info.deployed, Timestamp(0));
  ASSERT_OK(Deploy(Text("orders", 7)));
  EXPECT_EQ(engine_->GetModel("orders")->text, Text("orders", 7));
  ASSERT_OK(Drop("items"));
  EXPECT_TRUE(HasReason(Drop("items").status(), ErrorReason::kModelNotFound));
  EXPECT_TRUE(HasReason(engine_->GetModel("items").status(), ErrorReason::kModelNotFound));
  EXPECT_TRUE(HasReason(Deploy("model: sagas").status(), ErrorReason::kModelInvalid));
  ASSERT_OK_AND_ASSIGN(const runtime::VerifyReport report, engine_->Verify(nullptr));
  EXPECT_THAT(report.differences, IsEmpty());
  if (GetParam()) Restart();
  EXPECT_THAT(Names(), ElementsAre("orders"));
}

TEST_P(StoreTest, WhoListensIsTold) {
  std::atomic<int> told = 0;
  const uint64_t id = engine_->AddModelListener([&] { ++told; });
  ASSERT_OK(Deploy(Text("orders")));
  EXPECT_EQ(told, 1) << "before the answer";
  ASSERT_OK(Deploy(Text("orders")));
  EXPECT_EQ(told, 1) << "nothing changed";
  ASSERT_OK(Drop("orders"));
  EXPECT_EQ(told, 2);
  engine_->RemoveModelListener(id);
  ASSERT_OK(Deploy(Text("orders")));
  EXPECT_EQ(told, 2);
}

INSTANTIATE_TEST_SUITE_P(MemoryAndDisk, StoreTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Disk" : "Memory"; });

// ---- The audit key ----

class KeyRotationTest : public StoreTest {
 protected:
  std::string Path() const { return audit::KeyFilePath(folder_.Sub("data")); }
  std::string PresentKey() {
    const auto keys = engine_->auditor().GetKeys();
    return keys.ok() ? keys->front().ToText() : keys.status().ToString();
  }
  static bool Exists(const std::string& path) { return std::filesystem::exists(path); }
  // The rotations that the log has: old and new key id, reason, actor.
  std::vector<std::string> Recorded() {
    std::vector<std::string> rotations;
    const auto end = engine_->ReadLog(
        PartitionId(0), Position(1), [&](const runtime::RecordedEvent& event) {
          if (event.event->has_audit_key_rotated()) {
            const auto& rotated = event.event->audit_key_rotated();
            rotations.push_back(absl::StrCat(rotated.new_key(), " ",
                                             std::string(event.slots[rotated.reason_slot() - 1]),
                                             " ", event.header->actor()));
          }
          return true;
        });
    EXPECT_OK(end);
    return rotations;
  }
};

TEST_P(KeyRotationTest, IsRecordedAndPutToUse) {
  const std::string old_key = PresentKey();
  ASSERT_OK_AND_ASSIGN(const KeyRotation rotation, engine_->RotateAuditKey("yearly", "ann"));
  ASSERT_EQ(rotation.keys.size(), 2u);
  EXPECT_EQ(rotation.keys[0].ToText(), PresentKey());
  EXPECT_EQ(rotation.keys[1].ToText(), old_key);
  EXPECT_NE(PresentKey(), old_key);
  EXPECT_THAT(Recorded(), ElementsAre(PresentKey() + " \"yearly\" ann"));
  EXPECT_FALSE(Exists(Path() + ".next"));
  EXPECT_EQ(rotation.position.partition, PartitionId(0));
  const std::string present = PresentKey();
  Restart();
  EXPECT_EQ(PresentKey(), present);
}

TEST_P(KeyRotationTest, ACrashBeforeItIsRecordedLeavesTheOldKey) {
  const std::string old_key = PresentKey();
  ASSERT_OK(audit::PrepareKey(Path()));
  Restart();
  EXPECT_EQ(PresentKey(), old_key);
  EXPECT_FALSE(Exists(Path() + ".next"));
}

TEST_P(KeyRotationTest, ACrashAfterItIsRecordedIsMadeGoodByTheNextStart) {
  const std::string old_key = PresentKey();
  std::filesystem::copy_file(Path(), folder_.Sub("old"));
  ASSERT_OK(engine_->RotateAuditKey("yearly", "ann"));
  const std::string new_key = PresentKey();
  // As the files stood before the new key was put to use.
  ASSERT_OK_AND_ASSIGN(const auto keys, audit::ReadKeyFile(Path()));
  std::ofstream(Path() + ".next") << keys.front().ToText() << "\n";
  std::filesystem::permissions(Path() + ".next", std::filesystem::perms::owner_read |
                                                     std::filesystem::perms::owner_write);
  std::filesystem::copy_file(folder_.Sub("old"), Path(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(PresentKey(), old_key);
  Restart();
  EXPECT_EQ(PresentKey(), new_key);
  EXPECT_EQ(engine_->auditor().GetKeys()->size(), 2u);
  EXPECT_FALSE(Exists(Path() + ".next"));
}

TEST_P(KeyRotationTest, AKeyFileThatCannotBeUsedIsNotReplaced) {
  std::filesystem::permissions(Path(), std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_THAT(engine_->RotateAuditKey("yearly", "ann"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Recorded(), IsEmpty());
}

TEST_P(KeyRotationTest, AKeyFileThatIsGoneIsToldAsThat) {
  std::filesystem::remove(Path());
  const absl::Status gone = engine_->auditor().GetKeys().status();
  EXPECT_TRUE(HasReason(gone, ErrorReason::kAuditKeyUnusable)) << gone;
  EXPECT_THAT(std::string(gone.message()), ::testing::HasSubstr("put it back from a backup"));
  EXPECT_THAT(engine_->RotateAuditKey("yearly", "ann"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

INSTANTIATE_TEST_SUITE_P(Disk, KeyRotationTest, ::testing::Values(true));

TEST(KeyRotationInMemoryTest, IsRefused) {
  runtime::EngineOptions options;
  options.partition_count = 1;
  ASSERT_OK_AND_ASSIGN(const auto engine, Engine::Open(options));
  EXPECT_TRUE(
      HasReason(engine->RotateAuditKey("yearly", "ann").status(), ErrorReason::kAuditKeyUnusable));
}

}  // namespace
}  // namespace skald::testing
