#include "tools/flags.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace skald::tools {

namespace {

absl::StatusOr<int64_t> ParseBytes(absl::string_view value) {
  size_t digits = 0;
  while (digits < value.size() && absl::ascii_isdigit(value[digits])) ++digits;
  int64_t number = 0;
  if (!absl::SimpleAtoi(value.substr(0, digits), &number)) {
    return absl::InvalidArgumentError("expects a size such as 512M or 2GiB");
  }
  std::string unit = absl::AsciiStrToUpper(value.substr(digits));
  if (unit.size() > 1 && unit.back() == 'B') unit.pop_back();
  if (unit.size() > 1 && unit.back() == 'I') unit.pop_back();
  int shift = 0;
  if (unit == "K") {
    shift = 10;
  } else if (unit == "M") {
    shift = 20;
  } else if (unit == "G") {
    shift = 30;
  } else if (unit == "T") {
    shift = 40;
  } else if (!unit.empty() && unit != "B") {
    return absl::InvalidArgumentError("expects a size such as 512M or 2GiB");
  }
  if (number > (INT64_MAX >> shift)) return absl::InvalidArgumentError("is too large");
  return number << shift;
}

std::string BytesText(int64_t bytes) {
  for (const auto& [shift, unit] : {std::pair{30, "G"}, {20, "M"}, {10, "K"}}) {
    const int64_t size = int64_t{1} << shift;
    if (bytes >= size && bytes % size == 0) return absl::StrCat(bytes / size, unit);
  }
  return absl::StrCat(bytes);
}

// The number of single-character changes between two words.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string Nearest(absl::string_view word, const std::vector<std::string>& candidates) {
  std::string nearest;
  size_t best = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = Distance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

Flags::Flags() { Add("help", &help_wanted_, "Show this text."); }

Flags& Flags::Add(std::string name, std::string* target, std::string value_name, std::string help) {
  flags_.push_back({std::move(name), std::move(value_name), std::move(help), *target,
                    [target](absl::string_view value) {
                      *target = std::string(value);
                      return absl::OkStatus();
                    }});
  return *this;
}

Flags& Flags::Add(std::string name, std::vector<std::string>* target, std::string value_name,
                  std::string help) {
  flags_.push_back({std::move(name), std::move(value_name), std::move(help), "",
                    [target](absl::string_view value) {
                      target->emplace_back(value);
                      return absl::OkStatus();
                    }});
  return *this;
}

Flags& Flags::Add(std::string name, int64_t* target, std::string value_name, std::string help,
                  int64_t minimum, int64_t maximum) {
  flags_.push_back(
      {std::move(name), std::move(value_name), std::move(help), absl::StrCat(*target),
       [target, minimum, maximum](absl::string_view value) {
         int64_t number = 0;
         if (!absl::SimpleAtoi(value, &number) || number < minimum || number > maximum) {
           return absl::InvalidArgumentError(
               maximum == INT64_MAX
                   ? absl::StrCat("expects a whole number from ", minimum, " on")
                   : absl::StrCat("expects a whole number from ", minimum, " to ", maximum));
         }
         *target = number;
         return absl::OkStatus();
       }});
  return *this;
}

Flags& Flags::Add(std::string name, absl::Duration* target, std::string value_name,
                  std::string help) {
  flags_.push_back(
      {std::move(name), std::move(value_name), std::move(help),
       *target == absl::InfiniteDuration() ? "" : absl::FormatDuration(*target),
       [target](absl::string_view value) {
         double seconds = 0;
         if (absl::SimpleAtod(value, &seconds) && seconds >= 0) {
           *target = absl::Seconds(seconds);
           return absl::OkStatus();
         }
         absl::Duration duration;
         if (!absl::ParseDuration(value, &duration) || duration < absl::ZeroDuration()) {
           return absl::InvalidArgumentError("expects a duration such as 500ms, 30s or 1m30s");
         }
         *target = duration;
         return absl::OkStatus();
       }});
  return *this;
}

Flags& Flags::Add(std::string name, bool* target, std::string help) {
  flags_.push_back({std::move(name), "", std::move(help), *target ? "on" : "",
                    [target](absl::string_view value) {
                      if (value == "true" || value == "false") {
                        *target = value == "true";
                        return absl::OkStatus();
                      }
                      return absl::InvalidArgumentError("takes no value");
                    }});
  return *this;
}

Flags& Flags::AddBytes(std::string name, int64_t* target, std::string value_name, std::string help,
                       int64_t minimum) {
  flags_.push_back({std::move(name), std::move(value_name), std::move(help), BytesText(*target),
                    [target, minimum](absl::string_view value) {
                      const absl::StatusOr<int64_t> bytes = ParseBytes(value);
                      if (!bytes.ok()) return bytes.status();
                      if (*bytes < minimum) {
                        return absl::InvalidArgumentError(
                            absl::StrCat("expects a size from ", BytesText(minimum), " on"));
                      }
                      *target = *bytes;
                      return absl::OkStatus();
                    }});
  return *this;
}

absl::StatusOr<std::vector<std::string>> Flags::Parse(const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  for (size_t at = 0; at < arguments.size(); ++at) {
    const absl::string_view argument = arguments[at];
    if (argument == "--") {
      words.insert(words.end(), arguments.begin() + static_cast<ptrdiff_t>(at) + 1,
                   arguments.end());
      break;
    }
    if (argument == "-h") {
      help_wanted_ = true;
    } else if (argument.size() > 2 && argument.substr(0, 2) == "--") {
      SKALD_RETURN_IF_ERROR(Take(argument.substr(2), arguments, at));
    } else if (argument.size() > 1 && argument[0] == '-' && !absl::ascii_isdigit(argument[1])) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag ", argument, "; flags begin with two dashes"));
    } else {
      words.emplace_back(argument);
    }
  }
  return words;
}

// Takes the flag at `at`, and the argument after it if that is its value.
absl::Status Flags::Take(absl::string_view text, const std::vector<std::string>& arguments,
                         size_t& at) {
  const size_t equals = text.find('=');
  const absl::string_view name = text.substr(0, equals);
  bool negated = false;
  absl::StatusOr<const Flag*> found = Find(name);
  if (!found.ok() && name.substr(0, 3) == "no-") {
    absl::StatusOr<const Flag*> positive = Find(name.substr(3));
    if (positive.ok() && (*positive)->value_name.empty()) {
      found = positive;
      negated = true;
    }
  }
  SKALD_RETURN_IF_ERROR(found.status());
  const Flag& flag = **found;

  std::string value;
  if (equals != absl::string_view::npos) {
    value = std::string(text.substr(equals + 1));
  } else if (flag.value_name.empty()) {
    value = negated ? "false" : "true";
  } else if (at + 1 < arguments.size()) {
    value = arguments[++at];
  } else {
    return absl::InvalidArgumentError(absl::StrCat("--", name, " needs a ", flag.value_name));
  }
  absl::Status status = flag.set(value);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat("--", name, " ", status.message(), ", got '", value, "'"));
}

absl::StatusOr<const Flags::Flag*> Flags::Find(absl::string_view name) const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) {
    if (flag.name == name) return &flag;
    names.push_back(flag.name);
  }
  const std::string nearest = Nearest(name, names);
  return absl::InvalidArgumentError(
      absl::StrCat("unknown flag --", name,
                   nearest.empty() ? "" : absl::StrCat("; did you mean --", nearest, "?")));
}

std::string Flags::Help() const {
  std::string text;
  for (const Flag& flag : flags_) {
    std::string head = absl::StrCat("  --", flag.name);
    if (!flag.value_name.empty()) absl::StrAppend(&head, " ", flag.value_name);
    constexpr size_t kIndent = 28;
    std::string line = head;
    line.append(head.size() + 2 <= kIndent ? kIndent - head.size() : 2, ' ');
    std::string body = flag.help;
    if (!flag.default_text.empty()) absl::StrAppend(&body, " [", flag.default_text, "]");
    for (absl::string_view word : absl::StrSplit(body, ' ', absl::SkipEmpty())) {
      if (line.size() + word.size() > 99) {
        absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
        line = std::string(kIndent, ' ');
      }
      absl::StrAppend(&line, word, " ");
    }
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  return text;
}

std::vector<std::string> Flags::Names() const {
  std::vector<std::string> names;
  for (const Flag& flag : flags_) names.push_back(absl::StrCat("--", flag.name));
  return names;
}

}  // namespace skald::tools
