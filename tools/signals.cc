#include "tools/signals.h"

#include <algorithm>
#include <cerrno>

#include <signal.h>

#include "absl/time/clock.h"

namespace skald::tools {

namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  PrepareForCommands();
}

void PrepareForCommands() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
}

int WaitForStopSignal(absl::Duration timeout) {
  const sigset_t set = StopSignals();
  const absl::Time end = absl::Now() + timeout;
  while (true) {
    int signal = 0;
    if (end == absl::InfiniteFuture()) {
      if (sigwait(&set, &signal) == 0) return signal;
      continue;
    }
    const timespec left = absl::ToTimespec(std::max(absl::ZeroDuration(), end - absl::Now()));
    signal = sigtimedwait(&set, nullptr, &left);
    if (signal > 0) return signal;
    if (errno != EINTR) return 0;
  }
}

}  // namespace skald::tools
