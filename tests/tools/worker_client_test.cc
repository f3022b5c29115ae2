// Goal: a worker answers each task until its answer is recorded, over broken streams and restarts
// of the server, and stops cleanly. Method: a scripted server on loopback that hands out tasks and
// keeps what it is told.
#include "tools/worker_client.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"

namespace skald::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// Says what the test wants and remembers what the worker said. Each frame from the worker is
// answered by the results it asks for and whatever tasks there are.
class ScriptedService : public v1::WorkerService::Service {
 public:
  grpc::Status Work(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<v1::WorkResponse, v1::WorkRequest>* stream) override {
    v1::WorkRequest frame;
    if (!stream->Read(&frame)) return grpc::Status::OK;
    {
      MutexLock lock(mutex_);
      hellos_.push_back(frame.hello());
      contexts_.insert(context);
      changed_.NotifyAll();
    }
    Measure(frame);
    v1::WorkResponse welcome;
    *welcome.mutable_welcome()->mutable_lease() = ToProto(lease_);
    AddResults(frame, welcome);
    AddTasks(welcome);
    bool alive = stream->Write(welcome);
    while (alive && stream->Read(&frame)) {
      Measure(frame);
      v1::WorkResponse response;
      AddResults(frame, response);
      AddTasks(response);
      alive = stream->Write(response);
    }
    MutexLock lock(mutex_);
    contexts_.erase(context);
    return context->IsCancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
  }

  void Queue(const std::string& token, const std::string& function = "charge") {
    MutexLock lock(mutex_);
    v1::Task& task = tasks_.emplace_back();
    task.set_token(token);
    task.set_function(function);
  }
  // The next answer to the token is refused for a moment.
  void RefuseOnce(const std::string& token) {
    MutexLock lock(mutex_);
    refuse_.insert(token);
  }
  // The next answer is taken in, but the stream breaks before its result is sent.
  void BreakOn(const std::string& token) {
    MutexLock lock(mutex_);
    break_on_ = token;
  }
  void set_lease(absl::Duration lease) { lease_ = lease; }

  // Waits until `done` holds of what was heard.
  template <typename Condition>
  bool Await(Condition done) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    MutexLock lock(mutex_);
    while (!done()) {
      if (absl::Now() > end) return false;
      changed_.WaitFor(mutex_, std::chrono::milliseconds(50));
    }
    return true;
  }

  // Guarded by the mutex; read inside Await, or when nothing runs any more.
  std::vector<v1::WorkerHello> hellos_;
  std::map<std::string, std::vector<std::string>> answers_;  // token -> outputs or titles, in order
  std::multiset<std::string> heartbeats_;
  uint32_t credit_ = 0;
  bool keep_credit_ = false;
  size_t frame_bytes_max_ = 0;
  int frame_heartbeats_max_ = 0;

 private:
  void Measure(const v1::WorkRequest& frame) {
    MutexLock lock(mutex_);
    frame_bytes_max_ = std::max(frame_bytes_max_, frame.ByteSizeLong());
    frame_heartbeats_max_ = std::max(frame_heartbeats_max_, frame.heartbeats_size());
  }
  void AddResults(const v1::WorkRequest& frame, v1::WorkResponse& response) {
    MutexLock lock(mutex_);
    credit_ += frame.credit();
    keep_credit_ = keep_credit_ || frame.keep_credit();
    for (const std::string& token : frame.heartbeats()) heartbeats_.insert(token);
    for (const auto& completion : frame.completions()) {
      Take(completion.token(), completion.output(), response);
    }
    for (const auto& failure : frame.failures()) {
      Take(failure.token(), failure.error().title(), response);
    }
    changed_.NotifyAll();
  }
  void Take(const std::string& token, const std::string& text, v1::WorkResponse& response)
      SKALD_REQUIRES(mutex_) {
    answers_[token].push_back(text);
    if (token == break_on_) {
      break_on_.clear();
      for (grpc::ServerContext* context : contexts_) context->TryCancel();
      return;
    }
    v1::AnswerResult& result = *response.add_results();
    result.set_token(token);
    if (refuse_.erase(token) > 0) result.mutable_error()->set_code(grpc::StatusCode::UNAVAILABLE);
  }
  void AddTasks(v1::WorkResponse& response) {
    MutexLock lock(mutex_);
    for (v1::Task& task : tasks_) *response.add_tasks() = std::move(task);
    tasks_.clear();
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<v1::Task> tasks_;
  std::set<std::string> refuse_;
  std::string break_on_;
  std::set<grpc::ServerContext*> contexts_;
  absl::Duration lease_ = absl::Seconds(30);
};

class WorkerClientTest : public ::testing::Test {
 protected:
  void StartServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void StopServer() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  std::unique_ptr<WorkerClient> Connect(std::function<void(WorkerClient&, const v1::Task&)> on_task,
                                        uint32_t credit = 8) {
    return std::make_unique<WorkerClient>(ConnectTo(absl::StrCat("127.0.0.1:", port_)),
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
  void TearDown() override {
    if (server_ != nullptr) StopServer();
  }

  ScriptedService service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
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
