// Kills the process at a named place: a library to be loaded before all others (LD_PRELOAD) into the
// real skaldd, which knows nothing of it.
//
//   SKALD_CRASH_POINT=FILE     whose text is: +sync before 3 */log/*.log
//
// The file has 4,096 bytes and may be written while the server runs: it counts from when its first
// byte is '+'. The rest says OPERATION WHEN NTH PATTERN. OPERATION: write, sync, rename, unlink. WHEN: before, after, or (of a write) half: half of the bytes
// are written. NTH: the how many-th such call on a file whose path matches PATTERN, as fnmatch(3); of
// renames the new path counts. The kill is SIGKILL, and a line on standard error says so before.
//
// What a killed process leaves behind is what its system calls wrote, so two moments with no such call
// between them leave the same: these are all the places there are.
#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace {

constexpr size_t kFileBytes = 4'096;

enum class When { kBefore, kHalf, kAfter };

struct Point {
  const volatile char* text = nullptr;  // the file; null: no point
  std::once_flag is_read;
  char operation[16] = "";
  When when = When::kBefore;
  char pattern[256] = "";
  std::atomic<int> left = 0;  // calls until it strikes
};

Point& ThePoint() {
  static Point point;
  return point;
}

// Before main, when there is one thread.
__attribute__((constructor)) void MapFile() {
  const char* const path = std::getenv("SKALD_CRASH_POINT");
  if (path == nullptr) return;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  void* const text = mmap(nullptr, kFileBytes, PROT_READ, MAP_SHARED, file, 0);
  if (file < 0 || text == MAP_FAILED) {
    std::fprintf(stderr, "crash point: cannot read %s\n", path);
    _exit(2);
  }
  close(file);
  ThePoint().text = static_cast<const volatile char*>(text);
}

void ReadPoint(Point& point) {
  char text[kFileBytes], when[16] = "";
  for (size_t i = 0; i < kFileBytes; ++i) text[i] = point.text[i];
  text[kFileBytes - 1] = '\0';
  int nth = 0;
  if (std::sscanf(text, "+%15s %15s %d %255s", point.operation, when, &nth, point.pattern) != 4) {
    std::fprintf(stderr, "crash point: '%s' is not OPERATION WHEN NTH PATTERN\n", text);
    _exit(2);
  }
  point.when = std::strcmp(when, "before") == 0 ? When::kBefore
               : std::strcmp(when, "half") == 0 ? When::kHalf
                                                : When::kAfter;
  point.left = nth;
}

// Whether there is one, and it has not struck.
bool IsArmed() {
  Point& point = ThePoint();
  if (point.text == nullptr || *point.text != '+') return false;
  std::call_once(point.is_read, [&] { ReadPoint(point); });
  return point.left > 0;
}

// Whether this is the call.
bool Strikes(const char* operation, const char* path) {
  Point& point = ThePoint();
  if (!IsArmed()) return false;
  if (std::strcmp(operation, point.operation) != 0) return false;
  if (fnmatch(point.pattern, path, 0) != 0) return false;
  return point.left.fetch_sub(1) == 1;
}

bool StrikesFile(const char* operation, int file) {
  if (!IsArmed()) return false;
  char link[64], path[512];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link, path, sizeof(path) - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return Strikes(operation, path);
}

[[noreturn]] void Die() {
  static constexpr char kText[] = "crash point: reached\n";
  using Write = ssize_t (*)(int, const void*, size_t);
  static_cast<void>(
      reinterpret_cast<Write>(dlsym(RTLD_NEXT, "write"))(STDERR_FILENO, kText, sizeof(kText) - 1));
  kill(getpid(), SIGKILL);
  while (true) pause();
}

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

// Makes the call, or as much of it as there shall be.
template <typename Call>
auto Around(bool strikes, Call call) {
  if (strikes && ThePoint().when == When::kBefore) Die();
  const auto result = call();
  if (strikes) Die();
  return result;
}

size_t Share(bool strikes, size_t size) {
  return strikes && ThePoint().when == When::kHalf ? size / 2 : size;
}

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  static const auto next = Next<ssize_t (*)(int, const void*, size_t)>("write");
  const bool strikes = StrikesFile("write", file);
  return Around(strikes, [&] { return next(file, bytes, Share(strikes, size)); });
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  static const auto next = Next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  const bool strikes = StrikesFile("write", file);
  return Around(strikes, [&] { return next(file, bytes, Share(strikes, size), offset); });
}

int fsync(int file) {
  static const auto next = Next<int (*)(int)>("fsync");
  return Around(StrikesFile("sync", file), [&] { return next(file); });
}

int fdatasync(int file) {
  static const auto next = Next<int (*)(int)>("fdatasync");
  return Around(StrikesFile("sync", file), [&] { return next(file); });
}

int rename(const char* from, const char* to) noexcept {
  static const auto next = Next<int (*)(const char*, const char*)>("rename");
  return Around(Strikes("rename", to), [&] { return next(from, to); });
}

int unlink(const char* path) noexcept {
  static const auto next = Next<int (*)(const char*)>("unlink");
  return Around(Strikes("unlink", path), [&] { return next(path); });
}

}  // extern "C"
