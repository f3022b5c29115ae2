#include "tools/shell_command.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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

// Whether the process of this folder of /proc is of the group and has not ended.
bool LivesInGroup(const std::filesystem::path& folder, pid_t group) {
  const Descriptor file(open((folder / "stat").c_str(), O_RDONLY | O_CLOEXEC));
  char text[512];
  const ssize_t count = file.open() ? read(file.fd(), text, sizeof(text)) : -1;
  if (count <= 0) return false;
  // "17 (its name, which may hold anything) S parent group ...".
  const absl::string_view facts(text, static_cast<size_t>(count));
  const size_t name_end = facts.rfind(')');
  if (name_end == absl::string_view::npos) return false;
  const std::vector<absl::string_view> words =
      absl::StrSplit(facts.substr(name_end + 1), ' ', absl::SkipEmpty());
  return words.size() > 2 && words[0] != "Z" && words[0] != "X" && words[2] == absl::StrCat(group);
}

// Whether any process of the group is at work. May miss one that is forked meanwhile.
bool HasLiving(pid_t group) {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc", error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    const std::filesystem::path& folder = entry->path();
    if (absl::ascii_isdigit(static_cast<unsigned char>(folder.filename().c_str()[0])) &&
        LivesInGroup(folder, group)) {
      return true;
    }
    entry.increment(error);
  }
  return false;
}

// Ends a process group that should not go on: politely, then not. The group's leader must not be
// reaped while this is used, or another group may get its id.
class Terminator {
 public:
  explicit Terminator(pid_t group) : group_(group) {}

  void Ask() {
    if (asked_) return;
    deadline_ = absl::Now() + kKillDelay;
    asked_ = true;
    kill(-group_, SIGTERM);
  }
  void Tick() {
    if (absl::Now() > deadline_) kill(-group_, SIGKILL);
  }
  // The leader has ended: whether there is nothing to wait for. When it was asked to end, nothing
  // of its group is left then.
  bool EndsRest() {
    if (!asked_) return true;
    if (absl::Now() <= deadline_ && HasLiving(group_)) return false;
    kill(-group_, SIGKILL);  // what was missed too
    return true;
  }

 private:
  const pid_t group_;
  bool asked_ = false;
  absl::Time deadline_ = absl::InfiniteFuture();
};

// Whether the child has ended; it is not reaped. An error: that can never be known.
absl::StatusOr<bool> HasEnded(pid_t child) {
  siginfo_t info = {};
  if (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
    return info.si_pid == child;
  }
  return absl::UnknownError(absl::StrCat("waitid: ", std::strerror(errno)));
}

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
  Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));

  ShellResult result;
  Terminator terminator(pid);
  size_t written = 0;
  bool ended = false;
  while (!ended) {
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
    SKALD_ASSIGN_OR_RETURN(const bool shell_ended, HasEnded(pid));
    if (shell_ended) {
      process.Close();  // it would wake each poll
      ended = terminator.EndsRest();
    }
  }
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (output_reader.open()) Drain(output_reader.fd(), result.output);
  result.too_long = result.too_long || result.output.size() > command.output_bytes_max;
  return result;
}

}  // namespace skald::tools
