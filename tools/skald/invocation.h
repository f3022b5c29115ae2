// One call of `skald`: its flags and words, where its output goes, and how it ends.
//
// Each verb stands in a file of its own and defines one `Verb`; verbs.h lists them. A verb adds its
// flags, calls Parse, and does its work:
//
//   int RunGet(Invocation& call) {
//     if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
//     ...
//     if (!status.ok()) return call.Fail(status);
//     return kExitOk;
//   }
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/ids.h"
#include "base/json.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "tools/client.h"
#include "tools/flags.h"

namespace skald::tools {

// What a shell sees. Documented by `skald help` and docs/api.md: scripts rely on them.
enum ExitCode : int {
  kExitOk = 0,         // done; of a saga: completed
  kExitError = 1,      // anything that has no code of its own
  kExitUsage = 2,      // bad usage, or a bad definition or expression
  kExitFaulted = 3,    // the saga faulted, or evaluating an expression failed
  kExitCancelled = 4,  // the saga was cancelled
  kExitSuspended = 5,  // the saga is suspended, by an operator or because work is parked
  kExitSignal = 128,   // and N: signal N stopped `skald run`
};

class Invocation;

struct Verb {
  const char* name;
  const char* summary;  // half a line
  const char* usage;    // what follows "skald NAME "
  const char* details;  // what it does, examples, exit codes
  int (*run)(Invocation& call);
};

// Marks text with colours, on a terminal only.
class Style {
 public:
  explicit Style(bool colored) : colored_(colored) {}
  std::string Bold(absl::string_view text) const { return Paint("1", text); }
  std::string Dim(absl::string_view text) const { return Paint("2", text); }
  std::string Red(absl::string_view text) const { return Paint("31", text); }
  std::string Green(absl::string_view text) const { return Paint("32", text); }
  std::string Yellow(absl::string_view text) const { return Paint("33", text); }
  std::string Cyan(absl::string_view text) const { return Paint("36", text); }

 private:
  std::string Paint(absl::string_view code, absl::string_view text) const;

  bool colored_;
};

struct WordLimits {
  size_t words_min = 0;
  size_t words_max = 0;
};

class Invocation {
 public:
  Invocation(const Verb& verb, std::vector<std::string> arguments);

  Flags& flags() { return flags_; }
  // The flags of verbs that name a saga (--namespace) or change something (--request-id).
  void AddNamespaceFlag();
  void AddRequestFlags();
  // Fills flags and words. Not empty: the verb ends here with this code (help, bad usage).
  std::optional<int> Parse(WordLimits limits);
  const std::vector<std::string>& words() const { return words_; }

  // "NAMESPACE/ID", or "ID" in --namespace.
  SagaKey SagaOf(const std::string& word) const;
  const std::string& request_id() const { return request_id_; }
  const std::string& server() const { return server_; }
  void set_server(std::string server);

  std::shared_ptr<grpc::Channel> channel();
  // Deadline and caller of a call. Streams that have no natural end pass no deadline.
  void Prepare(grpc::ClientContext& context, bool with_deadline = true,
               absl::Duration extra = absl::ZeroDuration()) const;

  bool json() const { return json_; }
  const Style& style() const { return style_; }
  // One line of JSON to standard output.
  void PrintJson(const Json& value) const;
  // A line of text to standard output.
  void PrintLine(absl::string_view line) const;
  // False once something that was printed could not be written: what prints without end ends then,
  // and its exit code says so when `skald` finishes.
  bool CanPrint() const;
  // Remarks go to standard error, so that output can be piped.
  void Note(absl::string_view line) const;

  // Print what is wrong and return the exit code.
  int Fail(const grpc::Status& status) const;
  int Fail(const RpcError& error) const;
  int FailWith(absl::string_view message, int exit_code = kExitError) const;
  int BadUsage(absl::string_view message) const;

  // In this mode Parse only notes the flags' names and ends the verb: for completion.
  void set_list_flags(std::vector<std::string>* names) { list_flags_ = names; }

 private:
  const Verb& verb_;
  const std::vector<std::string> arguments_;
  Flags flags_;
  std::vector<std::string> words_;
  std::string server_;
  std::string namespace_;
  std::string request_id_;
  std::string color_ = "auto";
  absl::Duration timeout_ = absl::Seconds(30);
  bool json_ = false;
  Style style_{false};
  std::shared_ptr<grpc::Channel> channel_;
  std::vector<std::string>* list_flags_ = nullptr;
};

// The help text of a verb, with its flags.
std::string HelpText(const Verb& verb, const Flags& flags);

// A word that is JSON, or "@FILE" with JSON in it, or "-" ("@-" too) for standard input.
// INVALID_ARGUMENT says what is wrong.
absl::StatusOr<std::string> ReadJsonArgument(const std::string& word);
// A whole file; "-": standard input.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace skald::tools
