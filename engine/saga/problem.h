// Errors as sagas see them: RFC 7807 objects {type, status, title, detail, instance} (spec:
// errors).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/json.h"
#include "engine/definition/program.h"

namespace skald::saga {

// The standard error types.
enum class Problem : uint8_t {
  kConfiguration,
  kValidation,
  kExpression,
  kAuthentication,
  kAuthorization,
  kTimeout,
  kCommunication,
  kRuntime,
};

// "https://open-workflow-specification.org/spec/1.0.0/errors/timeout"
std::string ProblemType(Problem problem);

// Bytes of an error's detail, and of its other texts: it is written at each level that it leaves.
inline constexpr size_t kProblemDetailMax = 32 << 10;
inline constexpr size_t kProblemTextMax = 4 << 10;

// An error of a standard type with its default status. Bounded.
Json MakeProblem(Problem problem, absl::string_view title, absl::string_view detail,
                 absl::string_view instance);

// An error as a worker gave it, with what is missing filled in: type runtime, status 500, instance.
// Anything but an object becomes the detail of a runtime error. Bounded.
Json NormalizeProblem(const Json& given, absl::string_view instance);

// The error itself when it is small; else its standard members, texts past their bound cut.
Json BoundedProblem(Json error);

// The status of an error; 500 when it has none.
int32_t ProblemStatus(const Json& error);

// True for errors that a repetition with the same input would meet again: made by the definition,
// not by the world.
bool IsDefinitionProblem(const Json& error);

// True for an answer that refuses for good: 4xx but 408, 409, 425 and 429.
bool IsRefusedForGood(const Json& error);

// The type with any of the known prefixes replaced by the present one, so that equal types compare
// equal.
std::string CanonicalProblemType(absl::string_view type);

// True when everything the filter gives is equal in the error.
bool Matches(const definition::ErrorFilter& filter, const Json& error);

}  // namespace skald::saga
