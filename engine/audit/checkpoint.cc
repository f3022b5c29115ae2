#include "engine/audit/checkpoint.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace skald::audit {
namespace {

constexpr absl::string_view kNamePrefix = "skald/";

// A number that has one spelling.
std::optional<uint64_t> ParseNumber(absl::string_view text) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || absl::StrCat(number) != text) return std::nullopt;
  return number;
}

}  // namespace

std::string StoreName(absl::string_view store_id) {
  return absl::StrCat(kNamePrefix, absl::BytesToHexString(store_id));
}

std::string OriginOf(absl::string_view store_name, PartitionId partition) {
  return absl::StrCat(store_name, "/", partition.value());
}

std::string Checkpoint::ToText() const {
  return absl::StrCat(origin, "\n", tree.size, "\n", tree.root.ToBase64(), "\n");
}

absl::StatusOr<Checkpoint> Checkpoint::Parse(absl::string_view text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 4 || !lines[3].empty()) {
    return absl::InvalidArgumentError("it does not have the three lines origin, size and root");
  }
  if (lines[0].empty()) return absl::InvalidArgumentError("its origin is empty");
  const std::optional<uint64_t> size = ParseNumber(lines[1]);
  if (!size) return absl::InvalidArgumentError("its second line is not a tree size");
  const std::optional<Hash> root = Hash::FromBase64(lines[2]);
  if (!root) return absl::InvalidArgumentError("its third line is not a root hash in base64");
  return Checkpoint{.origin = std::string(lines[0]), .tree = {.size = *size, .root = *root}};
}

absl::StatusOr<Checkpoint> OpenCheckpoint(absl::string_view note,
                                          absl::Span<const VerifierKey> keys) {
  SKALD_ASSIGN_OR_RETURN(const Note parsed, ParseNote(note));
  SKALD_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Parse(parsed.text));
  SKALD_ASSIGN_OR_RETURN(const Origin origin, ParseOrigin(checkpoint.origin));
  std::vector<VerifierKey> store_keys;
  for (const VerifierKey& key : keys) {
    if (key.name() == origin.store_name) store_keys.push_back(key);
  }
  if (store_keys.empty()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "it is of ", origin.store_name, ", and none of the given keys is of that store"));
  }
  SKALD_RETURN_IF_ERROR(OpenNote(note, store_keys).status());
  return checkpoint;
}

absl::StatusOr<Origin> ParseOrigin(absl::string_view origin) {
  const size_t slash = origin.rfind('/');
  if (absl::StartsWith(origin, kNamePrefix) && slash >= kNamePrefix.size()) {
    const std::optional<uint64_t> partition = ParseNumber(origin.substr(slash + 1));
    const absl::string_view store_name = origin.substr(0, slash);
    if (partition && *partition <= UINT32_MAX && IsKeyName(store_name)) {
      return Origin{.store_name = std::string(store_name),
                    .partition = PartitionId(static_cast<uint32_t>(*partition))};
    }
  }
  return absl::InvalidArgumentError(
      "its origin is not that of a partition of a Skald store: skald/STORE/PARTITION");
}

}  // namespace skald::audit
