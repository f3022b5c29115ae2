// Goal: no statement crashes or hangs the SQL over read models, changes anything, or ends with an
// error that is not about the statement. Method: the input is a statement over a small model.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/errors.h"
#include "engine/query/sql.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/memory_models.h"

namespace {

using skald::Json;

skald::testing::MemoryModels& Models() {
  static auto* models = [] {
    auto* made = new skald::testing::MemoryModels;
    made->Add(skald::query::SagasSchema());
    made->PutAll("sagas",
                 {skald::query::SagaRow("a", "running", "2026-01-01T00:00:00.000000Z"),
                  skald::query::SagaRow("b", "faulted", "2026-01-02T00:00:00.000000Z",
                                        Json::String("2026-01-03T00:00:00.000000Z"), 2, 1.5),
                  skald::query::SagaRow("", "", "", Json::Null(), -1, -2)});
    return made;
  }();
  return *models;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace query = skald::query;
  query::SqlOptions options;
  options.text.assign(reinterpret_cast<const char*>(data), size);
  options.parameters = {Json::Int(1), Json::String("a")};
  options.rows_max = 100;
  options.memory_bytes_max = 4 << 20;
  int looks = 0;
  options.stop = [&looks] {
    return ++looks > 200 ? absl::DeadlineExceededError("long enough") : absl::OkStatus();
  };
  options.now = [] { return skald::Timestamp(0); };
  auto statement = query::SqlStatement::Prepare(Models(), std::move(options));
  absl::Status status = statement.status();
  while (status.ok()) {
    const auto row = (*statement)->Next();
    status = row.status();
    if (!row.ok() || !row->has_value()) break;
    SKALD_CHECK((*row)->size() == (*statement)->columns().size());
  }
  SKALD_CHECK(!absl::IsInternal(status) && !absl::IsUnknown(status) && !absl::IsDataLoss(status));
  SKALD_CHECK(Models().Open("sagas", {}).value()->Count().value() == 3);
  return 0;
}
