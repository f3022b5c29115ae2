// SKALD_CHECK: an invariant that must hold in release builds too. A broken one is our bug, so the
// process stops before memory that cannot be believed reaches disk.
#pragma once

namespace skald {

// Prints the failed condition with its place to standard error and aborts. Never returns.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace skald

#define SKALD_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::skald::CheckFailed(#condition, __FILE__, __LINE__))
