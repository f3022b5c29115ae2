#include "tools/skald/invocation.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/bytes.h"
#include "base/status_macros.h"

namespace skald::tools {

namespace {

std::string FromEnvironment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

bool ColorsWanted(absl::string_view color) {
  if (color == "always") return true;
  if (color == "never" || std::getenv("NO_COLOR") != nullptr) return false;
  return isatty(STDOUT_FILENO) == 1;
}

// "NOT_FOUND" as people write it: "not found".
std::string CodeWords(grpc::StatusCode code) {
  std::string words(CodeName(code));
  for (char& letter : words) {
    letter = letter == '_' ? ' ' : static_cast<char>(std::tolower(letter));
  }
  return words;
}

// What gRPC itself refused, since the server takes no message as large as this.
bool IsOversize(const RpcError& error) {
  return error.code == grpc::StatusCode::RESOURCE_EXHAUSTED && error.reason.empty();
}

}  // namespace

std::string Style::Paint(absl::string_view code, absl::string_view text) const {
  if (!colored_ || text.empty()) return std::string(text);
  return absl::StrCat("\033[", code, "m", text, "\033[0m");
}

Invocation::Invocation(const Verb& verb, std::vector<std::string> arguments)
    : verb_(verb), arguments_(std::move(arguments)), server_(ServerFromEnvironment()) {
  flags_.Add("server", &server_, "ADDRESS", "The server; or set SKALD_SERVER.")
      .Add("json", &json_, "Print JSON, one value a line.")
      .Add("color", &color_, "WHEN", "Colours: auto, always or never.")
      .Add("timeout", &timeout_, "DURATION", "How long a call to the server may take.");
}

void Invocation::AddNamespaceFlag() {
  namespace_ = FromEnvironment("SKALD_NAMESPACE", "default");
  flags_.Add("namespace", &namespace_, "NAME",
             "Namespace of sagas given without one; or set SKALD_NAMESPACE.");
}

void Invocation::AddRequestFlags() {
  flags_.Add("request-id", &request_id_, "ID",
             "Makes repetitions of this call harmless; made up if not given.");
}

std::optional<int> Invocation::Parse(WordLimits limits) {
  if (list_flags_ != nullptr) {
    *list_flags_ = flags_.Names();
    return kExitOk;
  }
  absl::StatusOr<std::vector<std::string>> words = flags_.Parse(arguments_);
  if (flags_.help_wanted()) {
    std::cout << HelpText(verb_, flags_);
    return kExitOk;
  }
  if (!words.ok()) return BadUsage(words.status().message());
  if (color_ != "auto" && color_ != "always" && color_ != "never") {
    return BadUsage("--color expects auto, always or never");
  }
  style_ = Style(!json_ && ColorsWanted(color_));
  if (words->size() < limits.words_min || words->size() > limits.words_max) {
    return BadUsage(
        words->size() < limits.words_min
            ? "too few arguments"
            : absl::StrCat("too many arguments, from '", (*words)[limits.words_max], "' on"));
  }
  words_ = *std::move(words);
  if (request_id_.empty()) request_id_ = NewRequestId();
  return std::nullopt;
}

SagaKey Invocation::SagaOf(const std::string& word) const {
  const size_t slash = word.find('/');
  if (slash == std::string::npos) return {namespace_, word};
  return {word.substr(0, slash), word.substr(slash + 1)};
}

void Invocation::set_server(std::string server) {
  server_ = std::move(server);
  channel_ = nullptr;
}

std::shared_ptr<grpc::Channel> Invocation::channel() {
  if (channel_ == nullptr) channel_ = ConnectTo(server_);
  return channel_;
}

void Invocation::Prepare(grpc::ClientContext& context, bool with_deadline,
                         absl::Duration extra) const {
  if (with_deadline) context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_ + extra));
  context.AddMetadata("skald-actor", absl::StrCat("cli:", FromEnvironment("USER", "unknown")));
}

void Invocation::PrintJson(const Json& value) const {
  std::cout << value.ToText() << "\n" << std::flush;
}

void Invocation::PrintLine(absl::string_view line) const {
  std::cout << ToStd(line) << "\n" << std::flush;
}

bool Invocation::CanPrint() const { return std::cout.good(); }

void Invocation::Note(absl::string_view line) const { std::cerr << ToStd(line) << "\n"; }

int Invocation::Fail(const grpc::Status& status) const { return Fail(ReadError(status)); }

int Invocation::Fail(const RpcError& error) const {
  const bool bad_usage = error.code == grpc::StatusCode::INVALID_ARGUMENT || IsOversize(error);
  const int exit_code = bad_usage ? kExitUsage : kExitError;
  if (json_) {
    Json::ObjectBuilder object;
    object.Add("error", error.ToJson());
    Note(std::move(object).Build().ToText());
    return exit_code;
  }
  if (error.code == grpc::StatusCode::UNAVAILABLE && error.reason.empty()) {
    Note(absl::StrCat("skald: no server answers at ", server_, " (", error.message,
                      ").\n       Start one with skaldd, or name another with --server."));
    return exit_code;
  }
  Note(absl::StrCat("skald: ", CodeWords(error.code), ": ", error.message));
  if (IsOversize(error)) Note("  Keep large values elsewhere and pass references to them");
  for (const auto& [field, problem] : error.violations) {
    // The message tells them too, as far as there is room.
    if (absl::StrContains(error.message, problem)) continue;
    Note(absl::StrCat("  ", field, field.empty() ? "" : ": ", problem));
  }
  return exit_code;
}

int Invocation::FailWith(absl::string_view message, int exit_code) const {
  if (json_) {
    Json::ObjectBuilder fact;
    fact.Add("message", Json::String(message));
    Json::ObjectBuilder object;
    object.Add("error", std::move(fact).Build());
    Note(std::move(object).Build().ToText());
  } else {
    Note(absl::StrCat("skald: ", message));
  }
  return exit_code;
}

int Invocation::BadUsage(absl::string_view message) const {
  // Flags may be what is wrong, so the wish for JSON need not have been read yet.
  if (json_ || absl::c_linear_search(arguments_, "--json")) {
    Json::ObjectBuilder fact;
    fact.Add("message", Json::String(absl::StrCat("skald ", verb_.name, ": ", message)))
        .Add("usage", Json::String(absl::StrCat("skald ", verb_.name, " ", verb_.usage)));
    Json::ObjectBuilder object;
    object.Add("error", std::move(fact).Build());
    Note(std::move(object).Build().ToText());
    return kExitUsage;
  }
  Note(absl::StrCat("skald ", verb_.name, ": ", message, "\nUsage: skald ", verb_.name,
                    *verb_.usage == '\0' ? "" : " ", verb_.usage, "\nMore: skald ", verb_.name,
                    " --help"));
  return kExitUsage;
}

std::string HelpText(const Verb& verb, const Flags& flags) {
  return absl::StrCat("skald ", verb.name, ": ", verb.summary, "\n\nUsage: skald ", verb.name,
                      *verb.usage == '\0' ? "" : " ", verb.usage, "\n\n", verb.details,
                      "\n\nFlags:\n", flags.Help());
}

namespace {

// A stream would take a read that fails for the end of the file.
absl::StatusOr<std::string> ReadAll(int file, const std::string& path) {
  std::string text;
  std::string piece(64 << 10, '\0');
  while (true) {
    const ssize_t count = ::read(file, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::DataLossError(absl::StrCat(path, ": ", std::strerror(errno)));
    if (count == 0) return text;
    text.append(piece.data(), static_cast<size_t>(count));
  }
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  if (path == "-") return ReadAll(STDIN_FILENO, "standard input");
  struct stat facts {};
  if (stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) {
    return absl::NotFoundError(absl::StrCat(path, ": is a folder; a file is needed"));
  }
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  absl::StatusOr<std::string> text = ReadAll(file, path);
  ::close(file);
  return text;
}

absl::StatusOr<std::string> ReadJsonArgument(const std::string& word) {
  std::string text = word;
  if (word == "-") {
    SKALD_ASSIGN_OR_RETURN(text, ReadFile(word));
  } else if (!word.empty() && word[0] == '@') {
    SKALD_ASSIGN_OR_RETURN(text, ReadFile(word.substr(1)));
  }
  absl::StatusOr<Json> value = Json::Parse(text);
  if (!value.ok()) return value.status();
  return text;
}

}  // namespace skald::tools
