// A saga's view -> its message.
#pragma once

#include "engine/saga/view.h"
#include "skald/v1/saga.pb.h"
#include "skald/v1/saga_service.pb.h"

namespace skald::api {

v1::SagaStatus ToProto(saga::Status status);
// UNSPECIFIED has none: precondition is a value that IsKnown.
saga::Status FromProto(v1::SagaStatus status);

// How much of a saga is told: lists leave out the input and the output.
enum class SagaDetail { kFull, kListed };
void SetSaga(const saga::SagaView& view, SagaDetail detail, v1::Saga& proto);
void SetIncident(const saga::Incident& incident, v1::Incident& proto);

}  // namespace skald::api
