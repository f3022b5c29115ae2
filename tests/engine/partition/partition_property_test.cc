// Goal: whatever happens to a partition, its rows are what its log says, and a partition that was
// restarted after every step answers like one that never was. Method: random definitions and
// commands by seed, played on two worlds: one runs on with everything in memory; the other holds
// almost nothing in memory, and is restarted, rebuilt or loses its log between steps. A failing
// seed is printed; SKALD_SEED=N plays that seed, SKALD_SEEDS=N that many from there.
#include <cstdlib>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/property/random_definition.h"
#include "tests/support/partition_world.h"

namespace skald::testing {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

class Player {
 public:
  explicit Player(uint64_t seed) : random_(seed), steady_(Options(1 << 20)), shaken_(Options(1)) {}

  void Play() {
    Deploy();
    for (int step = 0; step < 60 && !::testing::Test::HasFailure(); ++step) {
      Both(NextCommand());
      if (Below(4) == 0) {
        const Micros span = Below(40) * kSecond;
        steady_.Advance(span);
        shaken_.Advance(span);
      }
      Shake();
      Compare();
    }
  }

 private:
  static WorldOptions Options(size_t cached_state_bytes) {
    return {.partitions = 2,
            .cached_state_bytes = cached_state_bytes,
            .decide = {.events_per_step = 20}};
  }

  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  void Deploy() {
    const std::string text = RandomDefinition(random_()).Text();
    name_ = std::string(Json::Parse(text)->AtPointer("/document/name")->AsString());
    namespace_ = std::string(Json::Parse(text)->AtPointer("/document/namespace")->AsString());
    steady_.MustDeploy(text);
    shaken_.MustDeploy(text);
  }

  void Both(const saga::Command& command) {
    const auto a = steady_.Do(command);
    const auto b = shaken_.Do(command);
    EXPECT_EQ(a.status(), b.status());
    if (a.ok() && b.ok()) {
      EXPECT_EQ(a->duplicate, b->duplicate);
    }
  }

  saga::Command NextCommand() {
    saga::Command command = NextVerb();
    command.saga.namespace_name = namespace_;
    return command;
  }

  saga::Command NextVerb() {
    const std::string id = absl::StrCat("s", Below(4));
    saga::Command command;
    switch (Below(16)) {
      case 0:
      case 1:
      case 2:
        return PartitionWorld::WithRequest(PartitionWorld::Start(id, name_), id, 1);
      case 3:
        return PartitionWorld::Make(id, saga::SuspendSaga{});
      case 4:
        return PartitionWorld::Make(id, saga::ResumeSaga{});
      case 5:
        return PartitionWorld::WithRequest(
            PartitionWorld::Make(id, saga::CancelSaga{.reason = "", .compensate = {}}),
            absl::StrCat("r", Below(5)), 2);
      case 6:
        return PartitionWorld::Make(id, saga::RetryTask{});
      case 7:
        return PartitionWorld::Make(id, saga::ResolveCompensation{"", "by hand"});
      case 8:
        return Quiesce(id);
      default:
        return Answer(id);
    }
  }

  saga::Command Quiesce(const std::string& id) {
    const auto& cancelled = steady_.outlet().cancelled;
    if (cancelled.empty()) return PartitionWorld::Make(id, saga::FailTask{"", "by hand"});
    const saga::TaskToken& token = cancelled.begin()->second;
    return PartitionWorld::Make(token.saga.saga_id, saga::QuiesceTask{token, Below(2) == 0});
  }

  saga::Command Answer(const std::string& id) {
    const auto& ready = steady_.outlet().ready;
    if (ready.empty()) return PartitionWorld::Make(id, saga::ResumeSaga{});
    auto task = ready.begin();
    std::advance(task, Below(static_cast<uint32_t>(ready.size())));
    if (Below(4) == 0) return steady_.Fail(task->first, Below(2) == 0 ? 422 : 503);
    return steady_.Answer(task->first, absl::StrCat("{\"n\":", Below(4), "}"));
  }

  void Shake() {
    switch (Below(6)) {
      case 0:
        shaken_.RestartWithoutViews();
        break;
      case 1:
        shaken_.Lose(PartitionId(0));
        break;
      case 2:
        break;
      default:
        shaken_.Restart();
        break;
    }
    shaken_.Settle();
  }

  void Compare() {
    const auto steady = steady_.Rows();
    EXPECT_EQ(steady, shaken_.Rows());
    EXPECT_EQ(steady, steady_.ReplayedRows());
    const auto names = [](const auto& tasks) {
      std::vector<std::string> list;
      for (const auto& [name, task] : tasks) list.push_back(name);
      return list;
    };
    EXPECT_EQ(names(steady_.outlet().ready), names(shaken_.outlet().ready));
    EXPECT_EQ(names(steady_.outlet().cancelled), names(shaken_.outlet().cancelled));
  }

  std::mt19937_64 random_;
  PartitionWorld steady_;
  PartitionWorld shaken_;
  std::string namespace_, name_;
};

TEST(PartitionPropertyTest, ARestartAfterEveryStepChangesNothing) {
  const uint64_t first = FromEnvironment("SKALD_SEED", 1);
  const uint64_t count =
      FromEnvironment("SKALD_SEEDS", std::getenv("SKALD_SEED") != nullptr ? 1 : 60);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Player(seed).Play();
    if (::testing::Test::HasFailure()) FAIL() << "SKALD_SEED=" << seed;
  }
}

}  // namespace
}  // namespace skald::testing
