// Goal: `now` in an expression is the time of the event that is being decided: the commit's, the
// same for everything in it, and never the wall clock. Method: a saga on the harness' clock, which
// stands still but for what the test moves it by.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/definition/compile.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/saga_harness.h"

namespace skald::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(Now, IsTheTimeOfTheEventBeingDecided) {
  const definition::CompileResult compiled = definition::Compile(R"(
document: {dsl: '1.0.3', namespace: test, name: now, version: '1.0.0'}
do:
  - first: {set: {first: '${ now }', same: '${ now }'}, export: {as: .}}
  - pause: {wait: PT90S}
  - second: {set: {first: $context.first, second: '${ now }', same: '${ $context.same == .first }'}}
output: {as: '${ {first: $context.first, waited: (.second - $context.first), same: $context.same, at: (now - $context.first)} }'}
)");
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  SagaHarness harness(compiled.program);
  const int64_t start = harness.now().value() / kSecond;
  saga::Command command;
  command.request = saga::StartSaga{.input = {Json::EmptyObject(), "{}"}};
  ASSERT_TRUE(harness.Apply(command).reply.ok());
  const std::vector<std::string> events = harness.Advance(100 * kSecond);
  // The timer fires when it is due, not when the test gets round to it.
  EXPECT_THAT(harness.history(),
              Contains(HasSubstr(absl::StrCat("\"waited\":90,\"same\":", start))))
      << events.size();
  EXPECT_THAT(harness.history(), Contains(HasSubstr(absl::StrCat("\"first\":", start, ","))));
  EXPECT_THAT(harness.history(), Contains(HasSubstr("\"at\":90")));
}

}  // namespace
}  // namespace skald::testing
