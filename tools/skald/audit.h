// What the parts of `skald audit` share: its flags, and reading keys and kept checkpoints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/audit/bundle.h"
#include "engine/audit/checkpoint.h"
#include "engine/audit/note.h"
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
};

// The keys of --key: each a verifier key itself, or a file with one a line.
absl::StatusOr<std::vector<audit::VerifierKey>> ReadKeys(const std::vector<std::string>& arguments);

// The notes in the file that --since names.
absl::StatusOr<std::vector<std::string>> ReadNotes(const std::string& file);

// Each part does its work and returns the exit code.
int AuditCheckpoint(Invocation& call, const AuditFlags& flags);
int AuditExport(Invocation& call, const AuditFlags& flags);
int AuditVerify(Invocation& call, const AuditFlags& flags);
int AuditKey(Invocation& call, const AuditFlags& flags);

// Shows the events of a bundle. Precondition: it is verified.
int PrintBundleEvents(const Invocation& call, const audit::Bundle& bundle);

// Writes `text` to --out, or to standard output.
int WriteOutput(Invocation& call, const AuditFlags& flags, const std::string& text);

}  // namespace skald::tools
