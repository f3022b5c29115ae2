// Goal: a commit's leaf follows from its stored bytes as docs/formats.md says, from every one of
// them, and from nothing else.
#include "engine/audit/commit_leaf.h"

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skald::audit {
namespace {

std::string Record(const std::vector<absl::string_view>& slots,
                   absl::string_view bodies = "bodies") {
  log::v1::CommitHeader header;
  header.set_format(storage::kCommitFormat);
  header.set_partition(3);
  header.set_first_position(1000);
  header.set_count(2);
  header.set_namespace_("shop");
  header.set_saga_id("order-1");
  std::string record;
  storage::EncodeCommit(header, bodies, slots, &record);
  return record;
}

Hash LeafOf(const std::string& record) { return CommitLeaf(*storage::DecodeCommit(record)); }

TEST(CommitLeafTest, IsWhatTheFormatSays) {
  const std::string record = Record({"{\"paid\":true}", ""});
  const storage::CommitView commit = *storage::DecodeCommit(record);
  const std::string header(commit.header_bytes);
  ASSERT_LT(header.size(), 256u);
  const std::string data = std::string(1, static_cast<char>(header.size())) + std::string(3, '\0') +
                           header + Sha256("bodies") + Sha256("{\"paid\":true}") + Sha256("");
  EXPECT_EQ(std::string(LeafOf(record).view()), Sha256(std::string(1, '\0') + data));
}

// Goal: format 1 never changes. Never edit the file; the leaf is the one in docs/formats.md.
TEST(CommitLeafTest, FormatOneIsFrozen) {
  std::ifstream file(std::string(SKALD_SOURCE_DIR) + "/tests/golden/formats/commit_record_v1.hex");
  std::string hex;
  for (char c = 0; file.get(c);) {
    if (absl::ascii_isxdigit(static_cast<unsigned char>(c))) hex.push_back(c);
  }
  EXPECT_EQ(absl::BytesToHexString(LeafOf(absl::HexStringToBytes(hex)).view()),
            "6fa041059020dca396bd806a7da1ab90f9509885f374324804709e6d81598239");
}

TEST(CommitLeafTest, AnErasedSlotLeavesTheLeaf) {
  const std::string record = Record({"1", "\"secret\""});
  const storage::CommitView commit = *storage::DecodeCommit(record);
  EXPECT_EQ(
      CommitLeaf(commit.header_bytes, Digest(commit.bodies), {Digest("1"), Digest("\"secret\"")}),
      LeafOf(record));
}

TEST(CommitLeafTest, EveryPartMatters) {
  const Hash leaf = LeafOf(Record({"1", "2"}));
  EXPECT_NE(leaf, LeafOf(Record({"2", "1"})));
  EXPECT_NE(leaf, LeafOf(Record({"1"})));
  EXPECT_NE(leaf, LeafOf(Record({"1", "2", ""})));
  EXPECT_NE(leaf, LeafOf(Record({"12", ""})));
  EXPECT_NE(leaf, LeafOf(Record({"1", "2"}, "bodies ")));
}

// Without the header's length these two would hash the same bytes.
TEST(CommitLeafTest, TheHeadersEndIsPartOfIt) {
  const Hash bodies = Digest("b");
  const Hash slot = Digest("s");
  EXPECT_NE(CommitLeaf("header", bodies, {slot}),
            CommitLeaf(absl::StrCat("header", bodies.view()), slot, {}));
}

}  // namespace
}  // namespace skald::audit
