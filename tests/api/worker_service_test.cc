// Goal: what a worker says becomes commands and claims; what it does wrong is told, per answer or
// for the stream.
#include <string>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "tests/api/worker_fixture.h"

namespace skald::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class WorkerServiceTest : public WorkerTest {
 protected:
  // The status of a stream on which these frames are sent.
  grpc::Status StatusAfter(const std::vector<v1::WorkRequest>& frames) {
    grpc::ClientContext context;
    const std::unique_ptr<Stream> stream = workers()->Work(&context);
    for (const v1::WorkRequest& frame : frames) stream->Write(frame);
    v1::WorkResponse response;
    while (stream->Read(&response)) {
    }
    return stream->Finish();
  }

  saga::AnswerTask LastAnswer() {
    return std::get<saga::AnswerTask>(engine_.commands().back().request);
  }
};

TEST_F(WorkerServiceTest, TaskGoesOutAndItsAnswerComesIn) {
  Enqueue(1, 1);
  grpc::ClientContext context;
  context.AddMetadata("skald-actor", "worker-7");
  const std::unique_ptr<Stream> stream = OpenStream(context, 1);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
  EXPECT_TRUE(told.welcome);
  const v1::Task& task = told.tasks[0];
  EXPECT_EQ(task.namespace_(), "shop");
  EXPECT_EQ(task.saga_id(), "order-1");
  EXPECT_EQ(task.definition_name(), "order");
  EXPECT_EQ(task.definition_version(), "1.0.0");
  EXPECT_EQ(task.function(), "pay");
  EXPECT_EQ(task.reference(), "/do/0/pay");
  EXPECT_EQ(task.attempt(), 1u);
  EXPECT_EQ(task.idempotency_key(), "shop/order-1/do/0/pay/1");
  EXPECT_EQ(task.arguments(), R"({"amount":12345678901234567890})");
  EXPECT_FALSE(task.has_deadline());

  v1::WorkRequest answer;
  v1::TaskCompletion& completion = *answer.add_completions();
  completion.set_token(task.token());
  completion.set_output(R"({"receipt": 1.10})");
  ASSERT_TRUE(stream->Write(answer));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  EXPECT_EQ(told.results[task.token()].code(), 0);
  ASSERT_THAT(engine_.commands(), SizeIs(1));
  EXPECT_EQ(engine_.commands()[0].saga, Token(1).saga);
  EXPECT_EQ(engine_.commands()[0].actor, "worker-7");
  EXPECT_EQ(LastAnswer().token, Token(1));
  EXPECT_EQ(LastAnswer().output->text, R"({"receipt": 1.10})");

  stream->WritesDone();
  v1::WorkResponse frame;
  EXPECT_FALSE(stream->Read(&frame));
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.broker().worker_count() == 0; }));
}

TEST_F(WorkerServiceTest, FailureCarriesItsProblem) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 0);
  v1::WorkRequest answer;
  v1::TaskFailure& failure = *answer.add_failures();
  failure.set_token(EncodeTaskToken(Token(1)));
  failure.mutable_error()->set_status(503);
  failure.mutable_error()->set_title("closed");
  ASSERT_TRUE(stream->Write(answer));
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  EXPECT_EQ(LastAnswer().error->ToText(), R"({"status":503,"title":"closed"})");
  EXPECT_FALSE(LastAnswer().output);
}

TEST_F(WorkerServiceTest, OutputThatIsNotJsonFailsTheTask) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 0);
  v1::WorkRequest answer;
  v1::TaskCompletion& completion = *answer.add_completions();
  completion.set_token(EncodeTaskToken(Token(1)));
  completion.set_output(std::string(5'000, 'x') + "Traceback \xFF the end");
  ASSERT_TRUE(stream->Write(answer));
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  const Json error = *LastAnswer().error;
  EXPECT_EQ(error.Get("status").AsInt(), 500);
  EXPECT_THAT(std::string(error.Get("detail").AsString()),
              HasSubstr("Traceback \xEF\xBF\xBD the end"));
  EXPECT_THAT(std::string(error.Get("detail").AsString()),
              HasSubstr("line 1, column 1: expected a value"));
  EXPECT_LT(error.Get("detail").AsString().size(), 1'200u);
}

TEST_F(WorkerServiceTest, EmptyOutputIsNull) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 0);
  v1::WorkRequest answer;
  answer.add_completions()->set_token(EncodeTaskToken(Token(1)));
  ASSERT_TRUE(stream->Write(answer));
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 1; }));
  EXPECT_EQ(LastAnswer().output->text, "null");
}

TEST_F(WorkerServiceTest, RefusedAndRubbishAnswersAreToldOneByOne) {
  engine_.decide = [](const saga::Command& command) {
    return TaskNotRunningError(command.saga, "/do/0/pay", "it was answered already");
  };
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 0);
  v1::WorkRequest answer;
  answer.add_completions()->set_token(EncodeTaskToken(Token(1)));
  answer.add_completions()->set_token("rubbish");
  answer.add_completions()->set_token("");
  v1::TaskFailure& failure = *answer.add_failures();
  failure.set_token(EncodeTaskToken(Token(2)));
  failure.mutable_error()->set_status(7);
  ASSERT_TRUE(stream->Write(answer));
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.results.size() == 4; }));
  EXPECT_EQ(ReasonOf(told.results[EncodeTaskToken(Token(1))]), "TASK_NOT_RUNNING");
  EXPECT_EQ(ReasonOf(told.results["rubbish"]), "BAD_REQUEST");
  EXPECT_EQ(ReasonOf(told.results[""]), "BAD_REQUEST");
  EXPECT_EQ(ReasonOf(told.results[EncodeTaskToken(Token(2))]), "BAD_REQUEST");
}

TEST_F(WorkerServiceTest, HelloIsNeededFirstAndOnce) {
  const auto bad = EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST");
  v1::WorkRequest no_hello;
  no_hello.set_credit(1);
  EXPECT_THAT(StatusAfter({no_hello}), bad);
  EXPECT_THAT(StatusAfter({Hello(1), Hello(1)}), bad);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> silent = workers()->Work(&context);
  silent->WritesDone();
  EXPECT_THAT(silent->Finish(), bad);
  EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.broker().worker_count() == 0; }));
}

// Also when the last result is written in that moment.
TEST_F(WorkerServiceTest, WhatABrokenRuleEndsIsNeverEndedWell) {
  constexpr int kStreams = 2'500;
  v1::WorkRequest answer = Hello(1);
  answer.add_completions()->set_token(EncodeTaskToken(Token(1)));
  v1::WorkRequest bad;
  bad.set_credit(10'001);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < kStreams; ++i) {
        EXPECT_THAT(StatusAfter({answer, bad}),
                    EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(WorkerServiceTest, BadHelloTellsAllThatIsWrong) {
  v1::WorkRequest frame;
  frame.mutable_hello()->set_credit(10'001);
  const grpc::Status status = StatusAfter({frame});
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(status)->field_violations_size(), 3);
}

TEST_F(WorkerServiceTest, TooMuchCreditAtOnce) {
  v1::WorkRequest frame;
  frame.set_credit(10'001);
  EXPECT_THAT(StatusAfter({Hello(1), frame}),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

TEST_F(WorkerServiceTest, HeartbeatsTellWhatIsLost) {
  grpc::ClientContext context;
  Enqueue(1, 1);
  const std::unique_ptr<Stream> stream = OpenStream(context, 1);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
  v1::WorkRequest frame;
  frame.add_heartbeats(told.tasks[0].token());
  frame.add_heartbeats(EncodeTaskToken(Token(99)));
  frame.add_heartbeats("rubbish");
  ASSERT_TRUE(stream->Write(frame));
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.lost.size() == 2; }));
  EXPECT_THAT(told.lost, ::testing::UnorderedElementsAre(EncodeTaskToken(Token(99)), "rubbish"));
}

TEST_F(WorkerServiceTest, CancelledTasksAreTold) {
  Enqueue(1, 1);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = OpenStream(context, 1);
  Told told;
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.tasks.size() == 1; }));
  engine_.broker().Cancel(Token(1), /*from_recovery=*/false, engine_.Now());
  ASSERT_TRUE(ReadUntil(*stream, told, [&] { return told.cancelled.size() == 1; }));
  EXPECT_THAT(told.cancelled, ElementsAre(told.tasks[0].token()));
}

}  // namespace
}  // namespace skald::api
