// Small definitions of namespace "test".
#pragma once

namespace skald::testing {

// Two calls; each is undone.
inline constexpr char kOrder[] = R"(
document: { dsl: '1.0.3', namespace: test, name: order, version: '1.0.0' }
do:
  - reserve: { call: reserve, metadata: { saga: { compensate: release } } }
  - charge: { call: charge, metadata: { saga: { compensate: refund } } }
)";

// The same name, a later version, one call.
inline constexpr char kOrder2[] = R"(
document: { dsl: '1.0.3', namespace: test, name: order, version: '1.10.0' }
do:
  - ship: { call: ship }
)";

// A version between the two.
inline constexpr char kOrder1_9[] = R"(
document: { dsl: '1.0.3', namespace: test, name: order, version: '1.9.0' }
do:
  - pack: { call: pack }
)";

// The version of kOrder with another text.
inline constexpr char kOrderChanged[] = R"(
document: { dsl: '1.0.3', namespace: test, name: order, version: '1.0.0' }
do:
  - reserve: { call: reserveMore }
)";

// Waits half an hour, then calls.
inline constexpr char kPause[] = R"(
document: { dsl: '1.0.3', namespace: test, name: pause, version: '1.0.0' }
do:
  - pause: { wait: { minutes: 30 } }
  - wake: { call: wake }
)";

// Calls with a time limit.
inline constexpr char kLimited[] = R"(
document: { dsl: '1.0.3', namespace: test, name: limited, version: '1.0.0' }
do:
  - slow: { call: slow, timeout: { after: { seconds: 5 } } }
)";

// Ends at once.
inline constexpr char kNothing[] = R"(
document: { dsl: '1.0.3', namespace: test, name: nothing, version: '1.0.0' }
do:
  - done: { set: { done: true } }
)";

}  // namespace skald::testing
