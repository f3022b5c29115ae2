// One passage over the log in merged order, feeding any number of models that stand at the same
// place: the live ones together, or those that are being rebuilt.
//
// Thread rule: one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/projection/fold.h"
#include "engine/projection/merged_log.h"
#include "engine/projection/model_table.h"
#include "engine/projection/saga_states.h"
#include "storage/event_log.h"
#include "storage/views.h"

namespace skald::projection {

// A model on its way: what it is, how it is folded, and where its rows go.
struct Folding {
  std::shared_ptr<const Model> model;
  std::unique_ptr<ModelFold> fold;
  std::unique_ptr<ModelTable> table;
};

// How far a round goes.
struct RoundBounds {
  // As MergedLog.
  absl::Span<const Position> through;
  Timestamp until = kNever;
  // The cut's time when all of that is folded: no commit that is not is as early.
  Timestamp time;
  // About so many events at most, and bytes of commits and of states that are folded anew for them:
  // a round is in memory until its end.
  uint64_t events_max = 0;
  uint64_t bytes_max = ~uint64_t{0};
  // Asked after each commit, if there: whether the round is to end with it.
  std::function<bool()> is_over = nullptr;
};

// What a round did.
struct RoundResult {
  uint64_t commits = 0, events = 0;
  // All that was there is folded.
  bool is_complete = false;
  // Of the pass's foldings, in their order, by rows that changed; empty when nobody asked.
  std::vector<std::vector<RowDelta>> deltas;
};

class FoldPass {
 public:
  struct Options {
    const storage::EventLog* log = nullptr;
    storage::Views* views = nullptr;
    CommitFinder find_commits;
    size_t states_bytes_max = 32 << 20;
  };

  // Begins at `cut`, where every folding that is added must stand.
  FoldPass(Options options, Cut cut);

  void Add(Folding folding);
  // Takes them out, leaving none.
  std::vector<Folding> TakeAll();
  absl::Span<Folding> foldings() { return absl::MakeSpan(foldings_); }

  const Cut& cut() const { return cut_; }

  // Folds on and writes the rows with their checkpoints in one step, together with `extra`. A model that
  // meets an event that it cannot fold stops or puts it aside, as it was declared; the others go on.
  // After an error the pass must not be used any more: memory is ahead of rows.
  absl::StatusOr<RoundResult> Round(const RoundBounds& bounds, bool with_deltas,
                                    std::vector<storage::RowChange> extra = {});

 private:
  absl::Status TakeCommit(MergedLog& commits);
  // What foldings read of the payloads of a definition's sagas.
  Payloads ReadOf(const std::string& definition_hash);
  absl::Status TakeEvents(const storage::CommitView& commit, const log::v1::EventBodies& events,
                          saga::SagaState* saga);
  void Poisoned(Folding& folding, const FoldedEvent& event, const absl::Status& why);
  absl::Status EndRound(Timestamp time);

  const Options options_;
  SagaStates states_;
  Cut cut_;
  std::vector<Folding> foldings_;
  // By definition_hash; what ReadOf has found since a folding came or went.
  absl::flat_hash_map<std::string, Payloads> read_;
  std::vector<Json> slots_;
};

}  // namespace skald::projection
