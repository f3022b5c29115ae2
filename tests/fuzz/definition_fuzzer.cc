// Any bytes: Compile must return, with a program or with findings.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "engine/definition/compile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const skald::definition::CompileResult result =
      skald::definition::Compile({reinterpret_cast<const char*>(data), size});
  if (!result.ok() && result.diagnostics.empty()) std::abort();
  return 0;
}
