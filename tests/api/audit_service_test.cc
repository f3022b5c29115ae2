// Goal: checkpoints, proofs and bundles that the service gives verify with the key it gives, and
// every bad request is refused with what is wrong.
#include <string>
#include <vector>

#include "engine/audit/bundle.h"
#include "engine/audit/checkpoint.h"
#include "skald/v1/audit_service.grpc.pb.h"
#include "tests/api/api_fixture.h"

namespace skald::api {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// In partition 1, by its last character.
const SagaKey kSaga{.namespace_name = "shop", .saga_id = "o-1"};

class AuditServiceTest : public ApiTest {
 protected:
  std::unique_ptr<v1::AuditService::Stub> audit() { return v1::AuditService::NewStub(channel_); }

  void Append(const SagaKey& key, int commits) {
    for (int i = 0; i < commits; ++i) {
      std::vector<log::v1::Event> events(2);
      events[0].mutable_task_started()->set_task("/do/0/x");
      events[1].mutable_saga_completed()->set_output_slot(1);
      engine_.AppendCommit(engine_.PartitionOf(key), key, events, {"{\"secret\":1}"});
    }
  }
  std::vector<audit::VerifierKey> Keys() {
    grpc::ClientContext context;
    v1::GetKeyResponse response;
    EXPECT_TRUE(audit()->GetKey(&context, {}, &response).ok());
    std::vector<audit::VerifierKey> keys;
    for (const std::string& line : response.keys()) {
      keys.push_back(*audit::VerifierKey::Parse(line));
    }
    return keys;
  }
  grpc::Status Checkpoints(std::optional<uint32_t> partition, v1::GetCheckpointResponse& response) {
    grpc::ClientContext context;
    v1::GetCheckpointRequest request;
    if (partition) request.set_partition(*partition);
    return audit()->GetCheckpoint(&context, request, &response);
  }
  std::string NoteOf(uint32_t partition) {
    v1::GetCheckpointResponse response;
    EXPECT_TRUE(Checkpoints(partition, response).ok());
    return response.checkpoints(0).note();
  }
  grpc::Status Export(const v1::ExportSagaRequest& request, std::string& text) {
    grpc::ClientContext context;
    const auto stream = audit()->ExportSaga(&context, request);
    v1::ExportSagaResponse frame;
    while (stream->Read(&frame)) text += frame.data();
    return stream->Finish();
  }
  v1::ExportSagaRequest ExportRequest() {
    v1::ExportSagaRequest request;
    request.set_namespace_(kSaga.namespace_name);
    request.set_saga_id(kSaga.saga_id);
    return request;
  }
};

TEST_F(AuditServiceTest, CheckpointsOfAllPartitionsAreSigned) {
  Append(kSaga, 3);
  v1::GetCheckpointResponse response;
  ASSERT_TRUE(Checkpoints(std::nullopt, response).ok());
  ASSERT_EQ(response.checkpoints_size(), 2);
  const std::vector<audit::VerifierKey> keys = Keys();
  for (const v1::Checkpoint& checkpoint : response.checkpoints()) {
    const auto opened = audit::OpenCheckpoint(checkpoint.note(), keys);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->origin, checkpoint.origin());
    EXPECT_EQ(opened->tree.size, checkpoint.size());
    EXPECT_EQ(std::string(opened->tree.root.view()), checkpoint.root());
  }
  EXPECT_EQ(response.checkpoints(0).size(), 0u);
  EXPECT_EQ(response.checkpoints(1).size(), 3u);
  EXPECT_EQ(response.checkpoints(1).partition(), 1u);
  EXPECT_THAT(Checkpoints(2, response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
}

TEST_F(AuditServiceTest, ConsistencyIsProven) {
  Append(kSaga, 3);
  const auto old_checkpoint = audit::OpenCheckpoint(NoteOf(1), Keys());
  ASSERT_TRUE(old_checkpoint.ok());
  v1::ProveConsistencyRequest request;
  request.set_old_checkpoint(NoteOf(1));
  Append(kSaga, 6);
  grpc::ClientContext context;
  v1::ProveConsistencyResponse response;
  ASSERT_TRUE(audit()->ProveConsistency(&context, request, &response).ok());
  const auto opened = audit::OpenCheckpoint(response.checkpoint().note(), Keys());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->tree.size, 9u);
  std::vector<audit::Hash> path;
  for (const std::string& hash : response.path()) path.push_back(audit::Hash::FromBytes(hash));
  EXPECT_TRUE(audit::VerifyConsistency(old_checkpoint->tree, opened->tree, path));
}

TEST_F(AuditServiceTest, ConsistencyOfTwoKeptOnesIsProven) {
  Append(kSaga, 3);
  const std::string old_note = NoteOf(1);
  Append(kSaga, 4);
  const std::string new_note = NoteOf(1);
  Append(kSaga, 5);
  v1::ProveConsistencyRequest request;
  request.set_old_checkpoint(old_note);
  request.set_new_checkpoint(new_note);
  v1::ProveConsistencyResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(audit()->ProveConsistency(&context, request, &response).ok());
  }
  EXPECT_EQ(response.checkpoint().size(), 7u);
  EXPECT_EQ(response.checkpoint().note(), new_note);
  const auto older = audit::OpenCheckpoint(old_note, Keys());
  const auto newer = audit::OpenCheckpoint(new_note, Keys());
  ASSERT_TRUE(older.ok() && newer.ok());
  std::vector<audit::Hash> path;
  for (const std::string& hash : response.path()) path.push_back(audit::Hash::FromBytes(hash));
  EXPECT_TRUE(audit::VerifyConsistency(older->tree, newer->tree, path));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {new_note, old_note}, {old_note, NoteOf(0)}, {old_note, "nonsense"}}) {
    request.set_old_checkpoint(from);
    request.set_new_checkpoint(to);
    grpc::ClientContext context;
    EXPECT_THAT(audit()->ProveConsistency(&context, request, &response),
                EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  }
}

TEST_F(AuditServiceTest, KeptCheckpointsAreListedAndWatched) {
  const auto keep = [this](uint32_t partition, uint64_t size) {
    const audit::SigningKey key = audit::SigningKey::Generate(engine_.auditor().store_name());
    const audit::Checkpoint checkpoint{
        .origin = audit::OriginOf(engine_.auditor().store_name(), PartitionId(partition)),
        .tree = {.size = size, .root = audit::Digest("root")}};
    const audit::NewCheckpoint kept{PartitionId(partition), checkpoint,
                                    audit::SignNote(checkpoint.ToText(), {key})};
    ASSERT_TRUE(engine_.checkpoints().Append({kept}, Timestamp(1'000'000)).ok());
  };
  for (uint64_t i = 1; i <= 5; ++i) keep(i % 2, i);
  v1::ListCheckpointsRequest request;
  request.set_page_size(2);
  request.set_partition(1);
  v1::ListCheckpointsResponse page;
  std::vector<uint64_t> numbers;
  do {
    grpc::ClientContext context;
    ASSERT_TRUE(audit()->ListCheckpoints(&context, request, &page).ok());
    for (const v1::KeptCheckpoint& kept : page.checkpoints()) numbers.push_back(kept.number());
    request.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty());
  EXPECT_THAT(numbers, ::testing::ElementsAre(1, 3, 5));

  grpc::ClientContext context;
  v1::WatchCheckpointsRequest watch;
  watch.set_after_number(3);
  const auto stream = audit()->WatchCheckpoints(&context, watch);
  v1::WatchCheckpointsResponse frame;
  ASSERT_TRUE(stream->Read(&frame));
  ASSERT_EQ(frame.checkpoints_size(), 2);
  EXPECT_EQ(frame.checkpoints(0).number(), 4u);
  keep(0, 9);
  ASSERT_TRUE(stream->Read(&frame));
  EXPECT_EQ(frame.checkpoints(0).number(), 6u);
  EXPECT_EQ(frame.checkpoints(0).checkpoint().size(), 9u);
  server_->Shutdown(0);
  EXPECT_FALSE(stream->Read(&frame));
  EXPECT_THAT(stream->Finish(),
              EndsWith(grpc::StatusCode::UNAVAILABLE, "PARTITION_NOT_SERVING"));
}

TEST_F(AuditServiceTest, OldCheckpointsAreChecked) {
  Append(kSaga, 3);
  const audit::SigningKey key = audit::SigningKey::Generate(Keys()[0].name());
  const auto note = [&key](const std::string& origin, uint64_t size) {
    const audit::Checkpoint checkpoint{.origin = origin, .tree = {.size = size, .root = {}}};
    return audit::SignNote(checkpoint.ToText(), {key});
  };
  const std::string store = key.verifier().name();
  for (const auto& [text, problem] :
       std::vector<std::pair<std::string, std::string>>{{"", "no empty line"},
                                                        {"x\n\n— y AAAAAAA=\n", "three lines"},
                                                        {note(store + "/7", 1), "does not have"},
                                                        {note("skald/00/1", 1), "this store is"},
                                                        {note(store + "/1", 4), "the log has 3"}}) {
    v1::ProveConsistencyRequest request;
    request.set_old_checkpoint(text);
    grpc::ClientContext context;
    v1::ProveConsistencyResponse response;
    const grpc::Status status = audit()->ProveConsistency(&context, request, &response);
    EXPECT_THAT(status, EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST")) << text;
    const auto details = DetailOf<google::rpc::BadRequest>(status);
    ASSERT_TRUE(details.has_value());
    EXPECT_EQ(details->field_violations(0).field(), "old_checkpoint");
    EXPECT_THAT(details->field_violations(0).description(), HasSubstr(problem));
  }
}

TEST_F(AuditServiceTest, ExportsVerify) {
  Append(kSaga, 2);
  v1::GetCheckpointResponse kept;
  ASSERT_TRUE(Checkpoints(std::nullopt, kept).ok());
  Append({.namespace_name = "shop", .saga_id = "o-3"}, 400);
  Append(kSaga, 600);  // more than one frame
  v1::ExportSagaRequest request = ExportRequest();
  request.set_old_checkpoint(
      absl::StrCat(kept.checkpoints(0).note(), "\n", kept.checkpoints(1).note()));
  std::string text;
  ASSERT_TRUE(Export(request, text).ok());
  EXPECT_GT(text.size(), 256u << 10);
  const auto bundle = audit::ParseBundle(text);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const auto since = audit::OpenCheckpoint(kept.checkpoints(1).note(), Keys());
  const audit::BundleReport report =
      audit::VerifyBundle(*bundle, {.keys = Keys(), .since = *since, .ended = true});
  for (const audit::BundleProblem& problem : report.problems) ADD_FAILURE() << problem.what;
  EXPECT_EQ(report.commits, 602u);
  EXPECT_EQ(report.withheld_slots, 0u);
  EXPECT_EQ(report.checkpoint.tree.size, 1002u);
  EXPECT_EQ(report.continued->size, 2u);
}

TEST_F(AuditServiceTest, DataMayBeWithheld) {
  Append(kSaga, 2);
  v1::ExportSagaRequest request = ExportRequest();
  request.set_withhold_data(true);
  std::string text;
  ASSERT_TRUE(Export(request, text).ok());
  const auto bundle = audit::ParseBundle(text);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const audit::BundleReport report = audit::VerifyBundle(*bundle, {.keys = Keys()});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.withheld_slots, 2u);
}

TEST_F(AuditServiceTest, BadExportsAreRefused) {
  std::string text;
  EXPECT_THAT(Export({}, text), EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  EXPECT_THAT(Export(ExportRequest(), text),
              EndsWith(grpc::StatusCode::NOT_FOUND, "SAGA_NOT_FOUND"));
  Append(kSaga, 1);
  v1::ExportSagaRequest request = ExportRequest();
  request.set_old_checkpoint(NoteOf(0));
  const grpc::Status status = Export(request, text);
  EXPECT_THAT(status, EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  EXPECT_THAT(text, IsEmpty());
}

TEST_F(AuditServiceTest, ARotationNamesWhoAndWhy) {
  const std::string name = audit::StoreName(std::string(16, 's'));
  const std::vector<audit::VerifierKey> keys = {audit::SigningKey::Generate(name).verifier(),
                                                audit::SigningKey::Generate(name).verifier()};
  std::string asked;
  engine_.rotate = [&](const std::string& reason, const std::string& actor) {
    asked = actor + ": " + reason;
    return runtime::KeyRotation{.position = {PartitionId(0), Position(8)}, .keys = keys};
  };
  const auto rotate = [&](const std::string& actor, const std::string& reason,
                          v1::RotateKeyResponse& response) {
    grpc::ClientContext context;
    if (!actor.empty()) context.AddMetadata("skald-actor", actor);
    v1::RotateKeyRequest request;
    request.set_reason(reason);
    return audit()->RotateKey(&context, request, &response);
  };
  v1::RotateKeyResponse response;
  EXPECT_THAT(rotate("", "yearly", response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  EXPECT_THAT(rotate("ann", "", response),
              EndsWith(grpc::StatusCode::INVALID_ARGUMENT, "BAD_REQUEST"));
  EXPECT_EQ(asked, "");
  ASSERT_TRUE(rotate("ann", "yearly", response).ok());
  EXPECT_EQ(asked, "ann: yearly");
  ASSERT_EQ(response.keys_size(), 2);
  EXPECT_EQ(response.keys(0), keys[0].ToText());
  EXPECT_EQ(response.position().position(), 8u);
}

}  // namespace
}  // namespace skald::api
