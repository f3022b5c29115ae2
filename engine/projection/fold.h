// How a model is folded from the log: a deterministic function of events, in merged order, to
// changes of rows.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/projection/model.h"
#include "engine/projection/payloads.h"
#include "engine/saga/state.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"

namespace skald::projection {

// Where a fold reads and changes the rows of its model. Changes are seen by later reads at once, and
// written together with the model's checkpoint.
class RowWriter {
 public:
  // What the caller knows of a row, which saves work.
  struct RowHint {
    bool is_new = false;   // there is none with that key, so it need not be looked for; must be true
    bool is_last = false;  // it will hardly be changed again, so it need not be kept at hand
  };

  virtual ~RowWriter() = default;
  // The row with that key (EncodeRowKey), or nothing. UNAVAILABLE, DATA_LOSS: it cannot be read.
  virtual absl::StatusOr<std::optional<Json>> Get(absl::string_view key) = 0;
  // Calls `row` for each row with begin <= key < end (empty: to the last) in key order until it
  // returns false. Rows must not be changed meanwhile.
  virtual absl::Status Scan(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, const Json& row)> row) = 0;
  // Writes a row, whose key columns say where.
  void Put(Json row) { Put(std::move(row), {}); }
  virtual void Put(Json row, RowHint hint) = 0;
  virtual void Delete(absl::string_view key) = 0;
};

// An event on its way through the folds.
struct FoldedEvent {
  PartitionId partition;
  Position position;
  Revision revision;
  const log::v1::CommitHeader& header;
  const log::v1::Event& event;
  absl::Span<const absl::string_view> slot_texts;  // of its commit, JSON
  absl::Span<const Json> slots;  // the same, parsed; null where no fold reads it (ModelFold::Reads)
  // The saga's state: in Before without this event, in Fold with it, with nulls for payloads that no
  // fold reads. Null in a partition's own stream. In Before of a saga's first event it does not exist() yet.
  const saga::SagaState* saga = nullptr;
};

// A saga that events of the present round belong to.
struct TouchedSaga {
  PartitionId partition;
  const saga::SagaState& state;  // after the round
  // Before the round; nothing and none when it began in it.
  std::optional<saga::Status> status_before;
  absl::Span<const saga::Incident> incidents_before;
};

// The fold of one model. It reads nothing but what it is given, and keeps nothing from one round to
// the next but its rows: what EndRound leaves in rows is all there is. How the log is divided into
// rounds must make no difference to the rows at their ends.
//
// Thread rule: one thread at a time.
class ModelFold {
 public:
  virtual ~ModelFold() = default;

  // What it reads, in events or in states, of the payloads of sagas whose definition has this hash. Always
  // the same of one definition.
  virtual Payloads Reads(const std::string& definition_hash) {
    (void)definition_hash;
    return Payloads::kAll;
  }
  // Before the saga's state takes the event.
  virtual void Before(const FoldedEvent&) {}
  // After it. Not OK: this event cannot be folded (a poison event); nothing of it was written.
  virtual absl::Status Fold(const FoldedEvent&, RowWriter&) { return absl::OkStatus(); }
  // After the last event of the round that ends at `time`.
  virtual absl::Status EndRound(absl::Span<const TouchedSaga>, Timestamp time, RowWriter&) {
    (void)time;
    return absl::OkStatus();
  }
};

// What to do with an event that cannot be folded.
enum class PoisonPolicy : uint8_t {
  kStop,  // the model stands still before it until it is rebuilt with a better definition
  kPark,  // the event is put aside, visibly, and the model goes on
};

// A model as the projector takes it.
struct Model {
  ModelSchema schema;
  // Tells versions of the fold apart: rows made by another are rebuilt. For declared models the hash of
  // their text.
  std::string version;
  PoisonPolicy on_poison = PoisonPolicy::kStop;
  // Each row is of one saga and follows from that saga's events alone, and none of them is poison: partitions
  // may be folded apart from each other.
  bool by_saga = false;
  std::function<std::unique_ptr<ModelFold>()> make_fold;
};

}  // namespace skald::projection
