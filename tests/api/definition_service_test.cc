// Goal: DefinitionService shows definitions page by page, and findings of the compiler as they are.
#include <string>

#include "base/errors.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

using ::testing::HasSubstr;

class DefinitionServiceTest : public ApiTest {
 protected:
  DefinitionServiceTest() {
    for (const char* version : {"1.0.0", "1.9.0", "1.10.0"}) {
      runtime::DefinitionInfo info;
      info.namespace_name = "shop";
      info.name = "order";
      info.version = version;
      info.hash = std::string(32, 'h');
      info.text = "text";
      info.deployed = Timestamp(1'000'000);
      engine_.definitions.push_back(info);
    }
  }
};

TEST_F(DefinitionServiceTest, DeployTellsWhatBecameOfIt) {
  engine_.deploy = [](const std::string& text) {
    EXPECT_EQ(text, "document: {}");
    runtime::DeployReply reply;
    reply.position = {PartitionId(0), Position(5)};
    reply.namespace_name = "shop";
    reply.name = "order";
    reply.version = "1.0.0";
    reply.already_deployed = true;
    definition::Diagnostic warning;
    warning.severity = definition::Diagnostic::Severity::kWarning;
    warning.line = 3;
    warning.column = 7;
    warning.pointer = "/do/0";
    warning.message = "hm";
    reply.warnings = {warning};
    reply.unserved_functions = {"pay"};
    return reply;
  };
  grpc::ClientContext context;
  v1::DeployDefinitionRequest request;
  request.set_text("document: {}");
  v1::DeployDefinitionResponse response;
  ASSERT_TRUE(definitions()->DeployDefinition(&context, request, &response).ok());
  EXPECT_EQ(response.version(), "1.0.0");
  EXPECT_EQ(response.position().position(), 5u);
  EXPECT_TRUE(response.already_deployed());
  ASSERT_EQ(response.diagnostics_size(), 1);
  EXPECT_EQ(response.diagnostics(0).severity(), v1::Diagnostic::SEVERITY_WARNING);
  EXPECT_EQ(response.diagnostics(0).line(), 3u);
  EXPECT_EQ(response.unserved_functions(0), "pay");
}

TEST_F(DefinitionServiceTest, BadDefinitionComesBackWithViolations) {
  engine_.deploy = [](const std::string&) {
    return DefinitionInvalidError("2 errors", {{"/do/0", "line 3: a"}, {"/do/1", "line 4: b"}});
  };
  grpc::ClientContext context;
  v1::DeployDefinitionRequest request;
  request.set_text("x");
  v1::DeployDefinitionResponse response;
  const grpc::Status status = definitions()->DeployDefinition(&context, request, &response);
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "DEFINITION_INVALID"));
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(status)->field_violations_size(), 2);
}

TEST_F(DefinitionServiceTest, EmptyTextIsRefused) {
  grpc::ClientContext context;
  v1::DeployDefinitionResponse response;
  EXPECT_THAT(definitions()->DeployDefinition(&context, v1::DeployDefinitionRequest(), &response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

TEST_F(DefinitionServiceTest, ValidateUsesTheCompiler) {
  grpc::ClientContext context;
  v1::ValidateDefinitionRequest request;
  request.set_text("document: [");
  v1::ValidateDefinitionResponse response;
  ASSERT_TRUE(definitions()->ValidateDefinition(&context, request, &response).ok());
  EXPECT_FALSE(response.valid());
  ASSERT_GT(response.diagnostics_size(), 0);
  EXPECT_EQ(response.diagnostics(0).severity(), v1::Diagnostic::SEVERITY_ERROR);
  EXPECT_GT(response.diagnostics(0).line(), 0u);
}

TEST_F(DefinitionServiceTest, ValidateTellsWhatCannotRunHere) {
  v1::ValidateDefinitionRequest request;
  request.set_text(
      "document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}\n"
      "do:\n  - x: {call: work}\n  - y: {run: {shell: {command: ls}}}\n");
  for (const bool deployable : {false, true}) {
    request.set_deployable(deployable);
    grpc::ClientContext context;
    v1::ValidateDefinitionResponse response;
    ASSERT_TRUE(definitions()->ValidateDefinition(&context, request, &response).ok());
    EXPECT_EQ(response.valid(), !deployable);
    ASSERT_EQ(response.diagnostics_size(), 2);
    EXPECT_THAT(response.diagnostics(0).message(), HasSubstr("no worker serves 'work'"));
    EXPECT_THAT(response.diagnostics(1).message(), HasSubstr("'run' is not supported yet"));
    for (const v1::Diagnostic& diagnostic : response.diagnostics()) {
      EXPECT_EQ(diagnostic.severity(),
                deployable ? v1::Diagnostic::SEVERITY_ERROR : v1::Diagnostic::SEVERITY_WARNING);
    }
  }
}

TEST_F(DefinitionServiceTest, GetGivesTheText) {
  grpc::ClientContext context;
  v1::GetDefinitionRequest request;
  request.set_namespace_("shop");
  request.set_name("order");
  request.set_version("1.9.0");
  v1::GetDefinitionResponse response;
  ASSERT_TRUE(definitions()->GetDefinition(&context, request, &response).ok());
  EXPECT_EQ(response.definition().text(), "text");
  EXPECT_EQ(response.definition().version(), "1.9.0");
  EXPECT_EQ(response.definition().create_time().seconds(), 1);
}

TEST_F(DefinitionServiceTest, UnknownDefinition) {
  grpc::ClientContext context;
  v1::GetDefinitionRequest request;
  request.set_namespace_("shop");
  request.set_name("odrer");
  v1::GetDefinitionResponse response;
  EXPECT_THAT(definitions()->GetDefinition(&context, request, &response),
              EndsWith(grpc::StatusCode::NOT_FOUND, "DEFINITION_NOT_FOUND"));
}

TEST_F(DefinitionServiceTest, ListGoesThroughAllPagesInTheEnginesOrder) {
  v1::ListDefinitionsRequest request;
  request.set_namespace_("shop");
  request.set_page_size(2);
  std::vector<std::string> versions;
  do {
    grpc::ClientContext context;
    v1::ListDefinitionsResponse response;
    ASSERT_TRUE(definitions()->ListDefinitions(&context, request, &response).ok());
    for (const v1::Definition& definition : response.definitions()) {
      versions.push_back(definition.version());
      EXPECT_TRUE(definition.text().empty());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(versions, ::testing::ElementsAre("1.0.0", "1.9.0", "1.10.0"));

  request.set_page_token("rubbish");
  grpc::ClientContext context;
  v1::ListDefinitionsResponse response;
  EXPECT_THAT(definitions()->ListDefinitions(&context, request, &response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"));
}

}  // namespace
}  // namespace skald::api
