// Goal: a worker answers each task until its answer is recorded, over broken streams and restarts
// of the server, and stops cleanly. Method: a scripted server on loopback that hands out tasks and
// keeps what it is told.
#include "tools/worker_client.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/tools/scripted_service.h"

namespace skald::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class WorkerClientTest : public ScriptedServiceTest {
 protected:
  std::unique_ptr<WorkerClient> Connect(std::function<void(WorkerClient&, const v1::Task&)> on_task,
                                        uint32_t credit = 8) {
    return std::make_unique<WorkerClient>(ConnectTo(address()),
                                          WorkerClientOptions{.name = "tester",
                                                              .functions = {"charge"},
                                                              .credit = credit,
                                                              .on_task = std::move(on_task)});
  }
  static std::function<void(WorkerClient&, const v1::Task&)> AnswerAtOnce() {
    return [](WorkerClient& client, const v1::Task& task) {
      client.Complete(task.token(), absl::StrCat("\"", task.token(), "\""));
    };
  }
};

TEST_F(WorkerClientTest, SaysWhoItIsAndAnswersTasks) {
  StartServer();
  service_.Queue("a");
  service_.Queue("b");
  auto worker = Connect(AnswerAtOnce());
  ASSERT_TRUE(service_.Await([&] { return service_.answers_.size() == 2; }));
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
  ASSERT_EQ(service_.hellos_.size(), 1u);
  EXPECT_EQ(service_.hellos_[0].name(), "tester");
  EXPECT_THAT(service_.hellos_[0].functions(), ElementsAre("charge"));
  EXPECT_EQ(service_.hellos_[0].credit(), 8u);
  EXPECT_THAT(service_.answers_["a"], ElementsAre("\"a\""));
}

TEST_F(WorkerClientTest, SendsFailures) {
  StartServer();
  service_.Queue("a");
  auto worker = Connect([](WorkerClient& client, const v1::Task& task) {
    v1::Problem error;
    error.set_title("declined");
    client.Fail(task.token(), std::move(error));
  });
  ASSERT_TRUE(service_.Await([&] { return service_.answers_.size() == 1; }));
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
  EXPECT_THAT(service_.answers_["a"], ElementsAre("declined"));
}

TEST_F(WorkerClientTest, AFailureWithBytesThatAreNoTextBreaksNoStream) {
  StartServer();
  service_.Queue("a");
  auto worker = Connect([](WorkerClient& client, const v1::Task& task) {
    v1::Problem error;
    error.set_type("\xff");
    error.set_title("caf\xe9");
    error.set_detail("\xe2\x82");
    error.set_instance("\xff");
    client.Fail(task.token(), std::move(error));
  });
  ASSERT_TRUE(service_.Await([&] { return service_.answers_.size() == 1; }));
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
  EXPECT_THAT(service_.answers_["a"], ElementsAre("caf\uFFFD"));
  EXPECT_THAT(service_.hellos_, SizeIs(1));
}

TEST_F(WorkerClientTest, SendsAnAnswerAgainThatWasRefusedForAMoment) {
  StartServer();
  service_.Queue("a");
  service_.RefuseOnce("a");
  auto worker = Connect(AnswerAtOnce());
  ASSERT_TRUE(service_.Await([&] { return service_.answers_["a"].size() == 2; }));
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
}

TEST_F(WorkerClientTest, SendsAnAnswerAgainWhoseResultWasLost) {
  StartServer();
  service_.Queue("a");
  service_.BreakOn("a");
  auto worker = Connect(AnswerAtOnce());
  ASSERT_TRUE(service_.Await([&] { return service_.answers_["a"].size() == 2; }));
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
  EXPECT_EQ(service_.hellos_.size(), 2u);
  EXPECT_THAT(service_.hellos_[1].held_tokens(), ElementsAre("a")) << "until its answer has come";
  EXPECT_EQ(service_.hellos_[1].credit(), 7u);
}

TEST_F(WorkerClientTest, HoldsItsTasksOverARestartOfTheServer) {
  StartServer();
  service_.Queue("a");
  service_.Queue("b");
  Mutex mutex;
  std::vector<std::string> got;
  auto worker = Connect([&](WorkerClient&, const v1::Task& task) {
    MutexLock lock(mutex);
    got.push_back(task.token());
  });
  ASSERT_TRUE(service_.Await([&] { return worker->open_tasks() == 2; }));
  StopServer();
  worker->Complete("a", "1");  // while there is no server
  StartServer();
  ASSERT_TRUE(service_.Await([&] { return service_.answers_.contains("a"); }));
  EXPECT_THAT(service_.hellos_.back().held_tokens(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(service_.hellos_.back().credit(), 6u);
  worker->Complete("b", "2");
  ASSERT_TRUE(service_.Await([&] { return service_.answers_.contains("b"); }));
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
  EXPECT_THAT(got, UnorderedElementsAre("a", "b"));
}

class ManyAnswersTest : public WorkerClientTest {
 protected:
  static constexpr int kTasks = 20;
  static constexpr size_t kFrameBytes = 2 << 20;

  // Tasks that are answered while there is no server; true when the next one has all answers.
  bool AnswerBetweenServers(const std::function<void(WorkerClient&, const std::string&)>& answer) {
    StartServer();
    for (int i = 0; i < kTasks; ++i) service_.Queue(absl::StrCat("task-", i));
    auto worker = Connect([](WorkerClient&, const v1::Task&) {}, kTasks);
    if (!service_.Await([&] { return worker->open_tasks() == kTasks; })) return false;
    StopServer();
    for (int i = 0; i < kTasks; ++i) answer(*worker, absl::StrCat("task-", i));
    StartServer();
    return service_.Await([&] { return service_.answers_.size() == kTasks; }) &&
           worker->Stop(absl::Seconds(10));
  }
};

TEST_F(ManyAnswersTest, LargeOutputsFollowAHelloInFramesThatTheServerTakes) {
  const std::string output = absl::StrCat("\"", std::string(600'000, 'x'), "\"");
  ASSERT_TRUE(AnswerBetweenServers(
      [&](WorkerClient& worker, const std::string& token) { worker.Complete(token, output); }));
  EXPECT_LE(service_.frame_bytes_max_, kFrameBytes);
  EXPECT_THAT(service_.hellos_.back().held_tokens(), SizeIs(kTasks));
  for (const auto& [token, outputs] : service_.answers_) EXPECT_THAT(outputs, ElementsAre(output));
}

TEST_F(ManyAnswersTest, LargeErrorsAreCutAndCountToo) {
  ASSERT_TRUE(AnswerBetweenServers([](WorkerClient& worker, const std::string& token) {
    v1::Problem error;
    error.set_type(std::string(9 << 20, 'x'));
    error.set_title(error.type());
    error.set_detail(error.type());
    worker.Fail(token, std::move(error));
  }));
  EXPECT_LE(service_.frame_bytes_max_, kFrameBytes);
  for (const auto& [token, titles] : service_.answers_) {
    EXPECT_THAT(titles, ElementsAre(SizeIs(64 << 10)));
  }
}

TEST_F(WorkerClientTest, HeartbeatsOfManyTasksGoInSeveralFrames) {
  constexpr int kTasks = 2'500;
  StartServer();
  service_.set_lease(absl::Milliseconds(300));
  for (int i = 0; i < kTasks; ++i) service_.Queue(absl::StrCat("task-", i));
  auto worker = Connect([](WorkerClient&, const v1::Task&) {}, kTasks);
  std::set<std::string> heard;
  ASSERT_TRUE(service_.Await([&] {
    heard.insert(service_.heartbeats_.begin(), service_.heartbeats_.end());
    return heard.size() == kTasks;
  }));
  EXPECT_FALSE(worker->Stop(absl::ZeroDuration()));
  EXPECT_LE(service_.frame_heartbeats_max_, 1'000);
}

TEST_F(WorkerClientTest, ATaskHandedOutTwiceIsWorkedOnOnce) {
  StartServer();
  service_.set_lease(absl::Milliseconds(150));
  service_.Queue("a");
  std::atomic<int> runs = 0;
  auto worker = Connect([&](WorkerClient&, const v1::Task&) { ++runs; });
  ASSERT_TRUE(service_.Await([&] { return runs == 1; }));
  service_.Queue("a");  // goes out with the answer to a heartbeat
  size_t heard = 0;
  ASSERT_TRUE(service_.Await([&] {
    heard = service_.heartbeats_.size();
    return true;
  }));
  ASSERT_TRUE(service_.Await([&] { return service_.heartbeats_.size() >= heard + 3; }));
  EXPECT_EQ(runs, 1);
  worker->Complete("a", "1");
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
  EXPECT_EQ(service_.credit_, 0u) << "the server gives its credit back";
}

TEST_F(WorkerClientTest, ATaskThatIsHeldAndHandedOutAgainBringsTheCreditItTook) {
  StartServer();
  service_.set_lease(absl::Milliseconds(150));
  service_.Queue("a");
  std::atomic<int> runs = 0;
  auto worker = Connect([&](WorkerClient&, const v1::Task&) { ++runs; });
  ASSERT_TRUE(service_.Await([&] { return runs == 1; }));
  StopServer();
  StartServer();
  ASSERT_TRUE(service_.Await([&] { return service_.hellos_.size() == 2; }));
  EXPECT_EQ(service_.hellos_[1].credit(), 7u);
  service_.Queue("a");
  ASSERT_TRUE(service_.Await([&] { return service_.credit_ == 1; }));
  EXPECT_EQ(runs, 1);
  worker->Complete("a", "1");
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
}

TEST_F(WorkerClientTest, KeepsLeasesAliveWhileItWorks) {
  StartServer();
  service_.set_lease(absl::Milliseconds(150));
  service_.Queue("a");
  auto worker = Connect([](WorkerClient&, const v1::Task&) {});
  ASSERT_TRUE(service_.Await([&] { return service_.heartbeats_.count("a") >= 3; }));
  worker->Complete("a", "1");
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
}

TEST_F(WorkerClientTest, StoppingWaitsForOpenTasksAndKeepsTheirCredit) {
  StartServer();
  service_.set_lease(absl::Milliseconds(150));
  service_.Queue("a");
  auto worker = Connect([](WorkerClient&, const v1::Task&) {});
  ASSERT_TRUE(service_.Await([&] { return worker->open_tasks() == 1; }));
  std::thread answer([&] {
    // The next heartbeat tells that no more is wanted.
    EXPECT_TRUE(service_.Await([&] { return service_.keep_credit_; }));
    worker->Complete("a", "1");
  });
  EXPECT_TRUE(worker->Stop(absl::Seconds(10)));
  answer.join();
  EXPECT_THAT(service_.answers_["a"], ElementsAre("1"));
}

TEST_F(WorkerClientTest, StoppingDoesNotWaitForeverForATaskOrAServer) {
  StartServer();
  service_.Queue("a");
  auto worker = Connect([](WorkerClient&, const v1::Task&) {});
  ASSERT_TRUE(service_.Await([&] { return worker->open_tasks() == 1; }));
  EXPECT_FALSE(worker->Stop(absl::Milliseconds(50)));
  worker.reset();

  StopServer();
  auto lonely = Connect(AnswerAtOnce());
  EXPECT_TRUE(lonely->Stop(absl::Seconds(10))) << "it has nothing open";
}

}  // namespace
}  // namespace skald::tools
