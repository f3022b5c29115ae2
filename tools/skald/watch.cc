#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "skald/v1/log_service.grpc.pb.h"
#include "tools/skald/fetch_saga.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"
#include "tools/skald/watch_rows.h"

namespace skald::tools {

namespace {

// Prints each event once, in order, whichever way it comes.
class Watcher {
 public:
  explicit Watcher(Invocation& call, SagaKey saga) : call_(call), saga_(std::move(saga)) {}

  void Take(const v1::RecordedEvent& event) {
    if (event.revision() < next_) return;
    next_ = event.revision() + 1;
    ended_ = ended_ || EndsSaga(event);
    if (call_.json()) return call_.PrintJson(EventToJson(event));
    if (start_ == absl::InfiniteFuture()) start_ = FromProto(event.time());
    call_.PrintLine(EventToLine(event, start_, call_.style()));
  }

  // Follows until the saga has ended or the stream breaks. Follows first and reads what is there
  // next, so that nothing falls between the two.
  grpc::Status Follow() {
    const auto stub = v1::LogService::NewStub(call_.channel());
    grpc::ClientContext context;
    call_.Prepare(context, /*with_deadline=*/false);
    v1::FollowLogRequest request;
    request.mutable_filter()->set_namespace_(saga_.namespace_name);
    request.mutable_filter()->set_saga_id(saga_.saga_id);
    request.set_start(v1::FollowLogRequest::START_END);
    const auto reader = stub->FollowLog(&context, request);
    v1::FollowLogResponse frame;
    bool caught_up = false;
    while (!ended_ && call_.CanPrint() && reader->Read(&frame)) {
      if (!caught_up) {
        caught_up = true;
        grpc::Status status =
            ReadEvents(call_, saga_, next_, [this](const auto& event) { Take(event); });
        if (!status.ok()) {
          context.TryCancel();
          return status;
        }
      }
      for (const v1::RecordedEvent& event : frame.events()) Take(event);
    }
    if (!ended_ && call_.CanPrint()) return reader->Finish();
    context.TryCancel();
    return grpc::Status::OK;
  }

  bool ended() const { return ended_; }

 private:
  Invocation& call_;
  const SagaKey saga_;
  uint64_t next_ = 0;  // revision
  bool ended_ = false;
  absl::Time start_ = absl::InfiniteFuture();
};

int Run(Invocation& call) {
  std::string model;
  std::vector<std::string> where;
  call.AddNamespaceFlag();
  call.flags()
      .Add("model", &model, "MODEL", "Watch the rows of a read model instead of a saga.")
      .Add("where", &where, "CONDITION", "With --model: only rows that match. May be repeated.");
  if (auto exit = call.Parse({.words_min = 0, .words_max = 1})) return *exit;
  if (model.empty() == call.words().empty()) {
    return call.BadUsage("name one saga, or give --model");
  }
  if (!model.empty()) return WatchRows(call, model, where);
  const SagaKey key = call.SagaOf(call.words()[0]);
  v1::Saga saga;
  grpc::Status status = FetchSaga(call, key, saga);
  if (!status.ok()) return call.Fail(status);
  Watcher watcher(call, key);
  while (!watcher.ended()) {
    status = watcher.Follow();
    if (watcher.ended() || !call.CanPrint()) break;
    if (!status.ok() && !ReadError(status).IsTransient()) return call.Fail(status);
    call.Note("skald: the server is gone; waiting for it to come back");
    absl::SleepFor(absl::Seconds(1));
  }
  if (!call.CanPrint()) return kExitError;
  status = FetchSaga(call, key, saga);
  if (!status.ok()) return call.Fail(status);
  if (!call.json()) call.PrintLine(SagaToText(saga, call.style()));
  return ExitCodeOf(saga);
}

}  // namespace

const Verb kWatchVerb = {
    "watch", "follow a saga, or the rows of a read model", "NAMESPACE/SAGA_ID | --model MODEL",
    "Prints the saga's events as they become durable, and at its end what came of it. Goes on\n"
    "through restarts of the server.\n"
    "With --model: the rows that match, as they are and as they change. On a terminal a live table;\n"
    "else, or with --json, a line {\"key\", \"row\"} a change, `row` null when it is gone, and\n"
    "{\"reset\": true} when all rows come again.\n\n"
    "Examples:\n"
    "  skald watch shop/order-1001\n"
    "  skald watch --model sagas --where status=running\n\n"
    "Exits with 0 completed, 3 faulted, 4 cancelled; else 1.",
    Run};

}  // namespace skald::tools
