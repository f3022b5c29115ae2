#include "api/watch_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/convert_common.h"
#include "api/convert_model.h"
#include "api/validate.h"
#include "base/errors.h"
#include "base/status_macros.h"

namespace skald::api {
namespace {

using projection::ModelDeltas;
using projection::ModelRows;
using projection::ModelSchema;
using projection::RowDelta;

constexpr size_t kFrameBytes = 256 << 10;
constexpr size_t kChangeBytes = 16;  // of a change besides key and row
// Rows looked at for one frame of a snapshot, so that a filter that fits few does not hold a thread.
constexpr size_t kRowsLookedAt = 20'000;
constexpr Micros kMarkInterval = kSecond;
// How long a model may be missing that is built for the first time.
constexpr Micros kBehindMax = kSecond;
// A snapshot that was not read by then is dropped.
constexpr Micros kSnapshotMax = kMinute;

bool HaveSameColumns(const ModelSchema& a, const ModelSchema& b) {
  return a.key_columns == b.key_columns &&
         std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                    [](const projection::Column& x, const projection::Column& y) {
                      return x.name == y.name && x.type == y.type && x.path == y.path;
                    });
}

Json KeyOf(const ModelSchema& schema, const Json& row) {
  Json::ArrayBuilder key;
  for (size_t i = 0; i < schema.key_columns; ++i) {
    key.Add(ModelSchema::ValueOf(schema.columns[i], row));
  }
  return std::move(key).Build();
}

}  // namespace

WatchSource::WatchSource(ApiContext& context, v1::WatchRowsRequest request)
    : context_(context), models_(context.engine.models()), request_(std::move(request)) {}

void WatchSource::Open(std::function<void()> wake) {
  wake_ = std::move(wake);
  models_.AddWatcher();
  listener_ = models_.AddRoundListener([this] { OnRound(); });
}

void WatchSource::Close() {
  models_.RemoveRoundListener(listener_);
  models_.RemoveWatcher();
}

void WatchSource::OnRound() {
  {
    MutexLock lock(rows_mu_);
    if (rows_ != nullptr && context_.engine.Now() > rows_until_) rows_ = nullptr;
  }
  wake_();
}

std::shared_ptr<const ModelRows> WatchSource::snapshot() const {
  MutexLock lock(rows_mu_);
  return rows_;
}

Pulled WatchSource::Pull(v1::WatchRowsResponse& frame) {
  const absl::StatusOr<bool> filled = Fill(frame);
  if (HasReason(filled.status(), ErrorReason::kModelBehind) && MayWait()) {
    return Pulled::NothingNow();
  }
  if (!filled.ok()) return Pulled::End(filled.status());
  behind_since_.reset();
  if (!*filled) return Pulled::NothingNow();
  last_frame_ = context_.engine.Now();
  return Pulled::Frame();
}

absl::StatusOr<bool> WatchSource::Fill(v1::WatchRowsResponse& frame) {
  if (!has_begun_) {
    SKALD_RETURN_IF_ERROR(Begin());
    has_begun_ = true;
  }
  return is_snapshot_due_ ? FillSnapshot(frame) : FillChanges(frame);
}

// The model is being built: each round looks again, so that no thread waits for it.
bool WatchSource::MayWait() {
  const Timestamp now = context_.engine.Now();
  if (!behind_since_) behind_since_ = now;
  return now < After(*behind_since_, kBehindMax);
}

absl::Status WatchSource::Begin() {
  Violations violations;
  violations.CheckId("model", request_.model(), Presence::kRequired);
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  bool is_known = false;
  for (ModelSchema& schema : models_.Schemas()) {
    if (schema.name != request_.model()) continue;
    schema_ = std::move(schema);
    is_known = true;
  }
  if (!is_known) return ModelNotFoundError(request_.model());
  if (schema_.kind != projection::ModelKind::kFolded) {
    return BadRequestError("model", absl::StrCat("'", schema_.name,
                                                 "' is computed when it is read and cannot be "
                                                 "watched; list it now and then"));
  }
  SKALD_ASSIGN_OR_RETURN(filter_, ToFilter(schema_, request_.filter()));
  scope_ = {context_.store_id, HashFields({"WatchRows", absl::string_view(schema_.name),
                                           absl::string_view(filter_.Fingerprint())})};
  const uint32_t count = context_.engine.partition_count();
  if (request_.resume_token().empty()) return TakeSnapshot();
  SKALD_ASSIGN_OR_RETURN(std::vector<Position> place,
                         DecodeResumeToken(request_.resume_token(), scope_, count + 1));
  generation_ = place.back().value();
  place.pop_back();
  cut_.positions = std::move(place);
  const absl::Status known = models_.DeltasSince(schema_.name, generation_, cut_).status();
  if (!absl::IsOutOfRange(known)) return absl::OkStatus();
  is_reset_ = true;
  return TakeSnapshot();
}

absl::Status WatchSource::TakeSnapshot() {
  SKALD_ASSIGN_OR_RETURN(
      std::unique_ptr<ModelRows> rows,
      models_.Open(schema_.name, {.allow_stale = true, .wait_until = context_.engine.Now()}));
  // A model that was declared anew may have other columns: the filter was meant for the old ones.
  if (!HaveSameColumns(rows->schema(), schema_)) return ModelChangedError(schema_.name);
  cut_ = rows->cut();
  generation_ = rows->generation();
  SKALD_ASSIGN_OR_RETURN(plan_, query::MakePlan(rows->schema(), filter_, {}));
  scan_.emplace(*rows, plan_, /*values=*/true);
  is_snapshot_due_ = true;
  present_ = nullptr;
  MutexLock lock(rows_mu_);
  rows_ = std::move(rows);
  rows_until_ = After(context_.engine.Now(), kSnapshotMax);
  return absl::OkStatus();
}

void WatchSource::SetPlace(v1::WatchRowsResponse& frame) {
  told_ = cut_.positions;
  v1::ReadCut& cut = *frame.mutable_cut();
  SetTimestamp(cut_.time, *cut.mutable_as_of_time());
  std::vector<Position> place = cut_.positions;
  for (uint32_t id = 0; id < place.size(); ++id) {
    SetPosition({PartitionId(id), place[id]}, *cut.add_positions());
  }
  cut.set_generation(generation_);
  place.emplace_back(generation_);
  frame.set_resume_token(EncodeResumeToken(scope_, place));
}

absl::StatusOr<bool> WatchSource::FillSnapshot(v1::WatchRowsResponse& frame) {
  std::shared_ptr<const ModelRows> rows = snapshot();
  if (rows == nullptr) {
    is_reset_ = true;
    SKALD_RETURN_IF_ERROR(TakeSnapshot());
    rows = snapshot();
  }
  frame.set_kind(v1::WatchRowsResponse::KIND_SNAPSHOT);
  frame.set_is_reset(std::exchange(is_reset_, false));
  size_t bytes = 0, looked_at = 0;
  const auto visit = [&](const projection::Row& row) {
    if (filter_.Matches(row.value)) {
      v1::WatchRowsResponse::Change& change = *frame.add_changes();
      change.set_key(KeyOf(schema_, row.value).ToText());
      change.set_row(row.value.ToText());
      bytes += change.key().size() + change.row().size() + kChangeBytes;
    }
    return ++looked_at < kRowsLookedAt && bytes < kFrameBytes;
  };
  SKALD_ASSIGN_OR_RETURN(const bool is_complete, scan_->Run(visit));
  if (!is_complete) return true;
  is_snapshot_due_ = false;
  MutexLock lock(rows_mu_);
  rows_ = nullptr;
  frame.set_is_complete(true);
  SetPlace(frame);
  return true;
}

absl::StatusOr<bool> WatchSource::FillChanges(v1::WatchRowsResponse& frame) {
  size_t bytes = 0;
  while (bytes < kFrameBytes) {
    if (present_ == nullptr) {
      // Cuts of rounds never split a commit, and a frame only ends within one when it has to.
      const auto since = models_.DeltasSince(schema_.name, generation_, cut_);
      // What is in the frame is told before what ends the stream or begins it again.
      if (!since.ok() && frame.changes_size() > 0) break;
      if (absl::IsOutOfRange(since.status())) {
        is_reset_ = true;
        SKALD_RETURN_IF_ERROR(TakeSnapshot());
        return FillSnapshot(frame);
      }
      SKALD_RETURN_IF_ERROR(since.status());
      if (since->empty()) break;
      present_ = since->front();
      next_row_ = 0;
    }
    while (next_row_ < present_->rows.size() && bytes < kFrameBytes) {
      AddChange(present_->rows[next_row_++], frame, &bytes);
    }
    if (next_row_ < present_->rows.size()) break;
    cut_ = present_->after;
    present_ = nullptr;
  }
  if (frame.changes_size() == 0 && present_ == nullptr) return FillMark(frame);
  frame.set_kind(v1::WatchRowsResponse::KIND_CHANGES);
  frame.set_is_complete(present_ == nullptr);
  if (present_ == nullptr) SetPlace(frame);
  told_caught_up_ = false;
  return true;
}

void WatchSource::AddChange(const RowDelta& delta, v1::WatchRowsResponse& frame, size_t* bytes) {
  const bool did_match = delta.before && filter_.Matches(*delta.before);
  const bool matches = delta.after && filter_.Matches(*delta.after);
  if (!did_match && !matches) return;
  v1::WatchRowsResponse::Change& change = *frame.add_changes();
  change.set_key(KeyOf(schema_, matches ? *delta.after : *delta.before).ToText());
  if (matches) change.set_row(delta.after->ToText());
  *bytes += change.key().size() + change.row().size() + kChangeBytes;
}

// All there is has been told: said once, and then now and then, as the cut moves on.
bool WatchSource::FillMark(v1::WatchRowsResponse& frame) {
  const Timestamp now = context_.engine.Now();
  if (told_caught_up_ && now < After(last_frame_, kMarkInterval)) return false;
  const projection::Cut cut = models_.PresentCut();
  // What came between the last look at the changes and this one is for the next frame.
  const auto since = models_.DeltasSince(schema_.name, generation_, cut_);
  if (!since.ok() || !since->empty()) return false;
  if (told_caught_up_ && cut.positions == told_) return false;
  cut_ = cut;
  told_caught_up_ = true;
  frame.set_kind(v1::WatchRowsResponse::KIND_PROGRESS);
  frame.set_is_complete(true);
  SetPlace(frame);
  return true;
}

}  // namespace skald::api
