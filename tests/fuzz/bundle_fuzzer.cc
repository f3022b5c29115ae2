// Goal: no file makes reading or verifying a bundle, or a note, crash or hang; what is taken for a
// bundle is written back byte for byte. Method: libFuzzer from real bundles and the key that signed
// them.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "engine/audit/bundle.h"
#include "engine/audit/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skald::audit::VerifierKey;
  static const VerifierKey key = *VerifierKey::Parse(
      "skald/5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a+b7a0f568+AUrQq5b8Ic8wSyHHH3rdry56/"
      "BDsR2k3DSFXgWJuhrqT");
  const absl::string_view text(reinterpret_cast<const char*>(data), size);

  const auto note = skald::audit::ParseNote(text);
  if (note.ok()) skald::audit::Checkpoint::Parse(note->text).IgnoreError();
  for (const std::string& each : skald::audit::SplitNotes(text)) {
    skald::audit::OpenCheckpoint(each, {key}).IgnoreError();
  }
  VerifierKey::Parse(text).IgnoreError();

  const auto bundle = skald::audit::ParseBundle(text);
  if (!bundle.ok()) return 0;
  SKALD_CHECK(skald::audit::WriteBundle(*bundle) == text);
  const auto report = skald::audit::VerifyBundle(*bundle, {.keys = {key}});
  // What is proven holds at least one event, under a checkpoint of that key's store.
  SKALD_CHECK(!report.ok() || report.events > 0);
  SKALD_CHECK(!report.ok() || report.checkpoint.origin.rfind(key.name(), 0) == 0);
  return 0;
}
