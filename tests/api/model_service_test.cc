// Goal: ModelService declares, drops and shows read models as the engine has them, and every bad
// request is told what is wrong with it.
#include <string>

#include "base/errors.h"
#include "skald/v1/model_service.grpc.pb.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

using ::testing::HasSubstr;

constexpr char kText[] =
    "model: orders\ndescription: All orders\nevents: [{}]\nkey: .sagaId\nreduce: . + 1\n";

class ModelServiceTest : public ApiTest {
 protected:
  ModelServiceTest() {
    for (const char* name : {"items", "orders"}) {
      engine_.declared.push_back({.name = name,
                                .hash = std::string(32, 'h'),
                                .text = kText,
                                .actor = "ann",
                                .deployed = Timestamp(1'000'000),
                                .position = {PartitionId(0), Position(4)}});
    }
  }
  std::unique_ptr<v1::ModelService::Stub> models() { return v1::ModelService::NewStub(channel_); }
  grpc::Status Drop(const std::string& name, v1::DropModelResponse& response) {
    grpc::ClientContext context;
    v1::DropModelRequest request;
    request.set_name(name);
    return models()->DropModel(&context, request, &response);
  }
};

TEST_F(ModelServiceTest, DeployTellsWhatBecameOfIt) {
  engine_.deploy_model = [](const std::string& text) {
    EXPECT_EQ(text, kText);
    return runtime::DeployModelReply{.position = {PartitionId(0), Position(5)},
                                     .name = "orders",
                                     .hash = std::string(32, 'x'),
                                     .already_deployed = true};
  };
  grpc::ClientContext context;
  v1::DeployModelRequest request;
  request.set_text(kText);
  v1::DeployModelResponse response;
  ASSERT_TRUE(models()->DeployModel(&context, request, &response).ok());
  EXPECT_EQ(response.name(), "orders");
  EXPECT_EQ(response.hash(), std::string(32, 'x'));
  EXPECT_EQ(response.position().position(), 5u);
  EXPECT_TRUE(response.already_deployed());
}

TEST_F(ModelServiceTest, RefusalsCarryEveryViolation) {
  engine_.deploy_model = [](const std::string&) {
    return ModelInvalidError("two errors", {{"/key", "line 1, column 2: a"}, {"/where", "b"}});
  };
  grpc::ClientContext context;
  v1::DeployModelRequest request;
  request.set_text("x");
  v1::DeployModelResponse response;
  const grpc::Status status = models()->DeployModel(&context, request, &response);
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "MODEL_INVALID"));
  grpc::ClientContext empty;
  EXPECT_THAT(models()->DeployModel(&empty, v1::DeployModelRequest(), &response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

TEST_F(ModelServiceTest, ValidateTellsFindingsAndChangesNothing) {
  grpc::ClientContext context;
  v1::ValidateModelRequest request;
  request.set_text("model: orders\nevents: [{}]\nkey: .sagaId\nreduse: . + 1\n");
  v1::ValidateModelResponse response;
  ASSERT_TRUE(models()->ValidateModel(&context, request, &response).ok());
  EXPECT_FALSE(response.valid());
  ASSERT_EQ(response.diagnostics_size(), 2);
  EXPECT_EQ(response.diagnostics(1).line(), 4u);
  EXPECT_THAT(response.diagnostics(1).message(), HasSubstr("did you mean 'reduce'"));
  grpc::ClientContext again;
  request.set_text(kText);
  ASSERT_TRUE(models()->ValidateModel(&again, request, &response).ok());
  EXPECT_TRUE(response.valid());
}

TEST_F(ModelServiceTest, ModelsAreListedWithoutAndShownWithTheirText) {
  grpc::ClientContext context;
  v1::ListModelsResponse list;
  ASSERT_TRUE(models()->ListModels(&context, {}, &list).ok());
  ASSERT_EQ(list.models_size(), 2);
  EXPECT_EQ(list.models(0).name(), "items");
  EXPECT_EQ(list.models(0).text(), "");
  EXPECT_EQ(list.models(1).description(), "All orders");
  EXPECT_EQ(list.models(1).actor(), "ann");
  EXPECT_EQ(list.models(1).create_time().seconds(), 1);
  grpc::ClientContext one;
  v1::GetModelRequest request;
  request.set_name("orders");
  v1::GetModelResponse shown;
  ASSERT_TRUE(models()->GetModel(&one, request, &shown).ok());
  EXPECT_EQ(shown.model().text(), kText);
  EXPECT_EQ(shown.model().position().position(), 4u);
  grpc::ClientContext none;
  request.set_name("nothing");
  EXPECT_THAT(models()->GetModel(&none, request, &shown),
              EndsWith(grpc::StatusCode::NOT_FOUND, "MODEL_NOT_FOUND"));
}

TEST_F(ModelServiceTest, DroppedModelsAreGone) {
  v1::DropModelResponse response;
  ASSERT_TRUE(Drop("items", response).ok());
  EXPECT_EQ(response.position().position(), 9u);
  EXPECT_THAT(Drop("items", response), EndsWith(grpc::StatusCode::NOT_FOUND, "MODEL_NOT_FOUND"));
  EXPECT_THAT(Drop("sagas", response), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  EXPECT_THAT(Drop("", response), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

}  // namespace
}  // namespace skald::api
