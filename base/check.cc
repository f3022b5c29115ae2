#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace skald {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "skald: invariant broken at %s:%d: %s\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace skald
