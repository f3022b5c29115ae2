#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "skald/v1/admin_service.grpc.pb.h"
#include "tools/skald/read_flags.h"
#include "tools/skald/rebuild_views.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

constexpr absl::Duration kLookInterval = absl::Milliseconds(200);

Json Number(uint64_t value) { return Json::Int(static_cast<int64_t>(value)); }

// Starts rebuilds one after the other and shows how each goes.
class Rebuilder {
 public:
  Rebuilder(Invocation& call, v1::RebuildModelRequest options)
      : call_(call),
        options_(std::move(options)),
        stub_(v1::AdminService::NewStub(call.channel())) {}

  grpc::Status Statuses(v1::ListModelStatusResponse& response) {
    grpc::ClientContext context;
    call_.Prepare(context);
    return stub_->ListModelStatus(&context, {}, &response);
  }

  grpc::Status Start(const std::string& model, v1::RebuildModelResponse& response) {
    grpc::ClientContext context;
    call_.Prepare(context);
    v1::RebuildModelRequest request = options_;
    request.set_model(model);
    return stub_->RebuildModel(&context, request, &response);
  }

  // Until that rebuild has ended.
  grpc::Status Wait(const std::string& model, uint64_t generation,
                    v1::ModelStatus::EndedRebuild& ended) {
    const bool shows = !call_.json() && isatty(STDERR_FILENO) == 1;
    const absl::Time begun = absl::Now();
    while (true) {
      v1::ListModelStatusResponse response;
      const grpc::Status status = Statuses(response);
      if (!status.ok()) return status;
      const v1::ModelStatus* mine = nullptr;
      for (const v1::ModelStatus& each : response.models()) {
        if (each.model() == model) mine = &each;
      }
      if (mine == nullptr) return {grpc::StatusCode::ABORTED, "the model was dropped meanwhile"};
      if (mine->rebuild().generation() != generation) {
        if (shows) std::fputs("\r\033[K", stderr);
        if (mine->last_rebuild().generation() == generation) {
          ended = mine->last_rebuild();
          return grpc::Status::OK;
        }
        return {grpc::StatusCode::ABORTED, "the server was restarted or the model declared anew"};
      }
      if (shows) ShowProgress(*mine, absl::Now() - begun);
      absl::SleepFor(kLookInterval);
    }
  }

 private:
  static void ShowProgress(const v1::ModelStatus& model, absl::Duration took) {
    const v1::ModelStatus::Rebuild& rebuild = model.rebuild();
    const double seconds = std::max(absl::ToDoubleSeconds(took), 1e-3);
    const double rate = static_cast<double>(rebuild.events_done()) / seconds;
    const uint64_t total = std::max<uint64_t>(rebuild.events_total(), 1);
    const uint64_t left = total - std::min(total, rebuild.events_done());
    std::fprintf(stderr, "\r\033[K%s: %lu of %lu events (%lu%%), %.0f/s, %s left%s",
                 model.model().c_str(), (unsigned long)rebuild.events_done(), (unsigned long)total,
                 (unsigned long)(rebuild.events_done() * 100 / total), rate,
                 rate > 0 ? DurationText(absl::Seconds(static_cast<double>(left) / rate)).c_str()
                          : "unknown",
                 rebuild.is_paused() ? ", paused" : "");
  }

  Invocation& call_;
  const v1::RebuildModelRequest options_;  // but for the model
  const std::unique_ptr<v1::AdminService::Stub> stub_;
};

Json ToJson(const std::string& model, const v1::ModelStatus::EndedRebuild& ended) {
  Json::ObjectBuilder object;
  object.Add("model", Json::String(model)).Add("generation", Number(ended.generation()));
  if (!ended.error().empty()) {
    object.Add("error", Json::String(ended.error()));
    return std::move(object).Build();
  }
  object.Add("rows", Number(ended.rows()))
      .Add("events", Number(ended.events()))
      .Add("took_us", Json::Int(ended.took_us()))
      .Add("hash", Json::String(ended.hash()))
      .Add("previous_hash", ended.previous_hash().empty() ? Json()
                                                          : Json::String(ended.previous_hash()))
      .Add("equal", ended.previous_hash().empty()
                        ? Json()
                        : Json::Bool(ended.hash() == ended.previous_hash()));
  return std::move(object).Build();
}

std::string ToLine(const std::string& model, const v1::ModelStatus::EndedRebuild& ended,
                   const v1::RebuildModelRequest& options, const Style& style) {
  if (!ended.error().empty()) return style.Red(absl::StrCat(model, ": ", ended.error()));
  const double seconds = static_cast<double>(std::max<int64_t>(ended.took_us(), 1)) / 1e6;
  std::string line = absl::StrFormat("%s: %u rows from %u events in %.1f s (%.0f events/s)", model,
                                     ended.rows(), ended.events(), seconds,
                                     static_cast<double>(ended.events()) / seconds);
  if (options.has_as_of_time()) {
    absl::StrAppend(&line, "; read it by that name");
  } else if (!options.check_only()) {
    absl::StrAppend(&line, ", serving as generation ", ended.generation());
  }
  if (ended.previous_hash().empty()) return line;
  const bool equal = ended.hash() == ended.previous_hash();
  absl::StrAppend(&line, ", ",
                  equal ? style.Green("equal to what served")
                        : style.Red("NOT equal to what served"));
  return line;
}

int Control(Invocation& call, const std::string& model,
            v1::ControlRebuildRequest::Action action) {
  const auto stub = v1::AdminService::NewStub(call.channel());
  grpc::ClientContext context;
  call.Prepare(context);
  v1::ControlRebuildRequest request;
  request.set_model(model);
  request.set_action(action);
  v1::ControlRebuildResponse response;
  const grpc::Status status = stub->ControlRebuild(&context, request, &response);
  return status.ok() ? kExitOk : call.Fail(status);
}

int DropPrevious(Invocation& call, const std::string& model) {
  const auto stub = v1::AdminService::NewStub(call.channel());
  grpc::ClientContext context;
  call.Prepare(context);
  v1::DropPreviousRowsRequest request;
  request.set_model(model);
  v1::DropPreviousRowsResponse response;
  const grpc::Status status = stub->DropPreviousRows(&context, request, &response);
  return status.ok() ? kExitOk : call.Fail(status);
}

int RebuildAll(Invocation& call, Rebuilder& rebuilder, const std::vector<std::string>& models,
               const v1::RebuildModelRequest& options, bool detach) {
  int exit_code = kExitOk;
  for (const std::string& model : models) {
    v1::RebuildModelResponse begun;
    grpc::Status status = rebuilder.Start(model, begun);
    if (!status.ok()) return call.Fail(status);
    if (detach) {
      call.PrintLine(absl::StrCat(begun.model(), ": being built as generation ", begun.generation()));
      continue;
    }
    v1::ModelStatus::EndedRebuild ended;
    status = rebuilder.Wait(begun.model(), begun.generation(), ended);
    if (!status.ok()) return call.Fail(status);
    if (call.json()) {
      call.PrintJson(ToJson(begun.model(), ended));
    } else {
      call.PrintLine(ToLine(begun.model(), ended, options, call.style()));
    }
    const bool differs = !ended.previous_hash().empty() && ended.hash() != ended.previous_hash();
    if (!ended.error().empty() || differs) exit_code = kExitError;
  }
  return exit_code;
}

int Run(Invocation& call) {
  bool all = false, verify = false, detach = false;
  bool pause = false, resume = false, cancel = false, drop = false;
  int64_t rate = 0;
  std::string as_of;
#ifdef SKALD_WITH_ENGINE
  bool views = false;
  std::string data_dir;
  call.flags()
      .Add("views", &views, "Without a server: make all derived rows anew from the log.")
      .Add("data", &data_dir, "DIR", "The data directory, for --views.");
#endif
  call.flags()
      .Add("all", &all, "All models that are folded from the log.")
      .Add("verify", &verify, "Only compare the result with what serves, and drop it.")
      .Add("as-of", &as_of, "TIME", "Make a copy as it was then, to be read as MODEL@TIME.")
      .Add("rate", &rate, "EVENTS", "At most so many events a second; 0: as fast as it can.")
      .Add("detach", &detach, "Do not wait for the end; `skald models status` tells how it goes.")
      .Add("pause", &pause, "Pause the model's rebuild.")
      .Add("resume", &resume, "Let it go on.")
      .Add("cancel", &cancel, "Give it up; what serves goes on serving.")
      .Add("drop-previous", &drop,
           "Delete the rows that served before the last rebuild; of a copy, the copy.");
  if (auto exit = call.Parse({.words_min = 0, .words_max = 1})) return *exit;
#ifdef SKALD_WITH_ENGINE
  if (views == data_dir.empty()) return call.BadUsage("--views and --data go together");
  if (views) {
    if (all || !call.words().empty()) return call.BadUsage("--views rebuilds everything");
    return RebuildViews(call, data_dir);
  }
#endif
  if (all == !call.words().empty()) return call.BadUsage("name one model, or give --all");
  if (pause + resume + cancel + drop > 1) {
    return call.BadUsage("give one of --pause, --resume, --cancel and --drop-previous");
  }
  if (rate < 0) return call.BadUsage("--rate must not be negative");
  if (pause || resume || cancel || drop) {
    if (all) return call.BadUsage("name the model");
    const std::string& model = call.words()[0];
    if (drop) return DropPrevious(call, model);
    return Control(call, model,
                   pause    ? v1::ControlRebuildRequest::ACTION_PAUSE
                   : resume ? v1::ControlRebuildRequest::ACTION_RESUME
                            : v1::ControlRebuildRequest::ACTION_CANCEL);
  }
  v1::RebuildModelRequest options;
  options.set_check_only(verify);
  options.set_events_per_second(static_cast<uint64_t>(rate));
  if (!as_of.empty()) {
    if (verify) return call.BadUsage("--as-of makes a copy; --verify compares what serves");
    if (!ReadTime(as_of, *options.mutable_as_of_time())) {
      return call.BadUsage(absl::StrCat(
          "--as-of expects a time, as 2026-01-31T12:00:00Z, or a date, not '", as_of, "'"));
    }
  }
  Rebuilder rebuilder(call, options);
  std::vector<std::string> models = call.words();
  if (all) {
    v1::ListModelStatusResponse response;
    const grpc::Status status = rebuilder.Statuses(response);
    if (!status.ok()) return call.Fail(status);
    for (const v1::ModelStatus& model : response.models()) {
      if (!model.has_copy_as_of_time()) models.push_back(model.model());
    }
  }
  return RebuildAll(call, rebuilder, models, options, detach);
}

}  // namespace

const Verb kRebuildVerb = {
    "rebuild", "build a read model anew from the log", "MODEL | --all | --views --data DIR",
    "Builds the model beside what serves, from the log's first event, and puts it in its place in one\n"
    "step when it has caught up; the server keeps serving. What served before is kept until the next\n"
    "rebuild or --drop-previous. When both were made by the same declaration, they are compared.\n"
    "With --as-of it makes a copy of the model as it was then, which is read as MODEL@TIME and never\n"
    "changes, until it is deleted by skald rebuild MODEL@TIME --drop-previous.\n"
    "With --views everything that is derived is made anew from the log alone, while no server runs.\n\n"
    "Examples:\n"
    "  skald rebuild sagas\n"
    "  skald rebuild --all --verify --json\n"
    "  skald rebuild --views --data /var/lib/skald\n"
    "  skald rebuild sagas --as-of 2026-01-31T12:00:00Z; skald rows sagas@2026-01-31T12:00:00.000000Z\n"
    "  skald rebuild customer-orders --rate 50000 --detach; skald rebuild customer-orders --pause\n\n"
    "Exits with 0 when it went well, 1 when a rebuild failed or differs from what served.",
    Run};

}  // namespace skald::tools
