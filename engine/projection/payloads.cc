#include "engine/projection/payloads.h"

#include <utility>

#include "base/status_macros.h"

namespace skald::projection {
namespace {

absl::Status ParseSlot(absl::string_view text, Json& slot) {
  SKALD_ASSIGN_OR_RETURN(slot, Json::Parse(text, kStoredJson));
  return absl::OkStatus();
}

}  // namespace

uint32_t ErrorSlotOf(const log::v1::Event& event) {
  using log::v1::Event;
  switch (event.kind_case()) {
    case Event::kSagaFaulted:
      return event.saga_faulted().error_slot();
    case Event::kTaskFaulted:
      return event.task_faulted().error_slot();
    case Event::kErrorRaised:
      return event.error_raised().error_slot();
    case Event::kTaskRetryScheduled:
      return event.task_retry_scheduled().error_slot();
    case Event::kErrorCaught:
      return event.error_caught().error_slot();
    case Event::kTaskParked:
      return event.task_parked().error_slot();
    case Event::kCompensationStepFailed:
      return event.compensation_step_failed().error_slot();
    case Event::kCompensationStepParked:
      return event.compensation_step_parked().error_slot();
    default:
      return 0;
  }
}

absl::Status ParsePayloads(const storage::CommitView& commit, const log::v1::EventBodies& events,
                           Payloads wanted, std::vector<Json>& slots) {
  slots.clear();
  slots.resize(commit.slots.size());
  switch (wanted) {
    case Payloads::kNone:
      break;
    case Payloads::kErrors:
      for (const log::v1::Event& event : events.events()) {
        const uint32_t slot = ErrorSlotOf(event);
        // A number beyond the end is for Evolve to refuse.
        if (slot == 0 || slot > slots.size()) continue;
        SKALD_RETURN_IF_ERROR(ParseSlot(commit.slots[slot - 1], slots[slot - 1]));
      }
      break;
    case Payloads::kAll:
      for (size_t i = 0; i < slots.size(); ++i) {
        SKALD_RETURN_IF_ERROR(ParseSlot(commit.slots[i], slots[i]));
      }
      break;
  }
  return absl::OkStatus();
}

}  // namespace skald::projection
