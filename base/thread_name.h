// Names for threads, as top, gdb and /proc show them.
#pragma once

#include <pthread.h>

namespace skald {

// Names the calling thread. At most 15 characters; a longer name is not taken.
inline void NameThread(const char* name) {
  // Failing to changes nothing but what a debugger shows.
  static_cast<void>(pthread_setname_np(pthread_self(), name));
}

}  // namespace skald
