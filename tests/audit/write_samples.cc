// Writes bundles, a key and a checkpoint into a folder, for the verifier in Python to check.
// Usage: audit_samples FOLDER
#include <fstream>
#include <iostream>
#include <string>

#include "tests/engine/audit/sample_log.h"

int main(int argc, char** argv) {
  using skald::audit::SampleLog;
  using skald::audit::SlotData;
  if (argc != 2) {
    std::cerr << "usage: audit_samples FOLDER\n";
    return 2;
  }
  const auto write = [folder = std::string(argv[1])](const std::string& name,
                                                     const std::string& text) {
    std::ofstream(folder + "/" + name, std::ios::binary) << text;
  };
  SampleLog log;
  log.AppendRounds({"a", "b/ü \"x\"", "c"}, 4, /*ended=*/true);
  log.AppendRounds({"open"}, 2, /*ended=*/false);
  constexpr uint64_t kSince = 7;
  write("key", log.key().ToText() + "\n");
  write("other_key", SampleLog().key().ToText() + "\n");
  write("since", log.NoteAt(kSince));
  write("ended.json", skald::audit::WriteBundle(log.BundleOf("b/ü \"x\"", kSince)));
  write("open.json", skald::audit::WriteBundle(log.BundleOf("open")));
  write("withheld.json",
        skald::audit::WriteBundle(log.BundleOf("c", /*since=*/0, SlotData::kWithheld)));
  return 0;
}
