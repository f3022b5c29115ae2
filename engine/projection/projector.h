// Keeps the read models of a store: folds what becomes durable into them, a moment behind the log,
// and lets others read them.
//
// It goes round by round. A round folds what is final in merged order, that is up to the least of
// the partitions' watermarks, and writes rows and checkpoints in one step. It waits for nobody.
// While nobody waits for rows, rounds come every 100 ms, so that sagas that begin and end meanwhile
// cost one row; a reader who wants them fresh has a round begin at once.
//
//   SKALD_ASSIGN_OR_RETURN(auto projector, Projector::Open(options, parts, models));
//   projector->Start();
//   SKALD_ASSIGN_OR_RETURN(auto rows, projector->Open("sagas", {.wait_until = deadline}));
//
// A model whose fold changed, or that is new, is built beside the others from the log's beginning
// (rebuild.cc) and swapped in when it has caught up; until then its last generation serves. Only one of
// the present fold is taken over from an earlier run of the process: after a restart before that, nothing
// serves until it is built.
//
// Thread rule: all methods from any thread, but for Start and Stop, which are called once.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "engine/projection/fold.h"
#include "engine/projection/fold_pass.h"
#include "engine/projection/keeper.h"
#include "engine/projection/model_table.h"
#include "engine/projection/pace.h"
#include "engine/projection/reader.h"
#include "storage/event_log.h"
#include "storage/views.h"
#include "storage/watermark.h"

namespace skald::projection {

struct ProjectorOptions {
  PaceOptions pace;
  // A round ends when it has folded so much. The bytes hold for batches of rebuilds too.
  uint64_t round_events_max = 40'000;
  uint64_t round_bytes_max = 32 << 20;
  // States of sagas kept in memory, by the live pass and by each rebuild.
  size_t states_bytes_max = 32 << 20;
  // Threads that fold a large rebuild of a model by saga, each some of the partitions; 0: as many as there
  // are cores.
  uint32_t rebuild_threads = 0;
  uint64_t rebuild_apart_events_min = 100'000;
  // Between checks of a model, the next one each time: its rows are added up anew, and the log is folded
  // again, slowly, and compared. 0: never.
  Micros check_interval = 0;
  uint64_t check_events_per_second = 50'000;
  // Changes kept for watchers that fall behind or come back.
  size_t recent_bytes_max = 16 << 20;
};

// A model whose rows are not kept but computed when they are read (ModelKind::kLive, kOfSaga).
struct ComputedModel {
  ModelSchema schema;
  std::function<absl::StatusOr<std::unique_ptr<ModelRows>>(const Cut& cut)> open;
};

// What a projector works with. All must outlive it.
struct ProjectorParts {
  const storage::EventLog& log;
  storage::Views& views;
  const Clock& clock;
  CommitFinder find_commits;
  // By partition.
  std::vector<storage::Watermark*> watermarks;
  // Rows cannot be read or written: the process must not go on. Called at most once. Not for damage
  // to the log: then models stand still, and who wants rows past that gets LOG_CORRUPT.
  std::function<void(const absl::Status&)> on_fatal;
  std::vector<ComputedModel> computed;
};

class Projector final : public ModelKeeper {
 public:
  // Reads how far models have come. `models` are those to keep from now on; those that are not
  // among them any more are dropped. From here on partitions decide nothing that would be as early
  // as what is folded, whatever the clock says after a restart.
  static absl::StatusOr<std::unique_ptr<Projector>> Open(
      const ProjectorOptions& options, ProjectorParts parts,
      std::vector<std::shared_ptr<const Model>> models);
  ~Projector() override;

  void Start();
  void Stop();
  // What the rounds' thread does again and again; for who has no threads, instead of Start.
  // UNAVAILABLE, DATA_LOSS.
  absl::Status RunRound();

  // The log is durable further.
  void OnLogGrown();
  // The models to keep from now on.
  void SetModels(std::vector<std::shared_ptr<const Model>> models);

  // ---- Reading ----
  std::vector<ModelSchema> Schemas() const override;
  absl::StatusOr<std::unique_ptr<ModelRows>> Open(absl::string_view model,
                                                  const OpenOptions& options) override;
  std::vector<ModelStatus> GetStatus() const override;
  absl::StatusOr<std::vector<Poison>> ParkedEvents(absl::string_view model, size_t count) const override;

  void AddWatcher() override;
  void RemoveWatcher() override;
  uint64_t AddRoundListener(std::function<void()> listener) override;
  void RemoveRoundListener(uint64_t id) override;
  Cut PresentCut() const override;
  absl::StatusOr<std::vector<std::shared_ptr<const ModelDeltas>>> DeltasSince(
      absl::string_view model, uint64_t generation, const Cut& cut) const override;

  absl::StatusOr<uint64_t> StartRebuild(absl::string_view model, const RebuildOptions& options) override;
  absl::Status CancelRebuild(absl::string_view model) override;
  absl::StatusOr<RebuildResult> Rebuild(absl::string_view model, const RebuildOptions& options,
                                        absl::FunctionRef<bool()> stopped) override;
  absl::Status PauseRebuild(absl::string_view model, bool is_paused) override;
  absl::Status DropPrevious(absl::string_view model) override;
  absl::StatusOr<std::vector<std::string>> CheckRows() const override;

 private:
  struct Build;
  struct Entry;

  Projector(const ProjectorOptions& options, ProjectorParts parts);

  // What there is (registry.cc).
  absl::Status Load(std::vector<std::shared_ptr<const Model>> models);
  absl::Status LoadEntry(std::shared_ptr<const Model> model,
                         std::vector<storage::RowChange>& changes) SKALD_REQUIRES(mu_);
  absl::Status FindLeftOver() SKALD_REQUIRES(mu_);
  absl::Status StartLive() SKALD_REQUIRES(mu_);
  void StartBuild(Entry& entry, Checkpoint from, const RebuildOptions& options)
      SKALD_REQUIRES(mu_);
  storage::RowChange RegistryRow(const Entry& entry) const SKALD_REQUIRES(mu_);
  uint64_t NewGeneration(std::vector<storage::RowChange>& changes) SKALD_REQUIRES(mu_);
  std::unique_ptr<FoldPass> NewPass(Cut cut) const;
  Folding NewFolding(std::shared_ptr<const Model> model, uint64_t generation, Checkpoint checkpoint,
                     std::optional<uint32_t> part = std::nullopt) const;
  Cut EmptyCut() const;
  absl::StatusOr<std::optional<Checkpoint>> FindCheckpoint(uint64_t generation) const;
  std::optional<Checkpoint> UsableCheckpoint(absl::string_view text) const;
  absl::StatusOr<std::optional<Checkpoint>> JoinParts(
      uint64_t generation, std::vector<storage::RowChange>& changes) const;

  // The live rounds, on their thread (projector.cc).
  void RunRounds();
  bool WaitForWork();
  void NotifyAll() SKALD_REQUIRES(mu_);
  absl::Status TakeRound();
  std::function<bool()> RoundIsOver(Timestamp end) const;
  Timestamp RaiseWatermarks();
  std::vector<Position> DurablePositions() const;
  void Publish(RoundResult result, const Cut& before);
  void TellListeners(Timestamp now) SKALD_REQUIRES(mu_);
  void RemoveGone();

  // Reading.
  absl::Status WaitFor(absl::string_view model, const OpenOptions& options);
  absl::StatusOr<std::vector<Position>> WantedPositions(const OpenOptions& options) const;
  absl::StatusOr<std::optional<Stamp>> StampOf(const OpenOptions& options) const;
  struct Served {
    std::shared_ptr<const ModelSchema> schema;
    uint64_t generation = 0;
    std::unique_ptr<storage::ViewSnapshot> snapshot;
  };
  absl::StatusOr<Served> FindServed(absl::string_view model) const;

  // Rebuilds (rebuild.cc).
  void RunBuilds();
  std::shared_ptr<Build> NextBuild() const SKALD_REQUIRES(mu_);
  bool MakesWay(const Build& build) const SKALD_REQUIRES(mu_);
  void TakeBuild(const std::shared_ptr<Build>& build);
  absl::Status FoldBuild(const std::shared_ptr<Build>& build);
  absl::StatusOr<Cut> AwaitTurn(Build& build, uint64_t folded);
  static absl::Status CheckGoesOn(const Build& build);
  RoundBounds BatchOf(const Build& build, absl::Span<const Position> through, Timestamp time) const;
  absl::StatusOr<bool> FoldRest(Build& build, const Cut& cut);
  absl::Status SwapIn();
  void EndBuild(const std::shared_ptr<Build>& build, absl::StatusOr<RebuildResult> result);
  absl::Status SetEnded(const std::shared_ptr<Build>& build, absl::StatusOr<RebuildResult> result)
      SKALD_REQUIRES(mu_);
  absl::Status DeleteGarbage();

  absl::StatusOr<std::shared_ptr<Build>> BeginRebuild(absl::string_view model,
                                                      const RebuildOptions& options);
  absl::StatusOr<std::shared_ptr<Build>> AddBuild(Entry& entry, const RebuildOptions& options)
      SKALD_REQUIRES(mu_);

  // Checks in the background (background_check.cc).
  std::string NextToCheck() const SKALD_REQUIRES(mu_);
  void BeginCheck(const std::string& model);
  void EndCheck(Entry& entry, const absl::StatusOr<RebuildResult>& result) SKALD_REQUIRES(mu_);
  struct LiveRows {
    std::string model;
    uint64_t generation = 0;
    std::shared_ptr<const ModelSchema> schema;  // null when it is not known
  };
  static LiveRows LiveRowsOf(const std::string& model, const Entry& entry);
  // Cut short: CANCELLED.
  absl::StatusOr<std::string> RowsDifference(const LiveRows& rows,
                                             const storage::ViewSnapshot& snapshot,
                                             absl::FunctionRef<bool()> stopped) const;

  // Copies as of a time (copies.cc).
  absl::StatusOr<std::shared_ptr<Build>> BeginCopy(absl::string_view model,
                                                   const RebuildOptions& options);
  absl::Status LoadCopy(const std::string& name, std::shared_ptr<const Model> of,
                        absl::string_view registered, std::vector<storage::RowChange>& changes)
      SKALD_REQUIRES(mu_);
  absl::Status ServeCopy(const std::shared_ptr<Build>& build);
  absl::StatusOr<Build*> FindBuild(absl::string_view model) SKALD_REQUIRES(mu_);
  void Fail(const absl::Status& status);

  // Rebuilds on several threads (rebuild_parts.cc).
  absl::Status FoldInParts(Build& build);
  absl::Status FoldPart(Build& build, uint32_t part, uint32_t parts, const Cut& begin,
                        const Cut& target);

  // Constant after Open.
  const ProjectorOptions options_;
  const ProjectorParts parts_;
  const uint32_t partition_count_;
  Timestamp floor_at_open_;  // what is folded lies below it

  std::atomic<bool> has_grown_ = true;
  // The rounds' thread sleeps until there is more, for watchers.
  std::atomic<bool> awaits_growth_ = false;

  // Set under the lock, so that who waits is told; looked at without it within rounds.
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> has_gone_ = false;  // models are to be taken out of the live pass

  // The scan of rows that a check begins with is to end.
  std::atomic<bool> interrupts_check_ = false;

  mutable Mutex mu_;
  mutable CondVar changed_;  // what anyone may wait for, but for these two:
  CondVar round_wanted_;     // the rounds' thread
  CondVar build_wanted_;     // the builder's, when it has nothing to do
  bool broken_ SKALD_GUARDED_BY(mu_) = false;  // by what is not of the log
  absl::Status damage_ SKALD_GUARDED_BY(mu_);  // of the log
  size_t waiting_ SKALD_GUARDED_BY(mu_) = 0;
  size_t watchers_ SKALD_GUARDED_BY(mu_) = 0;
  Timestamp watched_until_ SKALD_GUARDED_BY(mu_);  // changes are kept for those who may come back
  absl::btree_map<std::string, std::unique_ptr<Entry>> entries_ SKALD_GUARDED_BY(mu_);
  uint64_t next_generation_ SKALD_GUARDED_BY(mu_) = 1;
  Cut cut_ SKALD_GUARDED_BY(mu_);
  std::deque<std::shared_ptr<Build>> builds_
      SKALD_GUARDED_BY(mu_);  // oldest first; one is under way
  std::shared_ptr<Build> swapping_ SKALD_GUARDED_BY(mu_);            // wants to join the live ones
  std::vector<uint64_t> leaving_ SKALD_GUARDED_BY(mu_);  // generations, still in the live pass
  std::string checked_ SKALD_GUARDED_BY(mu_);  // the model whose turn to be checked was last
  Timestamp check_due_ SKALD_GUARDED_BY(mu_);
  std::vector<uint64_t> garbage_ SKALD_GUARDED_BY(mu_);  // generations to be deleted
  absl::flat_hash_map<uint64_t, std::function<void()>> listeners_ SKALD_GUARDED_BY(mu_);
  Timestamp told_ SKALD_GUARDED_BY(mu_);  // when listeners were called last
  uint64_t next_listener_ SKALD_GUARDED_BY(mu_) = 1;

  // Owned by the rounds' thread.
  std::unique_ptr<FoldPass> pass_;
  Timestamp latest_;
  Timestamp last_round_;
  Micros round_took_ = 0;  // the last one
  size_t held_up_ = 0;     // so many of the last ones found commits, and none that was final

  std::thread rounds_;
  std::thread builder_;
};

}  // namespace skald::projection
