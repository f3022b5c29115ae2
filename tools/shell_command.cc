#include "tools/shell_command.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"

extern char** environ;

namespace skald::tools {

namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);  // how late `stop` may be noticed
constexpr absl::Duration kKillDelay = absl::Seconds(5);

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void Reset(int fd) {
    Close();
    fd_ = fd;
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

absl::Status MakePipe(Descriptor& reader, Descriptor& writer) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("pipe: ", std::strerror(errno)));
  }
  reader.Reset(ends[0]);
  writer.Reset(ends[1]);
  return absl::OkStatus();
}

// "NAME=value" of this process and of the command, which wins.
std::vector<std::string> Environment(const ShellCommand& command) {
  std::vector<std::string> entries;
  for (const auto& [name, value] : command.environment) {
    entries.push_back(absl::StrCat(name, "=", value));
  }
  const size_t own = entries.size();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('=') + 1);
    bool replaced = false;
    for (size_t i = 0; i < own; ++i) {
      replaced = replaced || entries[i].compare(0, name.size(), name) == 0;
    }
    if (!replaced) entries.push_back(text);
  }
  return entries;
}

// A shell in a process group of its own, with signals as they are by default.
absl::StatusOr<pid_t> Spawn(const ShellCommand& command, int input, int output) {
  std::vector<std::string> entries = Environment(command);
  std::vector<char*> environment;
  for (std::string& entry : entries) environment.push_back(entry.data());
  environment.push_back(nullptr);
  std::string text = command.command;
  std::string shell = "sh", flag = "-c";
  char* arguments[] = {shell.data(), flag.data(), text.data(), nullptr};

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, reset;
  sigemptyset(&none);
  sigemptyset(&reset);
  for (int signal : {SIGPIPE, SIGTERM, SIGINT}) sigaddset(&reset, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &reset);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, "/bin/sh", &files, &attributes, arguments, environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat("cannot start a shell: ", std::strerror(error)));
  }
  return pid;
}

// Reads what there is. False at the end of the file.
bool Drain(int fd, std::string& output) {
  char buffer[16 << 10];
  while (true) {
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count > 0) {
      output.append(buffer, static_cast<size_t>(count));
      if (output.size() > (64u << 20)) return false;
    } else if (count == 0) {
      return false;
    } else if (errno != EINTR) {
      return errno == EAGAIN;
    }
  }
}

// Ends a process group that should not go on: politely, then not.
class Terminator {
 public:
  explicit Terminator(pid_t group) : group_(group) {}

  void Ask() {
    if (asked_ != absl::InfiniteFuture()) return;
    asked_ = absl::Now();
    kill(-group_, SIGTERM);
  }
  void Tick() {
    if (absl::Now() - asked_ > kKillDelay) kill(-group_, SIGKILL);
  }

 private:
  const pid_t group_;
  absl::Time asked_ = absl::InfiniteFuture();
};

}  // namespace

absl::StatusOr<ShellResult> RunShellCommand(const ShellCommand& command,
                                            const std::atomic<bool>& stop) {
  Descriptor input_reader, input_writer, output_reader, output_writer;
  SKALD_RETURN_IF_ERROR(MakePipe(input_reader, input_writer));
  SKALD_RETURN_IF_ERROR(MakePipe(output_reader, output_writer));
  SKALD_ASSIGN_OR_RETURN(const pid_t pid, Spawn(command, input_reader.fd(), output_writer.fd()));
  input_reader.Close();
  output_writer.Close();
  fcntl(input_writer.fd(), F_SETFL, O_NONBLOCK);
  fcntl(output_reader.fd(), F_SETFL, O_NONBLOCK);
  const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));

  ShellResult result;
  Terminator terminator(pid);
  size_t written = 0;
  bool exited = false;
  while (!exited) {
    if (written == command.input.size()) input_writer.Close();
    pollfd events[] = {{input_writer.fd(), POLLOUT, 0},
                       {output_reader.fd(), POLLIN, 0},
                       {process.fd(), POLLIN, 0}};
    poll(events, 3, static_cast<int>(absl::ToInt64Milliseconds(kTick)));
    if (input_writer.open() && events[0].revents != 0) {
      const ssize_t count =
          write(input_writer.fd(), command.input.data() + written, command.input.size() - written);
      if (count > 0) written += static_cast<size_t>(count);
      // A command need not read its input.
      if (count < 0 && errno != EAGAIN && errno != EINTR) input_writer.Close();
    }
    if (output_reader.open() && events[1].revents != 0) {
      if (!Drain(output_reader.fd(), result.output)) output_reader.Close();
    }
    result.stopped = result.stopped || stop;
    result.timed_out = result.timed_out || absl::Now() >= command.deadline;
    result.too_long = result.too_long || result.output.size() > command.output_bytes_max;
    if (result.stopped || result.timed_out || result.too_long) terminator.Ask();
    terminator.Tick();
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) {
      exited = true;
      result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
  if (output_reader.open()) Drain(output_reader.fd(), result.output);
  result.too_long = result.too_long || result.output.size() > command.output_bytes_max;
  return result;
}

}  // namespace skald::tools
