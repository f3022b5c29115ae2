// WatchRows: the rows of a model that match a filter, then every change of them.
//
// A snapshot at some cut is sent in pieces; then what each round of the projector changed, in order.
// Nothing is queued for a watcher: it pulls from the recent changes that all of them share. One that
// falls behind those begins again with a snapshot.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/context.h"
#include "api/pull_stream.h"
#include "api/stream_token.h"
#include "base/mutex.h"
#include "engine/projection/keeper.h"
#include "engine/query/filter.h"
#include "engine/query/page.h"
#include "engine/query/plan.h"
#include "skald/v1/read_model_service.pb.h"

namespace skald::api {

class WatchSource final : public FrameSource<v1::WatchRowsResponse> {
 public:
  // Refusals of the request come with the first Pull.
  WatchSource(ApiContext& context, v1::WatchRowsRequest request);

  void Open(std::function<void()> wake) override;
  Pulled Pull(v1::WatchRowsResponse& frame) override;
  void Close() override;

 private:
  using Deltas = std::shared_ptr<const projection::ModelDeltas>;

  absl::StatusOr<bool> Fill(v1::WatchRowsResponse& frame);
  bool MayWait();
  absl::Status Begin();
  absl::Status TakeSnapshot();
  absl::StatusOr<bool> FillSnapshot(v1::WatchRowsResponse& frame);
  // False: nothing to tell now.
  absl::StatusOr<bool> FillChanges(v1::WatchRowsResponse& frame);
  bool FillMark(v1::WatchRowsResponse& frame);
  void AddChange(const projection::RowDelta& delta, v1::WatchRowsResponse& frame, size_t* bytes);
  void SetPlace(v1::WatchRowsResponse& frame);
  // Called after each round, from the projector's thread.
  void OnRound();
  std::shared_ptr<const projection::ModelRows> snapshot() const;

  ApiContext& context_;
  projection::ModelKeeper& models_;
  const v1::WatchRowsRequest request_;
  std::function<void()> wake_;
  uint64_t listener_ = 0;
  bool has_begun_ = false;
  std::optional<Timestamp> behind_since_;  // that its model is not there

  projection::ModelSchema schema_;
  query::Filter filter_;
  TokenScope scope_;

  // Up to where changes were looked at, and up to where the watcher was told that they were.
  uint64_t generation_ = 0;
  projection::Cut cut_;
  std::vector<Position> told_;
  Timestamp last_frame_;
  bool told_caught_up_ = false;

  // The rows while they are being sent, and how far that is. Taken away by a round when that takes
  // too long, as they hold on to what has long been changed.
  mutable Mutex rows_mu_;
  std::shared_ptr<const projection::ModelRows> rows_ SKALD_GUARDED_BY(rows_mu_);
  Timestamp rows_until_ SKALD_GUARDED_BY(rows_mu_);
  bool is_snapshot_due_ = false;
  bool is_reset_ = false;  // the next frame says that what was told before is void
  query::Plan plan_;
  std::optional<query::PlanScan> scan_;  // of the rows taken last: only while they are there

  // What is told piece by piece: changes of one round that do not fit one frame.
  Deltas present_;
  size_t next_row_ = 0;
};

}  // namespace skald::api
