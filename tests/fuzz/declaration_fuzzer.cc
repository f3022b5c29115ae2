// Goal: no text makes the parser of read models' declarations crash or hang, and what it accepts has
// everything that a fold needs; what it refuses is refused with a reason. Method: libFuzzer from the
// examples and a few broken texts.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "engine/projection/declared_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skald::projection;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const CompiledModel compiled = CompileModel(text);
  SKALD_CHECK(compiled.ok() == compiled.status().ok());
  if (!compiled.ok()) {
    SKALD_CHECK(!compiled.diagnostics.empty() && !compiled.status().message().empty());
    return 0;
  }
  const Declaration& declaration = *compiled.declaration;
  SKALD_CHECK(declaration.key && declaration.reduce && !declaration.events.empty());
  const Model model = MakeModel(compiled.declaration);
  SKALD_CHECK(!model.schema.name.empty() && model.schema.name.size() <= kModelNameBytesMax);
  for (const Index& index : model.schema.indexes) {
    SKALD_CHECK(!index.columns.empty());
    for (const std::string& column : index.columns) {
      SKALD_CHECK(model.schema.FindColumn(column) != nullptr);
    }
  }
  SKALD_CHECK(model.make_fold() != nullptr);
  return 0;
}
