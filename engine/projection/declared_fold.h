// The fold of a declared model: runs its expressions on the events it is about.
//
// A row is {"key": the key, "value": what `reduce` made}. Everything an event does is computed
// first and written then, so an event that fails leaves no trace.
//
// Errors of Fold: FAILED_PRECONDITION when the event is poison, which says which expression, on
// which event, and why; else what the RowWriter said.
//
// Thread rule: as ModelFold.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json.h"
#include "engine/projection/declared_model.h"
#include "engine/projection/fold.h"

namespace skald::projection {

class DeclaredFold final : public ModelFold {
 public:
  explicit DeclaredFold(std::shared_ptr<const Declaration> declaration)
      : declaration_(std::move(declaration)) {}

  absl::Status Fold(const FoldedEvent& event, RowWriter& rows) override;

 private:
  const std::shared_ptr<const Declaration> declaration_;
};

// The saga as expressions see it: {namespace, id, definition, version, status, input, context,
// output, error, started, updated, correlationId, revision}. What is not there yet is null.
Json SagaToJson(const saga::SagaState& saga);

}  // namespace skald::projection
