// AdminService: how read models stand, and building them anew.
#include <utility>

#include "api/admin_service.h"
#include "api/convert_common.h"
#include "api/grpc_status.h"
#include "base/errors.h"
#include "engine/projection/keeper.h"

namespace skald::api {
namespace {

constexpr size_t kParkedShown = 10;

void SetPoison(const projection::Poison& poison, v1::PoisonEvent& proto) {
  SetPosition({poison.partition, poison.position}, *proto.mutable_position());
  SetTimestamp(poison.time, *proto.mutable_time());
  proto.set_error(poison.error);
}

void SetEnded(const projection::ModelStatus::EndedBuild& ended,
              v1::ModelStatus::EndedRebuild& proto) {
  proto.set_generation(ended.generation);
  if (!ended.result.ok()) {
    proto.set_error(std::string(ended.result.status().message()));
    return;
  }
  proto.set_rows(ended.result->rows);
  proto.set_events(ended.result->events);
  proto.set_took_us(ended.result->took);
  proto.set_hash(ended.result->hash);
  proto.set_previous_hash(ended.result->previous_hash);
}

void SetModel(const projection::ModelStatus& status, v1::ModelStatus& proto) {
  proto.set_model(status.name);
  proto.set_description(status.description);
  proto.set_built_in(status.built_in);
  proto.set_generation(status.generation);
  proto.set_rows(status.rows);
  proto.set_hash(status.hash);
  SetTimestamp(status.cut.time, *proto.mutable_as_of_time());
  if (status.copy_as_of) SetTimestamp(*status.copy_as_of, *proto.mutable_copy_as_of_time());
  proto.set_events_behind(status.events_behind);
  if (status.stopped) SetPoison(*status.stopped, *proto.mutable_stopped_by());
  proto.set_parked_count(status.parked);
  if (status.build) {
    v1::ModelStatus::Rebuild& rebuild = *proto.mutable_rebuild();
    rebuild.set_generation(status.build->generation);
    rebuild.set_events_done(status.build->events_done);
    rebuild.set_events_total(status.build->events_total);
    SetTimestamp(status.build->started, *rebuild.mutable_start_time());
    rebuild.set_is_paused(status.build->is_paused);
    rebuild.set_check_only(status.build->is_check);
  }
  if (status.last_build) SetEnded(*status.last_build, *proto.mutable_last_rebuild());
  proto.set_previous_generation(status.previous_generation);
  if (status.last_check) {
    SetTimestamp(status.last_check->time, *proto.mutable_last_check()->mutable_end_time());
    proto.mutable_last_check()->set_difference(status.last_check->difference);
  }
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::ListModelStatus(grpc::CallbackServerContext* call,
                                                        const v1::ListModelStatusRequest*,
                                                        v1::ListModelStatusResponse* response) {
  return AnswerOnPool(context_, *call, [this, response] {
    projection::ModelKeeper& models = context_.engine.models();
    for (const projection::ModelStatus& status : models.GetStatus()) {
      v1::ModelStatus& proto = *response->add_models();
      SetModel(status, proto);
      if (status.parked == 0) continue;
      const auto parked = models.ParkedEvents(status.name, kParkedShown);
      if (!parked.ok()) continue;  // it was dropped meanwhile
      for (const projection::Poison& poison : *parked) SetPoison(poison, *proto.add_parked());
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::RebuildModel(grpc::CallbackServerContext* call,
                                                     const v1::RebuildModelRequest* request,
                                                     v1::RebuildModelResponse* response) {
  return AnswerOnPool(context_, *call, [this, request, response] {
    projection::RebuildOptions options{.check_only = request->check_only(),
                                       .events_per_second = request->events_per_second()};
    response->set_model(request->model());
    if (request->has_as_of_time()) {
      options.as_of = ToTime(request->as_of_time());
      if (!options.as_of) return BadRequestError("as_of_time", "is no time of a log");
      response->set_model(projection::CopyName(request->model(), *options.as_of));
    }
    const absl::StatusOr<uint64_t> generation =
        context_.engine.models().StartRebuild(request->model(), options);
    if (generation.ok()) response->set_generation(*generation);
    return generation.status();
  });
}

grpc::ServerUnaryReactor* AdminService::ControlRebuild(grpc::CallbackServerContext* call,
                                                       const v1::ControlRebuildRequest* request,
                                                       v1::ControlRebuildResponse*) {
  return AnswerOnPool(context_, *call, [this, request] {
    projection::ModelKeeper& models = context_.engine.models();
    switch (request->action()) {
      case v1::ControlRebuildRequest::ACTION_PAUSE:
        return models.PauseRebuild(request->model(), true);
      case v1::ControlRebuildRequest::ACTION_RESUME:
        return models.PauseRebuild(request->model(), false);
      case v1::ControlRebuildRequest::ACTION_CANCEL:
        return models.CancelRebuild(request->model());
      default:
        return BadRequestError("action", "is missing, or is not a value of this enum");
    }
  });
}

grpc::ServerUnaryReactor* AdminService::DropPreviousRows(grpc::CallbackServerContext* call,
                                                         const v1::DropPreviousRowsRequest* request,
                                                         v1::DropPreviousRowsResponse*) {
  return AnswerOnPool(context_, *call, [this, request] {
    return context_.engine.models().DropPrevious(request->model());
  });
}

}  // namespace skald::api
