#include "tools/skald/models_status.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "skald/v1/admin_service.grpc.pb.h"
#include "tools/skald/render.h"
#include "tools/skald/table.h"

namespace skald::tools {
namespace {

Json Number(uint64_t value) { return Json::Int(static_cast<int64_t>(value)); }

Json PoisonToJson(const v1::PoisonEvent& poison) {
  Json::ObjectBuilder object;
  object.Add("position", PositionToJson(poison.position()))
      .Add("time", TimeToJson(poison.time(), poison.has_time()))
      .Add("error", Json::String(poison.error()));
  return std::move(object).Build();
}

Json ToJson(const v1::ModelStatus& model) {
  Json::ObjectBuilder object;
  object.Add("model", Json::String(model.model()))
      .Add("built_in", Json::Bool(model.built_in()))
      .Add("generation", Number(model.generation()))
      .Add("rows", Number(model.rows()))
      .Add("hash", Json::String(model.hash()))
      .Add("as_of_time", TimeToJson(model.as_of_time(), model.has_as_of_time()))
      .Add("events_behind", Number(model.events_behind()))
      .Add("copy_as_of_time", TimeToJson(model.copy_as_of_time(), model.has_copy_as_of_time()))
      .Add("stopped_by", model.has_stopped_by() ? PoisonToJson(model.stopped_by()) : Json())
      .Add("parked_count", Number(model.parked_count()));
  Json::ArrayBuilder parked;
  for (const v1::PoisonEvent& poison : model.parked()) parked.Add(PoisonToJson(poison));
  object.Add("parked", std::move(parked).Build());
  if (model.has_rebuild()) {
    Json::ObjectBuilder rebuild;
    rebuild.Add("generation", Number(model.rebuild().generation()))
        .Add("events_done", Number(model.rebuild().events_done()))
        .Add("events_total", Number(model.rebuild().events_total()))
        .Add("is_paused", Json::Bool(model.rebuild().is_paused()))
        .Add("check_only", Json::Bool(model.rebuild().check_only()));
    object.Add("rebuild", std::move(rebuild).Build());
  }
  if (model.has_last_check()) {
    Json::ObjectBuilder check;
    check.Add("end_time", TimeToJson(model.last_check().end_time(), true))
        .Add("difference", Json::String(model.last_check().difference()));
    object.Add("last_check", std::move(check).Build());
  }
  return std::move(object).Build();
}

// What an operator has to know of it, in a few words.
std::string StateOf(const v1::ModelStatus& model) {
  if (model.has_stopped_by()) {
    const v1::LogPosition& position = model.stopped_by().position();
    return absl::StrCat("stands still before ", position.partition(), ":", position.position(), ": ",
                        model.stopped_by().error());
  }
  if (!model.last_check().difference().empty()) return model.last_check().difference();
  if (model.has_rebuild()) {
    const v1::ModelStatus::Rebuild& rebuild = model.rebuild();
    return absl::StrCat(rebuild.check_only() ? "being checked, " : "being rebuilt, ",
                        rebuild.events_done(), " of ", rebuild.events_total(), " events",
                        rebuild.is_paused() ? ", paused" : "");
  }
  if (model.has_copy_as_of_time()) return "a copy";
  if (model.has_last_check()) {
    return absl::StrCat("found equal to the log ", TimeText(FromProto(model.last_check().end_time())));
  }
  return "";
}

}  // namespace

int ShowModelStatus(Invocation& call, const std::string& name) {
  grpc::ClientContext context;
  call.Prepare(context);
  v1::ListModelStatusResponse response;
  const grpc::Status status =
      v1::AdminService::NewStub(call.channel())->ListModelStatus(&context, {}, &response);
  if (!status.ok()) return call.Fail(status);
  Table table({"model", "rows", "events behind", "put aside", "generation", "state"}, std::cout);
  bool is_found = name.empty(), is_well = true;
  for (const v1::ModelStatus& model : response.models()) {
    if (!name.empty() && model.model() != name) continue;
    is_found = true;
    is_well = is_well && !model.has_stopped_by() && model.last_check().difference().empty();
    if (call.json()) {
      call.PrintJson(ToJson(model));
    } else {
      table.Add({Json::String(model.model()), Number(model.rows()), Number(model.events_behind()),
                 Number(model.parked_count()), Number(model.generation()),
                 Json::String(StateOf(model))});
    }
  }
  if (!is_found) {
    return call.FailWith(absl::StrCat("there is no model '", name, "' that is folded from the log"),
                         kExitError);
  }
  if (!call.json()) table.Finish();
  return is_well ? kExitOk : kExitError;
}

}  // namespace skald::tools
