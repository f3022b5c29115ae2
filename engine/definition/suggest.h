// The right name for a misspelt one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace skald::definition {

// The number of single-character edits (insert, delete, replace, swap of neighbours) between the
// two, or `limit` + 1 when it is more than `limit`. Letters that differ in case only count as
// equal.
int EditDistance(absl::string_view a, absl::string_view b, int limit);

// The candidate nearest to `name`, or nothing when none is near enough to be a plausible slip
// (about one edit in three characters). Of equally near ones the first.
std::optional<std::string> NearestName(absl::string_view name,
                                       absl::Span<const std::string> candidates);

// "; did you mean 'retry'?", or "" when nothing is near.
std::string DidYouMean(absl::string_view name, absl::Span<const std::string> candidates);

}  // namespace skald::definition
