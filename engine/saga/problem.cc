#include "engine/saga/problem.h"

#include <array>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/utf8.h"

namespace skald::saga {
namespace {

constexpr absl::string_view kPrefix = "https://open-workflow-specification.org/spec/1.0.0/errors/";

// Prefixes that documents in the wild use for the same standard types.
constexpr std::array<absl::string_view, 5> kKnownPrefixes = {
    kPrefix,
    "https://open-workflow-specification.org/dsl/errors/types/",
    "https://serverlessworkflow.io/spec/1.0.0/errors/",
    "https://serverlessworkflow.io/dsl/errors/types/",
    "https://serverlessworkflow.io.io/dsl/errors/types/",
};

struct ProblemFacts {
  absl::string_view suffix;
  int64_t status;
};

// In the order of Problem.
constexpr std::array<ProblemFacts, 8> kProblems = {{{"configuration", 400},
                                                    {"validation", 400},
                                                    {"expression", 400},
                                                    {"authentication", 401},
                                                    {"authorization", 403},
                                                    {"timeout", 408},
                                                    {"communication", 500},
                                                    {"runtime", 500}}};

bool EqualText(const std::optional<std::string>& wanted, const Json& actual) {
  return !wanted || (actual.is_string() && actual.AsString() == *wanted);
}

}  // namespace

std::string ProblemType(Problem problem) {
  return absl::StrCat(kPrefix, kProblems[static_cast<size_t>(problem)].suffix);
}

Json MakeProblem(Problem problem, absl::string_view title, absl::string_view detail,
                 absl::string_view instance) {
  Json::ObjectBuilder error;
  error.Add("type", Json::String(ProblemType(problem)));
  error.Add("status", Json::Int(kProblems[static_cast<size_t>(problem)].status));
  error.Add("title", Json::String(title));
  error.Add("detail", Json::String(detail));
  error.Add("instance", Json::String(instance));
  return BoundedProblem(std::move(error).Build());
}

Json BoundedProblem(Json error) {
  if (error.ApproximateBytes() <= kProblemTextMax) return error;
  Json::ObjectBuilder bounded;
  for (absl::string_view name : {"type", "status", "title", "detail", "instance"}) {
    const Json& part = error.Get(name);
    if (name == "status" && part.IsInt()) bounded.Add(name, part);
    if (name == "status" || !part.is_string()) continue;
    const size_t bytes_max = name == "detail" ? kProblemDetailMax : kProblemTextMax;
    bounded.Add(name, Json::String(ShortenUtf8(part.AsString(), bytes_max)));
  }
  return std::move(bounded).Build();
}

Json NormalizeProblem(const Json& given, absl::string_view instance) {
  if (!given.is_object()) {
    return MakeProblem(Problem::kRuntime, "Task failed",
                       given.is_string() ? std::string(given.AsString()) : given.ToText(),
                       instance);
  }
  Json error = given;
  if (!given.Get("type").is_string() || given.Get("type").AsString().empty()) {
    error = std::move(error).With("type", Json::String(ProblemType(Problem::kRuntime)));
  }
  if (!given.Get("status").IsInt()) error = std::move(error).With("status", Json::Int(500));
  if (!given.Get("title").is_string())
    error = std::move(error).With("title", Json::String("Task failed"));
  if (!given.Get("instance").is_string())
    error = std::move(error).With("instance", Json::String(instance));
  return BoundedProblem(std::move(error));
}

int32_t ProblemStatus(const Json& error) {
  const Json& status = error.Get("status");
  if (!status.IsInt() || status.AsInt() < 0 || status.AsInt() > 999'999) return 500;
  return static_cast<int32_t>(status.AsInt());
}

bool IsDefinitionProblem(const Json& error) {
  const Json& type = error.Get("type");
  if (!type.is_string()) return false;
  const std::string canonical = CanonicalProblemType(type.AsString());
  return canonical == ProblemType(Problem::kConfiguration) ||
         canonical == ProblemType(Problem::kValidation) ||
         canonical == ProblemType(Problem::kExpression);
}

bool IsRefusedForGood(const Json& error) {
  const int32_t status = ProblemStatus(error);
  return status >= 400 && status < 500 && status != 408 && status != 409 && status != 425 &&
         status != 429;
}

std::string CanonicalProblemType(absl::string_view type) {
  for (absl::string_view prefix : kKnownPrefixes) {
    if (absl::StartsWith(type, prefix))
      return absl::StrCat(kPrefix, absl::StripPrefix(type, prefix));
  }
  return std::string(type);
}

bool Matches(const definition::ErrorFilter& filter, const Json& error) {
  if (filter.type) {
    const Json& type = error.Get("type");
    if (!type.is_string() ||
        CanonicalProblemType(type.AsString()) != CanonicalProblemType(*filter.type))
      return false;
  }
  if (filter.status) {
    const Json& status = error.Get("status");
    if (!status.IsInt() || status.AsInt() != *filter.status) return false;
  }
  return EqualText(filter.instance, error.Get("instance")) &&
         EqualText(filter.title, error.Get("title")) &&
         EqualText(filter.detail, error.Get("detail"));
}

}  // namespace skald::saga
