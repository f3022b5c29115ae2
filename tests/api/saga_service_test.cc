// Goal: SagaService over a real connection: requests become the right commands, answers and errors
// come back whole, waits end by result, time, cancellation.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/errors.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class SagaServiceTest : public ApiTest {
 protected:
  v1::StartSagaRequest StartRequest() {
    v1::StartSagaRequest request;
    request.set_namespace_("shop");
    request.set_definition_name("order");
    request.set_input(R"({"amount": 12345678901234567890})");
    return request;
  }

  template <typename Request>
  static Request Named() {
    Request request;
    request.set_namespace_("shop");
    request.set_saga_id("order-1");
    return request;
  }
};

TEST_F(SagaServiceTest, StartBecomesACommandAndReturnsItsPosition) {
  grpc::ClientContext context;
  context.AddMetadata("skald-actor", "ann");
  v1::StartSagaRequest request = StartRequest();
  request.set_definition_version("1.0.0");
  request.set_saga_id("order-1");
  request.set_request_id("r-1");
  request.set_correlation_id("basket-9");
  v1::StartSagaResponse response;
  ASSERT_TRUE(sagas()->StartSaga(&context, request, &response).ok());
  EXPECT_EQ(response.saga_id(), "order-1");
  EXPECT_EQ(response.position().position(), 7u);
  EXPECT_FALSE(response.has_saga());

  ASSERT_THAT(engine_.commands(), SizeIs(1));
  const saga::Command command = engine_.commands()[0];
  EXPECT_EQ(command.saga, (SagaKey{"shop", "order-1"}));
  EXPECT_EQ(command.actor, "ann");
  EXPECT_EQ(command.request_id, "r-1");
  EXPECT_NE(command.request_digest, 0u);
  EXPECT_EQ(command.correlation_id, "basket-9");
  const auto& start = std::get<saga::StartSaga>(command.request);
  EXPECT_EQ(start.definition_name, "order");
  EXPECT_EQ(start.definition_version, "1.0.0");
  EXPECT_EQ(start.input.text, R"({"amount": 12345678901234567890})");
}

TEST_F(SagaServiceTest, DigestIgnoresRequestIdAndWaitButNothingElse) {
  const auto start = [this](v1::StartSagaRequest request) {
    grpc::ClientContext context;
    v1::StartSagaResponse response;
    EXPECT_TRUE(sagas()->StartSaga(&context, request, &response).ok());
    return engine_.commands().back().request_digest;
  };
  engine_.PutSaga(CompletedSaga("made-up"));
  v1::StartSagaRequest request = StartRequest();
  EXPECT_EQ(start(request), 0u);  // without a request id
  request.set_request_id("a");
  const uint64_t digest = start(request);
  request.mutable_wait()->set_seconds(1);
  EXPECT_EQ(start(request), digest);
  request.set_input("{}");
  EXPECT_NE(start(request), digest);
}

TEST_F(SagaServiceTest, AllViolationsOfAStartAreTold) {
  grpc::ClientContext context;
  context.AddMetadata("skald-actor", std::string(300, 'a'));
  v1::StartSagaRequest request;
  request.set_namespace_("sh\top");
  request.set_saga_id(std::string(257, 'x'));
  request.set_input("{");
  v1::StartSagaResponse response;
  const grpc::Status status = sagas()->StartSaga(&context, request, &response);
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  const auto bad_request = DetailOf<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request);
  std::vector<std::string> fields;
  for (const auto& violation : bad_request->field_violations()) fields.push_back(violation.field());
  EXPECT_THAT(fields, ElementsAre("metadata skald-actor", "namespace", "definition_name", "saga_id",
                                  "input"));
  EXPECT_THAT(engine_.commands(), SizeIs(0));
}

TEST_F(SagaServiceTest, RefusalComesBackWithItsReason) {
  engine_.decide = [](const saga::Command& command) {
    return SagaAlreadyExistsError(command.saga);
  };
  grpc::ClientContext context;
  v1::StartSagaResponse response;
  EXPECT_THAT(sagas()->StartSaga(&context, StartRequest(), &response),
              EndsWith(grpc::StatusCode::ALREADY_EXISTS, "SAGA_ALREADY_EXISTS"));
}

TEST_F(SagaServiceTest, StartWithWaitAnswersWithTheResult) {
  engine_.PutSaga(RunningSaga("made-up"));
  std::thread ender([this] {
    EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 1; }));
    engine_.EndSaga(CompletedSaga("made-up"));
  });
  grpc::ClientContext context;
  v1::StartSagaRequest request = StartRequest();
  request.mutable_wait()->set_seconds(60);
  v1::StartSagaResponse response;
  EXPECT_TRUE(sagas()->StartSaga(&context, request, &response).ok());
  ender.join();
  EXPECT_EQ(response.saga_id(), "made-up");
  EXPECT_EQ(response.position().position(), 7u);
  EXPECT_EQ(response.saga().status(), v1::SAGA_STATUS_COMPLETED);
  EXPECT_EQ(response.saga().output(), "42");
}

TEST_F(SagaServiceTest, RefusedStartWithWaitEndsAtOnce) {
  engine_.decide = [](const saga::Command&) {
    return DefinitionNotFoundError("shop", "order", "");
  };
  grpc::ClientContext context;
  v1::StartSagaRequest request = StartRequest();
  request.mutable_wait()->set_seconds(60);
  v1::StartSagaResponse response;
  EXPECT_THAT(sagas()->StartSaga(&context, request, &response),
              EndsWith(grpc::StatusCode::NOT_FOUND, "DEFINITION_NOT_FOUND"));
}

TEST_F(SagaServiceTest, GetShowsTheSagaOrSaysThereIsNone) {
  engine_.PutSaga(RunningSaga("order-1"));
  {
    grpc::ClientContext context;
    v1::GetSagaResponse response;
    ASSERT_TRUE(sagas()->GetSaga(&context, Named<v1::GetSagaRequest>(), &response).ok());
    EXPECT_EQ(response.saga().status(), v1::SAGA_STATUS_RUNNING);
    EXPECT_EQ(response.saga().revision(), 3u);
    EXPECT_EQ(response.saga().input(), "{}");
  }
  v1::GetSagaRequest request;
  request.set_namespace_("shop");
  request.set_saga_id("order-2");
  grpc::ClientContext context;
  v1::GetSagaResponse response;
  EXPECT_THAT(sagas()->GetSaga(&context, request, &response),
              EndsWith(grpc::StatusCode::NOT_FOUND, "SAGA_NOT_FOUND"));
}

TEST_F(SagaServiceTest, WaitEndsWithTheSaga) {
  engine_.PutSaga(RunningSaga("order-1"));
  std::thread ender([this] {
    EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 1; }));
    engine_.EndSaga(CompletedSaga("order-1"));
  });
  grpc::ClientContext context;
  v1::WaitSagaResponse response;
  EXPECT_TRUE(sagas()->WaitSaga(&context, Named<v1::WaitSagaRequest>(), &response).ok());
  ender.join();
  EXPECT_EQ(response.saga().status(), v1::SAGA_STATUS_COMPLETED);
}

TEST_F(SagaServiceTest, WaitWithZeroTimeoutAnswersWithThePresentState) {
  engine_.PutSaga(RunningSaga("order-1"));
  grpc::ClientContext context;
  auto request = Named<v1::WaitSagaRequest>();
  request.mutable_timeout();
  v1::WaitSagaResponse response;
  ASSERT_TRUE(sagas()->WaitSaga(&context, request, &response).ok());
  EXPECT_EQ(response.saga().status(), v1::SAGA_STATUS_RUNNING);
}

TEST_F(SagaServiceTest, DeadlineEndsTheWaitAndFreesIt) {
  engine_.PutSaga(RunningSaga("order-1"));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  v1::WaitSagaResponse response;
  const grpc::Status status = sagas()->WaitSaga(&context, Named<v1::WaitSagaRequest>(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 0; }));
}

TEST_F(SagaServiceTest, CancellationRemovesTheWaiter) {
  engine_.PutSaga(RunningSaga("order-1"));
  grpc::ClientContext context;
  std::thread canceller([this, &context] {
    EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 1; }));
    context.TryCancel();
  });
  v1::WaitSagaResponse response;
  const grpc::Status status = sagas()->WaitSaga(&context, Named<v1::WaitSagaRequest>(), &response);
  canceller.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.stopped_waits() == 1; }));
}

// A start that is cancelled while its command is under way must not touch the answer that is gone.
TEST_F(SagaServiceTest, CancellationBeforeTheReplyIsSafe) {
  engine_.HoldReplies();
  grpc::ClientContext context;
  std::thread canceller([this, &context] {
    EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.commands().size() == 1; }));
    context.TryCancel();
  });
  v1::StartSagaRequest request = StartRequest();
  request.mutable_wait()->set_seconds(60);
  v1::StartSagaResponse response;
  EXPECT_EQ(sagas()->StartSaga(&context, request, &response).error_code(),
            grpc::StatusCode::CANCELLED);
  canceller.join();
  engine_.PutSaga(RunningSaga("made-up"));
  engine_.ReleaseReplies();
  // The server may hear of the cancellation after the client: then a wait begins, and is stopped.
  EXPECT_TRUE(engine_.WaitUntil([this] { return engine_.waiting() == 0; }));
}

TEST_F(SagaServiceTest, VerbsBecomeCommands) {
  const auto stub = sagas();
  const auto call = [&](auto method, auto request, auto response) {
    grpc::ClientContext context;
    const grpc::Status status = (stub.get()->*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.position().position(), 7u);
    return engine_.commands().back();
  };
  using Stub = v1::SagaService::Stub;

  auto cancel = Named<v1::CancelSagaRequest>();
  cancel.set_reason("changed my mind");
  cancel.set_undo(v1::CancelSagaRequest::UNDO_ABANDON);
  cancel.set_force(true);
  const auto cancelled =
      std::get<saga::CancelSaga>(call(&Stub::CancelSaga, cancel, v1::CancelSagaResponse()).request);
  EXPECT_EQ(cancelled.reason, "changed my mind");
  EXPECT_EQ(cancelled.compensate, false);
  EXPECT_TRUE(cancelled.force);

  call(&Stub::TerminateSaga, Named<v1::TerminateSagaRequest>(), v1::TerminateSagaResponse());
  call(&Stub::SuspendSaga, Named<v1::SuspendSagaRequest>(), v1::SuspendSagaResponse());
  call(&Stub::ResumeSaga, Named<v1::ResumeSagaRequest>(), v1::ResumeSagaResponse());
  call(&Stub::RetryTask, Named<v1::RetryTaskRequest>(), v1::RetryTaskResponse());

  auto skip = Named<v1::SkipCompensationRequest>();
  skip.set_task("pay");
  skip.set_reason("refunded by phone");
  EXPECT_EQ(std::get<saga::SkipCompensation>(
                call(&Stub::SkipCompensation, skip, v1::SkipCompensationResponse()).request)
                .reason,
            "refunded by phone");

  auto complete = Named<v1::CompleteTaskRequest>();
  complete.set_output("7");
  complete.set_note("done by hand");
  const auto completed = std::get<saga::CompleteTask>(
      call(&Stub::CompleteTask, complete, v1::CompleteTaskResponse()).request);
  EXPECT_EQ(completed.output.text, "7");
  EXPECT_EQ(completed.note, "done by hand");

  auto fail = Named<v1::FailTaskRequest>();
  fail.set_note("cannot");
  call(&Stub::FailTask, fail, v1::FailTaskResponse());
  auto resolve = Named<v1::ResolveCompensationRequest>();
  resolve.set_note("by hand");
  call(&Stub::ResolveCompensation, resolve, v1::ResolveCompensationResponse());
  call(&Stub::RetryCompensation, Named<v1::RetryCompensationRequest>(),
       v1::RetryCompensationResponse());
}

TEST_F(SagaServiceTest, VerbsNeedTheirReasonAndNote) {
  grpc::ClientContext context;
  v1::SkipCompensationResponse response;
  EXPECT_THAT(sagas()->SkipCompensation(&context, Named<v1::SkipCompensationRequest>(), &response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

TEST_F(SagaServiceTest, ListGoesThroughAllPages) {
  for (int i = 0; i < 57; ++i) engine_.PutSaga(CompletedSaga(absl::StrCat("order-", 100 + i)));
  engine_.PutSaga(RunningSaga("order-0"));
  v1::ListSagasRequest request;
  request.mutable_filter()->add_statuses(v1::SAGA_STATUS_COMPLETED);
  request.set_page_size(25);
  std::vector<std::string> ids;
  do {
    grpc::ClientContext context;
    v1::ListSagasResponse response;
    ASSERT_TRUE(sagas()->ListSagas(&context, request, &response).ok());
    EXPECT_LE(response.sagas_size(), 25);
    for (const v1::Saga& saga : response.sagas()) ids.push_back(saga.saga_id());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  ASSERT_THAT(ids, SizeIs(57));
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

TEST_F(SagaServiceTest, PageTokenIsBoundToTheFilter) {
  for (int i = 0; i < 3; ++i) engine_.PutSaga(RunningSaga(absl::StrCat("order-", i)));
  v1::ListSagasRequest request;
  request.set_page_size(1);
  v1::ListSagasResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(sagas()->ListSagas(&context, request, &response).ok());
  }
  request.set_page_token(response.next_page_token());
  request.mutable_filter()->set_namespace_("shop");
  grpc::ClientContext context;
  EXPECT_THAT(sagas()->ListSagas(&context, request, &response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"));
}

TEST_F(SagaServiceTest, ListRefusesUnknownStatuses) {
  v1::ListSagasRequest request;
  request.mutable_filter()->add_statuses(static_cast<v1::SagaStatus>(99));
  grpc::ClientContext context;
  v1::ListSagasResponse response;
  EXPECT_THAT(sagas()->ListSagas(&context, request, &response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

TEST_F(SagaServiceTest, IncidentsNameTheirSagas) {
  saga::SagaView parked = RunningSaga("order-1");
  parked.status = saga::Status::kSuspended;
  parked.incidents = {{.kind = saga::Incident::Kind::kParkedCompensation,
                       .task = "/do/0/pay",
                       .name = "pay",
                       .since = Timestamp(5'000'000),
                       .verbs = "RetryCompensation, SkipCompensation"}};
  engine_.PutSaga(parked);
  engine_.PutSaga(RunningSaga("order-2"));
  grpc::ClientContext context;
  v1::ListIncidentsResponse response;
  ASSERT_TRUE(sagas()->ListIncidents(&context, v1::ListIncidentsRequest(), &response).ok());
  ASSERT_EQ(response.incidents_size(), 1);
  EXPECT_EQ(response.incidents(0).saga_id(), "order-1");
  EXPECT_EQ(response.incidents(0).incident().kind(), v1::Incident::KIND_PARKED_COMPENSATION);
  EXPECT_EQ(response.incidents(0).incident().verbs_size(), 2);
}

class CrowdedSagaServiceTest : public SagaServiceTest {
 protected:
  CrowdedSagaServiceTest() {
    options_.read_threads = 1;
    options_.reads_waiting_max = 2;
    engine_.on_list = [this] {
      ++lists_;
      may_go_.WaitForNotification();
    };
  }

  std::atomic<int> lists_ = 0;
  absl::Notification may_go_;
};

TEST_F(CrowdedSagaServiceTest, TooManyListsAreRefusedAndThoseOfNobodyNotMade) {
  struct Caller {
    grpc::ClientContext context;
    grpc::Status end;
    std::atomic<bool> has_ended = false;
    std::thread thread;
  };
  constexpr int kCallers = 7;
  Caller callers[kCallers];
  const auto begin = [this](Caller& caller) {
    caller.thread = std::thread([this, &caller] {
      v1::ListSagasResponse response;
      caller.end = sagas()->ListSagas(&caller.context, {}, &response);
      caller.has_ended = true;
    });
  };
  begin(callers[0]);
  ASSERT_TRUE(engine_.WaitUntil([this] { return lists_ == 1; }));
  for (int i = 1; i < kCallers; ++i) begin(callers[i]);
  const auto waiting = [&] {
    std::vector<Caller*> found;
    for (Caller& caller : callers) {
      if (!caller.has_ended) found.push_back(&caller);
    }
    return found;
  };
  ASSERT_TRUE(engine_.WaitUntil([&] { return waiting().size() == 3; }));
  for (const Caller& caller : callers) {
    if (!caller.has_ended) continue;
    EXPECT_THAT(caller.end, EndsWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "PARTITION_OVERLOADED"));
    EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(caller.end).has_value());
  }
  waiting().back()->context.TryCancel();
  ASSERT_TRUE(engine_.WaitUntil([&] { return waiting().size() == 2; }));
  // The server hears of it about now.
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const std::vector<Caller*> answered = waiting();
  may_go_.Notify();
  for (Caller& caller : callers) caller.thread.join();
  for (const Caller* caller : answered) EXPECT_TRUE(caller->end.ok());
  EXPECT_EQ(lists_, 2);
}

}  // namespace
}  // namespace skald::api
