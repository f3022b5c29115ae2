// What the parts of `skald audit` share: its flags, and reading keys and kept checkpoints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/audit/bundle.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/note.h"
#include "skald/v1/audit_service.pb.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

struct AuditFlags {
  std::vector<std::string> keys;  // lines, or files of lines
  std::string since;              // a file of notes
  std::string out;                // a file; empty: standard output
  std::string data_dir;
  int64_t partition = -1;
  bool withhold_data = false;
  bool ended = false;
  bool events = false;
  bool rotate = false;
  std::string reason;
  int64_t count = 0;   // watch: how many; 0: without end
  bool notes = false;  // checkpoints: as notes
};

// The keys of --key: each a verifier key itself, or a file with one a line.
absl::StatusOr<std::vector<audit::VerifierKey>> ReadKeys(const std::vector<std::string>& arguments);

// The notes in the file that --since names.
absl::StatusOr<std::vector<std::string>> ReadNotes(const std::string& file);

// That the server's checkpoint says the same in its note as beside it, and that one of `keys`
// signed it; without keys, whoever did.
absl::Status CheckSigned(const v1::Checkpoint& checkpoint,
                         const std::vector<audit::VerifierKey>& keys);
// That the answer proves what it was asked to: that its checkpoint continues `old`.
absl::Status CheckContinues(const audit::Checkpoint& old,
                            const v1::ProveConsistencyResponse& response);
// A checkpoint that was kept, signed by one of `keys`; without keys, by whoever.
absl::StatusOr<audit::Checkpoint> OpenKept(const std::string& note,
                                           const std::vector<audit::VerifierKey>& keys);

// Each part does its work and returns the exit code.
int AuditCheckpoint(Invocation& call, const AuditFlags& flags);
int AuditCheckpoints(Invocation& call, const AuditFlags& flags);
int AuditWatch(Invocation& call, const AuditFlags& flags);
int AuditExport(Invocation& call, const AuditFlags& flags);
int AuditVerify(Invocation& call, const AuditFlags& flags);
int AuditKey(Invocation& call, const AuditFlags& flags);

// Shows the events of a bundle. Precondition: it is verified.
int PrintBundleEvents(const Invocation& call, const audit::Bundle& bundle);

// Writes `text` to --out, whole or not at all, or to standard output.
int WriteOutput(Invocation& call, const AuditFlags& flags, const std::string& text);

}  // namespace skald::tools
