// Goal: histories that were written once fold to the same state for ever, whatever the code has
// become. Method: tests/golden/histories/vN holds real histories per released format; each is
// folded and compared with the digest of the state that it had when it was written. Files are only
// ever added. Together they hold every event of a saga's stream.

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "gtest/gtest.h"
#include "tests/support/saga_harness.h"

namespace skald::testing {
namespace {

TEST(GoldenHistoryTest, EveryHistoryFoldsToItsState) {
  std::set<std::string> kinds;
  int histories = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(SKALD_SOURCE_DIR "/tests/golden/histories")) {
    if (entry.path().extension() != ".history") continue;
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    std::vector<std::string> seen;
    const auto [state, digest] = ReplayGolden(text.str(), &seen);
    EXPECT_EQ(StateDigest(state), digest) << entry.path();
    kinds.insert(seen.begin(), seen.end());
    ++histories;
  }
  EXPECT_GT(histories, 30);
  // The partition's own stream is not a saga's.
  const std::set<std::string> elsewhere = {"definition_deployed", "message_sent",
                                           "message_received", "message_refused", "messages_acked",
                                           "model_deployed", "model_dropped", "audit_key_rotated"};
  const auto* oneof = log::v1::Event::descriptor()->oneof_decl(0);
  for (int i = 0; i < oneof->field_count(); ++i) {
    const std::string& name = oneof->field(i)->name();
    if (elsewhere.count(name) == 0) {
      EXPECT_EQ(kinds.count(name), 1u) << name << " stands in no golden history";
    }
  }
}

}  // namespace
}  // namespace skald::testing
