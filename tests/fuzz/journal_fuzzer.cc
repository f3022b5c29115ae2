// Goal: no file makes opening the kept checkpoints, or reading keys, crash or hang; what is opened
// without damage reads the same when it is scanned. Method: the input is the file, in memory's file
// system; its lines are tried as keys.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "engine/audit/checkpoint_journal.h"
#include "engine/audit/note.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace audit = skald::audit;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (const auto key = audit::SigningKey::Parse(line); key.ok()) {
      SKALD_CHECK(key->verifier().Verify("text\n", key->Sign("text\n")));
      SKALD_CHECK(audit::SigningKey::Parse(key->ToText()).ok());
    }
    if (const auto key = audit::VerifierKey::Parse(line); key.ok()) {
      SKALD_CHECK(audit::VerifierKey::Parse(key->ToText()).value() == *key);
    }
  }
  static const std::string path = absl::StrCat("/dev/shm/skald-journal-fuzzer-", getpid());
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(text.data(), static_cast<std::streamsize>(size));
  std::vector<std::string> notices;
  const auto journal = audit::CheckpointJournal::Open(
      {.path = path, .store_name = audit::StoreName(std::string(16, '\x5a'))}, &notices);
  SKALD_CHECK(journal.ok());
  if ((*journal)->damage().ok()) {
    uint64_t scanned = 0;
    const absl::Status status =
        (*journal)->Scan([&](const audit::KeptCheckpoint& kept) { scanned = kept.number; });
    SKALD_CHECK(status.ok() && scanned == (*journal)->end().number);
  }
  unlink(path.c_str());
  return 0;
}
