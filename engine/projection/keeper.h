// Read models as operators and streams need them: how they stand, what changed in them, and building
// them anew. Projector keeps them.
//
// Thread rule: all methods from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/ids.h"
#include "engine/projection/model.h"
#include "engine/projection/model_table.h"
#include "engine/projection/reader.h"

namespace skald::projection {

struct RebuildOptions {
  // Compare with what serves and drop it, instead of swapping it in.
  bool check_only = false;
  // At most so many events a second; 0: as fast as it can.
  uint64_t events_per_second = 0;
  // Make a copy of the model as it was at that time, which is read under a name of its own (CopyName)
  // and never changes, instead of what takes the model's place.
  std::optional<Timestamp> as_of = {};
  // Nobody waits for it: it makes way for any other rebuild. With check_only.
  bool is_background = false;
};

// Copies that a store keeps at most.
inline constexpr size_t kCopiesMax = 16;

// "sagas@2026-01-31T12:00:00.000000Z"
std::string CopyName(absl::string_view model, Timestamp as_of);

// How a rebuild ended.
struct RebuildResult {
  uint64_t generation = 0;
  uint64_t rows = 0;
  uint64_t events = 0;
  Micros took = 0;
  std::string hash;           // of its rows
  std::string previous_hash;  // of what served at the same cut; empty: another version of the fold, or none
  Cut cut;
};

// A model as its operator sees it.
struct ModelStatus {
  std::string name;
  std::string description;
  bool built_in = true;
  ModelKind kind = ModelKind::kFolded;
  std::optional<Timestamp> copy_as_of;  // it is a copy as of that time
  // Folded ones: what serves now. 0: none yet, it is being built for the first time.
  uint64_t generation = 0;
  uint64_t rows = 0;
  std::string hash;  // of its rows, hexadecimal
  Cut cut;
  uint64_t events_behind = 0;
  std::optional<Poison> stopped;
  uint64_t parked = 0;
  // A rebuild on its way.
  struct Build {
    uint64_t generation = 0;
    uint64_t events_done = 0, events_total = 0;
    Timestamp started;
    bool is_paused = false;
    bool is_check = false;  // to be compared and dropped, not swapped in
  };
  std::optional<Build> build;
  // How its last rebuild ended; nothing: none has since the start.
  struct EndedBuild {
    uint64_t generation = 0;
    absl::StatusOr<RebuildResult> result = absl::UnknownError("");
  };
  std::optional<EndedBuild> last_build;
  // The last time it was compared with the log in the background; nothing: it has not been since the start.
  struct Check {
    Timestamp time;  // when it ended
    std::string difference;  // a sentence; empty: equal
  };
  std::optional<Check> last_check;
  // The one that served before, kept until it is dropped; 0: none.
  uint64_t previous_generation = 0;
};

// What changed in one model in one round, from one cut to the next.
struct ModelDeltas {
  uint64_t generation = 0;
  Cut before, after;
  std::vector<RowDelta> rows;
};

class ModelKeeper : public ModelReader {
 public:
  virtual std::vector<ModelStatus> GetStatus() const = 0;
  // Events that the model put aside, oldest first.
  virtual absl::StatusOr<std::vector<Poison>> ParkedEvents(absl::string_view model, size_t count) const = 0;

  // ---- Watching ----
  // Rounds follow each other closely while there are any.
  virtual void AddWatcher() = 0;
  virtual void RemoveWatcher() = 0;
  // Called after each round, and about once a second while someone watches. Returns an id for
  // RemoveRoundListener, after which it is not called any more.
  virtual uint64_t AddRoundListener(std::function<void()> listener) = 0;
  virtual void RemoveRoundListener(uint64_t id) = 0;
  // Up to where live models are folded.
  virtual Cut PresentCut() const = 0;
  // What changed in a model since a cut, round by round; may be empty. OUT_OF_RANGE: it is too long
  // ago, or of another generation: read the rows anew. FAILED_PRECONDITION: that was all, as the model
  // stands still.
  virtual absl::StatusOr<std::vector<std::shared_ptr<const ModelDeltas>>> DeltasSince(
      absl::string_view model, uint64_t generation, const Cut& cut) const = 0;

  // ---- Rebuilding ----
  // Begins to build the model anew and returns the generation it will be; GetStatus tells how it goes
  // and how it ended; of a copy, that of CopyName. NOT_FOUND. ALREADY_EXISTS: it is being rebuilt.
  // BAD_REQUEST: a copy of the future, of a copy, one that is there already, or one too many.
  virtual absl::StatusOr<uint64_t> StartRebuild(absl::string_view model, const RebuildOptions& options) = 0;
  // FAILED_PRECONDITION: it is not being rebuilt. Likewise below.
  virtual absl::Status CancelRebuild(absl::string_view model) = 0;
  // As StartRebuild, but blocks until it is swapped in (or compared), or `stopped` says that nobody
  // waits any more, which ends the rebuild.
  virtual absl::StatusOr<RebuildResult> Rebuild(absl::string_view model, const RebuildOptions& options,
                                        absl::FunctionRef<bool()> stopped) = 0;
  virtual absl::Status PauseRebuild(absl::string_view model, bool is_paused) = 0;
  // Deletes what served before the last rebuild; of a copy, the copy.
  virtual absl::Status DropPrevious(absl::string_view model) = 0;
  // Counts the rows' sum anew and compares it with what folding came to. A sentence for each
  // difference.
  virtual absl::StatusOr<std::vector<std::string>> CheckRows() const = 0;
};

}  // namespace skald::projection
