// What one statement may hold of SQLite's memory. SQLite's own limits are of the whole process, so
// that one statement could starve the others; it therefore allocates through an account that is
// the thread's while it works for a statement.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skald::query {

// Sets SQLite up, once a process. Before anything else of SQLite.
void InitializeSqlite();

class SqlMemory {
 public:
  explicit SqlMemory(size_t bytes_max) : bytes_max_(static_cast<int64_t>(bytes_max)) {}

  // While it lives, what SQLite allocates on this thread is of this account.
  class Scope {
   public:
    explicit Scope(SqlMemory& account);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    SqlMemory* const before_;
  };

  // False when that would be more than it may hold.
  bool Take(size_t bytes);
  void Give(size_t bytes) { used_ -= static_cast<int64_t>(bytes); }

  bool is_exceeded() const { return is_exceeded_; }
  int64_t used() const { return used_; }

 private:
  const int64_t bytes_max_;
  int64_t used_ = 0;
  bool is_exceeded_ = false;
};

}  // namespace skald::query
