// Goal: a follower misses nothing and sees nothing twice, over filters, growth, resumption and
// stops; a slow one costs the server one frame.
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "api/stream_token.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

using Stream = grpc::ClientReader<v1::FollowLogResponse>;

const SagaKey kEven{"shop", "order-0"};  // partition 0
const SagaKey kOdd{"shop", "order-1"};   // partition 1

log::v1::Event Started() {
  log::v1::Event event;
  event.mutable_task_started()->set_frame(1);
  return event;
}
log::v1::Event Completed() {
  log::v1::Event event;
  event.mutable_task_completed()->set_output_slot(1);
  return event;
}

class LogFollowTest : public ApiTest {
 protected:
  LogFollowTest() {
    options_.log_frame_bytes = 4'096;
    options_.read_threads = 1;
  }

  // Reads frames until the log's end was reached with at least `count` events; checks that
  // positions are gap-free where nothing is filtered out.
  std::vector<v1::RecordedEvent> ReadUntil(Stream& stream, size_t count,
                                           std::string* token = nullptr) {
    std::vector<v1::RecordedEvent> events;
    v1::FollowLogResponse frame;
    while (events.size() < count || !frame.caught_up()) {
      if (!stream.Read(&frame)) {
        ADD_FAILURE() << "the stream ended after " << events.size() << " events";
        break;
      }
      events.insert(events.end(), frame.events().begin(), frame.events().end());
      if (token != nullptr) *token = frame.resume_token();
    }
    return events;
  }

  static void ExpectGapFree(const std::vector<v1::RecordedEvent>& events) {
    std::map<uint32_t, uint64_t> last;
    for (const v1::RecordedEvent& event : events) {
      EXPECT_EQ(event.position().position(), last[event.position().partition()] + 1);
      last[event.position().partition()] = event.position().position();
    }
  }
};

TEST_F(LogFollowTest, SendsWhatThereIsThenWhatComes) {
  for (int i = 0; i < 100; ++i) {
    engine_.AppendCommit(PartitionId(0), kEven, {Started(), Completed()}, {"1"});
    engine_.AppendCommit(PartitionId(1), kOdd, {Completed()}, {"1"});
  }
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, v1::FollowLogRequest());
  std::vector<v1::RecordedEvent> events = ReadUntil(*stream, 300);
  EXPECT_EQ(events.size(), 300u);
  engine_.AppendCommit(PartitionId(1), kOdd, {Completed()}, {"2"});
  for (v1::RecordedEvent& event : ReadUntil(*stream, 1)) events.push_back(std::move(event));
  EXPECT_EQ(events.back().data(), R"({"output":2})");
  ExpectGapFree(events);
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.log_listeners() == 0; }));
}

TEST_F(LogFollowTest, EmptyLogIsCaughtUpAtOnce) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, v1::FollowLogRequest());
  v1::FollowLogResponse frame;
  ASSERT_TRUE(stream->Read(&frame));
  EXPECT_TRUE(frame.caught_up());
  EXPECT_FALSE(frame.resume_token().empty());
  context.TryCancel();
}

// The token of every single frame continues the stream exactly.
TEST_F(LogFollowTest, EveryTokenGoesOnRightAfterItsFrame) {
  for (int i = 0; i < 60; ++i) {
    engine_.AppendCommit(PartitionId(0), kEven, {Started(), Completed()}, {"1"});
    engine_.AppendCommit(PartitionId(1), kOdd, {Completed(), Completed(), Started()}, {"1"});
  }
  std::vector<v1::RecordedEvent> events;
  v1::FollowLogRequest request;
  v1::FollowLogResponse frame;
  while (!frame.caught_up()) {
    grpc::ClientContext context;
    const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, request);
    ASSERT_TRUE(stream->Read(&frame));
    events.insert(events.end(), frame.events().begin(), frame.events().end());
    request.set_resume_token(frame.resume_token());
    context.TryCancel();
  }
  EXPECT_EQ(events.size(), 300u);
  ExpectGapFree(events);
}

TEST_F(LogFollowTest, FiltersBySagaTypeAndDefinition) {
  runtime::DefinitionInfo order;
  order.namespace_name = "shop";
  order.name = "order";
  order.hash = "hash-of-order";
  engine_.definitions.push_back(order);
  const SagaKey other{"depot", "order-3"};
  for (int i = 0; i < 10; ++i) {
    engine_.AppendCommit(PartitionId(1), kOdd, {Started(), Completed()}, {"1"});
    engine_.AppendCommit(PartitionId(1), other, {Started()}, {});
    engine_.AppendCommit(PartitionId(0), kEven, {Started()}, {});
  }
  const auto count = [this](const v1::EventFilter& filter, size_t expected) {
    grpc::ClientContext context;
    v1::FollowLogRequest request;
    *request.mutable_filter() = filter;
    const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, request);
    const size_t found = ReadUntil(*stream, expected).size();
    context.TryCancel();
    return found;
  };
  v1::EventFilter filter;
  filter.set_namespace_("shop");
  EXPECT_EQ(count(filter, 30), 30u);
  filter.set_definition_name("order");
  EXPECT_EQ(count(filter, 30), 30u);
  filter.add_event_types("TaskStarted");
  EXPECT_EQ(count(filter, 20), 20u);
  filter.set_saga_id(kOdd.saga_id);
  EXPECT_EQ(count(filter, 10), 10u);
  filter.set_definition_name("invoice");
  EXPECT_EQ(count(filter, 0), 0u);
}

// Its first events may be read before the definition is listed.
TEST_F(LogFollowTest, EventsOfANewDefinitionAreOfItsName) {
  engine_.unlisted = {{"hash-of-order", "order"}};
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::FollowLogRequest request;
  request.mutable_filter()->set_namespace_("shop");
  request.mutable_filter()->set_definition_name("order");
  const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, request);
  for (int i = 0; i < 2; ++i) {
    engine_.AppendCommit(PartitionId(0), kEven, {Started()}, {});
    v1::FollowLogResponse frame;
    while (frame.events_size() == 0 && stream->Read(&frame)) {
    }
    EXPECT_EQ(frame.events_size(), 1);
  }
  context.TryCancel();
}

TEST_F(LogFollowTest, BadFiltersAndTokens) {
  const auto status_of = [this](const v1::FollowLogRequest& request) {
    grpc::ClientContext context;
    const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, request);
    v1::FollowLogResponse frame;
    EXPECT_FALSE(stream->Read(&frame));
    return stream->Finish();
  };
  const auto bad = grpc::StatusCode::INVALID_ARGUMENT;
  v1::FollowLogRequest request;
  request.mutable_filter()->add_event_types("TaskExploded");
  EXPECT_THAT(status_of(request), EndsWith(bad, "BAD_REQUEST"));
  request.Clear();
  request.mutable_filter()->set_saga_id("order-1");
  EXPECT_THAT(status_of(request), EndsWith(bad, "BAD_REQUEST"));
  request.Clear();
  request.set_resume_token("rubbish");
  EXPECT_THAT(status_of(request), EndsWith(bad, "RESUME_TOKEN_INVALID"));
  request.Clear();
  request.set_start(static_cast<v1::FollowLogRequest::Start>(9));
  EXPECT_THAT(status_of(request), EndsWith(bad, "BAD_REQUEST"));

  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, v1::FollowLogRequest());
  v1::FollowLogResponse frame;
  ASSERT_TRUE(stream->Read(&frame));
  context.TryCancel();
  request.Clear();
  request.set_resume_token(frame.resume_token());
  request.mutable_filter()->set_namespace_("shop");
  EXPECT_THAT(status_of(request), EndsWith(bad, "RESUME_TOKEN_INVALID"));
}

// As after the store was restored from a backup.
TEST_F(LogFollowTest, ATokenFromPastTheEndIsRefused) {
  engine_.AppendCommit(PartitionId(1), kOdd, {Started()}, {});
  const auto end_of = [this](uint64_t next) {
    grpc::ClientContext context;
    v1::FollowLogRequest request;
    const TokenScope scope{
        "0123456789abcdef",
        HashFields({"FollowLog", absl::string_view(request.filter().SerializeAsString())})};
    request.set_resume_token(EncodeResumeToken(scope, {Position(1), Position(next)}));
    const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, request);
    v1::FollowLogResponse frame;
    if (stream->Read(&frame)) context.TryCancel();
    return stream->Finish();
  };
  EXPECT_EQ(end_of(2).error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_THAT(end_of(3), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"));
}

TEST_F(LogFollowTest, StartAtTheEndSkipsWhatThereIs) {
  engine_.AppendCommit(PartitionId(0), kEven, {Started()}, {});
  grpc::ClientContext context;
  v1::FollowLogRequest request;
  request.set_start(v1::FollowLogRequest::START_END);
  const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, request);
  EXPECT_EQ(ReadUntil(*stream, 0).size(), 0u);
  engine_.AppendCommit(PartitionId(0), kEven, {Completed()}, {"1"});
  const std::vector<v1::RecordedEvent> events = ReadUntil(*stream, 1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type(), "TaskCompleted");
  context.TryCancel();
}

// 64 MB of log and a client that does not read: the server reads only what fits the connection's
// windows, and when the client reads at last, everything is there.
TEST_F(LogFollowTest, SlowFollowerCostsOneFrame) {
  const std::string text = "\"" + std::string(16'000, 'x') + "\"";
  constexpr size_t kEvents = 4'000;
  for (size_t i = 0; i < kEvents; ++i) {
    engine_.AppendCommit(PartitionId(0), kEven, {Completed()}, {text});
  }
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, v1::FollowLogRequest());
  ASSERT_TRUE(engine_.WaitUntil([this] { return engine_.events_read() > 0; }));
  // There is one reading thread: each of these calls gets its turn after a step of the follower.
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext other;
    v1::GetStatusResponse status;
    ASSERT_TRUE(admin()->GetStatus(&other, v1::GetStatusRequest(), &status).ok());
  }
  EXPECT_LT(engine_.events_read(), kEvents / 2);
  const std::vector<v1::RecordedEvent> events = ReadUntil(*stream, kEvents);
  EXPECT_EQ(events.size(), kEvents);
  ExpectGapFree(events);
  context.TryCancel();
}

TEST_F(LogFollowTest, StoppingServerEndsTheStreamClearly) {
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = logs()->FollowLog(&context, v1::FollowLogRequest());
  v1::FollowLogResponse frame;
  ASSERT_TRUE(stream->Read(&frame));
  std::thread stopper([this] { server_->Shutdown(10 * kSecond); });
  EXPECT_FALSE(stream->Read(&frame));
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  stopper.join();
}

}  // namespace
}  // namespace skald::api
