#include <vector>

#include "tools/skald/change_saga.h"
#include "tools/skald/fetch_saga.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

bool Names(const v1::Incident& incident, const std::string& task) {
  return task.empty() || incident.task() == task || incident.name() == task;
}

int Run(Invocation& call) {
  call.AddNamespaceFlag();
  call.AddRequestFlags();
  if (auto exit = call.Parse({.words_min = 1, .words_max = 2})) return *exit;
  const SagaKey key = call.SagaOf(call.words()[0]);
  const std::string task = call.words().size() > 1 ? call.words()[1] : "";

  // The server has a method for each kind of parked work; the incident tells which.
  v1::Saga saga;
  const grpc::Status status = FetchSaga(call, key, saga);
  if (!status.ok()) return call.Fail(status);
  bool compensation = false;
  for (const v1::Incident& incident : saga.incidents()) {
    if (!Names(incident, task)) continue;
    compensation = compensation || incident.kind() == v1::Incident::KIND_PARKED_COMPENSATION;
  }
  if (compensation) {
    v1::RetryCompensationRequest request;
    request.set_task(task);
    return ChangeSaga(call, key, "undo is tried again", &v1::SagaService::Stub::RetryCompensation,
                      std::move(request));
  }
  v1::RetryTaskRequest request;
  request.set_task(task);
  return ChangeSaga(call, key, "task is tried again", &v1::SagaService::Stub::RetryTask,
                    std::move(request));
}

}  // namespace

const Verb kRetryVerb = {
    "retry", "try parked work again", "NAMESPACE/SAGA_ID [TASK]",
    "Tries a parked undo, or a parked task after a pivot, again. TASK is its JSON pointer or name\n"
    "as `skald incidents` shows it; it may be left out if there is only one.\n\n"
    "Example:\n"
    "  skald retry shop/order-1001 charge",
    Run};

}  // namespace skald::tools
