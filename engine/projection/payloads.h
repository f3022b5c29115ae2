// Which payloads of sagas' events folds read. Parsing is a large part of what a fold costs, and
// most folds ask what happened, not with which data.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/json.h"
#include "skald/log/v1/event.pb.h"
#include "skald/log/v1/record.pb.h"
#include "storage/commit_record.h"

namespace skald::projection {

// Each with those before it.
enum class Payloads : uint8_t {
  kNone,
  kErrors,  // what an error_slot names
  kAll,
};

// Parses the payloads that are wanted of a commit with these events; null stands for each other
// one. INVALID_ARGUMENT: one that is wanted is no JSON.
absl::Status ParsePayloads(const storage::CommitView& commit, const log::v1::EventBodies& events,
                           Payloads wanted, std::vector<Json>& slots);

// The slot of the error that the event tells of, from 1; 0 when it tells of none.
uint32_t ErrorSlotOf(const log::v1::Event& event);

}  // namespace skald::projection
