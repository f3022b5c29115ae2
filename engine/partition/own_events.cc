#include "engine/partition/own_events.h"

#include "absl/status/statusor.h"
#include "base/json.h"

namespace skald::partition {
namespace {

using log::v1::Event;

constexpr absl::string_view kFine = "";
constexpr absl::string_view kNoText = "the text of what was deployed is missing, or is no text";
constexpr absl::string_view kNoSlot = "an event's payload is missing";
constexpr absl::string_view kNoPartition = "a message is to or from a partition that is not there";
constexpr absl::string_view kOutOfOrder = "messages are missing, repeated or out of order";

bool IsText(uint32_t slot, absl::Span<const std::string> slots) {
  if (slot == 0 || slot > slots.size()) return false;
  const absl::StatusOr<Json> text = Json::Parse(slots[slot - 1], kStoredJson);
  return text.ok() && text->is_string();
}

absl::string_view OnDeployed(const log::v1::DefinitionDeployed& e,
                             absl::Span<const std::string> slots, const OwnState& state) {
  if (!IsText(e.text_slot(), slots)) return kNoText;
  const Definition* const known = state.definitions.Find(e.namespace_(), e.name(), e.version());
  const bool is_again = known != nullptr && known->version == e.version();
  return is_again ? "a definition is deployed that is there already" : kFine;
}

}  // namespace

absl::string_view ObjectionTo(const Event& event, absl::Span<const std::string> slots,
                              const OwnState& state) {
  const auto is_partition = [&](uint32_t id) {
    return state.partition_count == 0 || id < state.partition_count;
  };
  const auto taken = [&](const auto& e) {
    if (!is_partition(e.from())) return kNoPartition;
    return e.seq() == state.mailbox.mark(PartitionId(e.from())) + 1 ? kFine : kOutOfOrder;
  };
  switch (event.kind_case()) {
    case Event::kDefinitionDeployed:
      return OnDeployed(event.definition_deployed(), slots, state);
    case Event::kMessageSent: {
      const log::v1::MessageSent& e = event.message_sent();
      if (!is_partition(e.to())) return kNoPartition;
      if (e.seq() != state.mailbox.NextSeq(PartitionId(e.to()))) return kOutOfOrder;
      // It is read again when the message is sent.
      if (!e.has_deploy_definition()) return kFine;
      return IsText(e.deploy_definition().text_slot(), slots) ? kFine : kNoText;
    }
    case Event::kMessageReceived:
      return taken(event.message_received());
    case Event::kMessageRefused:
      return taken(event.message_refused());
    case Event::kMessagesAcked: {
      const log::v1::MessagesAcked& e = event.messages_acked();
      if (!is_partition(e.to())) return kNoPartition;
      return e.through() < state.mailbox.NextSeq(PartitionId(e.to())) ? kFine : kOutOfOrder;
    }
    case Event::kModelDeployed:
      return IsText(event.model_deployed().text_slot(), slots) ? kFine : kNoText;
    case Event::kModelDropped:
      return event.model_dropped().reason_slot() > slots.size() ? kNoSlot : kFine;
    case Event::kAuditKeyRotated:
      return event.audit_key_rotated().reason_slot() > slots.size() ? kNoSlot : kFine;
    default:
      // A saga's, or of a build to come.
      return "an event is of a kind that this build does not know here";
  }
}

}  // namespace skald::partition
