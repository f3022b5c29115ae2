// Goal: a bundle verifies exactly as it was made. Whatever is altered, removed, moved, added or cut
// off, verification never says yes, and names the place.
// Method: one bundle; every byte flipped and every prefix of its text; every structure altered one
// by one with the place that has to be named.
#include "engine/audit/bundle.h"

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/audit/sample_log.h"

namespace skald::audit {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Lines(const BundleReport& report) {
  std::vector<std::string> lines;
  for (const BundleProblem& problem : report.problems) {
    lines.push_back(absl::StrCat(problem.place, ": ", problem.what));
  }
  return lines;
}

class BundleTest : public ::testing::Test {
 protected:
  BundleTest() { log_.AppendRounds({"a", "b", "c"}, 4, /*ended=*/true); }

  std::vector<std::string> Problems(const Bundle& bundle) const {
    return Lines(VerifyBundle(bundle, {.keys = {log_.key()}}));
  }
  // Verification of the text as a whole says no.
  bool IsRefused(absl::string_view text) const {
    const absl::StatusOr<Bundle> bundle = ParseBundle(text);
    return !bundle.ok() || !VerifyBundle(*bundle, {.keys = {log_.key()}}).ok();
  }

  SampleLog log_;
};

TEST_F(BundleTest, IsReadAsWrittenAndVerifies) {
  const Bundle bundle = log_.BundleOf("b", /*since=*/7);
  const std::string text = WriteBundle(bundle);
  const auto parsed = ParseBundle(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->head, bundle.head);
  EXPECT_EQ(parsed->commits, bundle.commits);
  const BundleReport report = VerifyBundle(*parsed, {.keys = {log_.key()}, .ended = true});
  EXPECT_THAT(Lines(report), IsEmpty());
  EXPECT_EQ(report.commits, 5u);
  EXPECT_EQ(report.events, 9u);
  EXPECT_EQ(report.end, "SagaCompleted");
  EXPECT_EQ(report.end_revision, Revision(8));
  EXPECT_EQ(report.withheld_slots, 0u);
  EXPECT_EQ(report.definition_hash, std::string(32, '\x07'));
  ASSERT_TRUE(report.continued.has_value());
  EXPECT_EQ(report.continued->size, 7u);
}

std::string ReadGolden(absl::string_view name) {
  std::ifstream file(absl::StrCat(SKALD_SOURCE_DIR, "/tests/golden/formats/audit_bundle_v1.", name),
                     std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Goal: a bundle that was given away verifies for ever. Never edit the files; a new format gets new
// ones.
TEST_F(BundleTest, FormatOneIsFrozen) {
  const auto key = VerifierKey::Parse(absl::StripSuffix(ReadGolden("key"), "\n"));
  ASSERT_TRUE(key.ok()) << key.status();
  const auto since = OpenCheckpoint(ReadGolden("checkpoint"), {*key});
  ASSERT_TRUE(since.ok()) << since.status();
  const auto bundle = ParseBundle(ReadGolden("json"));
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const BundleReport report =
      VerifyBundle(*bundle, {.keys = {*key}, .since = *since, .ended = true});
  EXPECT_THAT(Lines(report), IsEmpty());
  EXPECT_EQ(report.events, 9u);
}

TEST_F(BundleTest, TheWriterCountsForItself) {
  const Bundle bundle = log_.BundleOf("a");
  BundleWriter writer;
  std::string text = writer.Begin(bundle.head);
  for (const BundleCommit& commit : bundle.commits) {
    text += writer.Add(commit, commit.index < 12 ? 2 : 1);
  }
  text += writer.End();
  EXPECT_EQ(text, WriteBundle(bundle));
}

TEST_F(BundleTest, WithheldSlotsLeaveItProven) {
  const Bundle bundle = log_.BundleOf("b", 0, SlotData::kWithheld);
  const std::string text = WriteBundle(bundle);
  EXPECT_EQ(text.find("cm91bmQ"), std::string::npos);  // "round"
  const auto parsed = ParseBundle(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const BundleReport report = VerifyBundle(*parsed, {.keys = {log_.key()}});
  EXPECT_THAT(Lines(report), IsEmpty());
  EXPECT_EQ(report.withheld_slots, 9u);
}

TEST_F(BundleTest, AnOpenSagaIsProvenUpToItsLastRevision) {
  SampleLog log;
  log.AppendRounds({"a", "b"}, 3, /*ended=*/false);
  const Bundle bundle = log.BundleOf("a");
  const BundleReport report = VerifyBundle(bundle, {.keys = {log.key()}});
  EXPECT_THAT(Lines(report), IsEmpty());
  EXPECT_EQ(report.end, "");
  EXPECT_THAT(Lines(VerifyBundle(bundle, {.keys = {log.key()}, .ended = true})),
              Contains(HasSubstr("had not ended")));
}

TEST_F(BundleTest, EveryFlippedBitIsRefused) {
  const std::string text = WriteBundle(log_.BundleOf("b", /*since=*/7));
  ASSERT_FALSE(IsRefused(text));
  for (size_t i = 0; i < text.size(); ++i) {
    for (const int bit : {0, 1, 5}) {
      std::string altered = text;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      ASSERT_TRUE(IsRefused(altered)) << "byte " << i << " of " << text.size();
    }
  }
}

TEST_F(BundleTest, EveryCutAndEveryAdditionIsRefused) {
  const std::string text = WriteBundle(log_.BundleOf("c"));
  for (size_t size = 0; size < text.size(); ++size) {
    ASSERT_TRUE(IsRefused(text.substr(0, size))) << size;
  }
  EXPECT_TRUE(IsRefused(text + "\n"));
  EXPECT_TRUE(IsRefused(" " + text));
  EXPECT_TRUE(IsRefused(text + text));
}

TEST_F(BundleTest, AnotherSpellingIsRefusedWithItsPlace) {
  const std::string text = WriteBundle(log_.BundleOf("c"));
  const auto spaced = ParseBundle(absl::StrReplaceAll(text, {{"\"saga\":", "\"saga\": "}}));
  EXPECT_EQ(spaced.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(spaced.status().message()), HasSubstr("byte 40 "));
  EXPECT_THAT(
      std::string(
          ParseBundle(absl::StrReplaceAll(text, {{"bundle/1", "bundle/2"}})).status().message()),
      HasSubstr("format"));
  EXPECT_THAT(std::string(ParseBundle(absl::StrReplaceAll(text, {{"\"header\":", "\"haeder\":"}}))
                              .status()
                              .message()),
              HasSubstr("commits[0].header"));
}

// One way to alter a bundle, and what must be said of it.
struct Alteration {
  const char* name;
  std::function<void(Bundle&)> alter;
  std::vector<const char*> said;
};

void FlipBit(std::string& bytes, size_t at) { bytes[at] = static_cast<char>(bytes[at] ^ 4); }

void FixEnd(Bundle& bundle) {
  bundle.commit_count = 0;
  bundle.event_count = 0;
  for (const BundleCommit& commit : bundle.commits) {
    log::v1::CommitHeader header;
    header.ParseFromString(commit.header);
    ++bundle.commit_count;
    bundle.event_count += header.count();
  }
}

std::vector<Alteration> AlterationsOfCommits() {
  return {
      {"header",
       [](Bundle& b) { FlipBit(b.commits[1].header, 20); },
       {"commits[1]", "header and digests do not make its leaf"}},
      {"header replaced by none",
       [](Bundle& b) { b.commits[1].header.clear(); },
       {"commits[1]", "header and digests do not make its leaf"}},
      {"bodies",
       [](Bundle& b) { FlipBit(*b.commits[2].bodies.data, 9); },
       {"commits[2] (revision 4, position 15).bodies: its data was altered"}},
      {"digest of bodies",
       [](Bundle& b) { b.commits[2].bodies.digest.bytes[0] ^= 1; },
       {"commits[2] (revision 4, position 15).bodies: its digest was altered"}},
      {"data of a slot",
       [](Bundle& b) { b.commits[3].slots[1].data = "\"other\""; },
       {"commits[3] (revision 6, position 21).slots[1]: its data was altered"}},
      {"digest of a slot",
       [](Bundle& b) { b.commits[3].slots[1].digest.bytes[9] ^= 1; },
       {"commits[3] (revision 6, position 21).slots[1]: its digest was altered"}},
      {"data and digest of a slot",
       [](Bundle& b) { b.commits[3].slots[1] = {.digest = Digest("1"), .data = "1"}; },
       {"commits[3] (expected revision 6): its header and digests do not make its leaf"}},
      {"a slot removed",
       [](Bundle& b) { b.commits[0].slots.pop_back(); },
       {"commits[0]", "header and digests do not make its leaf"}},
      {"slots swapped",
       [](Bundle& b) { std::swap(b.commits[0].slots[0], b.commits[0].slots[1]); },
       {"commits[0]", "header and digests do not make its leaf"}},
      {"a slot added",
       [](Bundle& b) { b.commits[0].slots.push_back({.digest = Digest("1"), .data = "1"}); },
       {"commits[0]", "header and digests do not make its leaf"}},
      {"leaf",
       [](Bundle& b) { b.commits[4].leaf.bytes[31] ^= 1; },
       {"commits[4]", "its leaf was altered"}},
      {"leaf remade over an altered header",
       [](Bundle& b) {
         BundleCommit& commit = b.commits[1];
         log::v1::CommitHeader header;
         header.ParseFromString(commit.header);
         header.set_actor("somebody else");
         commit.header = header.SerializeAsString();
         const storage::CommitView view{.header = header,
                                        .header_bytes = commit.header,
                                        .bodies = *commit.bodies.data,
                                        .slots = {*commit.slots[0].data, *commit.slots[1].data}};
         commit.leaf = CommitLeaf(view);
       },
       {"commits[1]", "not proven to be commit number 4"}},
      {"index",
       [](Bundle& b) { b.commits[1].index += 1; },
       {"commits[1]", "not proven to be commit number 5"}},
      {"path",
       [](Bundle& b) { b.commits[1].path[0].bytes[0] ^= 1; },
       {"commits[1]", "not proven to be commit number 4"}},
      {"path cut", [](Bundle& b) { b.commits[1].path.pop_back(); }, {"commits[1]", "not proven"}},
  };
}

std::vector<Alteration> AlterationsOfOrder() {
  return {
      {"first commit removed",
       [](Bundle& b) { b.commits.erase(b.commits.begin()); },
       {"commits[0] (revision 2", "revisions 0 to 1 are missing", "end: says 5 commits"}},
      {"a commit removed",
       [](Bundle& b) {
         b.commits.erase(b.commits.begin() + 2);
         FixEnd(b);
       },
       {"commits[2] (revision 6", "revisions 4 to 5 are missing"}},
      {"last commit removed",
       [](Bundle& b) { b.commits.pop_back(); },
       {"end: says 5 commits with 9 events, but there are 4 with 8"}},
      {"all commits removed",
       [](Bundle& b) {
         b.commits.clear();
         FixEnd(b);
       },
       {"commits: there are none"}},
      {"commits swapped",
       [](Bundle& b) { std::swap(b.commits[1], b.commits[2]); },
       {"commits[1] (revision 4", "revisions 2 to 3 are missing", "commits[2] (revision 2",
        "revision 6 should follow", "reordered"}},
      {"a commit repeated",
       [](Bundle& b) {
         b.commits.insert(b.commits.begin() + 1, b.commits[0]);
         FixEnd(b);
       },
       {"commits[1] (revision 0", "repeated"}},
      {"event count", [](Bundle& b) { ++b.event_count; }, {"end: says 5 commits with 10"}},
  };
}

std::vector<Alteration> AlterationsOfHead() {
  return {
      {"saga",
       [](Bundle& b) { b.head.saga.saga_id = "a"; },
       {"commits[0]", "is a commit of saga shop/b"}},
      {"namespace",
       [](Bundle& b) { b.head.saga.namespace_name = "sh"; },
       {"is a commit of saga shop/b"}},
      {"checkpoint", [](Bundle& b) { FlipBit(b.head.checkpoint, 48); }, {"checkpoint: "}},
      {"no note", [](Bundle& b) { b.head.checkpoint = "x"; }, {"checkpoint: "}},
      {"old size",
       [](Bundle& b) { --b.head.consistency->old_tree.size; },
       {"consistency: does not show"}},
      {"old root",
       [](Bundle& b) { b.head.consistency->old_tree.root.bytes[3] ^= 1; },
       {"consistency: does not show"}},
      {"consistency path",
       [](Bundle& b) { b.head.consistency->path[1].bytes[3] ^= 1; },
       {"consistency: does not show"}},
  };
}

TEST_F(BundleTest, EveryAlterationIsNamedWithItsPlace) {
  for (const auto& alterations :
       {AlterationsOfCommits(), AlterationsOfOrder(), AlterationsOfHead()}) {
    for (const Alteration& alteration : alterations) {
      SCOPED_TRACE(alteration.name);
      Bundle bundle = log_.BundleOf("b", /*since=*/7);
      alteration.alter(bundle);
      // As an honest reader gets it, through its text.
      const auto parsed = ParseBundle(WriteBundle(bundle));
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      const std::vector<std::string> problems = Problems(*parsed);
      ASSERT_FALSE(problems.empty());
      for (const char* said : alteration.said) {
        EXPECT_THAT(problems, Contains(HasSubstr(said)));
      }
    }
  }
}

TEST_F(BundleTest, ACommitOfAnotherSagaIsNotSmuggledIn) {
  Bundle bundle = log_.BundleOf("b");
  const Bundle other = log_.BundleOf("c");
  bundle.commits[2] = other.commits[2];
  EXPECT_THAT(Problems(bundle), Contains(HasSubstr("is a commit of saga shop/c")));
}

TEST_F(BundleTest, AnotherStoresKeyOrLogIsRefused) {
  SampleLog twin;
  twin.AppendRounds({"a", "b", "c"}, 4, true);
  EXPECT_THAT(Lines(VerifyBundle(log_.BundleOf("b"), {.keys = {twin.key()}})),
              Contains(HasSubstr("none of the given keys signed it")));
  EXPECT_THAT(Lines(VerifyBundle(log_.BundleOf("b"), {.keys = {}})),
              Contains(HasSubstr("none of the given keys")));
  // The twin's checkpoint, properly signed, over this log's commits and one more.
  twin.AppendRounds({"b"}, 1, false);
  Bundle bundle = log_.BundleOf("b");
  bundle.head.checkpoint = twin.NoteAt(twin.size());
  EXPECT_THAT(Lines(VerifyBundle(bundle, {.keys = {twin.key()}})),
              Contains(HasSubstr("not proven")));
}

TEST_F(BundleTest, AKeptCheckpointIsContinued) {
  const auto verify = [&](const Bundle& bundle, const Checkpoint& since) {
    return Lines(VerifyBundle(bundle, {.keys = {log_.key()}, .since = since}));
  };
  const uint64_t size = log_.size();
  EXPECT_THAT(verify(log_.BundleOf("b", 7), log_.CheckpointAt(7)), IsEmpty());
  EXPECT_THAT(verify(log_.BundleOf("b"), log_.CheckpointAt(size)), IsEmpty());
  EXPECT_THAT(verify(log_.BundleOf("b"), log_.CheckpointAt(0)), IsEmpty());
  EXPECT_THAT(verify(log_.BundleOf("b"), log_.CheckpointAt(7)),
              Contains(HasSubstr("holds no proof from the checkpoint of 7 commits")));
  EXPECT_THAT(verify(log_.BundleOf("b", 7), log_.CheckpointAt(8)),
              Contains(HasSubstr("holds no proof from the checkpoint of 8 commits")));
  Checkpoint fork = log_.CheckpointAt(7);
  fork.tree.root.bytes[0] ^= 1;
  EXPECT_THAT(verify(log_.BundleOf("b", 7), fork), Contains(HasSubstr("rewritten or forked")));
  fork = log_.CheckpointAt(size);
  fork.tree.root.bytes[0] ^= 1;
  EXPECT_THAT(verify(log_.BundleOf("b"), fork), Contains(HasSubstr("rewritten or forked")));
  Checkpoint newer = log_.CheckpointAt(size);
  newer.tree.size += 1;
  EXPECT_THAT(verify(log_.BundleOf("b"), newer), Contains(HasSubstr("the log was cut")));
  Checkpoint other = log_.CheckpointAt(7);
  other.origin = OriginOf("skald/00", PartitionId(3));
  EXPECT_THAT(verify(log_.BundleOf("b", 7), other), Contains(HasSubstr("that was kept is of")));
}

TEST_F(BundleTest, BoundsAreKept) {
  Bundle bundle = log_.BundleOf("b");
  bundle.commits[0].path.resize(kProofHashesMax + 1);
  EXPECT_THAT(std::string(ParseBundle(WriteBundle(bundle)).status().message()),
              HasSubstr("commits[0].path has more than 64"));
  EXPECT_FALSE(ParseBundle("").ok());
  EXPECT_FALSE(ParseBundle("[]").ok());
  EXPECT_FALSE(ParseBundle(std::string(1'000, '[')).ok());
}

}  // namespace
}  // namespace skald::audit
