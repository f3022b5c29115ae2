// The frames of one statement of SQL: columns, rows, figures. Each is computed when the one before
// has been written.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "api/context.h"
#include "api/model_access.h"
#include "api/pull_stream.h"
#include "engine/query/sql.h"
#include "skald/v1/read_model_service.pb.h"

namespace skald::api {

class QuerySource final : public FrameSource<v1::QueryResponse> {
 public:
  // BAD_REQUEST; PARTITION_OVERLOADED when there are as many statements as may be.
  static absl::StatusOr<std::unique_ptr<QuerySource>> Make(ApiContext& context, ModelAccess& access,
                                                           const v1::QueryRequest& request,
                                                           Timestamp deadline);
  ~QuerySource() override { Release(); }

  // When the statement ends, whether it computes or not.
  Timestamp deadline() const { return deadline_; }

  void Open(std::function<void()>) override {}
  Pulled Pull(v1::QueryResponse& frame) override;
  void Stop() override { is_stopped_.store(true, std::memory_order_relaxed); }
  void Close() override { Release(); }

 private:
  QuerySource(ApiContext& context, ModelAccess& access, Timestamp deadline);

  // Gives back what the statement holds, and its place.
  void Release();
  absl::Status Begin(v1::QueryResponse& frame);
  absl::Status FillRows(v1::QueryResponse& frame);
  void FillStats(v1::QueryStats& stats) const;
  absl::Status Check() const;

  // Constant after construction.
  ApiContext& context_;
  ModelAccess& access_;
  const Timestamp begun_;
  const Timestamp deadline_;

  std::atomic<bool> is_stopped_ = false;

  // Owned by whoever pulls.
  query::SqlOptions options_;  // until the statement has them
  std::unique_ptr<query::SqlStatement> statement_;
  uint64_t rows_ = 0;
  bool is_over_ = false;
  bool is_counted_ = true;
};

}  // namespace skald::api
