// Goal: the worker stream under load and at its ends: batching, credit, bounds, breaks, drain.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <set>
#include <string>
#include <thread>

#include "base/errors.h"
#include "tests/api/worker_fixture.h"

namespace skald::api {
namespace {

using ::testing::SizeIs;

class WorkerStreamTest : public WorkerTest {
 protected:
  static v1::WorkRequest Completions(const std::vector<v1::Task>& tasks, size_t begin, size_t end) {
    v1::WorkRequest frame;
    for (size_t i = begin; i < end; ++i) frame.add_completions()->set_token(tasks[i].token());
    return frame;
  }
};

// Thousands of tasks through a credit of 100: every one is handed out once and answered once, in
// far fewer frames.
TEST_F(WorkerStreamTest, TasksAndResultsShareFramesAndCreditComesBack) {
  constexpr size_t kTasks = 3'000;
  engine_.decide = [this](const saga::Command& command) -> absl::StatusOr<runtime::CommandReply> {
    const saga::TaskToken token = std::get<saga::AnswerTask>(command.request).token;
    engine_.broker().Closed({&token, 1}, engine_.Now());
    return runtime::CommandReply();
  };
  Enqueue(0, kTasks);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 100);
  Told told;
  size_t answered = 0;
  while (told.results.size() < kTasks) {
    const size_t before = told.tasks.size() + told.results.size();
    ASSERT_TRUE(
        ReadUntil(*stream, told, [&] { return told.tasks.size() + told.results.size() > before; }));
    EXPECT_LE(told.tasks.size() - told.results.size(), 100u);
    if (told.tasks.size() == answered) continue;
    ASSERT_TRUE(stream->Write(Completions(told.tasks, answered, told.tasks.size())));
    answered = told.tasks.size();
  }
  EXPECT_EQ(told.tasks.size(), kTasks);
  EXPECT_LT(told.frames, static_cast<int>(kTasks));
  std::set<std::string> tokens;
  for (const v1::Task& task : told.tasks) tokens.insert(task.token());
  EXPECT_EQ(tokens.size(), kTasks);
}

TEST_F(WorkerStreamTest, KeptCreditIsNotGivenBackUntilAddedAgain) {
  Enqueue(0, 3);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 1);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
  v1::WorkRequest frame = Completions(told.tasks, 0, 1);
  frame.set_keep_credit(true);
  ASSERT_TRUE(stream->Write(frame));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  // A repeated answer gives nothing either: its result comes alone.
  ASSERT_TRUE(stream->Write(Completions(told.tasks, 0, 1)));
  told.results.clear();
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  EXPECT_THAT(told.tasks, SizeIs(1));
  EXPECT_EQ(engine_.broker().Queues()[0].ready, 2u);

  v1::WorkRequest credit;
  credit.set_credit(1);
  ASSERT_TRUE(stream->Write(credit));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 2; }));
}

TEST_F(WorkerStreamTest, OverloadKeepsTheTaskAndItsCredit) {
  engine_.decide = [](const saga::Command&) {
    return PartitionOverloadedError(PartitionId(0), kSecond);
  };
  Enqueue(0, 2);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 1);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
  ASSERT_TRUE(stream->Write(Completions(told.tasks, 0, 1)));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(told.results.begin()->second));
  EXPECT_EQ(engine_.broker().Queues()[0].ready, 1u);

  engine_.decide = [](const saga::Command&) { return runtime::CommandReply(); };
  ASSERT_TRUE(stream->Write(Completions(told.tasks, 0, 1)));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 2; }));
}

TEST_F(WorkerStreamTest, BrokenStreamHandsItsTasksToAnother) {
  Enqueue(0, 2);
  auto broken = std::make_unique<grpc::ClientContext>();
  const std::unique_ptr<Stream> first = OpenStream(*broken, 2);
  Told told;
  ASSERT_TRUE(ReadUntil(*first, told, [&] { return told.tasks.size() == 2; }));
  grpc::ClientContext context;
  const std::unique_ptr<Stream> second = OpenStream(context, 2);
  Told second_told;
  ASSERT_TRUE(ReadUntil(*second, second_told, [&] { return second_told.welcome; }));
  broken->TryCancel();
  ASSERT_TRUE(ReadUntil(*second, second_told, [&] { return second_told.tasks.size() == 2; }));
  EXPECT_EQ(first->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(WorkerStreamTest, AnswersUnderWayWhenTheStreamBreaksAreHarmless) {
  engine_.HoldReplies();
  Enqueue(0, 10);
  auto broken = std::make_unique<grpc::ClientContext>();
  const std::unique_ptr<Stream> stream = OpenStream(*broken, 10);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 10; }));
  ASSERT_TRUE(stream->Write(Completions(told.tasks, 0, 10)));
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.commands().size() == 10; }));
  broken->TryCancel();
  stream->Finish();
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.broker().worker_count() == 0; }));
  engine_.ReleaseReplies();
}

// A worker that does not read its results is not read any more, so that it cannot pile them up.
TEST_F(WorkerStreamTest, UnansweredAnswersAreBounded) {
  engine_.HoldReplies();
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 0);
  std::thread writer([&stream] {
    v1::WorkRequest frame;
    const std::string token = EncodeTaskToken(Token(1));
    for (int i = 0; i < 1'000; ++i) frame.add_completions()->set_token(token);
    for (int i = 0; i < 30; ++i) EXPECT_TRUE(stream->Write(frame));
    stream->WritesDone();
  });
  const size_t bound = options_.worker_answers_max / 1'000 * 1'000 + 1'000;
  ASSERT_TRUE(engine_.WaitUntil([&] { return engine_.commands().size() >= bound; }));
  EXPECT_EQ(engine_.commands().size(), bound);
  engine_.ReleaseReplies();
  int results = 0;
  v1::WorkResponse frame;
  while (stream->Read(&frame)) results += frame.results_size();
  writer.join();
  EXPECT_EQ(results, 30'000);
  EXPECT_TRUE(stream->Finish().ok());
}

// What a worker says that nobody knows is told back: it must not gather when the worker does not
// read.
TEST_F(WorkerStreamTest, LostTokensThatNobodyReadsAreBounded) {
  constexpr int kFrames = 100;
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 0);
  std::atomic<int> written = 0;
  std::thread writer([&] {
    v1::WorkRequest frame;
    for (int i = 0; i < 10'000; ++i) frame.add_heartbeats(std::string(100, 'x'));
    while (written < kFrames && stream->Write(frame)) ++written;
    stream->WritesDone();
  });
  for (int before = -1; before != written;) {
    before = written;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  EXPECT_LT(written, 40) << "4 MiB and what is on its way";
  int lost = 0;
  v1::WorkResponse frame;
  while (stream->Read(&frame)) lost += frame.lost_tokens_size();
  writer.join();
  EXPECT_EQ(lost, kFrames * 10'000) << "and none is dropped";
  EXPECT_TRUE(stream->Finish().ok());
}

// More refusals than a client takes in one message.
TEST_F(WorkerStreamTest, ManyRefusalsComeInFramesThatAClientTakes) {
  constexpr int kFrames = 15;
  engine_.decide = [](const saga::Command& command) -> absl::StatusOr<runtime::CommandReply> {
    return TaskNotRunningError(std::get<saga::AnswerTask>(command.request).token.saga,
                               "/do/0/a-task-with-quite-a-long-name", "was answered");
  };
  engine_.HoldReplies();
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 0);
  v1::WorkRequest frame;
  for (int i = 0; i < 1'000; ++i) {
    saga::TaskToken token = Token(i);
    token.saga.saga_id += std::string(200, 'x');
    frame.add_completions()->set_token(EncodeTaskToken(token));
  }
  for (int i = 0; i < kFrames; ++i) ASSERT_TRUE(stream->Write(frame));
  stream->WritesDone();
  ASSERT_TRUE(engine_.WaitUntil([&] { return engine_.commands().size() == kFrames * 1'000; }));
  engine_.ReleaseReplies();
  int results = 0;
  v1::WorkResponse told;
  while (stream->Read(&told)) results += told.results_size();
  EXPECT_EQ(results, kFrames * 1'000);
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(WorkerStreamTest, CreditOfATaskThatIsHandedOutAgainComesBack) {
  engine_.decide = [this](const saga::Command& command) -> absl::StatusOr<runtime::CommandReply> {
    const saga::TaskToken token = std::get<saga::AnswerTask>(command.request).token;
    engine_.broker().Closed({&token, 1}, engine_.Now());
    return runtime::CommandReply();
  };
  Enqueue(0, 1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const std::unique_ptr<Stream> stream = OpenStream(context, 2);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
  engine_.broker().Poll(After(engine_.Now(), 31 * kSecond));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 2; }));
  ASSERT_EQ(told.tasks[0].token(), told.tasks[1].token());
  ASSERT_TRUE(stream->Write(Completions(told.tasks, 0, 1)));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  Enqueue(1, 2);
  EXPECT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 4; }));
}

// Large tasks, more than a stream holds that nobody reads (two frames), so that some are not told.
constexpr int kUnread = 20;
const std::string& LargeArguments() {
  static const std::string& text = *new std::string('"' + std::string(500'000, 'x') + '"');
  return text;
}

// More small tasks with long names than a client takes in one message, all behind what the stream
// holds until it is read.
TEST_F(WorkerStreamTest, ManySmallTasksComeInFramesThatAClientTakes) {
  const int count = static_cast<int>(options_.worker_credit_max) - kUnread;
  const std::string name(90, 'n');
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const std::unique_ptr<Stream> stream = OpenStream(context, options_.worker_credit_max);
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.broker().worker_count() == 1; }));
  Enqueue(0, kUnread, LargeArguments());
  std::vector<task::ReadyTaskPtr> tasks;
  for (int i = 0; i < count; ++i) {
    auto ready = std::make_shared<task::ReadyTask>();
    ready->token = Token(kUnread + i);
    ready->token.saga.saga_id += name;
    ready->function = "pay";
    ready->reference = "/do/0/" + name;
    ready->definition_name = name;
    ready->definition_version = name;
    ready->idempotency_key = absl::StrCat("shop/order-", i, "/do/0/", name, "/1");
    ready->arguments = "{}";
    ready->created = engine_.Now();
    tasks.push_back(std::move(ready));
  }
  engine_.broker().Enqueue(PartitionId(0), std::move(tasks), engine_.Now());
  Told told;
  const size_t all = options_.worker_credit_max;
  EXPECT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == all; }))
      << told.tasks.size() << " of " << all << ": " << stream->Finish().error_message();
}

TEST_F(WorkerStreamTest, ATaskIsNotToldWhenMuchOfItsLeaseIsOver) {
  Enqueue(0, kUnread, LargeArguments());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const std::unique_ptr<Stream> stream = OpenStream(context, kUnread);
  // The stream has them all when it has told one: their leases count from then.
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return !told.tasks.empty(); }));
  engine_.clock_ahead = 16 * kSecond;
  // The credit of those that are not told brings these.
  Enqueue(kUnread, 3);
  ASSERT_TRUE(ReadUntil(*stream, told, [&] {
    return !told.tasks.empty() &&
           told.tasks.back().saga_id() == absl::StrCat("order-", kUnread + 2);
  }));
  EXPECT_LT(told.tasks.size(), kUnread);
  // When their lease is over they come again.
  const size_t untold = kUnread + 3 - told.tasks.size();
  v1::WorkRequest more;
  more.set_credit(kUnread);
  ASSERT_TRUE(stream->Write(more));
  engine_.clock_ahead = 31 * kSecond;
  engine_.broker().Poll(engine_.Now());
  std::set<std::string> seen;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] {
    for (const v1::Task& task : told.tasks) seen.insert(task.saga_id());
    return seen.size() == kUnread + 3;
  })) << untold;
}

// The stream of a worker that does not read holds what it was handed in half a lease, not all that
// it was ever handed.
TEST_F(WorkerStreamTest, TasksForAWorkerThatDoesNotReadAreBounded) {
  constexpr int kRounds = 4;
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, kRounds * (2 * kUnread + 1));
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.broker().worker_count() == 1; }));
  std::vector<std::weak_ptr<const task::ReadyTask>> handed;
  for (int round = 0; round < kRounds; ++round) {
    const int first = round * (kUnread + 1);
    std::vector<saga::TaskToken> tokens;
    {
      const std::vector<task::ReadyTaskPtr> tasks = Enqueue(first, kUnread, LargeArguments());
      handed.insert(handed.end(), tasks.begin(), tasks.end());
      for (const task::ReadyTaskPtr& task : tasks) tokens.push_back(task->token);
    }
    ASSERT_EQ(engine_.broker().Queues()[0].leased, size_t{kUnread});
    // Handed out again, to the same worker, and then done by another.
    engine_.clock_ahead += 31 * kSecond;
    engine_.broker().Poll(engine_.Now());
    engine_.broker().Closed(tokens, engine_.Now());
    engine_.clock_ahead += 31 * kSecond;
    tokens = {Enqueue(first + kUnread, 1)[0]->token};
    engine_.broker().Closed(tokens, engine_.Now());
    const auto held = std::count_if(handed.begin(), handed.end(),
                                    [](const auto& task) { return !task.expired(); });
    EXPECT_EQ(held, 0) << "after round " << round;
  }
  // Their credit is there when it reads again.
  Enqueue(kRounds * (kUnread + 1), 10);
  std::thread reader([&stream] {
    v1::WorkResponse frame;
    while (stream->Read(&frame)) {
    }
  });
  EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.broker().Queues()[0].leased == 10; }));
  context.TryCancel();
  reader.join();
}

TEST_F(WorkerStreamTest, ATaskThatIsCancelledBeforeItIsToldIsNotTold) {
  Enqueue(0, kUnread, LargeArguments());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const std::unique_ptr<Stream> stream = OpenStream(context, kUnread);
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.broker().Queues()[0].leased == kUnread; }));
  engine_.broker().Cancel(Token(kUnread - 1), false, engine_.Now());
  Enqueue(kUnread, 1);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] {
    return !told.tasks.empty() && told.tasks.back().saga_id() == absl::StrCat("order-", kUnread);
  }));
  EXPECT_THAT(told.tasks, SizeIs(kUnread));
  EXPECT_THAT(told.cancelled, SizeIs(1));
  for (const v1::Task& task : told.tasks) EXPECT_NE(task.token(), told.cancelled[0]);
}

TEST_F(WorkerStreamTest, HeldTokensRegainTheirLeases) {
  Enqueue(0, 1);
  std::string token;
  {
    grpc::ClientContext context;
    const std::unique_ptr<Stream> stream = OpenStream(context, 1);
    Told told;
    ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
    token = told.tasks[0].token();
    context.TryCancel();
  }
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.broker().worker_count() == 0; }));
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = workers()->Work(&context);
  v1::WorkRequest hello = Hello(1);
  hello.mutable_hello()->add_held_tokens(token);
  hello.mutable_hello()->add_held_tokens("rubbish");
  hello.add_heartbeats(token);
  ASSERT_TRUE(stream->Write(hello));
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.lost.size() == 1; }));
  EXPECT_EQ(told.lost[0], "rubbish");
  EXPECT_THAT(told.tasks, SizeIs(0));
  EXPECT_EQ(engine_.broker().Queues()[0].leased, 1u);
}

TEST_F(WorkerStreamTest, DrainWaitsForAnswersAndEndsClearly) {
  Enqueue(0, 1);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 5);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
  std::thread stopper([this] { server_->Shutdown(20 * kSecond); });
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.drain; }));
  Enqueue(1, 1);  // is not handed out any more
  ASSERT_TRUE(stream->Write(Completions(told.tasks, 0, 1)));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  v1::WorkResponse frame;
  EXPECT_FALSE(stream->Read(&frame));
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  stopper.join();
  EXPECT_THAT(told.tasks, SizeIs(1));
}

// Also for answers of tasks that the worker brought along, until they are told to be lost.
TEST_F(WorkerStreamTest, DrainWaitsForAnswersOfHeldTasks) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = workers()->Work(&context);
  v1::WorkRequest hello = Hello(1);
  for (int i = 0; i < 2; ++i) hello.mutable_hello()->add_held_tokens(EncodeTaskToken(Token(i)));
  ASSERT_TRUE(stream->Write(hello));
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.welcome; }));
  std::thread stopper([this] { server_->Shutdown(20 * kSecond); });
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.drain; }));
  v1::WorkRequest frame;
  frame.add_completions()->set_token(EncodeTaskToken(Token(0)));
  ASSERT_TRUE(stream->Write(frame));
  EXPECT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  frame.Clear();
  frame.add_heartbeats(EncodeTaskToken(Token(1)));
  ASSERT_TRUE(stream->Write(frame));
  EXPECT_TRUE(ReadUntil(*stream, told, [&] { return told.lost.size() == 1; }));
  v1::WorkResponse rest;
  EXPECT_FALSE(stream->Read(&rest));
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  stopper.join();
}

// The broker is handing out when the server goes, and has more for the stream.
TEST_F(WorkerStreamTest, TasksThatComeWhenTheServerIsGoneAreHarmless) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 100);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.welcome; }));
  std::promise<void> is_pushing, is_gone;
  std::atomic<bool> is_held = false;
  engine_.on_now = [&] {
    const std::vector<task::QueueStats> queues = engine_.broker().Queues();
    if (queues.empty() || queues[0].leased == 0 || is_held.exchange(true)) return;
    is_pushing.set_value();
    is_gone.get_future().wait();
  };
  std::thread pusher([this] { Enqueue(0, 100); });
  is_pushing.get_future().wait();
  server_->Shutdown(0);
  server_.reset();
  is_gone.set_value();
  pusher.join();
}

TEST_F(WorkerStreamTest, DrainEndsAfterItsGrace) {
  Enqueue(0, 1);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 1);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
  std::thread stopper([this] { server_->Shutdown(50 * kMillisecond); });
  v1::WorkResponse frame;
  while (stream->Read(&frame)) {
  }
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  stopper.join();
}

}  // namespace
}  // namespace skald::api
