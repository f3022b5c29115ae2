// The fold: state + event -> state. Reads only the event, its payload slots and the state: no
// definition, clock, expression or log line. It never fails on an event that Decide made; on any
// other it stops the process (a broken invariant), because memory that does not follow from the log
// must not be believed. So what comes from a disk goes through EvolveRead.
#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/json.h"
#include "engine/saga/state.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"

namespace skald::saga {

// Where an event stands.
struct EventContext {
  const log::v1::CommitHeader& header;
  Revision revision;             // of this event
  Position position;             // of this event
  absl::Span<const Json> slots;  // of its commit; null for each that the state need not have
};

void Evolve(const log::v1::Event& event, const EventContext& context, SagaState& state);

// As Evolve, of an event that was read. DATA_LOSS when it cannot follow the state: then the state
// must not be used any more.
absl::Status EvolveRead(const log::v1::Event& event, const EventContext& context, SagaState& state);

}  // namespace skald::saga
