// ExportLog: the log, or some of it, as a file or as events.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "api/context.h"
#include "api/log_sources.h"
#include "api/pull_stream.h"
#include "skald/v1/log_service.pb.h"
#include "storage/log_export.h"

namespace skald::api {

class ExportLogSource final : public FrameSource<v1::ExportLogResponse> {
 public:
  ExportLogSource(ApiContext& context, v1::ExportLogRequest request)
      : context_(context), request_(std::move(request)) {}

  void Open(std::function<void()>) override {}
  Pulled Pull(v1::ExportLogResponse& frame) override;
  void Close() override {}

 private:
  // Fixes what is exported: nothing that becomes durable later is. BAD_REQUEST says what is wrong
  // with the request.
  absl::Status Begin();
  bool is_done() const { return range_ >= header_.ranges_size(); }
  const log::v1::ExportRange& range() const { return header_.ranges(range_); }
  // Where the next frame goes on.
  void GoOn(Position next);
  // Some commits of the present range.
  absl::Status AddCommits(v1::ExportLogResponse& frame);
  absl::Status AddEvents(v1::ExportLogResponse& frame);

  ApiContext& context_;
  const v1::ExportLogRequest request_;
  std::optional<EventMatcher> matcher_;  // not before Begin
  log::v1::ExportHeader header_;
  storage::LogExportWriter writer_;
  bool is_ended_ = false;
  int range_ = 0;  // of the header's
  Position next_;  // in it
  uint64_t events_done_ = 0;
  uint64_t events_total_ = 0;
};

}  // namespace skald::api
