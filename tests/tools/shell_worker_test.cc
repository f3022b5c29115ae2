// Goal: every task that is handed to a worker of shell commands gets its answer, and every command
// can be stopped. Method: a scripted server, and commands that wait for files.
#include "tools/shell_worker.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "tests/support/temp_folder.h"
#include "tests/tools/scripted_service.h"
#include "tools/signals.h"

namespace skald::tools {
namespace {

using ::testing::ElementsAre;

class ShellWorkerTest : public ScriptedServiceTest {
 protected:
  ShellWorkerTest() {
    PrepareForCommands();
    service_.set_lease(absl::Milliseconds(150));
  }
  void Start(ShellFunctions functions, uint32_t concurrency) {
    StartServer();
    worker_ = std::make_unique<ShellWorker>(
        ConnectTo(address()),
        ShellWorker::Options{
            .name = "tester", .functions = std::move(functions), .concurrency = concurrency});
  }
  // A part of a command: until the file is there.
  std::string Until(const std::string& file) const {
    return absl::StrCat("until test -e ", folder_.Sub(file), "; do sleep 0.02; done");
  }
  std::string Touch(const std::string& file) const {
    return absl::StrCat("touch ", folder_.Sub(file));
  }
  bool Exists(const std::string& file) const { return std::filesystem::exists(folder_.Sub(file)); }
  void Make(const std::string& file) const { std::ofstream(folder_.Sub(file)).put('\n'); }
  // What was to be told by now has been told and taken.
  bool AwaitHeartbeats() {
    size_t heard = 0;
    return service_.Await([&] {
      if (heard == 0) heard = service_.heartbeats_.size() + 1;
      return service_.heartbeats_.size() >= heard + 5;
    });
  }

  const testing::TempFolder folder_;
  std::unique_ptr<ShellWorker> worker_;
};

TEST_F(ShellWorkerTest, ATaskThatIsCancelledBeforeItsCommandBeganIsAnswered) {
  service_.Queue("first", "waits");
  service_.Queue("second", "touches");
  Start({{"waits", Until("go") + "; echo 1"}, {"touches", Touch("second")}}, 1);
  ASSERT_TRUE(service_.Await([&] { return worker_->open_tasks() == 2; }));
  service_.Cancel("second");
  ASSERT_TRUE(AwaitHeartbeats());
  Make("go");
  ASSERT_TRUE(service_.Await([&] { return service_.answers_.size() == 2; }));
  EXPECT_TRUE(worker_->Stop(absl::Seconds(10)));
  EXPECT_THAT(service_.answers_["first"], ElementsAre("1"));
  EXPECT_THAT(service_.answers_["second"], ElementsAre("the command was stopped before it began"));
  EXPECT_FALSE(Exists("second"));
}

TEST_F(ShellWorkerTest, ATaskThatIsLostAndComesAgainCanBeStopped) {
  service_.Queue("beats", "sleeps");  // keeps frames going
  service_.Queue("task", "stubborn");
  Start({{"sleeps", "sleep 60"},
         {"stubborn", absl::StrCat("trap '' TERM; ", Touch("began"), "; ", Until("go"))},
         {"again", Touch("again") + "; sleep 60"}},
        3);
  ASSERT_TRUE(service_.Await([&] { return Exists("began"); }));
  service_.Lose("task");
  ASSERT_TRUE(service_.Await([&] { return worker_->open_tasks() == 1; }));
  service_.Queue("task", "again");
  ASSERT_TRUE(service_.Await([&] { return Exists("again"); }));
  Make("go");  // the first ends
  ASSERT_TRUE(service_.Await([&] { return service_.answers_.contains("task"); }));
  ASSERT_TRUE(AwaitHeartbeats());
  const absl::Time start = absl::Now();
  EXPECT_FALSE(worker_->Stop(absl::ZeroDuration()));
  worker_.reset();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

}  // namespace
}  // namespace skald::tools
