// Matchers and macros for absl::Status and absl::StatusOr, which Debian's Abseil does not bring.
//
//   EXPECT_THAT(Json::Parse("{"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line
//   1"))); EXPECT_THAT(Json::Parse("1"), IsOkAndHolds(Json::Int(1))); ASSERT_OK_AND_ASSIGN(Json
//   order, Json::Parse(text));
#pragma once

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skald::testing {

namespace internal {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Matches a StatusOr<T> that is OK and whose value matches.
template <typename InnerMatcher>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(InnerMatcher inner) : inner_(std::move(inner)) {}

  template <typename StatusOr>
  operator ::testing::Matcher<StatusOr>() const {  // NOLINT(google-explicit-constructor)
    return ::testing::Matcher<StatusOr>(new Implementation<StatusOr>(inner_));
  }

 private:
  template <typename StatusOr>
  class Implementation : public ::testing::MatcherInterface<StatusOr> {
   public:
    using Value = typename std::remove_cv_t<std::remove_reference_t<StatusOr>>::value_type;

    explicit Implementation(const InnerMatcher& inner)
        : inner_(::testing::SafeMatcherCast<const Value&>(inner)) {}

    void DescribeTo(std::ostream* os) const override {
      *os << "is OK and has a value that ";
      inner_.DescribeTo(os);
    }
    void DescribeNegationTo(std::ostream* os) const override {
      *os << "is not OK, or has a value that ";
      inner_.DescribeNegationTo(os);
    }
    bool MatchAndExplain(StatusOr result, ::testing::MatchResultListener* listener) const override {
      if (!result.ok()) {
        *listener << "whose status is " << result.status();
        return false;
      }
      return ::testing::ExplainMatchResult(inner_, *result, listener);
    }

   private:
    ::testing::Matcher<const Value&> inner_;
  };

  InnerMatcher inner_;
};

}  // namespace internal

// Matches an OK Status or StatusOr.
MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  const absl::Status& status = internal::StatusOf(arg);
  if (!status.ok()) *result_listener << "whose status is " << status;
  return status.ok();
}

// Matches a Status or StatusOr by its code and message.
MATCHER_P2(StatusIs, code, message_matcher,
           std::string(negation ? "has not the code " : "has the code ") +
               absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message_matcher, negation)) {
  const absl::Status& status = internal::StatusOf(arg);
  *result_listener << "whose status is " << status;
  return status.code() == code &&
         ::testing::ExplainMatchResult(message_matcher, std::string(status.message()),
                                       result_listener);
}

// Matches a Status or StatusOr by its code alone.
inline auto StatusIs(absl::StatusCode code) { return StatusIs(code, ::testing::_); }

// Matches a StatusOr that is OK and whose value matches `inner` (a matcher or a value).
template <typename InnerMatcher>
internal::IsOkAndHoldsMatcher<std::decay_t<InnerMatcher>> IsOkAndHolds(InnerMatcher&& inner) {
  return internal::IsOkAndHoldsMatcher<std::decay_t<InnerMatcher>>(
      std::forward<InnerMatcher>(inner));
}

}  // namespace skald::testing

#define EXPECT_OK(expression) EXPECT_THAT((expression), ::skald::testing::IsOk())
#define ASSERT_OK(expression) ASSERT_THAT((expression), ::skald::testing::IsOk())

#define SKALD_MATCHERS_CONCAT_INNER(a, b) a##b
#define SKALD_MATCHERS_CONCAT(a, b) SKALD_MATCHERS_CONCAT_INNER(a, b)

// Assigns the value of a StatusOr to `target` (which may declare a variable), or fails the test.
#define ASSERT_OK_AND_ASSIGN(target, expression) \
  ASSERT_OK_AND_ASSIGN_INNER(SKALD_MATCHERS_CONCAT(skald_result_, __LINE__), target, expression)
#define ASSERT_OK_AND_ASSIGN_INNER(result, target, expression) \
  auto result = (expression);                                  \
  ASSERT_OK(result);                                           \
  target = *std::move(result)
