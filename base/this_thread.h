// What the calling thread is called, as top, gdb and /proc show it, and how much it may get in the way of others.
#pragma once

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace skald {

// Names the calling thread. At most 15 characters; a longer name is not taken.
inline void NameThread(const char* name) {
  // Failing to changes nothing but what a debugger shows.
  static_cast<void>(pthread_setname_np(pthread_self(), name));
}

// Where cores are short, answers to commands (0) come before read models, and those before what nobody waits for:
// rebuilds, checkpoints.
inline constexpr int kModelsNiceness = 5;
inline constexpr int kBackgroundNiceness = 10;

// Lets others go before the calling thread, which on Linux has a priority of its own: `niceness` is from 0 to 19,
// the first to the last.
inline void LowerPriority(int niceness) {
  // Not being allowed to changes nothing but who goes first.
  static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness));
}

}  // namespace skald
