// Goal: notes, keys and checkpoints are those of C2SP's pages, other implementations read ours, and
// nothing altered opens.
#include "engine/audit/note.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/audit/checkpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::audit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The example of Go's package golang.org/x/mod/sumdb/note.
constexpr char kKnownPrivate[] =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr char kKnownPublic[] =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr char kKnownText[] =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n";
constexpr char kKnownSignature[] =
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

SigningKey KnownKey() { return *SigningKey::Parse(kKnownPrivate); }

const std::string kStoreName =
    StoreName(std::string("\x01\x23\x45\x67\x89\xab\xcd\xef"
                          "\x01\x23\x45\x67\x89\xab\xcd\xef",
                          16));

Checkpoint SomeCheckpoint() {
  return {.origin = OriginOf(kStoreName, PartitionId(3)),
          .tree = {.size = 20852163, .root = HashLeaf("root")}};
}

TEST(NoteTest, SignsAsTheKnownExample) {
  const SigningKey key = KnownKey();
  EXPECT_EQ(key.ToText(), kKnownPrivate);
  EXPECT_EQ(key.verifier().ToText(), kKnownPublic);
  EXPECT_EQ(SignNote(kKnownText, {key}), absl::StrCat(kKnownText, "\n", kKnownSignature));
}

TEST(NoteTest, OpensTheKnownExample) {
  const auto verifier = VerifierKey::Parse(kKnownPublic);
  ASSERT_TRUE(verifier.ok()) << verifier.status();
  const auto text = OpenNote(absl::StrCat(kKnownText, "\n", kKnownSignature), {*verifier});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, kKnownText);
}

TEST(NoteTest, EverySingleAlterationIsRefused) {
  const SigningKey key = SigningKey::Generate(kStoreName);
  const std::string note = SignNote(SomeCheckpoint().ToText(), {key});
  ASSERT_TRUE(OpenCheckpoint(note, {key.verifier()}).ok());
  for (size_t i = 0; i < note.size(); ++i) {
    for (const int bit : {0, 1, 5, 7}) {
      std::string altered = note;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      EXPECT_FALSE(OpenCheckpoint(altered, {key.verifier()}).ok()) << "byte " << i;
    }
    EXPECT_FALSE(OpenCheckpoint(note.substr(0, i), {key.verifier()}).ok()) << "cut at " << i;
  }
}

TEST(NoteTest, UnknownSignaturesAreIgnoredAndNeedOneKnown) {
  const SigningKey key = SigningKey::Generate(kStoreName);
  const SigningKey witness = SigningKey::Generate("witness.example/w1");
  const std::string text = SomeCheckpoint().ToText();
  const std::string note = SignNote(text, {witness, key});
  EXPECT_TRUE(OpenCheckpoint(note, {key.verifier()}).ok());
  EXPECT_TRUE(OpenNote(note, {witness.verifier()}).ok());
  const SigningKey other = SigningKey::Generate(kStoreName);
  const auto refused = OpenCheckpoint(note, {other.verifier()});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied) << refused.status();
  // A key of another name does not speak for this store, though it signed.
  EXPECT_EQ(OpenCheckpoint(note, {witness.verifier()}).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(NoteTest, AWrongSignatureOfAKnownKeySpoilsTheNote) {
  const SigningKey key = SigningKey::Generate(kStoreName);
  const SigningKey second = SigningKey::Generate(kStoreName);
  const std::string good = SignNote("a\n", {key});
  const std::string other = SignNote("b\n", {second});
  const std::string note = good + other.substr(other.find("\n\n") + 2);
  EXPECT_TRUE(OpenNote(note, {key.verifier()}).ok());
  EXPECT_EQ(OpenNote(note, {key.verifier(), second.verifier()}).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(NoteTest, KeysAreChecked) {
  EXPECT_FALSE(VerifierKey::Parse("").ok());
  EXPECT_FALSE(VerifierKey::Parse("a+b").ok());
  EXPECT_THAT(std::string(VerifierKey::Parse(kKnownPrivate).status().message()),
              HasSubstr("private"));
  EXPECT_FALSE(VerifierKey::Parse(absl::StrReplaceAll(kKnownPublic, {{"c74f", "c75f"}})).ok());
  EXPECT_FALSE(VerifierKey::Parse(absl::StrReplaceAll(kKnownPublic, {{"Peter", "Meter"}})).ok());
  EXPECT_FALSE(VerifierKey::Parse(absl::StrReplaceAll(kKnownPublic, {{"ARpc", "ARpd"}})).ok());
  EXPECT_FALSE(SigningKey::Parse(kKnownPublic).ok());
  EXPECT_FALSE(IsKeyName("with space"));
  EXPECT_FALSE(IsKeyName("with+plus"));
  EXPECT_FALSE(IsKeyName(""));
  EXPECT_NE(SigningKey::Generate("a").ToText(), SigningKey::Generate("a").ToText());
}

TEST(NoteTest, WhatIsNoNoteIsRefused) {
  for (const absl::string_view text :
       {"", "\n", "a", "a\n", "a\n\n", "a\n\nb\n", "a\n\n— b\n", "a\n\n— b c\n", "a\n\n— b AAAA\n",
        "a\n\n— b AAAAAAA= \n", "a\n\n— b AAAAAAA=", "\x01\n\n— b AAAAAAA=\n",
        "\xff\n\n— b AAAAAAA=\n"}) {
    EXPECT_FALSE(ParseNote(text).ok()) << text;
  }
  EXPECT_TRUE(ParseNote("a\n\n— b AAAAAAA=\n").ok());
  std::string many = "a\n\n";
  for (size_t i = 0; i <= kNoteSignaturesMax; ++i) many += "— b AAAAAAA=\n";
  EXPECT_FALSE(ParseNote(many).ok());
  EXPECT_FALSE(ParseNote(std::string(kNoteBytesMax, 'a') + "\n\n— b AAAAAAA=\n").ok());
}

TEST(NoteTest, NotesAreSplit) {
  const std::string a = SignNote("a\n\nb\n", {KnownKey(), KnownKey()});
  const std::string b = SignNote("c\n", {KnownKey()});
  EXPECT_THAT(SplitNotes(a), ElementsAre(a));
  EXPECT_THAT(SplitNotes(absl::StrCat(a, "\n", b)), ElementsAre(a, b));
  EXPECT_THAT(SplitNotes("nothing"), ElementsAre("nothing\n"));
}

TEST(CheckpointTest, IsReadAsWritten) {
  const Checkpoint checkpoint = SomeCheckpoint();
  EXPECT_EQ(checkpoint.ToText(),
            absl::StrCat("skald/0123456789abcdef0123456789abcdef/3\n20852163\n",
                         HashLeaf("root").ToBase64(), "\n"));
  const auto parsed = Checkpoint::Parse(checkpoint.ToText());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, checkpoint);
  const auto origin = ParseOrigin(checkpoint.origin);
  ASSERT_TRUE(origin.ok());
  EXPECT_EQ(origin->store_name, kStoreName);
  EXPECT_EQ(origin->partition, PartitionId(3));
}

TEST(CheckpointTest, OtherTextsAreRefused) {
  const std::string root = HashLeaf("root").ToBase64();
  for (const std::string& text :
       {std::string(), std::string("\n1\n") + root + "\n", "a\n01\n" + root + "\n",
        "a\n-1\n" + root + "\n", "a\n\n" + root + "\n", "a\n1 \n" + root + "\n", "a\n1\n" + root,
        "a\n1\n" + root + "\nmore\n", "a\n1\n" + root.substr(1) + "\n",
        "a\n18446744073709551616\n" + root + "\n"}) {
    EXPECT_FALSE(Checkpoint::Parse(text).ok()) << text;
  }
  for (const absl::string_view origin : {"", "skald/3", "skald/a/", "skald/a/03", "skald/a/x",
                                         "other/a/3", "skald/a/4294967296", "skald/a b/3"}) {
    EXPECT_FALSE(ParseOrigin(origin).ok()) << origin;
  }
}

}  // namespace
}  // namespace skald::audit
