// What a partition's own stream may hold, for events that were read: they may be damaged behind
// right checksums, made by somebody else, or of a newer build.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/partition/definitions.h"
#include "engine/partition/mailbox.h"
#include "skald/log/v1/event.pb.h"

namespace skald::partition {

// What an own event has to follow.
struct OwnState {
  const Definitions& definitions;
  const Mailbox& mailbox;
  uint32_t partition_count = 0;  // of the store; 0: not known
};

// What keeps the event from being folded next, in a few words; empty when nothing does. `slots` are
// the payloads of its commit.
absl::string_view ObjectionTo(const log::v1::Event& event, absl::Span<const std::string> slots,
                              const OwnState& state);

}  // namespace skald::partition
