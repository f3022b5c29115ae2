// Flags of a command line: a table of names, targets and help texts, parsed and explained.
//
//   Flags flags;
//   flags.Add("input", &input, "JSON", "The saga's input.");
//   flags.Add("wait", &wait, "Answer when it has ended.");
//   SKALD_ASSIGN_OR_RETURN(std::vector<std::string> words, flags.Parse(arguments));
//
// Understands --name VALUE, --name=VALUE, --name and --no-name of a switch, -h for --help, and "--"
// after which everything is a word. Words and flags may be mixed. Targets must outlive Parse.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skald::tools {

class Flags {
 public:
  Flags();

  // `value_name` stands for the value in the help text: "JSON".
  Flags& Add(std::string name, std::string* target, std::string value_name, std::string help);
  // May be given several times.
  Flags& Add(std::string name, std::vector<std::string>* target, std::string value_name,
             std::string help);
  Flags& Add(std::string name, int64_t* target, std::string value_name, std::string help,
             int64_t minimum = 0, int64_t maximum = INT64_MAX);
  // "500ms", "1m30s"; a bare number is seconds.
  Flags& Add(std::string name, absl::Duration* target, std::string value_name, std::string help);
  // A switch.
  Flags& Add(std::string name, bool* target, std::string help);
  // Bytes: "512M", "2GiB", "1048576".
  Flags& AddBytes(std::string name, int64_t* target, std::string value_name, std::string help,
                  int64_t minimum = 0);

  // Sets the targets and returns the words. INVALID_ARGUMENT names the flag and what it expects;
  // for an unknown flag, the nearest known one.
  absl::StatusOr<std::vector<std::string>> Parse(const std::vector<std::string>& arguments);

  // --help was given.
  bool help_wanted() const { return help_wanted_; }
  // One paragraph a flag, with its default.
  std::string Help() const;
  // "--input", "--wait", ...: for completion.
  std::vector<std::string> Names() const;

 private:
  struct Flag {
    std::string name;
    std::string value_name;  // empty: a switch
    std::string help;
    std::string default_text;
    std::function<absl::Status(absl::string_view value)> set;
  };

  absl::StatusOr<const Flag*> Find(absl::string_view name) const;
  absl::Status Take(absl::string_view text, const std::vector<std::string>& arguments, size_t& at);

  std::vector<Flag> flags_;
  bool help_wanted_ = false;
};

// The candidate closest to `word`, or empty when none is near: for "did you mean".
std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace skald::tools
