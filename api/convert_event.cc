#include "api/convert_event.h"

#include <string>

#include "api/convert_common.h"
#include "engine/saga/event_text.h"

namespace skald::api {

void SetEvent(const runtime::RecordedEvent& event, v1::RecordedEvent& proto) {
  const log::v1::CommitHeader& header = *event.header;
  SetPosition({event.partition, event.position}, *proto.mutable_position());
  proto.set_revision(event.revision.value());
  proto.set_commit_position(event.commit_first.value());
  SetTimestamp(Timestamp(header.time_us()), *proto.mutable_time());
  proto.set_namespace_(header.namespace_());
  proto.set_saga_id(header.saga_id());
  if (header.has_cause()) {
    proto.mutable_causation()->set_command(header.cause().command());
    proto.mutable_causation()->set_position(header.cause().position());
  }
  proto.set_actor(header.actor());
  proto.set_request_id(header.request_id());
  proto.set_correlation_id(header.correlation_id());
  proto.set_definition_hash(header.definition_hash());
  proto.set_type(std::string(saga::EventTypeName(*event.event)));
  proto.set_task(saga::TaskOf(*event.event));
  saga::AppendEventData(*event.event, event.slots, *proto.mutable_data());
}

}  // namespace skald::api
