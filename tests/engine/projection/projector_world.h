// A projector without threads, unless a test starts them, on a log in memory, where the test plays
// the partitions and the writer.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "engine/projection/projector.h"
#include "gtest/gtest.h"
#include "storage/commit_record.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "tests/support/simulated_clock.h"
#include "tests/support/status_matchers.h"

namespace skald::projection {

using ::skald::testing::SimulatedClock;

// Writes down the commits in the order in which they come.
class OrderFold final : public ModelFold {
 public:
  explicit OrderFold(std::vector<std::string>& order) : order_(order) {}
  absl::Status Fold(const FoldedEvent& event, RowWriter&) override {
    order_.push_back(absl::StrCat(event.partition.value(), "/", event.position.value()));
    return absl::OkStatus();
  }

 private:
  std::vector<std::string>& order_;
};

// Counts events; several may count at once.
class CountFold final : public ModelFold {
 public:
  explicit CountFold(std::atomic<int>& count) : count_(count) {}
  absl::Status Fold(const FoldedEvent&, RowWriter&) override {
    ++count_;
    return absl::OkStatus();
  }

 private:
  std::atomic<int>& count_;
};

// Does with each event what a test says.
using FoldFunction = std::function<absl::Status(const FoldedEvent&, RowWriter&)>;
class FunctionFold final : public ModelFold {
 public:
  explicit FunctionFold(FoldFunction fold) : fold_(std::move(fold)) {}
  absl::Status Fold(const FoldedEvent& event, RowWriter& rows) override {
    return fold_(event, rows);
  }

 private:
  const FoldFunction fold_;
};

class ProjectorWorld : public ::testing::Test {
 protected:
  static constexpr uint32_t kPartitions = 2;

  ProjectorWorld()
      : log_({.partition_count = kPartitions}), watermarks_(std::in_place, kPartitions) {
    Open();
  }

  std::shared_ptr<const Model> MakeModel(const std::string& name, std::vector<std::string>& order) {
    Model model{.schema = {}, .version = "1"};
    model.schema.name = name;
    model.schema.columns = {{"key", ColumnType::kText, "", {}}};
    model.make_fold = [&order] { return std::make_unique<OrderFold>(order); };
    return std::make_shared<const Model>(std::move(model));
  }

  static std::shared_ptr<const Model> ModelOf(const std::string& name, FoldFunction fold) {
    Model model{.schema = {}, .version = "1"};
    model.schema.name = name;
    model.schema.columns = {{"key", ColumnType::kText, "", {}}};
    model.make_fold = [fold = std::move(fold)] { return std::make_unique<FunctionFold>(fold); };
    return std::make_shared<const Model>(std::move(model));
  }

  void Open(const ProjectorOptions& options = {}, std::shared_ptr<const Model> model = nullptr) {
    if (model == nullptr) model = MakeModel("order", order_);
    ProjectorParts parts{.log = log_,
                         .views = views_,
                         .clock = clock_,
                         .find_commits = nullptr,
                         .watermarks = {&watermark(0), &watermark(1)},
                         .on_fatal = [](const absl::Status& status) { FAIL() << status; },
                         .computed = {}};
    auto projector = Projector::Open(options, std::move(parts), {std::move(model)});
    ASSERT_OK(projector);
    projector_ = *std::move(projector);
  }
  // The process ends and begins again, with another model.
  void Reopen(std::shared_ptr<const Model> model, const ProjectorOptions& options = {}) {
    projector_.reset();
    watermarks_.emplace(kPartitions);
    Open(options, std::move(model));
  }
  // ... by another clock.
  void Restart(Timestamp now) {
    projector_.reset();
    watermarks_.emplace(kPartitions);
    clock_.Set(now);
    Open();
  }

  storage::Watermark& watermark(uint32_t partition) { return (*watermarks_)[partition]; }

  // A partition's thread decides one commit, of the time that it must have.
  storage::StagedCommit Decide(uint32_t partition) {
    const Timestamp time = watermark(partition).BeginTurn(clock_.Now());
    return EndTurn(partition, time);
  }
  storage::StagedCommit EndTurn(uint32_t partition, Timestamp time) {
    const Position position = staged_[partition] = staged_[partition].Next();
    log::v1::CommitHeader header;
    header.set_format(storage::kCommitFormat);
    header.set_partition(partition);
    header.set_first_position(position.value());
    header.set_count(1);
    header.set_time_us(time.value());
    log::v1::EventBodies bodies;
    bodies.add_events();
    storage::StagedCommit commit{
        .partition = PartitionId(partition), .first = position, .count = 1, .record = {}};
    storage::EncodeCommit(header, bodies.SerializeAsString(), {}, &commit.record);
    watermark(partition).EndTurn(position, time);
    return commit;
  }
  void Write(const storage::StagedCommit& commit) {
    ASSERT_OK(log_.Append({&commit, 1}));
    watermark(commit.partition.value()).Durable(commit.last());
    projector_->OnLogGrown();
  }
  void Advance() { clock_.Advance(kMillisecond); }
  std::vector<std::string> Round() {
    Advance();
    EXPECT_OK(projector_->RunRound());
    return std::exchange(order_, {});
  }
  // While the clock is behind the log, a round learns how late it is for the next one.
  std::vector<std::string> TwoRounds() {
    std::vector<std::string> order = Round();
    for (std::string& commit : Round()) order.push_back(std::move(commit));
    return order;
  }

  // So many commits of an event each, folded by the live models.
  void Fill(int count) {
    for (int i = 0; i < count; ++i) Write(Decide(0));
    Round();
    ASSERT_EQ(projector_->PresentCut().positions[0], Position(static_cast<uint64_t>(count)));
  }
  ModelStatus StatusOf(absl::string_view name) {
    for (ModelStatus& status : projector_->GetStatus()) {
      if (status.name == name) return status;
    }
    ADD_FAILURE() << "no model " << name;
    return {};
  }
  // Until it is so, or for ten seconds; the simulated clock stands still.
  bool Await(absl::FunctionRef<bool()> is_so) {
    for (int i = 0; i < 10'000 && !is_so(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return is_so();
  }
  // The same while time passes: who keeps to a rate may begin to count at any moment.
  bool AwaitAsTimePasses(absl::FunctionRef<bool()> is_so) {
    return Await([&] {
      clock_.Advance(100 * kMillisecond);
      return is_so();
    });
  }

  SimulatedClock clock_;
  storage::MemoryEventLog log_;
  storage::MemoryViews views_;
  std::optional<std::vector<storage::Watermark>> watermarks_;
  Position staged_[kPartitions];
  std::vector<std::string> order_;
  std::unique_ptr<Projector> projector_;
};

}  // namespace skald::projection
