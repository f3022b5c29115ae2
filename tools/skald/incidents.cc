#include "absl/strings/str_cat.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

void Print(const Invocation& call, const v1::SagaIncident& row) {
  if (call.json()) {
    Json::ObjectBuilder object;
    object.Add("namespace", Json::String(row.namespace_()))
        .Add("saga_id", Json::String(row.saga_id()))
        .Add("definition", Json::String(row.definition_name()))
        .Add("version", Json::String(row.definition_version()))
        .Add("status", Json::String(StatusWord(row.status())))
        .Add("incident", IncidentToJson(row.incident()));
    return call.PrintJson(std::move(object).Build());
  }
  const v1::Incident& incident = row.incident();
  std::string verbs;
  for (const std::string& verb : incident.verbs()) {
    absl::StrAppend(&verbs, verbs.empty() ? "" : ", ", verb);
  }
  const char* kind = incident.kind() == v1::Incident::KIND_PARKED_COMPENSATION ? "undo parked"
                     : incident.kind() == v1::Incident::KIND_PARKED_TASK       ? "task parked"
                                                                               : "late effect";
  call.PrintLine(absl::StrCat(
      row.namespace_(), "/", call.style().Bold(row.saga_id()), "  ", call.style().Yellow(kind),
      "  ", incident.task(), "  since ", TimeText(FromProto(incident.create_time())), "\n    ",
      ProblemToLine(incident.error()), verbs.empty() ? "" : absl::StrCat("\n    can be: ", verbs)));
}

int Run(Invocation& call) {
  std::string namespace_name, definition;
  call.flags()
      .Add("namespace", &namespace_name, "NAME", "Only of this namespace.")
      .Add("definition", &definition, "NAME", "Only of this definition.");
  if (auto exit = call.Parse({})) return *exit;
  v1::ListIncidentsRequest request;
  request.set_namespace_(namespace_name);
  request.set_definition_name(definition);
  request.set_page_size(1'000);
  const auto stub = v1::SagaService::NewStub(call.channel());
  do {
    grpc::ClientContext context;
    call.Prepare(context);
    v1::ListIncidentsResponse response;
    const grpc::Status status = stub->ListIncidents(&context, request, &response);
    if (!status.ok()) return call.Fail(status);
    for (const v1::SagaIncident& incident : response.incidents()) Print(call, incident);
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return kExitOk;
}

}  // namespace

const Verb kIncidentsVerb = {
    "incidents", "list work that waits for an operator", "",
    "Lists parked undos, parked tasks and late effects, with what can be done about each:\n"
    "RetryCompensation, RetryTask    skald retry\n"
    "SkipCompensation                skald skip\n"
    "ResolveCompensation             skald resolve (a late effect too)\n"
    "CompleteTask                    skald complete\n"
    "FailTask                        skald fail\n\n"
    "Example:\n"
    "  skald incidents --namespace shop",
    Run};

}  // namespace skald::tools
