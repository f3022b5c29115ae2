// Goal: reads of models answer with the rows, their cut and a token that goes on, wait for what is
// not there yet, and refuse clearly. Method: a model in memory behind the real server.
#include <string>
#include <thread>
#include <vector>

#include "skald/v1/read_model_service.grpc.pb.h"
#include "tests/api/api_fixture.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/memory_models.h"

namespace skald::api {
namespace {

using ::skald::testing::MemoryModels;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ReadModelServiceTest : public ApiTest {
 protected:
  ReadModelServiceTest() {
    models_.Add(query::SagasSchema());
    projection::ModelSchema queues = query::SagasSchema();
    queues.name = "queues";
    queues.history = false;
    models_.Add(queues);
    std::vector<Json> rows;
    for (int i = 0; i < 9; ++i) {
      rows.push_back(query::SagaRow(absl::StrCat("s", i), i % 3 == 0 ? "faulted" : "running",
                                    absl::StrCat("2026-01-0", i + 1, "T00:00:00.000000Z")));
    }
    models_.PutAll("sagas", rows);
    models_.SetCut({.time = Timestamp(5'000'001), .positions = {Position(10), Position(0)}});
    options_.models = &models_;
  }

  std::unique_ptr<v1::ReadModelService::Stub> stub() {
    return v1::ReadModelService::NewStub(channel_);
  }

  grpc::Status List(const v1::ListRowsRequest& request, v1::ListRowsResponse& response) {
    grpc::ClientContext context;
    response.Clear();
    return stub()->ListRows(&context, request, &response);
  }

  static std::vector<std::string> IdsOf(const v1::ListRowsResponse& response) {
    std::vector<std::string> ids;
    for (const std::string& row : response.rows()) {
      ids.emplace_back(Json::Parse(row).value().Get("id").AsString());
    }
    return ids;
  }

  static v1::ListRowsRequest Faulted() {
    v1::ListRowsRequest request;
    request.set_model("sagas");
    request.mutable_filter()->add_where("status=faulted");
    return request;
  }

  MemoryModels models_;
};

TEST_F(ReadModelServiceTest, ListsModelsInPages) {
  v1::ListReadModelsRequest request;
  v1::ListReadModelsResponse response;
  request.set_page_size(1);
  grpc::ClientContext first, second;
  ASSERT_TRUE(stub()->ListReadModels(&first, request, &response).ok());
  ASSERT_EQ(response.models_size(), 1);
  EXPECT_EQ(response.models(0).name(), "queues");
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(stub()->ListReadModels(&second, request, &response).ok());
  ASSERT_EQ(response.models_size(), 1);
  const v1::ReadModel& model = response.models(0);
  EXPECT_EQ(model.name(), "sagas");
  EXPECT_EQ(model.kind(), v1::ReadModel::KIND_FOLDED);
  EXPECT_TRUE(model.history());
  EXPECT_EQ(model.key_columns(), 2u);
  EXPECT_EQ(model.columns(3).type(), v1::ReadModel::Column::TYPE_TIME);
  EXPECT_THAT(model.columns(6).path(), ElementsAre("order", "total"));
  EXPECT_THAT(model.indexes(0).columns(), ElementsAre("status", "started"));
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(ReadModelServiceTest, GetsARowByItsKey) {
  v1::GetRowRequest request;
  v1::GetRowResponse response;
  request.set_model("sagas");
  request.add_key("shop");
  request.add_key("s3");
  grpc::ClientContext found, absent, short_key, no_model;
  ASSERT_TRUE(stub()->GetRow(&found, request, &response).ok());
  EXPECT_EQ(Json::Parse(response.row())->Get("status").AsString(), "faulted");
  EXPECT_EQ(response.cut().as_of_time().seconds(), 5);
  EXPECT_EQ(response.cut().as_of_time().nanos(), 1'000);
  ASSERT_EQ(response.cut().positions_size(), 2);
  EXPECT_EQ(response.cut().positions(0).position(), 10u);
  EXPECT_EQ(response.cut().generation(), 1u);
  request.set_key(1, "nobody");
  const grpc::Status status = stub()->GetRow(&absent, request, &response);
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::NOT_FOUND, "ROW_NOT_FOUND"));
  EXPECT_THAT(status.error_message(), HasSubstr("no row of the key (shop, nobody)"));
  request.clear_key();
  EXPECT_THAT(stub()->GetRow(&short_key, request, &response).error_message(),
              HasSubstr("key: has 0 values; the key of 'sagas' is (namespace, id)"));
  request.set_model("saga");
  EXPECT_THAT(stub()->GetRow(&no_model, request, &response),
              EndsWith(grpc::StatusCode::NOT_FOUND, "MODEL_NOT_FOUND"));
}

TEST_F(ReadModelServiceTest, ListsRowsPageByPageThroughARebuild) {
  v1::ListRowsRequest request = Faulted();
  v1::Condition& condition = *request.mutable_filter()->add_conditions();
  condition.set_column("started");
  condition.set_operator_(v1::Condition::OPERATOR_LESS);
  condition.add_values("2026-02-01");
  request.mutable_order()->add_columns("started");
  request.mutable_order()->set_descending(true);
  request.set_page_size(2);
  v1::ListRowsResponse response;
  ASSERT_TRUE(List(request, response).ok());
  EXPECT_THAT(IdsOf(response), ElementsAre("s6", "s3"));
  models_.Rebuild("sagas");
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request, response).ok());
  EXPECT_THAT(IdsOf(response), ElementsAre("s0"));
  EXPECT_EQ(response.cut().generation(), 2u);
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(ReadModelServiceTest, ATokenIsOfItsQuery) {
  v1::ListRowsRequest request = Faulted();
  request.set_page_size(1);
  v1::ListRowsResponse response;
  ASSERT_TRUE(List(request, response).ok());
  request.set_page_token(response.next_page_token());
  v1::ListRowsRequest same = request;
  same.mutable_filter()->set_where(0, "status = \"faulted\"");
  EXPECT_TRUE(List(same, response).ok());
  for (int i = 0; i < 5; ++i) {
    v1::ListRowsRequest other = request;
    if (i == 0) other.mutable_filter()->set_where(0, "status=running");
    if (i == 1) other.mutable_order()->add_columns("started");
    if (i == 2) other.mutable_options()->mutable_as_of_time()->set_seconds(6);
    if (i == 3) other.set_model("queues");
    if (i == 4) other.set_page_token("bm90IG9uZQ");
    EXPECT_THAT(List(other, response),
                EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"))
        << i;
  }
}

TEST_F(ReadModelServiceTest, TellsEveryViolationAtOnce) {
  v1::ListRowsRequest request;
  request.set_model("sagas");
  v1::Condition& condition = *request.mutable_filter()->add_conditions();
  condition.set_column("attempts");
  condition.set_operator_(v1::Condition::OPERATOR_EQUAL);
  condition.add_values("many");
  request.mutable_filter()->add_conditions()->set_column("status");
  request.mutable_filter()->add_where("stat=1");
  request.mutable_filter()->add_where("ended is null");
  v1::Condition& two = *request.mutable_filter()->add_conditions();
  two.set_column("status");
  two.set_operator_(v1::Condition::OPERATOR_EQUAL);
  v1::ListRowsResponse response;
  const grpc::Status status = List(request, response);
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  const auto bad = DetailOf<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad.has_value());
  std::vector<std::string> fields;
  for (const auto& violation : bad->field_violations()) fields.push_back(violation.field());
  EXPECT_THAT(fields, ElementsAre("filter.conditions[0]", "filter.conditions[1]", "filter.where[0]",
                                  "filter.conditions[2]"));
}

TEST_F(ReadModelServiceTest, CountsRows) {
  v1::CountRowsRequest request;
  v1::CountRowsResponse response;
  request.set_model("sagas");
  grpc::ClientContext all, some;
  ASSERT_TRUE(stub()->CountRows(&all, request, &response).ok());
  EXPECT_EQ(response.count(), 9u);
  request.mutable_filter()->add_where("status=faulted");
  ASSERT_TRUE(stub()->CountRows(&some, request, &response).ok());
  EXPECT_EQ(response.count(), 3u);
  EXPECT_EQ(models_.values_read(), 0u);
  EXPECT_EQ(response.cut().positions_size(), 2);
}

TEST_F(ReadModelServiceTest, WaitsForRowsThatAreNewEnough) {
  models_.SetBehind(3);
  v1::ListRowsRequest request = Faulted();
  v1::LogPosition& position = *request.mutable_options()->add_min_positions();
  position.set_partition(1);
  position.set_position(4);
  v1::ListRowsResponse response;
  ASSERT_TRUE(List(request, response).ok());
  EXPECT_EQ(response.rows_size(), 3);
  EXPECT_EQ(models_.opened(), 4);
  EXPECT_THAT(models_.last_options().min_positions,
              ElementsAre(std::pair(PartitionId(1), Position(4))));

  models_.SetBehind(1'000'000);
  request.mutable_options()->mutable_timeout()->set_nanos(20'000'000);
  const grpc::Status behind = List(request, response);
  EXPECT_THAT(behind, EndsWith(grpc::StatusCode::UNAVAILABLE, "MODEL_BEHIND"));
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(behind).has_value());
  request.mutable_options()->set_allow_stale(true);
  EXPECT_THAT(List(request, response).error_message(), HasSubstr("excludes min_positions"));
  request.mutable_options()->clear_min_positions();
  EXPECT_TRUE(List(request, response).ok());
}

TEST_F(ReadModelServiceTest, RefusesOptionsThatCannotBeMeant) {
  v1::ListRowsRequest request = Faulted();
  request.mutable_options()->add_min_positions()->set_partition(2);
  v1::ListRowsResponse response;
  EXPECT_THAT(List(request, response).error_message(), HasSubstr("there is no partition 2"));
  request.mutable_options()->clear_min_positions();
  request.mutable_options()->mutable_as_of_time()->set_seconds(-1);
  EXPECT_THAT(List(request, response).error_message(), HasSubstr("is no time of a log"));
  request.clear_model();
  EXPECT_THAT(List(request, response).error_message(), HasSubstr("model: must not be empty"));
}

TEST_F(ReadModelServiceTest, ReadsThePast) {
  models_.Put("sagas", query::SagaRow("s0", "completed", "2026-01-01T00:00:00.000000Z"));
  models_.SetCut({.time = Timestamp(9'000'000), .positions = {Position(12), Position(0)}});
  v1::ListRowsRequest request = Faulted();
  request.mutable_options()->mutable_as_of_time()->set_seconds(6);
  request.set_page_size(2);
  v1::ListRowsResponse response;
  ASSERT_TRUE(List(request, response).ok());
  EXPECT_THAT(IdsOf(response), ElementsAre("s0", "s3"));
  EXPECT_EQ(response.cut().as_of_time().seconds(), 6);
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request, response).ok());
  EXPECT_THAT(IdsOf(response), ElementsAre("s6"));
  request.clear_page_token();
  request.mutable_order()->add_columns("started");
  EXPECT_THAT(List(request, response).error_message(), HasSubstr("as of the past"));
  request.clear_order();
  request.set_model("queues");
  EXPECT_THAT(List(request, response),
              EndsWith(grpc::StatusCode::FAILED_PRECONDITION, "MODEL_WITHOUT_HISTORY"));
}

TEST_F(ReadModelServiceTest, ACallThatIsGivenUpEndsAndItsReadToo) {
  models_.SetBehind(1'000'000'000);
  v1::ListRowsRequest request = Faulted();
  request.mutable_options()->mutable_timeout()->set_seconds(30);
  v1::ListRowsResponse response;
  grpc::ClientContext context;
  std::thread canceller([&] {
    while (models_.opened() == 0) std::this_thread::yield();
    context.TryCancel();
  });
  EXPECT_EQ(stub()->ListRows(&context, request, &response).error_code(),
            grpc::StatusCode::CANCELLED);
  canceller.join();
  // Its turns end: the count stands still before the pool is joined at the end of the test.
  server_->Shutdown(0);
}

TEST_F(ReadModelServiceTest, AnswersStatementsInFrames) {
  v1::QueryRequest request;
  request.set_statement("select id, total from sagas where status = ? order by started limit 2");
  request.add_parameters("\"faulted\"");
  grpc::ClientContext context;
  const auto reader = stub()->Query(&context, request);
  v1::QueryResponse frame;
  ASSERT_TRUE(reader->Read(&frame));
  ASSERT_EQ(frame.columns_size(), 2);
  EXPECT_EQ(frame.columns(0).name(), "id");
  EXPECT_EQ(frame.columns(1).type(), "number");
  EXPECT_THAT(frame.rows(), ElementsAre("[\"s0\",0]", "[\"s3\",0]"));
  ASSERT_TRUE(frame.has_stats());
  EXPECT_EQ(frame.stats().rows(), 2u);
  EXPECT_FALSE(frame.stats().truncated());
  EXPECT_EQ(frame.stats().sources(0).model(), "sagas");
  EXPECT_EQ(frame.stats().sources(0).cut().positions(0).position(), 10u);
  EXPECT_FALSE(reader->Read(&frame));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ReadModelServiceTest, LargeAnswersComeInManyFrames) {
  v1::QueryRequest request;
  request.set_statement(
      "with recursive n(x) as (select 1 union all select x + 1 from n) select x from n");
  request.set_rows_max(5'000);
  grpc::ClientContext context;
  const auto reader = stub()->Query(&context, request);
  v1::QueryResponse frame;
  int frames = 0;
  int rows = 0;
  bool truncated = false;
  while (reader->Read(&frame)) {
    EXPECT_EQ(frame.columns_size(), frames == 0 ? 1 : 0);
    ++frames;
    rows += frame.rows_size();
    truncated = frame.stats().truncated();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_GE(frames, 5);
  EXPECT_EQ(rows, 5'000);
  EXPECT_TRUE(truncated);
}

TEST_F(ReadModelServiceTest, BadStatementsAreExplained) {
  v1::QueryRequest request;
  const auto end = [&] {
    grpc::ClientContext context;
    const auto reader = stub()->Query(&context, request);
    v1::QueryResponse frame;
    EXPECT_FALSE(reader->Read(&frame));
    return reader->Finish();
  };
  EXPECT_THAT(end(), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  request.set_statement("select nowhere from sagas");
  EXPECT_THAT(end().error_message(), HasSubstr("no such column: nowhere at line 1, column 8"));
  request.set_statement("select 1");
  request.add_parameters("{");
  EXPECT_THAT(end().error_message(), HasSubstr("parameters[0]: is not JSON"));
  request.clear_parameters();
  request.set_statement("select hex(zeroblob(900000))");
  EXPECT_THAT(end(), EndsWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUERY_TOO_LARGE"));
  request.set_statement("select * from sagas");
  request.mutable_options()->mutable_as_of_time()->set_seconds(1);
  EXPECT_THAT(end(), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

TEST_F(ReadModelServiceTest, AStatementThatIsGivenUpEnds) {
  v1::QueryRequest request;
  request.set_statement(
      "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n");
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  const auto reader = stub()->Query(&context, request);
  v1::QueryResponse frame;
  EXPECT_FALSE(reader->Read(&frame));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  // Returns when no statement runs any more.
  server_->Shutdown(0);
}

class OneStatementTest : public ReadModelServiceTest {
 protected:
  OneStatementTest() {
    options_.queries_max = 1;
    options_.model_read_time_max = 200 * kMillisecond;
  }
};

TEST_F(OneStatementTest, AReaderThatStallsGivesItsPlaceBack) {
  v1::QueryRequest large;
  large.set_statement(
      "with recursive n(x) as (select 1 union all select x + 1 from n) "
      "select hex(zeroblob(1000)) from n");
  large.set_rows_max(100'000);
  grpc::ClientContext context;
  const auto stalled = stub()->Query(&context, large);
  v1::QueryResponse frame;
  ASSERT_TRUE(stalled->Read(&frame));
  const auto try_another = [this] {
    v1::QueryRequest request;
    request.set_statement("select 1");
    grpc::ClientContext other;
    const auto reader = stub()->Query(&other, request);
    v1::QueryResponse answer;
    while (reader->Read(&answer)) {
    }
    return reader->Finish();
  };
  const grpc::Status refused = try_another();
  EXPECT_THAT(refused, EndsWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "PARTITION_OVERLOADED"));
  EXPECT_THAT(refused.error_message(), HasSubstr("Too many statements are under way"));
  EXPECT_TRUE(engine_.WaitUntil([&] { return try_another().ok(); }));
  while (stalled->Read(&frame)) {
  }
  EXPECT_FALSE(stalled->Finish().ok());
}

class CrowdedReadModelServiceTest : public ReadModelServiceTest {
 protected:
  CrowdedReadModelServiceTest() { options_.model_reads_max = options_.queries_max = 0; }
};

TEST_F(CrowdedReadModelServiceTest, TooManyReadsAreRefusedAtOnce) {
  v1::ListRowsResponse response;
  const grpc::Status status = List(Faulted(), response);
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "PARTITION_OVERLOADED"));
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
  v1::QueryRequest request;
  request.set_statement("select 1");
  grpc::ClientContext context;
  EXPECT_THAT(stub()->Query(&context, request)->Finish(),
              EndsWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "PARTITION_OVERLOADED"));
}

}  // namespace
}  // namespace skald::api
