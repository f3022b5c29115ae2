#include "absl/time/clock.h"
#include "tools/skald/fetch_saga.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  int64_t from = 0;
  call.AddNamespaceFlag();
  call.flags().Add("from", &from, "REVISION", "Begin with this event.");
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  absl::Time start = absl::InfiniteFuture();
  const grpc::Status status =
      ReadEvents(call, call.SagaOf(call.words()[0]), static_cast<uint64_t>(from),
                 [&](const v1::RecordedEvent& event) {
                   if (call.json()) return call.PrintJson(EventToJson(event));
                   if (start == absl::InfiniteFuture()) start = FromProto(event.time());
                   call.PrintLine(EventToLine(event, start, call.style()));
                 });
  return status.ok() ? kExitOk : call.Fail(status);
}

}  // namespace

const Verb kHistoryVerb = {
    "history", "show a saga's events", "NAMESPACE/SAGA_ID",
    "Shows everything that happened to a saga, as the log has it. With --json one event a line:\n"
    "position, revision, time, type, task (a JSON pointer), causation, data.\n\n"
    "Examples:\n"
    "  skald history shop/order-1001\n"
    "  skald history shop/order-1001 --json | jq -r .type",
    Run};

}  // namespace skald::tools
