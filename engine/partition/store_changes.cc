// What partition 0's own stream keeps for the whole store, without telling the other partitions:
// declared read models, and the rotations of the audit key.
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "base/json.h"
#include "engine/partition/partition.h"
#include "storage/commit_record.h"

namespace skald::partition {
namespace {

using log::v1::EventBodies;

// Puts `text` into the next slot and gives its number for an event; 0 for no text.
uint32_t AddSlot(const std::string& text, std::vector<std::string>& slots) {
  if (text.empty()) return 0;
  slots.push_back(Json::String(text).ToText());
  return static_cast<uint32_t>(slots.size());
}

}  // namespace

void Partition::Handle(StoreChangeRequest& request) {
  SKALD_CHECK(options_.partition == PartitionId(0));
  ++commands_;
  absl::StatusOr<StoreChanged> changed =
      std::visit([this](const auto& change) { return Take(change); }, request.change);
  const bool of_models = !std::holds_alternative<RecordKeyRotation>(request.change);
  if (of_models && changed.ok() && !changed->unchanged) {
    gate_.Hold(staged_position(), PublishModels{fold_->models().All()});
  }
  gate_.Hold(staged_position(), Answer<StoreChanged>{std::move(request.done), std::move(changed),
                                                     std::move(request.ticket)});
}

absl::StatusOr<StoreChanged> Partition::Take(const DeployModel& change) {
  const DeployedModel* const known = fold_->models().Find(change.name);
  if (known != nullptr && known->hash == change.hash) {
    return StoreChanged{.position = {options_.partition, known->position}, .unchanged = true};
  }
  if (known == nullptr && fold_->models().size() >= kModelsMax) {
    return TooManyModelsError(kModelsMax);
  }
  EventBodies bodies;
  std::vector<std::string> slots;
  auto* const event = bodies.add_events()->mutable_model_deployed();
  event->set_name(change.name);
  event->set_hash(change.hash);
  event->set_text_slot(AddSlot(change.text, slots));
  return CommitChange("DeployModel", change.actor, bodies, std::move(slots));
}

absl::StatusOr<StoreChanged> Partition::Take(const DropModel& change) {
  if (fold_->models().Find(change.name) == nullptr) return ModelNotFoundError(change.name);
  EventBodies bodies;
  std::vector<std::string> slots;
  auto* const event = bodies.add_events()->mutable_model_dropped();
  event->set_name(change.name);
  event->set_reason_slot(AddSlot(change.reason, slots));
  return CommitChange("DropModel", change.actor, bodies, std::move(slots));
}

absl::StatusOr<StoreChanged> Partition::Take(const RecordKeyRotation& change) {
  EventBodies bodies;
  std::vector<std::string> slots;
  auto* const event = bodies.add_events()->mutable_audit_key_rotated();
  event->set_old_key_id(change.old_key_id);
  event->set_new_key_id(change.new_key_id);
  event->set_new_key(change.new_key);
  event->set_reason_slot(AddSlot(change.reason, slots));
  return CommitChange("RotateAuditKey", change.actor, bodies, std::move(slots));
}

absl::StatusOr<StoreChanged> Partition::CommitChange(absl::string_view cause,
                                                     absl::string_view actor,
                                                     const EventBodies& bodies,
                                                     std::vector<std::string> slots) {
  if (!CommitOwn(cause, actor, Timestamp(0), bodies, std::move(slots))) {
    return CommitTooLargeError(record_.size(), storage::kCommitBytesMax);
  }
  return StoreChanged{.position = {options_.partition, staged_position()}, .unchanged = false};
}

}  // namespace skald::partition
