// Taking values apart into variables.
#include <utility>

#include "engine/expression/machine.h"
#include "engine/expression/values.h"

namespace skald::expression {

Flow Machine::Bind(const Node* node, const FrameRef& frame, const Json& value, const bool* passed,
                   absl::FunctionRef<Flow()> next) {
  const std::vector<Matcher>& matchers = node->matchers;
  if (matchers.size() == 1) return Match(matchers[0], frame, value, next);
  for (size_t i = 0; i < matchers.size(); ++i) {
    for (const uint32_t slot : node->bound_slots) frame->variable(slot) = Json();
    const Flow flow = Match(matchers[i], frame, value, next);
    const bool try_next = flow == Flow::kError && !*passed && i + 1 < matchers.size();
    if (!try_next) return flow;
  }
  return Flow::kNext;
}

Flow Machine::Match(const Matcher& matcher, const FrameRef& frame, const Json& value,
                    absl::FunctionRef<Flow()> next) {
  switch (matcher.kind) {
    case Pattern::Kind::kVariable:
      frame->variable(matcher.slot) = value;
      return next();
    case Pattern::Kind::kArray:
      return MatchElements(matcher, 0, frame, value, next);
    case Pattern::Kind::kObject:
      return MatchEntries(matcher, 0, frame, value, next);
  }
  return Flow::kNext;
}

Flow Machine::MatchElements(const Matcher& matcher, size_t from, const FrameRef& frame,
                            const Json& value, absl::FunctionRef<Flow()> next) {
  if (from == matcher.children.size()) return next();
  Json element;
  if (!StackLeft() || !Index(*this, value, Json::Int(static_cast<int64_t>(from)), element)) {
    return Failed();
  }
  return Match(matcher.children[from], frame, element,
               [&] { return MatchElements(matcher, from + 1, frame, value, next); });
}

Flow Machine::MatchEntries(const Matcher& matcher, size_t from, const FrameRef& frame,
                           const Json& value, absl::FunctionRef<Flow()> next) {
  if (from == matcher.children.size()) return next();
  const Matcher& entry = matcher.children[from];
  const auto rest = [&] { return MatchEntries(matcher, from + 1, frame, value, next); };
  return Run<Json>(entry.key, frame, value, [&](Json&& key) {
    Json member;
    if (!Index(*this, value, key, member)) return Failed();
    if (entry.slot >= 0) frame->variable(entry.slot) = member;
    return entry.children.empty() ? rest() : Match(entry.children[0], frame, member, rest);
  });
}

}  // namespace skald::expression
