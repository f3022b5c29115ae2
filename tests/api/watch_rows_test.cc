// Goal: watchers of a model that is still being built wait without keeping anybody else waiting;
// those of one that has other columns now are told.
// Method: a keeper that says when its model is there, behind the real server.
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "skald/v1/read_model_service.grpc.pb.h"
#include "tests/api/api_fixture.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/memory_models.h"

namespace skald::api {
namespace {

// A model that is built when a test says so. Only what watching needs.
class BuildingKeeper final : public projection::ModelKeeper {
 public:
  BuildingKeeper() {
    models_.Add(query::SagasSchema());
    models_.Put("sagas", query::SagaRow("s1", "running", "2026-01-01T00:00:00.000000Z"));
    models_.SetCut({.time = Timestamp(1), .positions = {Position(1), Position(0)}});
  }
  void SetBuilt() { is_built_ = true; }
  // Declares it anew, with as many columns.
  void Redeclare() {
    projection::ModelSchema schema = query::SagasSchema();
    schema.columns[5].name = "tries";
    models_.Add(std::move(schema));
    is_redeclared_ = true;
  }
  void Round() {
    MutexLock lock(mutex_);
    for (const auto& [id, listener] : listeners_) listener();
  }

  std::vector<projection::ModelSchema> Schemas() const override { return models_.Schemas(); }
  absl::StatusOr<std::unique_ptr<projection::ModelRows>> Open(
      absl::string_view model, const projection::OpenOptions& options) override {
    const auto now = [] {
      return Timestamp(std::chrono::duration_cast<std::chrono::microseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count());
    };
    while (!is_built_ && now() < options.wait_until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (!is_built_) return ModelBehindError(model, 1);
    return models_.Open(model, options);
  }
  void AddWatcher() override {}
  void RemoveWatcher() override {}
  uint64_t AddRoundListener(std::function<void()> listener) override {
    MutexLock lock(mutex_);
    listeners_.emplace(++last_id_, std::move(listener));
    return last_id_;
  }
  void RemoveRoundListener(uint64_t id) override {
    MutexLock lock(mutex_);
    listeners_.erase(id);
  }
  projection::Cut PresentCut() const override { return {}; }
  absl::StatusOr<std::vector<std::shared_ptr<const projection::ModelDeltas>>> DeltasSince(
      absl::string_view, uint64_t, const projection::Cut&) const override {
    if (is_redeclared_) return absl::OutOfRangeError("the changes of other rows");
    return std::vector<std::shared_ptr<const projection::ModelDeltas>>();
  }

  std::vector<projection::ModelStatus> GetStatus() const override { return {}; }
  absl::StatusOr<std::vector<projection::Poison>> ParkedEvents(absl::string_view,
                                                               size_t) const override {
    return Unused();
  }
  absl::StatusOr<uint64_t> StartRebuild(absl::string_view,
                                        const projection::RebuildOptions&) override {
    return Unused();
  }
  absl::Status CancelRebuild(absl::string_view) override { return Unused(); }
  absl::StatusOr<projection::RebuildResult> Rebuild(absl::string_view,
                                                    const projection::RebuildOptions&,
                                                    absl::FunctionRef<bool()>) override {
    return Unused();
  }
  absl::Status PauseRebuild(absl::string_view, bool) override { return Unused(); }
  absl::Status DropPrevious(absl::string_view) override { return Unused(); }
  absl::StatusOr<std::vector<std::string>> CheckRows() const override { return Unused(); }

 private:
  static absl::Status Unused() { return absl::UnimplementedError("not needed here"); }

  testing::MemoryModels models_;
  std::atomic<bool> is_built_ = false;
  std::atomic<bool> is_redeclared_ = false;
  Mutex mutex_;
  std::map<uint64_t, std::function<void()>> listeners_ SKALD_GUARDED_BY(mutex_);
  uint64_t last_id_ SKALD_GUARDED_BY(mutex_) = 0;
};

class WatchRowsTest : public ApiTest {
 protected:
  WatchRowsTest() {
    engine_.keeper = &keeper_;
    options_.models = &keeper_;
  }
  // Before its keeper.
  void TearDown() override { server_.reset(); }
  struct Watch {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchRowsResponse>> stream;
  };
  std::unique_ptr<Watch> Begin() {
    auto watch = std::make_unique<Watch>();
    v1::WatchRowsRequest request;
    request.set_model("sagas");
    watch->stream = v1::ReadModelService::NewStub(channel_)->WatchRows(&watch->context, request);
    return watch;
  }

  BuildingKeeper keeper_;
};

TEST_F(WatchRowsTest, WatchersOfAModelThatIsBeingBuiltHoldUpNobody) {
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 8; ++i) watches.push_back(Begin());
  const auto stub = v1::DefinitionService::NewStub(channel_);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    v1::ListDefinitionsResponse response;
    EXPECT_TRUE(stub->ListDefinitions(&context, {}, &response).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  // One after the other, two at a time, they would take four seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(3));
  keeper_.SetBuilt();
  keeper_.Round();
  for (const auto& watch : watches) {
    v1::WatchRowsResponse frame;
    ASSERT_TRUE(watch->stream->Read(&frame));
    EXPECT_EQ(frame.kind(), v1::WatchRowsResponse::KIND_SNAPSHOT);
    EXPECT_EQ(frame.changes_size(), 1);
    watch->context.TryCancel();
  }
}

TEST_F(WatchRowsTest, AWatcherIsToldWhenTheModelIsNotThereForLong) {
  const auto watch = Begin();
  std::atomic<bool> is_over = false;
  std::thread rounds([&] {
    while (!is_over) {
      keeper_.Round();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  v1::WatchRowsResponse frame;
  EXPECT_FALSE(watch->stream->Read(&frame));
  EXPECT_THAT(watch->stream->Finish(), EndsWith(grpc::StatusCode::UNAVAILABLE, "MODEL_BEHIND"));
  is_over = true;
  rounds.join();
}

TEST_F(WatchRowsTest, AModelThatIsRedeclaredEndsTheWatch) {
  keeper_.SetBuilt();
  const auto watch = Begin();
  v1::WatchRowsResponse frame;
  ASSERT_TRUE(watch->stream->Read(&frame));
  EXPECT_EQ(frame.kind(), v1::WatchRowsResponse::KIND_SNAPSHOT);
  keeper_.Redeclare();
  keeper_.Round();
  while (watch->stream->Read(&frame)) {
    if (frame.is_reset()) watch->context.TryCancel();
  }
  EXPECT_THAT(watch->stream->Finish(), EndsWith(grpc::StatusCode::ABORTED, "MODEL_CHANGED"));
}

}  // namespace
}  // namespace skald::api
