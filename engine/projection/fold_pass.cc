#include "engine/projection/fold_pass.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "engine/saga/evolve.h"

namespace skald::projection {
namespace {

// Of what is kept of why an event cannot be folded: an expression may say any amount, for each
// event.
constexpr size_t kPoisonErrorBytesMax = 1 << 10;

bool Goes(const Folding& folding) { return !folding.table->checkpoint().stopped.has_value(); }

uint64_t BytesOf(const storage::CommitView& commit) {
  uint64_t bytes = commit.header_bytes.size() + commit.bodies.size();
  for (const absl::string_view slot : commit.slots) bytes += slot.size();
  return bytes;
}

// What says that the machine, not the event, is the matter: the round is tried again.
bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDataLoss(status) || absl::IsCancelled(status);
}

}  // namespace

FoldPass::FoldPass(Options options, Cut cut)
    : options_(std::move(options)),
      states_(*options_.log, options_.find_commits, options_.states_bytes_max),
      cut_(std::move(cut)) {}

void FoldPass::Add(Folding folding) {
  foldings_.push_back(std::move(folding));
  read_.clear();
}

std::vector<Folding> FoldPass::TakeAll() {
  read_.clear();
  return std::exchange(foldings_, {});
}

Payloads FoldPass::ReadOf(const std::string& definition_hash) {
  const auto [known, is_new] = read_.try_emplace(definition_hash, Payloads::kNone);
  if (is_new) {
    for (const Folding& folding : foldings_) {
      known->second = std::max(known->second, folding.fold->Reads(definition_hash));
    }
  }
  return known->second;
}

absl::StatusOr<RoundResult> FoldPass::Round(const RoundBounds& bounds, bool with_deltas,
                                            std::vector<storage::RowChange> extra) {
  RoundResult result;
  MergedLog commits(*options_.log, cut_.positions, bounds.through, bounds.until);
  Timestamp last_time = cut_.time;
  uint64_t bytes = 0;
  bool is_full = bounds.events_max == 0;
  while (!is_full) {
    SKALD_ASSIGN_OR_RETURN(const bool more, commits.Next());
    result.is_complete = !more;
    if (!more) break;
    SKALD_RETURN_IF_ERROR(TakeCommit(commits));
    const log::v1::CommitHeader& header = commits.commit().header;
    ++result.commits;
    result.events += header.count();
    cut_.positions[header.partition()] = Position(header.first_position() + header.count() - 1);
    last_time = Timestamp(header.time_us());
    bytes += BytesOf(commits.commit());
    is_full = result.events >= bounds.events_max ||
              bytes + states_.refolded_bytes() >= bounds.bytes_max ||
              (bounds.is_over != nullptr && bounds.is_over());
  }
  // A round that is cut short may leave others of its last commit's time for the next one.
  const Timestamp reached = result.is_complete ? bounds.time : Timestamp(last_time.value() - 1);
  cut_.time = std::max(cut_.time, reached);
  if (with_deltas) result.deltas.resize(foldings_.size());
  if (result.commits == 0 && extra.empty()) return result;
  SKALD_RETURN_IF_ERROR(EndRound(last_time));
  std::vector<storage::RowChange> changes = std::move(extra);
  for (size_t i = 0; i < foldings_.size(); ++i) {
    if (foldings_[i].table->is_still()) continue;
    SKALD_RETURN_IF_ERROR(
        foldings_[i].table->Finish(cut_, changes, with_deltas ? &result.deltas[i] : nullptr));
  }
  SKALD_RETURN_IF_ERROR(options_.views->ApplyRows(changes));
  states_.EndRound();
  return result;
}

absl::Status FoldPass::TakeCommit(MergedLog& commits) {
  const storage::CommitView& commit = commits.commit();
  SKALD_ASSIGN_OR_RETURN(const log::v1::EventBodies* const events, commits.events());
  const bool is_sagas = !commit.header.saga_id().empty();
  const Payloads wanted = is_sagas ? ReadOf(commit.header.definition_hash()) : Payloads::kAll;
  if (!ParsePayloads(commit, *events, wanted, slots_).ok()) {
    return LogCorruptError(commits.partition(), Position(commit.header.first_position()),
                           "a payload is no JSON");
  }
  saga::SagaState* saga = nullptr;
  if (is_sagas) {
    SKALD_ASSIGN_OR_RETURN(saga, states_.Touch(commit.header, wanted));
  }
  return TakeEvents(commit, *events, saga);
}

absl::Status FoldPass::TakeEvents(const storage::CommitView& commit,
                                  const log::v1::EventBodies& events, saga::SagaState* saga) {
  const log::v1::CommitHeader& header = commit.header;
  const PartitionId partition(header.partition());
  const Position first(header.first_position());
  for (Folding& folding : foldings_) {
    folding.table->BeginCommit({Timestamp(header.time_us()), partition, first});
  }
  for (int i = 0; i < events.events_size(); ++i) {
    const auto place = static_cast<uint64_t>(i);
    const FoldedEvent event{.partition = partition,
                            .position = first.Plus(place),
                            .revision = Revision(header.first_revision() + place),
                            .header = header,
                            .event = events.events(i),
                            .slot_texts = commit.slots,
                            .slots = slots_,
                            .saga = saga};
    for (Folding& folding : foldings_) {
      if (Goes(folding)) folding.fold->Before(event);
    }
    if (saga != nullptr) {
      SKALD_RETURN_IF_ERROR(
          saga::EvolveRead(event.event, {header, event.revision, event.position, slots_}, *saga));
    }
    for (Folding& folding : foldings_) {
      if (!Goes(folding)) continue;
      const absl::Status folded = folding.fold->Fold(event, *folding.table);
      if (folded.ok()) continue;
      if (IsTransient(folded)) return folded;
      Poisoned(folding, event, folded);
    }
  }
  return absl::OkStatus();
}

void FoldPass::Poisoned(Folding& folding, const FoldedEvent& event, const absl::Status& why) {
  const Poison poison{.partition = event.partition,
                      .position = event.position,
                      .time = Timestamp(event.header.time_us()),
                      .error = ShortenUtf8(why.message(), kPoisonErrorBytesMax)};
  if (folding.model->on_poison == PoisonPolicy::kPark) {
    folding.table->Park(poison);
  } else {
    folding.table->Stop(poison, cut_);
  }
}

absl::Status FoldPass::EndRound(Timestamp time) {
  const std::vector<TouchedSaga> touched = states_.touched();
  for (Folding& folding : foldings_) {
    if (!Goes(folding)) continue;
    SKALD_RETURN_IF_ERROR(folding.fold->EndRound(touched, time, *folding.table));
  }
  return absl::OkStatus();
}

}  // namespace skald::projection
