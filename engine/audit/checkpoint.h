// Checkpoints: what a partition's audit tree is at one size, in the text that C2SP's
// tlog-checkpoint describes, signed as a note (engine/audit/note.h). Whoever keeps one can later be
// shown that nothing before it has changed.
//
//   std::string note = SignNote(checkpoint.ToText(), keys);
//   SKALD_ASSIGN_OR_RETURN(Checkpoint same, OpenCheckpoint(note, {verifier}));
//
// Thread rule: values.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "engine/audit/merkle.h"
#include "engine/audit/note.h"

namespace skald::audit {

// What a store's keys are called: "skald/" and the store's id in hexadecimal.
std::string StoreName(absl::string_view store_id);
// The origin of a partition's tree: the store's name, "/" and the partition's number.
std::string OriginOf(absl::string_view store_name, PartitionId partition);

struct Checkpoint {
  std::string origin;
  TreeHead tree;

  // Three lines: origin, size, root in base64.
  std::string ToText() const;
  // INVALID_ARGUMENT says what is wrong. Lines after the third are refused: nothing here writes
  // any.
  static absl::StatusOr<Checkpoint> Parse(absl::string_view text);

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// The checkpoint of a note that at least one of `keys` signed. A key speaks for its own store only:
// the origin must begin with its name. INVALID_ARGUMENT when it is no checkpoint, PERMISSION_DENIED
// when it is not properly signed.
absl::StatusOr<Checkpoint> OpenCheckpoint(absl::string_view note,
                                          absl::Span<const VerifierKey> keys);

// The store and the partition of an origin; INVALID_ARGUMENT when it is not one of ours.
struct Origin {
  std::string store_name;
  PartitionId partition;
};
absl::StatusOr<Origin> ParseOrigin(absl::string_view origin);

}  // namespace skald::audit
