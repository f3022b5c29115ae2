// One function object out of several, for std::visit:
//
//   std::visit(Overloaded{[](const A& a) { ... }, [](const B& b) { ... }}, value);
#pragma once

namespace skald {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace skald
