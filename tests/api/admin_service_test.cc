// Goal: figures are shown; a verification streams its progress and result, one at a time, off every
// shared thread.
#include <atomic>
#include <string>

#include "base/errors.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

class AdminServiceTest : public ApiTest {};

TEST_F(AdminServiceTest, StatusShowsPartitions) {
  grpc::ClientContext context;
  v1::GetStatusResponse response;
  ASSERT_TRUE(admin()->GetStatus(&context, v1::GetStatusRequest(), &response).ok());
  EXPECT_EQ(response.store_id(), "0123456789abcdef");
  ASSERT_EQ(response.partitions_size(), 2);
  EXPECT_TRUE(response.partitions(1).serving());
  EXPECT_FALSE(response.version().empty());
}

TEST_F(AdminServiceTest, VerifyStreamsProgressThenTheResult) {
  std::atomic<bool> may_go_on{false};
  engine_.verify = [&](auto progress) {
    progress({.commits = 1, .events = 2});
    EXPECT_TRUE(engine_.WaitUntil([&] { return may_go_on.load(); }));
    return runtime::VerifyReport{.commits = 5, .events = 9, .sagas = 2, .differences = {"odd"}};
  };
  grpc::ClientContext context;
  const auto stream = admin()->VerifyStore(&context, v1::VerifyStoreRequest());
  v1::VerifyStoreResponse frame;
  ASSERT_TRUE(stream->Read(&frame));
  EXPECT_EQ(frame.events(), 2u);
  EXPECT_FALSE(frame.done());
  {
    // A second one is refused while the first runs; other calls go through.
    grpc::ClientContext second;
    const auto refused = admin()->VerifyStore(&second, v1::VerifyStoreRequest());
    v1::VerifyStoreResponse none;
    EXPECT_FALSE(refused->Read(&none));
    EXPECT_THAT(refused->Finish(),
                EndsWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "PARTITION_OVERLOADED"));
    grpc::ClientContext third;
    v1::GetStatusResponse status;
    EXPECT_TRUE(admin()->GetStatus(&third, v1::GetStatusRequest(), &status).ok());
  }
  may_go_on = true;
  ASSERT_TRUE(stream->Read(&frame));
  EXPECT_TRUE(frame.done());
  EXPECT_EQ(frame.commits(), 5u);
  EXPECT_THAT(frame.differences(), ::testing::ElementsAre("odd"));
  EXPECT_FALSE(stream->Read(&frame));
  EXPECT_TRUE(stream->Finish().ok());

  // And again, now that the first is over.
  grpc::ClientContext again;
  const auto second_stream = admin()->VerifyStore(&again, v1::VerifyStoreRequest());
  while (second_stream->Read(&frame)) {
  }
  EXPECT_TRUE(second_stream->Finish().ok());
}

TEST_F(AdminServiceTest, AVerificationEndsWhenItsReaderIsGone) {
  engine_.verify = [&](auto progress) -> absl::StatusOr<runtime::VerifyReport> {
    EXPECT_TRUE(engine_.WaitUntil([&] { return !progress({.commits = 1, .events = 2}); }));
    return absl::CancelledError("");
  };
  for (int i = 0; i < 2; ++i) {
    v1::VerifyStoreResponse frame;
    EXPECT_TRUE(engine_.WaitUntil([&] {  // until the one before is over
      grpc::ClientContext context;
      const auto stream = admin()->VerifyStore(&context, v1::VerifyStoreRequest());
      const bool runs = stream->Read(&frame);
      context.TryCancel();
      return runs;
    }));
  }
}

TEST_F(AdminServiceTest, DamageEndsTheVerification) {
  engine_.verify = [](auto) {
    return LogCorruptError(PartitionId(1), Position(8), "checksum differs");
  };
  grpc::ClientContext context;
  const auto stream = admin()->VerifyStore(&context, v1::VerifyStoreRequest());
  v1::VerifyStoreResponse frame;
  EXPECT_FALSE(stream->Read(&frame));
  EXPECT_THAT(stream->Finish(), EndsWith(grpc::StatusCode::DATA_LOSS, "LOG_CORRUPT"));
}

}  // namespace
}  // namespace skald::api
