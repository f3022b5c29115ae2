// A saga driven by lines of text: `start {}`, `answer charge {"id":1}`, `tick 5`, `cancel force`.
// Used by the scenarios, which compare what follows, and by the decision tables, which set states
// up with it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "tests/support/saga_harness.h"

namespace skald::testing {

class SagaScript {
 public:
  // Carries one directive out and gives what followed: the refusal, the events, the state.
  // `define` takes the definition's text as its body.
  std::string Run(absl::string_view directive, const std::string& body);

  // Null before `define`.
  SagaHarness* harness() { return harness_.get(); }
  // Of the call that was answered last.
  const std::optional<saga::TaskToken>& last_token() const { return last_token_; }
  std::string Golden() const { return harness_ ? harness_->Golden() : ""; }

 private:
  std::string Define(const std::string& text);
  std::optional<saga::Command> Parse(const std::string& verb, absl::string_view rest);
  std::optional<saga::Command> ParseVerb(const std::string& verb, absl::string_view rest);
  std::optional<saga::Command> ParseAnswer(const std::string& verb, absl::string_view rest);
  std::string Report(const absl::Status& reply, const std::vector<std::string>& events);
  std::string View();

  std::unique_ptr<SagaHarness> harness_;
  std::optional<saga::TaskToken> last_token_;
};

}  // namespace skald::testing
