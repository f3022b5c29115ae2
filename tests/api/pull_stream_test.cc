// Goal: streams share their threads. Method: a stream without a connection, on a pool of one
// thread.
#include "api/pull_stream.h"

#include <atomic>
#include <future>
#include <memory>

#include "gtest/gtest.h"
#include "skald/v1/log_service.pb.h"
#include "tests/api/fake_engine.h"

namespace skald::api {
namespace {

using Frame = v1::FollowLogResponse;

constexpr int kPulls = 100;

// Looks for long, and finds nothing.
class LongSource final : public FrameSource<Frame> {
 public:
  LongSource(std::future<void> begin, std::atomic<int>& pulls)
      : begin_(std::move(begin)), pulls_(pulls) {}

  void Open(std::function<void()> wake) override { wake_ = std::move(wake); }
  Pulled Pull(Frame&) override {
    if (pulls_ == 0) begin_.wait();
    if (++pulls_ == kPulls) return Pulled::End(absl::OkStatus());
    wake_();
    return Pulled::NothingNow();
  }
  void Close() override {}

 private:
  std::future<void> begin_;
  std::atomic<int>& pulls_;
  std::function<void()> wake_;
};

TEST(PullStreamTest, OthersHaveTheirTurnWhileASourceLooksForLong) {
  FakeEngine engine;
  const ServerOptions options;
  CallRegistry calls;
  std::atomic<int> pulls = 0;
  int pulls_before = 0;
  std::promise<void> begin;
  grpc::ServerWriteReactor<Frame>* stream = nullptr;
  {
    WorkPool pool(1);
    ApiContext context{engine, options, pool, calls, "0123456789abcdef"};
    stream =
        PullStream<Frame>::Open(context, std::make_unique<LongSource>(begin.get_future(), pulls));
    pool.Post([&] { pulls_before = pulls; });
    begin.set_value();
    EXPECT_TRUE(engine.WaitUntil([&] { return pulls == kPulls; }));
    // The last work there is.
    std::promise<void> end;
    pool.Post([&] { end.set_value(); });
    end.get_future().wait();
    stream->OnDone();
  }
  EXPECT_EQ(pulls_before, 1);
}

}  // namespace
}  // namespace skald::api
