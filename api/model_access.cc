#include "api/model_access.h"

#include <memory>
#include <vector>

#include "base/errors.h"

namespace skald::api {
namespace {

class NoModels final : public projection::ModelReader {
 public:
  std::vector<projection::ModelSchema> Schemas() const override { return {}; }
  absl::StatusOr<std::unique_ptr<projection::ModelRows>> Open(
      absl::string_view model, const projection::OpenOptions&) override {
    return ModelNotFoundError(model);
  }
};

projection::ModelReader& ReaderOf(const ServerOptions& options) {
  static NoModels none;
  if (options.models == nullptr) return none;
  return *options.models;
}

}  // namespace

bool BoundedPool::Begin() {
  if (under_way_.fetch_add(1, std::memory_order_relaxed) < calls_max_) return true;
  End();
  return false;
}

ModelAccess::ModelAccess(const ServerOptions& options)
    : reader_(ReaderOf(options)),
      reads_(options.model_threads, options.model_reads_max),
      queries_(options.query_threads, options.queries_max) {}

}  // namespace skald::api
