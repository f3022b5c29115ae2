// Goal: ReadHistory and ReadLog send every event once, in order, in frames that never split a
// commit.
#include <string>
#include <vector>

#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;

const SagaKey kEven{"shop", "order-0"};  // partition 0
const SagaKey kOdd{"shop", "order-1"};   // partition 1

// `count` completed tasks whose output is slot 1.
std::vector<log::v1::Event> Completions(int count) {
  std::vector<log::v1::Event> events(static_cast<size_t>(count));
  for (log::v1::Event& event : events) {
    event.mutable_task_completed()->set_output_slot(1);
    event.mutable_task_completed()->set_task("/do/0/pay");
  }
  return events;
}

// The revisions of a saga's history, read to the end; each frame must end where a commit does.
template <typename Reader>
std::vector<uint64_t> ReadAll(Reader& reader, int& frames) {
  std::vector<uint64_t> revisions;
  typename Reader::Frame frame;
  uint64_t last_commit = 0;
  while (reader.stream->Read(&frame)) {
    ++frames;
    EXPECT_GT(frame.events_size(), 0);
    EXPECT_NE(frame.events(0).commit_position(), last_commit) << "a commit was split";
    for (const v1::RecordedEvent& event : frame.events()) revisions.push_back(event.revision());
    last_commit = frame.events(frame.events_size() - 1).commit_position();
  }
  return revisions;
}

class LogServiceTest : public ApiTest {
 protected:
  LogServiceTest() { options_.log_frame_bytes = 4'096; }

  struct HistoryReader {
    using Frame = v1::ReadHistoryResponse;
    std::unique_ptr<grpc::ClientReader<Frame>> stream;
  };
  HistoryReader ReadHistory(const SagaKey& key, uint64_t from, grpc::ClientContext& context) {
    v1::ReadHistoryRequest request;
    request.set_namespace_(key.namespace_name);
    request.set_saga_id(key.saga_id);
    request.set_from_revision(from);
    return {logs()->ReadHistory(&context, request)};
  }

  struct LogReader {
    using Frame = v1::ReadLogResponse;
    std::unique_ptr<grpc::ClientReader<Frame>> stream;
  };
  LogReader ReadLog(uint32_t partition, uint64_t from, uint64_t to, grpc::ClientContext& context) {
    v1::ReadLogRequest request;
    request.set_partition(partition);
    request.set_from_position(from);
    request.set_to_position(to);
    return {logs()->ReadLog(&context, request)};
  }
};

TEST_F(LogServiceTest, HistoryHasEveryEventInOrder) {
  for (int i = 0; i < 200; ++i) engine_.AppendCommit(PartitionId(1), kOdd, Completions(3), {"1"});
  int frames = 0;
  grpc::ClientContext context;
  HistoryReader reader = ReadHistory(kOdd, 0, context);
  const std::vector<uint64_t> revisions = ReadAll(reader, frames);
  EXPECT_TRUE(reader.stream->Finish().ok());
  ASSERT_THAT(revisions, SizeIs(600));
  for (size_t i = 0; i < revisions.size(); ++i) EXPECT_EQ(revisions[i], i);
  EXPECT_GT(frames, 10);
}

TEST_F(LogServiceTest, HistoryFromARevision) {
  engine_.AppendCommit(PartitionId(1), kOdd, Completions(5), {R"({"a":1})"});
  int frames = 0;
  grpc::ClientContext context;
  HistoryReader reader = ReadHistory(kOdd, 3, context);
  EXPECT_THAT(ReadAll(reader, frames), ElementsAre(3, 4));
  EXPECT_TRUE(reader.stream->Finish().ok());
}

TEST_F(LogServiceTest, HistoryShowsData) {
  engine_.AppendCommit(PartitionId(1), kOdd, Completions(1), {R"({"a":1.10})"});
  grpc::ClientContext context;
  HistoryReader reader = ReadHistory(kOdd, 0, context);
  v1::ReadHistoryResponse frame;
  ASSERT_TRUE(reader.stream->Read(&frame));
  EXPECT_EQ(frame.events(0).type(), "TaskCompleted");
  EXPECT_EQ(frame.events(0).data(), R"({"output":{"a":1.10}})");
  EXPECT_FALSE(reader.stream->Read(&frame));
}

TEST_F(LogServiceTest, HistoryOfAnUnknownSaga) {
  grpc::ClientContext context;
  HistoryReader reader = ReadHistory(kOdd, 0, context);
  v1::ReadHistoryResponse frame;
  EXPECT_FALSE(reader.stream->Read(&frame));
  EXPECT_THAT(reader.stream->Finish(), EndsWith(grpc::StatusCode::NOT_FOUND, "SAGA_NOT_FOUND"));
}

TEST_F(LogServiceTest, LogRangeIsExact) {
  for (int i = 0; i < 50; ++i) engine_.AppendCommit(PartitionId(0), kEven, Completions(4), {"1"});
  grpc::ClientContext context;
  LogReader reader = ReadLog(0, 10, 150, context);
  std::vector<uint64_t> positions;
  v1::ReadLogResponse frame;
  uint64_t next = 0;
  while (reader.stream->Read(&frame)) {
    for (const v1::RecordedEvent& event : frame.events()) {
      positions.push_back(event.position().position());
      EXPECT_EQ(event.position().partition(), 0u);
    }
    next = frame.next_position();
  }
  EXPECT_TRUE(reader.stream->Finish().ok());
  ASSERT_THAT(positions, SizeIs(141));
  for (size_t i = 0; i < positions.size(); ++i) EXPECT_EQ(positions[i], 10 + i);
  EXPECT_EQ(next, 151u);
}

TEST_F(LogServiceTest, LogToTheEndAndEmptyRanges) {
  engine_.AppendCommit(PartitionId(0), kEven, Completions(3), {"1"});
  int frames = 0;
  {
    grpc::ClientContext context;
    LogReader reader = ReadLog(0, 0, 0, context);
    EXPECT_THAT(ReadAll(reader, frames), ElementsAre(0, 1, 2));
  }
  for (const auto& [partition, from] : {std::pair<uint32_t, uint64_t>{1, 0}, {0, 4}, {0, 99}}) {
    grpc::ClientContext context;
    LogReader reader = ReadLog(partition, from, 0, context);
    EXPECT_THAT(ReadAll(reader, frames), SizeIs(0));
    EXPECT_TRUE(reader.stream->Finish().ok());
  }
}

TEST_F(LogServiceTest, UnknownPartition) {
  grpc::ClientContext context;
  LogReader reader = ReadLog(2, 0, 0, context);
  v1::ReadLogResponse frame;
  EXPECT_FALSE(reader.stream->Read(&frame));
  EXPECT_THAT(reader.stream->Finish(), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

}  // namespace
}  // namespace skald::api
