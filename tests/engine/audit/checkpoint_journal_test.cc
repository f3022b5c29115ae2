// Goal: a checkpoint that was kept is there after every start, or its loss is found, with the place.
// Method: a small journal; every bit of it flipped, every byte cut off, every record taken out,
// moved and repeated.
#include "engine/audit/checkpoint_journal.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_folder.h"

namespace skald::audit {
namespace {

using ::skald::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Timestamp kNow(1'700'000'000'123'456);

class CheckpointJournalTest : public ::testing::Test {
 protected:
  CheckpointJournalTest()
      : store_name_(StoreName(std::string(16, '\x5a'))), key_(SigningKey::Generate(store_name_)) {}

  NewCheckpoint Make(uint32_t partition, uint64_t size) {
    const Checkpoint checkpoint{.origin = OriginOf(store_name_, PartitionId(partition)),
                                .tree = {.size = size, .root = Digest(absl::StrCat(size))}};
    return {.partition = PartitionId(partition),
            .checkpoint = checkpoint,
            .note = SignNote(checkpoint.ToText(), {key_})};
  }
  std::unique_ptr<CheckpointJournal> Open(size_t file_bytes_max = 1 << 20) {
    notices_.clear();
    auto journal = CheckpointJournal::Open(
        {.path = path_, .store_name = store_name_, .file_bytes_max = file_bytes_max}, &notices_);
    EXPECT_OK(journal);
    return *std::move(journal);
  }
  static std::vector<uint64_t> NumbersOf(const CheckpointJournal& journal,
                                         std::optional<PartitionId> partition = std::nullopt,
                                         uint64_t after = 0, size_t count = 1'000) {
    std::vector<uint64_t> numbers;
    const auto listed = journal.List(partition, after, count);
    EXPECT_OK(listed);
    for (const KeptCheckpoint& kept : *listed) numbers.push_back(kept.number);
    return numbers;
  }
  static absl::Status Scan(const CheckpointJournal& journal, size_t* seen = nullptr) {
    size_t count = 0;
    const absl::Status status = journal.Scan([&](const KeptCheckpoint&) { ++count; });
    if (seen != nullptr) *seen = count;
    return status;
  }
  std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
  // Four records, and where each begins; the last offset is the end.
  std::string Fill(std::vector<size_t>& offsets) {
    const auto journal = Open();
    offsets = {0};
    for (uint64_t i = 0; i < 4; ++i) {
      EXPECT_OK(journal->Append({Make(i % 2, 10 + i)}, kNow));
      offsets.push_back(Read(path_).size());
    }
    end_ = journal->end();
    return Read(path_);
  }

  // Written thousands of times.
  testing::TempFolder folder_{testing::TempFolder::MemoryParent()};
  const std::string path_ = folder_.Sub("audit_checkpoints");
  const std::string store_name_;
  const SigningKey key_;
  std::vector<std::string> notices_;
  JournalEnd end_;
};

TEST_F(CheckpointJournalTest, KeepsWhatItIsGiven) {
  {
    const auto journal = Open();
    EXPECT_FALSE(journal->existed());
    EXPECT_OK(journal->Append({Make(0, 5), Make(1, 7)}, kNow));
    EXPECT_OK(journal->Append({Make(1, 9)}, kNow));
    EXPECT_THAT(NumbersOf(*journal), ElementsAre(1, 2, 3));
  }
  const auto journal = Open();
  EXPECT_TRUE(journal->existed());
  EXPECT_THAT(notices_, IsEmpty());
  EXPECT_OK(journal->damage());
  EXPECT_THAT(NumbersOf(*journal), ElementsAre(1, 2, 3));
  EXPECT_THAT(NumbersOf(*journal, PartitionId(1)), ElementsAre(2, 3));
  EXPECT_THAT(NumbersOf(*journal, std::nullopt, 1, 1), ElementsAre(2));
  ASSERT_OK_AND_ASSIGN(const std::optional<KeptCheckpoint> newest, journal->Newest(PartitionId(1)));
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(newest->checkpoint, Make(1, 9).checkpoint);
  EXPECT_EQ(newest->note, Make(1, 9).note);
  EXPECT_EQ(newest->time, kNow);
  ASSERT_OK_AND_ASSIGN(const std::optional<KeptCheckpoint> none, journal->Newest(PartitionId(2)));
  EXPECT_FALSE(none.has_value());
  EXPECT_OK(Scan(*journal));
  EXPECT_OK(journal->Append({Make(0, 6)}, kNow));
  EXPECT_THAT(NumbersOf(*journal, std::nullopt, 3), ElementsAre(4));
}

TEST_F(CheckpointJournalTest, TellsListeners) {
  const auto journal = Open();
  int calls = 0;
  const uint64_t id = journal->AddListener([&] { ++calls; });
  EXPECT_OK(journal->Append({Make(0, 5), Make(1, 7)}, kNow));
  EXPECT_EQ(calls, 1);
  journal->RemoveListener(id);
  EXPECT_OK(journal->Append({Make(0, 6)}, kNow));
  EXPECT_EQ(calls, 1);
}

// A crash while a record is written leaves a beginning of it.
TEST_F(CheckpointJournalTest, ATornEndIsCutOff) {
  std::vector<size_t> offsets;
  const std::string whole = Fill(offsets);
  for (size_t size = 0; size < whole.size(); ++size) {
    Write(path_, whole.substr(0, size));
    const auto journal = Open();
    ASSERT_OK(journal->damage());
    size_t kept = 0;
    while (offsets[kept + 1] <= size) ++kept;
    ASSERT_THAT(NumbersOf(*journal), SizeIs(kept));
    ASSERT_EQ(Read(path_).size(), offsets[kept]);
    ASSERT_EQ(notices_.size(), offsets[kept] == size ? 0u : 1u) << size;
    ASSERT_OK(journal->Append({Make(0, 99)}, kNow));
    ASSERT_OK(Scan(*journal));
    // Who kept the end finds out that some are gone.
    const auto again = Open();
    again->CheckEnd(end_);
    ASSERT_FALSE(again->damage().ok()) << size;
    ASSERT_THAT(std::string(again->damage().message()), HasSubstr(path_ + ", byte "));
  }
}

TEST_F(CheckpointJournalTest, NoBitCanBeFlipped) {
  std::vector<size_t> offsets;
  const std::string whole = Fill(offsets);
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    Write(path_, changed);
    const auto journal = Open();
    journal->CheckEnd(end_);
    const absl::Status damage = journal->damage();
    ASSERT_TRUE(absl::IsDataLoss(damage)) << "bit " << bit;
    ASSERT_THAT(std::string(damage.message()), HasSubstr("audit_checkpoints, byte ")) << bit;
    ASSERT_THAT(journal->Append({Make(0, 99)}, kNow), StatusIs(absl::StatusCode::kDataLoss));
    ASSERT_THAT(journal->List(std::nullopt, 0, 1).status(), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// While it is open: what was changed behind its back.
TEST_F(CheckpointJournalTest, AScanReadsTheFileAnew) {
  std::vector<size_t> offsets;
  const std::string whole = Fill(offsets);
  const auto journal = Open();
  for (size_t bit = 0; bit < whole.size() * 8; bit += 3) {
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    Write(path_, changed);
    ASSERT_THAT(Scan(*journal), StatusIs(absl::StatusCode::kDataLoss)) << "bit " << bit;
  }
  for (size_t size = 0; size < whole.size(); ++size) {
    Write(path_, whole.substr(0, size));
    ASSERT_THAT(Scan(*journal), StatusIs(absl::StatusCode::kDataLoss)) << size;
  }
  Write(path_, whole.substr(0, offsets[2]));
  EXPECT_THAT(Scan(*journal),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr(absl::StrCat("byte ", offsets[2],
                                              ": it ends with checkpoint 2, but 4 were kept"))));
  Write(path_, whole);
  EXPECT_OK(Scan(*journal));
}

TEST_F(CheckpointJournalTest, RecordsHaveTheirPlaces) {
  std::vector<size_t> offsets;
  const std::string whole = Fill(offsets);
  std::vector<std::string> records;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    records.push_back(whole.substr(offsets[i], offsets[i + 1] - offsets[i]));
  }
  const auto damage_of = [&](const std::vector<std::string>& changed) {
    std::string text;
    for (const std::string& record : changed) text += record;
    Write(path_, text);
    const auto journal = Open();
    journal->CheckEnd(end_);
    return journal->damage();
  };
  for (size_t i = 0; i < records.size(); ++i) {
    std::vector<std::string> changed = records;
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(damage_of(changed),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr(absl::StrCat("audit_checkpoints, byte ", offsets[i]))));
    changed = records;
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(i), records[i]);
    EXPECT_THAT(damage_of(changed), StatusIs(absl::StatusCode::kDataLoss)) << i;
    for (size_t k = 0; k < i; ++k) {
      changed = records;
      std::swap(changed[i], changed[k]);
      EXPECT_THAT(damage_of(changed),
                  StatusIs(absl::StatusCode::kDataLoss,
                           HasSubstr(absl::StrCat("audit_checkpoints, byte ", offsets[k]))));
    }
  }
  EXPECT_OK(damage_of(records));
}

TEST_F(CheckpointJournalTest, ACheckpointOfAnotherStoreIsDamage) {
  const SigningKey other = SigningKey::Generate(StoreName(std::string(16, '\x11')));
  NewCheckpoint strange = Make(0, 5);
  strange.checkpoint.origin = OriginOf(other.verifier().name(), PartitionId(0));
  strange.note = SignNote(strange.checkpoint.ToText(), {other});
  EXPECT_OK(Open()->Append({strange}, kNow));
  EXPECT_THAT(Open()->damage(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another store")));
}

TEST_F(CheckpointJournalTest, OldOnesArePutAside) {
  auto journal = Open(1'000);
  for (uint64_t i = 1; i <= 20; ++i) ASSERT_OK(journal->Append({Make(0, i)}, kNow));
  const std::vector<uint64_t> numbers = NumbersOf(*journal);
  EXPECT_EQ(numbers.back(), 20u);
  EXPECT_GT(numbers.front(), 5u);
  EXPECT_LT(Read(path_).size() + Read(path_ + ".old").size(), 3'000u);
  EXPECT_OK(Scan(*journal));
  const JournalEnd end = journal->end();
  journal = Open(1'000);
  journal->CheckEnd(end);
  EXPECT_OK(journal->damage());
  EXPECT_EQ(NumbersOf(*journal), numbers);
  EXPECT_OK(Scan(*journal));
  std::filesystem::remove(path_ + ".old");
  EXPECT_THAT(Scan(*journal), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Open()->damage(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("others are")));
}

// While it is there, files can be made in the folder but the folder cannot be opened, not by root
// either: it cannot be synced.
class FolderThatCannotBeSynced {
 public:
  explicit FolderThatCannotBeSynced(const std::string& path) : path_(path) {
    SKALD_CHECK(::chmod(path.c_str(), 0733) == 0);
    if (was_ == 0) SKALD_CHECK(::seteuid(kNobody) == 0);
    if (was_ != 0) SKALD_CHECK(::chmod(path.c_str(), 0333) == 0);
  }
  ~FolderThatCannotBeSynced() {
    SKALD_CHECK(::seteuid(was_) == 0);
    SKALD_CHECK(::chmod(path_.c_str(), 0700) == 0);
  }

 private:
  static constexpr uid_t kNobody = 65534;
  const std::string path_;
  const uid_t was_ = ::geteuid();
};

TEST_F(CheckpointJournalTest, AFolderThatIsSyncedLaterLosesNothing) {
  auto journal = Open(1'000);
  uint64_t size = 0;
  while (size == 0 || Read(path_).size() < 1'000)
    ASSERT_OK(journal->Append({Make(0, ++size)}, kNow));
  const std::vector<uint64_t> numbers = NumbersOf(*journal);
  {
    FolderThatCannotBeSynced folder(folder_.path());
    for (int i = 0; i < 3; ++i) {
      EXPECT_THAT(journal->Append({Make(0, size + 1)}, kNow),
                  StatusIs(absl::StatusCode::kUnavailable, HasSubstr("sync")));
      EXPECT_EQ(NumbersOf(*journal), numbers);
      EXPECT_OK(Scan(*journal));
    }
  }
  ASSERT_OK(journal->Append({Make(0, ++size)}, kNow));
  EXPECT_THAT(NumbersOf(*journal), SizeIs(size));
  EXPECT_OK(Scan(*journal));
  const JournalEnd end = journal->end();
  journal = Open(1'000);
  journal->CheckEnd(end);
  EXPECT_OK(journal->damage());
  EXPECT_THAT(NumbersOf(*journal), SizeIs(size));
}

TEST_F(CheckpointJournalTest, WorksInMemory) {
  auto opened = CheckpointJournal::Open({.path = "", .store_name = store_name_,
                                         .file_bytes_max = 1'000}, &notices_);
  ASSERT_OK(opened);
  for (uint64_t i = 1; i <= 20; ++i) ASSERT_OK((*opened)->Append({Make(0, i)}, kNow));
  EXPECT_EQ(NumbersOf(**opened).back(), 20u);
  EXPECT_OK(Scan(**opened));
}

}  // namespace
}  // namespace skald::audit
