// Goal: the server starts where it is told or says why not, shows its health, and stops in order.
#include "api/server.h"

#include <string>
#include <thread>

#include "grpcpp/generic/generic_stub.h"
#include "tests/api/api_fixture.h"
#include "tests/support/status_matchers.h"

namespace skald::api {
namespace {

using skald::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ServerTest : public ApiTest {
 protected:
  // grpc.health.v1.Health/Check of the server as a whole, by its bytes: HealthCheckResponse{status
  // = 1}.
  int Health() {
    grpc::GenericStub stub(Connect());
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const grpc::Slice empty("");
    const grpc::ByteBuffer request(&empty, 1);
    const auto call =
        stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (!status.ok()) return -static_cast<int>(status.error_code());
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(response.Dump(&slices).ok());
    EXPECT_EQ(slices.size(), 1u);
    return slices.empty() ? 0 : slices[0].begin()[1];
  }
};

constexpr int kServing = 1;
constexpr int kNotServing = 2;

TEST_F(ServerTest, PicksAFreePort) {
  EXPECT_GT(server_->port(), 0);
  EXPECT_EQ(Health(), kServing);
}

TEST_F(ServerTest, PortInUseIsAClearError) {
  ServerOptions options;
  options.address = absl::StrCat("127.0.0.1:", server_->port());
  EXPECT_THAT(Server::Start(engine_, options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(options.address), HasSubstr("another server"))));
}

TEST_F(ServerTest, UnknownHostIsAClearError) {
  ServerOptions options;
  options.address = "no.such.host.invalid:1";
  EXPECT_THAT(Server::Start(engine_, options),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no.such.host.invalid")));
}

TEST_F(ServerTest, PortThatIsNoneIsAClearError) {
  for (const char* const address : {"127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http", "here"}) {
    ServerOptions options;
    options.address = address;
    EXPECT_THAT(Server::Start(engine_, options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a port of 0 to 65535")));
  }
}

TEST_F(ServerTest, UnixSocketWorks) {
  ServerOptions options;
  options.address = absl::StrCat("unix:", ::testing::TempDir(), "/skald-", server_->port());
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(engine_, options);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::AdminService::NewStub(
      grpc::CreateChannel(options.address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::GetStatusResponse response;
  EXPECT_TRUE(stub->GetStatus(&context, v1::GetStatusRequest(), &response).ok());
}

TEST_F(ServerTest, TooLargeMessageIsRefused) {
  grpc::ClientContext context;
  v1::StartSagaRequest request;
  request.set_input(std::string(options_.message_bytes_max + 1, ' '));
  v1::StartSagaResponse response;
  EXPECT_EQ(sagas()->StartSaga(&context, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

// While a worker still has a task, the server is not gone yet: health says so, and new work is
// refused.
TEST_F(ServerTest, StoppingServerRefusesNewWorkAndSaysSo) {
  engine_.PutSaga(RunningSaga("order-1"));
  auto ready = std::make_shared<task::ReadyTask>();
  ready->token = {.saga = {"shop", "order-1"}, .frame = saga::FrameId(1)};
  ready->function = "pay";
  engine_.broker().Enqueue(PartitionId(0), {ready}, engine_.Now());
  grpc::ClientContext context;
  const auto stream = workers()->Work(&context);
  v1::WorkRequest hello;
  hello.mutable_hello()->set_name("w");
  hello.mutable_hello()->add_functions("pay");
  hello.mutable_hello()->set_credit(1);
  ASSERT_TRUE(stream->Write(hello));
  v1::WorkResponse frame;
  do {
    ASSERT_TRUE(stream->Read(&frame));
  } while (frame.tasks_size() == 0);
  const std::string token = frame.tasks(0).token();

  std::thread stopper([this] { server_->Shutdown(20 * kSecond); });
  do {
    ASSERT_TRUE(stream->Read(&frame));
  } while (!frame.has_drain());
  EXPECT_EQ(Health(), kNotServing);
  {
    grpc::ClientContext start_context;
    v1::StartSagaRequest request;
    request.set_namespace_("shop");
    request.set_definition_name("order");
    v1::StartSagaResponse response;
    EXPECT_THAT(sagas()->StartSaga(&start_context, request, &response),
                EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  }
  {
    grpc::ClientContext wait_context;
    v1::WaitSagaRequest request;
    request.set_namespace_("shop");
    request.set_saga_id("order-1");
    v1::WaitSagaResponse response;
    EXPECT_THAT(sagas()->WaitSaga(&wait_context, request, &response),
                EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  }
  v1::WorkRequest answer;
  answer.add_completions()->set_token(token);
  ASSERT_TRUE(stream->Write(answer));
  while (stream->Read(&frame)) {
  }
  stopper.join();
}

TEST_F(ServerTest, StoppingServerEndsWaits) {
  engine_.PutSaga(RunningSaga("order-1"));
  std::thread stopper([this] {
    EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 1; }));
    server_->Shutdown(10 * kSecond);
  });
  grpc::ClientContext context;
  v1::WaitSagaRequest request;
  request.set_namespace_("shop");
  request.set_saga_id("order-1");
  v1::WaitSagaResponse response;
  EXPECT_THAT(sagas()->WaitSaga(&context, request, &response),
              EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
  stopper.join();
  EXPECT_EQ(engine_.stopped_waits(), 1u);
}

}  // namespace
}  // namespace skald::api
