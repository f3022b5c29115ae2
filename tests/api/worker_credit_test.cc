// Goal: a worker has the credit it began with, whatever is handed out to it again. Method: the
// client that workers are made of, on the server's stream and a real broker.
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "tests/api/worker_fixture.h"
#include "tools/worker_client.h"

namespace skald::api {
namespace {

class WorkerCreditTest : public WorkerTest {
 protected:
  WorkerCreditTest() {
    engine_.decide = [this](const saga::Command& command) -> absl::StatusOr<runtime::CommandReply> {
      const saga::TaskToken token = std::get<saga::AnswerTask>(command.request).token;
      engine_.broker().Closed({&token, 1}, engine_.Now());
      return runtime::CommandReply();
    };
  }

  // A worker that works on two tasks at a time, and answers when it is told to.
  void StartWorker() {
    worker_ = std::make_unique<tools::WorkerClient>(
        Connect(),
        tools::WorkerClientOptions{
            .name = "w",
            .functions = {"pay"},
            .credit = 2,
            .on_task = [](tools::WorkerClient&, const v1::Task&) {},
            .on_result = [this](absl::string_view, const tools::RpcError&) { ++results_; }});
  }
  bool AwaitLeased(size_t count) {
    return engine_.WaitUntil([&] { return Leased() == count && worker_->open_tasks() == count; });
  }
  size_t Leased() {
    const std::vector<task::QueueStats> queues = engine_.broker().Queues();
    return queues.empty() ? 0 : queues[0].leased;
  }
  // The first task's lease is over, and it goes out again.
  void HandOutAgain() { engine_.broker().Poll(After(engine_.Now(), 31 * kSecond)); }

  // With the first task still open, others come one at a time.
  void ExpectTwoAtATime() {
    Enqueue(1, 5);
    for (int done = 1; done <= 3; ++done) {
      ASSERT_TRUE(AwaitLeased(2)) << done;
      worker_->Complete(EncodeTaskToken(Token(done)), "");
      ASSERT_TRUE(engine_.WaitUntil([&] { return results_ == done; }));
      // Whatever the worker said before its answer has been heard.
      EXPECT_EQ(Leased(), 2u);
    }
  }

  std::atomic<int> results_ = 0;
  std::unique_ptr<tools::WorkerClient> worker_;
};

TEST_F(WorkerCreditTest, OfATaskThatIsHandedOutAgainOnItsStreamComesBackOnce) {
  StartWorker();
  Enqueue(0, 1);
  ASSERT_TRUE(AwaitLeased(1));
  HandOutAgain();
  ExpectTwoAtATime();
}

// What the broker hands out while the stream's worker connects is late before it can be told, and
// a write ends before the stream knows its worker.
TEST_F(WorkerCreditTest, OfTasksThatAreNotToldWhileAWorkerConnectsComesBack) {
  constexpr int kTasks = 65;  // more than goes at a time
  Enqueue(0, 2 * kTasks);
  engine_.on_now = [this, shared = std::make_shared<std::atomic<int>>(0)] {
    std::atomic<int>& looks = *shared;
    // The broker asks first, then the push of some tasks, their frame, and the push of the rest.
    const int look = ++looks;
    if (look == 3) engine_.clock_ahead = 16 * kSecond;
    if (look != 4) return;
    for (int i = 0; i < 50 && looks == 4; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  };
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const std::unique_ptr<Stream> stream = OpenStream(context, kTasks);
  Told told;
  EXPECT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == kTasks; }))
      << told.tasks.size();
}

TEST_F(WorkerCreditTest, OfATaskThatWasHeldAndIsHandedOutAgainComesBackOnce) {
  StartWorker();
  Enqueue(0, 1);
  ASSERT_TRUE(AwaitLeased(1));
  options_.address = absl::StrCat("127.0.0.1:", server_->port());
  server_->Shutdown(0);
  server_.reset();
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(engine_, options_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  ASSERT_TRUE(AwaitLeased(1)) << "it is held";
  HandOutAgain();
  ExpectTwoAtATime();
}

}  // namespace
}  // namespace skald::api
