// The leaf that a commit is in its partition's audit tree (docs/formats.md):
//
//   SHA-256(0x00 ‖ length of the header (4 bytes, little endian) ‖ header ‖ SHA-256(bodies)
//           ‖ SHA-256(slot 0) ‖ SHA-256(slot 1) ‖ …)
//
// each part with its bytes as stored. Slots stand in it as digests: one that is erased or withheld
// leaves the leaf, and every proof of it, as it was. The length makes the header's end part of what
// is hashed: without it a header that goes on for 32 bytes more, and the slots as bodies, would be
// another reading of the same leaf.
//
// Thread rule: pure functions, from any thread.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/audit/hash.h"
#include "storage/commit_record.h"

namespace skald::audit {

// The leaf's hash, from what a commit holds.
Hash CommitLeaf(const storage::CommitView& commit);

// The same where a slot may be known by its digest only.
Hash CommitLeaf(absl::string_view header, const Hash& bodies, absl::Span<const Hash> slots);

}  // namespace skald::audit
