#include "engine/definition/suggest.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace skald::definition {
namespace {

// Bounds on hostile input: longer names are compared by their beginnings, later candidates not at
// all.
constexpr size_t kCompared = 40;
constexpr size_t kCandidatesMax = 200;

// About one slip in three characters; a single character has no near neighbours.
int EditsAllowed(absl::string_view name) {
  if (name.size() < 2) return 0;
  return std::clamp(static_cast<int>(name.size() + 2) / 3, 1, 4);
}

}  // namespace

int EditDistance(absl::string_view a, absl::string_view b, int limit) {
  const std::string left = absl::AsciiStrToLower(a.substr(0, kCompared));
  const std::string right = absl::AsciiStrToLower(b.substr(0, kCompared));
  const int height = static_cast<int>(left.size()), width = static_cast<int>(right.size());
  const int far = limit + 1;
  if (height - width > limit || width - height > limit) return far;
  // Three rows of the usual table: two back for swaps, one back, and the one being filled. Only the
  // band of cells that can stay within the limit is filled, with a cell that is too far at its
  // ends.
  std::array<std::array<int, kCompared + 2>, 3> rows;
  for (auto& row : rows) row.fill(far);
  for (int j = 0; j <= std::min(width, limit); ++j) rows[0][j] = j;
  for (int i = 1; i <= height; ++i) {
    const auto& two_back = rows[(i + 1) % 3];
    const auto& back = rows[(i + 2) % 3];
    auto& row = rows[i % 3];
    const int first = std::max(1, i - limit), last = std::min(width, i + limit);
    row[first - 1] = first == 1 ? std::min(i, far) : far;
    row[last + 1] = far;
    int least = row[first - 1];
    for (int j = first; j <= last; ++j) {
      const int replaced = back[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
      row[j] = std::min({back[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        row[j] = std::min(row[j], two_back[j - 2] + 1);
      }
      least = std::min(least, row[j]);
    }
    if (least > limit) return far;
  }
  return std::min(rows[height % 3][width], far);
}

std::optional<std::string> NearestName(absl::string_view name,
                                       absl::Span<const std::string> candidates) {
  int best = EditsAllowed(name) + 1;
  const std::string* nearest = nullptr;
  for (const std::string& candidate : candidates.subspan(0, kCandidatesMax)) {
    const int distance = EditDistance(name, candidate, best);
    if (distance < best && candidate != name) {
      best = distance;
      nearest = &candidate;
    }
  }
  if (nearest == nullptr) return std::nullopt;
  return *nearest;
}

std::string DidYouMean(absl::string_view name, absl::Span<const std::string> candidates) {
  const std::optional<std::string> nearest = NearestName(name, candidates);
  return nearest ? absl::StrCat("; did you mean '", *nearest, "'?") : "";
}

}  // namespace skald::definition
