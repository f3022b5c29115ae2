// Runs one shell command with text on its standard input, and collects its standard output.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace skald::tools {

struct ShellCommand {
  std::string command;  // for sh -c
  std::string input;
  // Added to the environment of this process.
  std::vector<std::pair<std::string, std::string>> environment = {};
  absl::Time deadline = absl::InfiniteFuture();
  // Output past this is an error.
  size_t output_bytes_max = 4 << 20;
};

struct ShellResult {
  int exit_code = 0;       // 128 + N when signal N ended it, as shells say it
  bool stopped = false;    // because `stop` was set
  bool timed_out = false;  // because the deadline passed
  bool too_long = false;   // because of its output
  std::string output;
};

// Waits for the end of the shell; what it leaves in the background goes on. When `stop` is set, the
// deadline passes or the output is too long, the shell and all it started get SIGTERM, and 5 s
// later SIGKILL, and this returns when none of them is left; only those that moved to another
// process group go on. Standard error is shared with this process. UNKNOWN: the command ran, but how
// it ended is not known. Another error: it could not be started.
//
// Precondition: SIGPIPE is ignored and SIGCHLD is not (PrepareForCommands).
absl::StatusOr<ShellResult> RunShellCommand(const ShellCommand& command,
                                            const std::atomic<bool>& stop);

}  // namespace skald::tools
