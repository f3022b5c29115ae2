// Waiting for the signals that end a program. Block them before any thread starts, so that every
// thread inherits it and only the waiter gets them.
#pragma once

#include "absl/time/time.h"

namespace skald::tools {

// Blocks SIGTERM and SIGINT, and prepares for commands.
void BlockStopSignals();
// Writing to a command that does not read its input is an error of that write, not a death; and how
// a command ends can be known, also when this program was started with SIGCHLD ignored.
void PrepareForCommands();

// The signal that came, or 0 when `timeout` passed first.
int WaitForStopSignal(absl::Duration timeout);

}  // namespace skald::tools
