// Goal: StartSagas answers every item once, many to a frame, bounds what is under way, and ends
// clearly.
#include <set>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/errors.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

constexpr int kAlways = 1'000'000;

using Stream = grpc::ClientReaderWriter<v1::StartSagasRequest, v1::StartSagasResponse>;

void AddItem(v1::StartSagasRequest& frame, uint64_t item_id, const std::string& saga_id) {
  v1::StartSagasRequest::Item& item = *frame.add_items();
  item.set_item_id(item_id);
  item.mutable_start()->set_namespace_("shop");
  item.mutable_start()->set_definition_name("order");
  item.mutable_start()->set_saga_id(saga_id);
}

v1::StartSagasRequest Frame(uint64_t first, int count) {
  v1::StartSagasRequest frame;
  for (int i = 0; i < count; ++i) {
    AddItem(frame, first + static_cast<uint64_t>(i), absl::StrCat("order-", first + i));
  }
  return frame;
}

class StartStreamTest : public ApiTest {
 protected:
  StartStreamTest() { options_.start_items_max = 100; }

  grpc::ClientContext context_;
};

TEST_F(StartStreamTest, EveryItemIsAnsweredOnce) {
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  std::thread writer([&stream] {
    for (uint64_t i = 0; i < 20; ++i) EXPECT_TRUE(stream->Write(Frame(i * 50, 50)));
    stream->WritesDone();
  });
  std::set<uint64_t> answered;
  v1::StartSagasResponse frame;
  while (stream->Read(&frame)) {
    for (const auto& result : frame.results()) {
      EXPECT_TRUE(answered.insert(result.item_id()).second);
      EXPECT_EQ(result.started().saga_id(), absl::StrCat("order-", result.item_id()));
    }
  }
  writer.join();
  EXPECT_EQ(answered.size(), 1'000u);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StartStreamTest, ABadItemDoesNotEndTheStream) {
  engine_.decide = [this](const saga::Command& command) -> absl::StatusOr<runtime::CommandReply> {
    if (command.saga.saga_id == "taken") return SagaAlreadyExistsError(command.saga);
    return runtime::CommandReply{{engine_.PartitionOf(command.saga), Position(1)}, command.saga};
  };
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  v1::StartSagasRequest frame;
  AddItem(frame, 1, "good");
  AddItem(frame, 2, "taken");
  AddItem(frame, 3, "bad\n");
  ASSERT_TRUE(stream->Write(frame));
  stream->WritesDone();
  std::map<uint64_t, v1::StartSagasResponse::Result> results;
  v1::StartSagasResponse response;
  while (stream->Read(&response)) {
    for (const auto& result : response.results()) results[result.item_id()] = result;
  }
  ASSERT_EQ(results.size(), 3u);
  EXPECT_TRUE(results[1].has_started());
  EXPECT_EQ(ReasonOf(results[2].error()), "SAGA_ALREADY_EXISTS");
  EXPECT_EQ(ReasonOf(results[3].error()), "BAD_REQUEST");
  EXPECT_TRUE(stream->Finish().ok());
}

// While the engine answers nothing, no more than start_items_max (rounded up to frames) are taken;
// then all come, and those that became ready together share frames.
TEST_F(StartStreamTest, ItemsUnderWayAreBoundedAndResultsShareFrames) {
  engine_.HoldReplies();
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  std::thread writer([&stream] {
    for (uint64_t i = 0; i < 10; ++i) EXPECT_TRUE(stream->Write(Frame(i * 40, 40)));
    stream->WritesDone();
  });
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.commands().size() >= 120; }));
  // Another call goes through the same server: had the stream been read on, it would show.
  engine_.PutSaga(RunningSaga("x"));
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    v1::GetSagaRequest request;
    request.set_namespace_("shop");
    request.set_saga_id("x");
    v1::GetSagaResponse response;
    ASSERT_TRUE(sagas()->GetSaga(&context, request, &response).ok());
  }
  EXPECT_EQ(engine_.commands().size(), 120u);
  engine_.ReleaseReplies();
  int frames = 0;
  int results = 0;
  v1::StartSagasResponse frame;
  while (stream->Read(&frame)) {
    ++frames;
    results += frame.results_size();
  }
  writer.join();
  EXPECT_EQ(results, 400);
  EXPECT_LT(frames, 390);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StartStreamTest, ItemsCanWaitForTheirSagas) {
  engine_.PutSaga(RunningSaga("order-1"));
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  v1::StartSagasRequest frame = Frame(1, 1);
  frame.mutable_items(0)->mutable_start()->mutable_wait()->set_seconds(60);
  ASSERT_TRUE(stream->Write(frame));
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 1; }));
  engine_.EndSaga(CompletedSaga("order-1"));
  v1::StartSagasResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.results(0).started().saga().output(), "42");
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

class SlowReaderTest : public StartStreamTest {
 protected:
  SlowReaderTest() { options_.start_bytes_max = 1; }
};

// With no room for a second saga, the others are let go, and fetched one by one as room comes.
TEST_F(SlowReaderTest, SagasThatEndMeanwhileAreFetchedLater) {
  constexpr int kSagas = 8;
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  v1::StartSagasRequest frame = Frame(1, kSagas);
  for (int i = 0; i < kSagas; ++i) {
    engine_.PutSaga(RunningSaga(frame.items(i).start().saga_id()));
    frame.mutable_items(i)->mutable_start()->mutable_wait()->set_seconds(60);
  }
  ASSERT_TRUE(stream->Write(frame));
  stream->WritesDone();
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == kSagas; }));
  for (const auto& item : frame.items()) engine_.EndSaga(CompletedSaga(item.start().saga_id()));
  v1::StartSagasResponse response;
  int results = 0;
  while (stream->Read(&response)) {
    for (const auto& result : response.results()) {
      EXPECT_EQ(result.started().saga().output(), "42");
      ++results;
    }
  }
  EXPECT_EQ(results, kSagas);
  EXPECT_TRUE(stream->Finish().ok());
}

class ManyItemsTest : public StartStreamTest {
 protected:
  ManyItemsTest() {
    options_.start_items_max = 9'000;
    options_.start_bytes_max = 4 << 20;
  }
};

// Their starts are durable, so overload refuses none.
TEST_F(ManyItemsTest, ThousandsThatWereLetGoAreFetched) {
  constexpr int kLarge = 400, kSagas = 8'000;
  engine_.refuses_reads = true;
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  for (int first = 0; first < kSagas; first += 1'000) {
    v1::StartSagasRequest frame = Frame(static_cast<uint64_t>(first), 1'000);
    for (auto& item : *frame.mutable_items()) {
      engine_.PutSaga(RunningSaga(item.start().saga_id()));
      item.mutable_start()->mutable_wait()->set_seconds(60);
    }
    ASSERT_TRUE(stream->Write(frame));
  }
  stream->WritesDone();
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == kSagas; }));
  for (int i = 0; i < kSagas; ++i) {
    saga::SagaView saga = CompletedSaga(absl::StrCat("order-", i));
    if (i < kLarge) saga.output = Json::String(std::string(100'000, 'x'));
    engine_.EndSaga(std::move(saga));
  }
  v1::StartSagasResponse response;
  int results = 0;
  while (stream->Read(&response)) {
    for (const auto& result : response.results()) results += result.started().has_saga() ? 1 : 0;
  }
  EXPECT_EQ(results, kSagas);
  EXPECT_TRUE(stream->Finish().ok());
}

// More refusals than a client takes in one message.
TEST_F(ManyItemsTest, ManyRefusalsComeInFramesThatAClientTakes) {
  constexpr int kSagas = 8'000;
  engine_.decide = [](const saga::Command&) -> absl::StatusOr<runtime::CommandReply> {
    return BadRequestError("input", std::string(1'500, 'x'));
  };
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  for (int first = 0; first < kSagas; first += 1'000) {
    ASSERT_TRUE(stream->Write(Frame(static_cast<uint64_t>(first), 1'000)));
  }
  stream->WritesDone();
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.commands().size() >= 3'000; }));
  v1::StartSagasResponse response;
  int results = 0;
  while (stream->Read(&response)) results += response.results_size();
  EXPECT_EQ(results, kSagas);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StartStreamTest, CancellationStopsWaits) {
  engine_.PutSaga(RunningSaga("order-1"));
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  v1::StartSagasRequest frame = Frame(1, 1);
  frame.mutable_items(0)->mutable_start()->mutable_wait()->set_seconds(60);
  ASSERT_TRUE(stream->Write(frame));
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 1; }));
  context_.TryCancel();
  EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.stopped_waits() == 1; }));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// Overload slows a stream rather than refuse what comes on it.
TEST_F(StartStreamTest, AnItemWaitsForRoomAndWhatFollowsWaitsWithIt) {
  engine_.refused_tries = 5;
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  ASSERT_TRUE(stream->Write(Frame(0, 3)));
  ASSERT_TRUE(stream->Write(Frame(3, 3)));
  stream->WritesDone();
  int started = 0;
  v1::StartSagasResponse frame;
  while (stream->Read(&frame)) {
    for (const auto& result : frame.results()) started += result.has_started() ? 1 : 0;
  }
  EXPECT_EQ(started, 6);
  EXPECT_TRUE(stream->Finish().ok());
  std::vector<std::string> order;
  for (const saga::Command& command : engine_.commands()) order.push_back(command.saga.saga_id);
  EXPECT_THAT(order, testing::ElementsAre("order-0", "order-1", "order-2", "order-3", "order-4",
                                          "order-5"));
}

TEST_F(StartStreamTest, AnItemThatFindsNoRoomForASecondIsRefused) {
  engine_.refused_tries = kAlways;
  engine_.decide = [](const saga::Command&) -> absl::StatusOr<runtime::CommandReply> {
    return PartitionOverloadedError(PartitionId(1), 50 * kMillisecond);
  };
  const Timestamp begun = engine_.Now();
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  ASSERT_TRUE(stream->Write(Frame(0, 1)));
  v1::StartSagasResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(ReasonOf(response.results(0).error()), "PARTITION_OVERLOADED");
  EXPECT_GE(engine_.Now().value() - begun.value(), kSecond);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StartStreamTest, AClientThatGoesWhileAnItemWaitsLeavesNothing) {
  engine_.refused_tries = kAlways;
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  ASSERT_TRUE(stream->Write(Frame(0, 2)));
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.refused_tries < kAlways; }));
  context_.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  // The server hears of it a little later than the client; a stop before that would be another case.
  int tries = 0;
  do {
    tries = engine_.refused_tries;
    absl::SleepFor(absl::Milliseconds(300));  // 30 tries
  } while (engine_.refused_tries != tries);
  server_->Shutdown(10 * kSecond);  // waits for calls
  EXPECT_THAT(engine_.commands(), testing::IsEmpty());
}

TEST_F(StartStreamTest, AStoppingServerTakesWhatWaitsToTheEngineAtOnce) {
  engine_.refused_tries = kAlways;
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  ASSERT_TRUE(stream->Write(Frame(0, 2)));
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.refused_tries < kAlways; }));
  std::thread stopper([this] { server_->Shutdown(10 * kSecond); });
  int answered = 0;
  v1::StartSagasResponse response;
  while (stream->Read(&response)) answered += response.results_size();
  EXPECT_EQ(answered, 2);
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  stopper.join();
}

TEST_F(StartStreamTest, TooManyItemsInAFrame) {
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  ASSERT_TRUE(stream->Write(Frame(0, 1'001)));
  v1::StartSagasResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

// Also what was started before and comes to its wait after.
TEST_F(StartStreamTest, WhatCameBeforeABadFrameIsAnswered) {
  engine_.HoldReplies();
  engine_.PutSaga(CompletedSaga("order-1"));
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  v1::StartSagasRequest frame = Frame(1, 1);
  frame.mutable_items(0)->mutable_start()->mutable_wait()->set_seconds(60);
  ASSERT_TRUE(stream->Write(frame));
  ASSERT_TRUE(stream->Write(Frame(2, 1'001)));
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.commands().size() == 1; }));
  absl::SleepFor(absl::Milliseconds(300));  // the bad frame is read
  engine_.ReleaseReplies();
  v1::StartSagasResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.results(0).started().saga().output(), "42");
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

TEST_F(StartStreamTest, StoppingServerAnswersWhatIsUnderWayAndEndsClearly) {
  engine_.PutSaga(RunningSaga("order-1"));
  const std::unique_ptr<Stream> stream = sagas()->StartSagas(&context_);
  v1::StartSagasRequest frame = Frame(1, 1);
  frame.mutable_items(0)->mutable_start()->mutable_wait()->set_seconds(60);
  ASSERT_TRUE(stream->Write(frame));
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 1; }));
  std::thread stopper([this] { server_->Shutdown(10 * kSecond); });
  v1::StartSagasResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(ReasonOf(response.results(0).error()), "PARTITION_NOT_SERVING");
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  stopper.join();
}

}  // namespace
}  // namespace skald::api
