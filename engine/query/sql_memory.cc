#include "engine/query/sql_memory.h"

#include <cstdlib>

#include <malloc.h>
#include <sqlite3.h>

#include "base/check.h"

namespace skald::query {
namespace {

thread_local SqlMemory* current_account = nullptr;

void* Allocate(int bytes) {
  void* memory = std::malloc(static_cast<size_t>(bytes));
  if (memory == nullptr || current_account == nullptr) return memory;
  if (current_account->Take(malloc_usable_size(memory))) return memory;
  std::free(memory);
  return nullptr;
}

void Free(void* memory) {
  if (memory == nullptr) return;
  if (current_account != nullptr) current_account->Give(malloc_usable_size(memory));
  std::free(memory);
}

void* Reallocate(void* memory, int bytes) {
  const size_t before = malloc_usable_size(memory);
  const auto wanted = static_cast<size_t>(bytes);
  if (current_account != nullptr && wanted > before && !current_account->Take(wanted - before)) {
    return nullptr;
  }
  if (current_account != nullptr && wanted > before) current_account->Give(wanted - before);
  void* moved = std::realloc(memory, wanted);
  if (moved == nullptr || current_account == nullptr) return moved;
  current_account->Give(before);
  // Checked above, but for what the allocator rounds up.
  static_cast<void>(current_account->Take(malloc_usable_size(moved)));
  return moved;
}

int SizeOf(void* memory) { return static_cast<int>(malloc_usable_size(memory)); }
int RoundUp(int bytes) { return (bytes + 7) & ~7; }
int Start(void*) { return SQLITE_OK; }
void Stop(void*) {}

}  // namespace

void InitializeSqlite() {
  static const bool is_ready = [] {
    static const sqlite3_mem_methods methods = {Allocate, Free,  Reallocate, SizeOf,
                                                RoundUp,  Start, Stop,       nullptr};
    SKALD_CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
    SKALD_CHECK(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
    SKALD_CHECK(sqlite3_config(SQLITE_CONFIG_URI, 0) == SQLITE_OK);
    SKALD_CHECK(sqlite3_initialize() == SQLITE_OK);
    return true;
  }();
  static_cast<void>(is_ready);
}

SqlMemory::Scope::Scope(SqlMemory& account) : before_(current_account) {
  current_account = &account;
}

SqlMemory::Scope::~Scope() { current_account = before_; }

bool SqlMemory::Take(size_t bytes) {
  const auto more = static_cast<int64_t>(bytes);
  if (used_ + more > bytes_max_) {
    is_exceeded_ = true;
    return false;
  }
  used_ += more;
  return true;
}

}  // namespace skald::query
