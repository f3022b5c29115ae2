// Goal: errors keep their code and carry reason, facts, violations and delay, and stay small enough
// for any client; the API's enum of reasons has exactly the engine's names.
#include "api/grpc_status.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/utf8.h"
#include "skald/v1/error_reason.pb.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

using ::testing::Contains;
using ::testing::Pair;

TEST(ErrorReasonTest, EnumHasExactlyTheEnginesReasons) {
  const google::protobuf::EnumDescriptor& proto = *v1::ErrorReason_descriptor();
  const int reasons = static_cast<int>(ErrorReason::kInternal) + 1;
  EXPECT_EQ(proto.value_count(), reasons + 1);  // and UNSPECIFIED
  for (int i = 0; i < reasons; ++i) {
    const std::string name =
        absl::StrCat("ERROR_REASON_", ErrorReasonName(static_cast<ErrorReason>(i)));
    EXPECT_NE(proto.FindValueByName(name), nullptr) << name;
  }
}

TEST(GrpcStatusTest, OkIsOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_EQ(ToRpcStatus(absl::OkStatus()).ByteSizeLong(), 0u);
}

TEST(GrpcStatusTest, CarriesReasonAndFacts) {
  const grpc::Status status = ToGrpcStatus(SagaNotFoundError({"shop", "order-1"}));
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::NOT_FOUND, "SAGA_NOT_FOUND"));
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info);
  EXPECT_THAT(info->metadata(), Contains(Pair("saga_id", "order-1")));
  EXPECT_THAT(info->metadata(), Contains(Pair("namespace", "shop")));
}

TEST(GrpcStatusTest, CarriesViolations) {
  const grpc::Status status = ToGrpcStatus(BadRequestError({{"a", "is bad"}, {"b", "is worse"}}));
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  const auto bad_request = DetailOf<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request);
  ASSERT_EQ(bad_request->field_violations_size(), 2);
  EXPECT_EQ(bad_request->field_violations(1).field(), "b");
  EXPECT_EQ(bad_request->field_violations(1).description(), "is worse");
}

TEST(GrpcStatusTest, CarriesTheDelay) {
  const grpc::Status status = ToGrpcStatus(PartitionOverloadedError(PartitionId(3), 1'250'000));
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::RESOURCE_EXHAUSTED, "PARTITION_OVERLOADED"));
  const auto retry = DetailOf<google::rpc::RetryInfo>(status);
  ASSERT_TRUE(retry);
  EXPECT_EQ(retry->retry_delay().seconds(), 1);
  EXPECT_EQ(retry->retry_delay().nanos(), 250'000'000);
}

TEST(GrpcStatusTest, StatusWithoutReasonGetsTheOneOfItsCode) {
  EXPECT_EQ(ReasonOf(ToRpcStatus(absl::UnavailableError("x"))), "PARTITION_NOT_SERVING");
  EXPECT_EQ(ReasonOf(ToRpcStatus(absl::UnknownError("x"))), "INTERNAL");
}

// As they travel: percent-encoded, and in base64 to a client that does not know better.
size_t EncodedBytes(const grpc::Status& status) {
  size_t bytes = (status.error_details().size() + 2) / 3 * 4;
  for (const char c : status.error_message()) bytes += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
  return bytes;
}

TEST(GrpcStatusTest, ViolationsFitAClientsMetadataAsTheyAreEncoded) {
  std::string umlauts;
  for (int i = 0; i < 200; ++i) umlauts += "ü";
  for (const std::string& problem :
       {std::string("x"), std::string(90, 'x'), std::string(480, '%'), umlauts}) {
    for (const size_t count : {1, 3, 32, 500}) {
      const std::vector<std::pair<std::string, std::string>> violations(
          count, {"filter.conditions[12]", problem});
      const grpc::Status status = ToGrpcStatus(BadRequestError(violations));
      EXPECT_LT(EncodedBytes(status) + 200, 8'192u) << problem << count;
      const auto bad_request = DetailOf<google::rpc::BadRequest>(status);
      ASSERT_TRUE(bad_request);
      ASSERT_GE(bad_request->field_violations_size(), 1);
      EXPECT_EQ(bad_request->field_violations(0).description(), problem);
    }
  }
}

TEST(GrpcStatusTest, ManyLongViolationsFitAClientsMetadata) {
  const std::pair<std::string, std::string> violation{std::string(1'000, 'f'), std::string(1'000, 'x')};
  const std::vector<std::pair<std::string, std::string>> violations(500, violation);
  std::string umlauts;
  for (int i = 0; i < 5'000; ++i) umlauts += "ü";
  const grpc::Status status = ToGrpcStatus(DefinitionInvalidError(umlauts, violations));
  EXPECT_LT(status.error_message().size() + status.error_details().size(), 8'000u);
  EXPECT_TRUE(IsValidUtf8(status.error_message()));
  const auto bad_request = DetailOf<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request);
  const auto& last = bad_request->field_violations(bad_request->field_violations_size() - 1);
  EXPECT_EQ(last.description(),
            absl::StrCat("and ", 501 - bad_request->field_violations_size(), " more"));
}

}  // namespace
}  // namespace skald::api
