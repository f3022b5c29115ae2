// What the parts of `skald log` share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "skald/v1/log_service.pb.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

struct LogFlags {
  int64_t partition = -1;
  std::string from, to;
  std::string namespace_name, saga_id, definition, resume;
  std::vector<std::string> types;
  bool end = false;
  std::string format = "jsonl";
  std::string out, data_dir;
};

void SetFilter(const LogFlags& flags, v1::EventFilter& filter);

// Each part does its work and returns the exit code.
int LogExport(Invocation& call, const LogFlags& flags);
int LogImport(Invocation& call, const LogFlags& flags);

// On a terminal, how far a long work is: one line of standard error that is written over.
class ProgressLine {
 public:
  // Nothing is shown unless `wanted` and standard error is a terminal.
  ProgressLine(std::string doing, bool wanted);
  ~ProgressLine();

  // At most some times a second. `total` 0: unknown.
  void Show(uint64_t done, uint64_t total, const char* unit);

 private:
  const std::string doing_;
  const bool is_shown_;
  absl::Time next_ = absl::InfinitePast();
};

}  // namespace skald::tools
