// Where a verb with --out writes: standard output, or a file that takes its name only when it is
// whole and synced, so that what stood there before is there until then.
//
//   Destination destination(flags.out);
//   destination.Write(bytes);
//   if (!destination.Keep()) return destination.Fail(call);  // without Keep() nothing is left
//   behind
//
// Thread rule: one thread at a time.
#pragma once

#include <fstream>
#include <string>

#include "tools/skald/invocation.h"

namespace skald::tools {

class Destination {
 public:
  // An empty path is standard output.
  explicit Destination(const std::string& path);
  ~Destination();

  void Write(const std::string& bytes) { out() << bytes; }
  bool good() { return out().good(); }
  // False when not everything could be written.
  bool Keep();
  // Says that not everything could be written, and returns the exit code.
  int Fail(const Invocation& call) const;

 private:
  std::ostream& out();

  std::string path_;
  std::string draft_;  // empty: what is written goes to the path at once
  std::ofstream file_;
  bool is_kept_ = false;
};

}  // namespace skald::tools
