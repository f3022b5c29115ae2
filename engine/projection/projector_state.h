// What a projector knows of its models. Private to engine/projection.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "engine/projection/projector.h"

namespace skald::projection {

// A rebuild. Its pass is owned by the builder's thread, and by the rounds' thread while it swaps in;
// the rest is guarded by the projector's lock.
struct Projector::Build {
  std::shared_ptr<const Model> model;
  uint64_t generation = 0;
  RebuildOptions options;
  std::unique_ptr<FoldPass> pass;

  uint64_t events_done = 0, events_total = 0;
  Timestamp started;
  // By this process, since it was paused or held up last: its rate is that of the time when it may
  // fold.
  Timestamp folding_since;
  uint64_t folded = 0;  // events since then
  void BeginFolding(Timestamp now) {
    folding_since = now;
    folded = 0;
  }
  absl::Status part_broken;  // folding one of its parts failed: the others give up
  bool is_paused = false;
  bool gave_way = false;                   // to others that go first: it is still to be built
  std::atomic<bool> is_cancelled = false;  // set under the lock, looked at without it within rounds
  std::optional<absl::StatusOr<RebuildResult>> result;
};

struct Projector::Entry {
  // As it is wanted, and as what serves was made (null until there is one).
  std::shared_ptr<const Model> wanted, serving;
  uint64_t live = 0;      // generation; 0: none
  uint64_t previous = 0;  // generation; 0: none
  bool is_gone = false;   // to be taken out of the live pass
  std::optional<Timestamp> copy_as_of;  // nothing is folded into it when it is there
  // What serves stands still: how far it came, and why no further.
  struct Stopped {
    Poison poison;
    uint64_t events = 0;  // before it
  };
  std::optional<Stopped> stopped;
  void SetStopped(const Checkpoint& checkpoint);
  std::shared_ptr<Build> build;
  // LOG_CORRUPT, MODEL_NOT_BUILT. Precondition: nothing serves, and nothing is being built.
  absl::Status WhyNotBuilt() const;
  std::optional<ModelStatus::EndedBuild> last_build;
  std::optional<ModelStatus::Check> last_check;

  // Changes of the last rounds, all since `recent_from`.
  std::deque<std::shared_ptr<const ModelDeltas>> recent;
  size_t recent_bytes = 0;
  Cut recent_from;
};

// What a row of the registry says.
struct Registered {
  uint64_t live = 0, previous = 0, building = 0;
  // Of what is being built.
  uint64_t events_per_second = 0;
  bool is_paused = false;
  std::optional<Timestamp> copy_as_of;
};
// Damaged: as if there were nothing; it is built again.
Registered DecodeRegistered(absl::string_view text);

// The model that a copy is of, by the copy's name.
absl::string_view CopiedModel(absl::string_view copy);

// How many events a cut has before it. Of two cuts on one way through the log, the later has more.
uint64_t EventsBefore(const Cut& cut);

// Says for a round whether `end` has come. Looks seldom: a clock costs more than many an event.
class RoundEnd {
 public:
  RoundEnd(const Clock& clock, Timestamp end) : clock_(&clock), end_(end) {}
  bool HasCome() { return ++asked_ % kCommitsPerLook == 0 && clock_->Now() >= end_; }

 private:
  static constexpr uint64_t kCommitsPerLook = 16;
  const Clock* clock_;
  Timestamp end_;
  uint64_t asked_ = 0;
};

// Called first by each thread that folds rebuilds: they go behind everything else.
void BeginBuilderThread();

}  // namespace skald::projection
