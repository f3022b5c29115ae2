// Early return on errors, which Debian's Abseil does not bring.
//
//   SKALD_RETURN_IF_ERROR(log.Append(commits));
//   SKALD_ASSIGN_OR_RETURN(Json value, Json::Parse(text));
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define SKALD_MACRO_CONCAT_INNER(a, b) a##b
#define SKALD_MACRO_CONCAT(a, b) SKALD_MACRO_CONCAT_INNER(a, b)

// Returns the status of `expression` from the enclosing function unless it is OK.
#define SKALD_RETURN_IF_ERROR(expression)       \
  do {                                          \
    ::absl::Status skald_status = (expression); \
    if (!skald_status.ok()) [[unlikely]]        \
      return skald_status;                      \
  } while (false)

// Assigns the value of a StatusOr to `target` (which may declare a variable), or returns its
// status.
#define SKALD_ASSIGN_OR_RETURN(target, expression) \
  SKALD_ASSIGN_OR_RETURN_INNER(SKALD_MACRO_CONCAT(skald_result_, __LINE__), target, expression)
#define SKALD_ASSIGN_OR_RETURN_INNER(result, target, expression) \
  auto result = (expression);                                    \
  if (!result.ok()) [[unlikely]]                                 \
    return std::move(result).status();                           \
  target = *std::move(result)
