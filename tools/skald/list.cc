#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

int Run(Invocation& call) {
  std::string namespace_name, definition;
  std::vector<std::string> statuses;
  bool incidents = false;
  int64_t limit = 100;
  call.flags()
      .Add("namespace", &namespace_name, "NAME", "Only of this namespace.")
      .Add("definition", &definition, "NAME", "Only of this definition.")
      .Add("status", &statuses, "STATUS",
           "Only with this status: pending, running, waiting, suspended, cancelled, faulted or "
           "completed. May be repeated.")
      .Add("incidents", &incidents, "Only with open incidents.")
      .Add("limit", &limit, "COUNT", "At most this many; 0: all.");
  if (auto exit = call.Parse({})) return *exit;

  v1::ListSagasRequest request;
  request.mutable_filter()->set_namespace_(namespace_name);
  request.mutable_filter()->set_definition_name(definition);
  request.mutable_filter()->set_with_incidents(incidents);
  for (const std::string& status : statuses) {
    v1::SagaStatus value;
    if (!v1::SagaStatus_Parse(absl::StrCat("SAGA_STATUS_", absl::AsciiStrToUpper(status)),
                              &value)) {
      return call.BadUsage(absl::StrCat("unknown status '", status, "'"));
    }
    request.mutable_filter()->add_statuses(value);
  }
  request.set_page_size(1'000);
  const auto stub = v1::SagaService::NewStub(call.channel());
  int64_t shown = 0;
  do {
    if (limit > 0) {
      request.set_page_size(static_cast<uint32_t>(std::min<int64_t>(1'000, limit - shown)));
    }
    grpc::ClientContext context;
    call.Prepare(context);
    v1::ListSagasResponse response;
    const grpc::Status status = stub->ListSagas(&context, request, &response);
    if (!status.ok()) return call.Fail(status);
    for (const v1::Saga& saga : response.sagas()) {
      ++shown;
      if (call.json()) {
        call.PrintJson(SagaToJson(saga));
      } else {
        call.PrintLine(SagaToLine(saga, call.style()));
      }
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && (limit == 0 || shown < limit));
  if (!request.page_token().empty() && !call.json()) {
    call.Note(absl::StrCat("There are more: raise --limit (now ", limit, ")."));
  }
  return kExitOk;
}

}  // namespace

const Verb kListVerb = {
    "list", "list sagas", "",
    "Lists sagas, in no particular order, about a quarter of a second behind what just\n"
    "happened.\n\n"
    "Examples:\n"
    "  skald list --status suspended --incidents\n"
    "  skald list --namespace shop --limit 0 --json | wc -l",
    Run};

}  // namespace skald::tools
