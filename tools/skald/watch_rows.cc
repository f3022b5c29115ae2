#include "tools/skald/watch_rows.h"

#include <algorithm>
#include <iostream>
#include <map>

#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "skald/v1/read_model_service.grpc.pb.h"
#include "tools/skald/render.h"

namespace skald::tools {
namespace {

constexpr absl::Duration kDrawInterval = absl::Milliseconds(200);
constexpr absl::Duration kReconnectInterval = absl::Seconds(1);
constexpr size_t kColumnsMax = 8;
constexpr size_t kCellMax = 28;

size_t TerminalRows() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 5) return 24;
  return size.ws_row;
}

std::string CellText(const Json& value) {
  if (value.is_null()) return "-";
  return Shorten(value.is_string() ? std::string(value.AsString()) : value.ToText(), kCellMax);
}

// The rows, and how they look on a terminal.
class Table {
 public:
  Table(Invocation& call, std::string model) : call_(call), model_(std::move(model)) {}

  grpc::Status FetchColumns() {
    const auto stub = v1::ReadModelService::NewStub(call_.channel());
    v1::ListReadModelsRequest request;
    do {
      grpc::ClientContext context;
      call_.Prepare(context);
      v1::ListReadModelsResponse response;
      const grpc::Status status = stub->ListReadModels(&context, request, &response);
      if (!status.ok()) return status;
      for (const v1::ReadModel& model : response.models()) {
        if (model.name() == model_) columns_ = model;
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return grpc::Status::OK;
  }

  void Take(const v1::WatchRowsResponse& frame) {
    if (frame.is_reset()) rows_.clear();
    for (const v1::WatchRowsResponse::Change& change : frame.changes()) {
      if (change.row().empty()) {
        rows_.erase(change.key());
      } else {
        rows_[change.key()] = ParseOrText(change.row());
      }
    }
  }

  void Draw() {
    if (absl::Now() < drawn_ + kDrawInterval) return;
    drawn_ = absl::Now();
    std::vector<std::vector<std::string>> lines = {Header()};
    const size_t room = TerminalRows() - 3;
    for (const auto& [key, row] : rows_) {
      if (lines.size() > room) break;
      lines.push_back(Cells(row));
    }
    std::vector<size_t> widths(lines[0].size());
    for (const auto& line : lines) {
      for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    }
    std::string screen = "\033[H\033[J";
    absl::StrAppend(&screen, call_.style().Bold(absl::StrCat(model_, ": ", rows_.size(), " rows")),
                    "  ", TimeText(absl::Now()), "\n");
    for (const auto& line : lines) {
      for (size_t i = 0; i < line.size(); ++i) {
        absl::StrAppend(&screen, line[i], std::string(widths[i] - line[i].size() + 2, ' '));
      }
      screen.push_back('\n');
    }
    if (rows_.size() + 1 > lines.size()) absl::StrAppend(&screen, "... and more");
    std::cout << screen << std::flush;
  }

 private:
  std::vector<std::string> Header() const {
    std::vector<std::string> names;
    for (const v1::ReadModel::Column* column : Shown()) names.push_back(column->name());
    return names;
  }

  std::vector<std::string> Cells(const Json& row) const {
    std::vector<std::string> cells;
    for (const v1::ReadModel::Column* column : Shown()) {
      const Json* value = &row;
      if (column->path().empty()) value = &row.Get(column->name());
      for (const std::string& name : column->path()) value = &value->Get(name);
      cells.push_back(CellText(*value));
    }
    return cells;
  }

  std::vector<const v1::ReadModel::Column*> Shown() const {
    std::vector<const v1::ReadModel::Column*> shown;
    for (const v1::ReadModel::Column& column : columns_.columns()) {
      if (shown.size() < kColumnsMax) shown.push_back(&column);
    }
    return shown;
  }

  Invocation& call_;
  const std::string model_;
  v1::ReadModel columns_;
  std::map<std::string, Json> rows_;
  absl::Time drawn_ = absl::InfinitePast();
};

void PrintChanges(Invocation& call, const v1::WatchRowsResponse& frame) {
  if (frame.is_reset()) {
    call.PrintJson(Json::Object({{"reset", Json::Bool(true)}}));
  }
  for (const v1::WatchRowsResponse::Change& change : frame.changes()) {
    Json::ObjectBuilder object;
    object.Add("key", ParseOrText(change.key()));
    object.Add("row", change.row().empty() ? Json() : ParseOrText(change.row()));
    call.PrintJson(std::move(object).Build());
  }
}

}  // namespace

int WatchRows(Invocation& call, const std::string& model, const std::vector<std::string>& where) {
  const bool draws = !call.json() && isatty(STDOUT_FILENO) == 1;
  Table table(call, model);
  if (const grpc::Status status = table.FetchColumns(); !status.ok()) return call.Fail(status);
  v1::WatchRowsRequest request;
  request.set_model(model);
  for (const std::string& condition : where) request.mutable_filter()->add_where(condition);
  while (true) {
    const auto stub = v1::ReadModelService::NewStub(call.channel());
    grpc::ClientContext context;
    call.Prepare(context, /*with_deadline=*/false);
    const auto reader = stub->WatchRows(&context, request);
    v1::WatchRowsResponse frame;
    while (reader->Read(&frame)) {
      if (draws) {
        table.Take(frame);
        table.Draw();
      } else {
        PrintChanges(call, frame);
      }
      if (!call.CanPrint()) {
        context.TryCancel();
        return kExitError;
      }
      if (!frame.resume_token().empty()) request.set_resume_token(frame.resume_token());
    }
    const grpc::Status status = reader->Finish();
    if (!ReadError(status).IsTransient()) return call.Fail(status);
    call.Note("skald: the server is gone; waiting for it to come back");
    absl::SleepFor(kReconnectInterval);
  }
}

}  // namespace skald::tools
