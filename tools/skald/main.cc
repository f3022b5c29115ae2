// skald: the command line of Skald. Finds the verb and runs it.
#include <iostream>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/skald/verbs.h"

#ifndef SKALD_VERSION
#error "the build defines SKALD_VERSION"
#endif

namespace skald::tools {

absl::Span<const Verb* const> AllVerbs() {
  static constexpr const Verb* kVerbs[] = {
#ifdef SKALD_WITH_ENGINE
      &kRunVerb,      &kModelsVerb,      &kFsckVerb,
#endif
#ifdef SKALD_WITH_DEFINITION
      &kValidateVerb, &kEvalVerb,
#endif
      &kDeployVerb,   &kDefinitionsVerb, &kStartVerb,  &kGetVerb,       &kListVerb,
      &kRowsVerb,     &kRowVerb,         &kCountVerb,  &kSqlVerb,
      &kWatchVerb,    &kHistoryVerb,     &kReplayVerb, &kWhyVerb, &kCancelVerb, &kTerminateVerb, &kSuspendVerb,
      &kResumeVerb,   &kIncidentsVerb,   &kRetryVerb,  &kSkipVerb,      &kResolveVerb,
      &kCompleteVerb, &kFailVerb,        &kLogVerb,    &kStatusVerb,    &kVerifyVerb, &kRebuildVerb,
      &kAuditVerb,    &kWorkerVerb,      &kCompletionVerb,
  };
  return kVerbs;
}

namespace {

std::string Overview() {
  std::string text = "skald: start, watch and steer sagas\n\nUsage: skald VERB [ARGUMENTS]\n\n";
  for (const Verb* verb : AllVerbs()) {
    absl::StrAppend(&text, absl::StrFormat("  %-12s %s\n", verb->name, verb->summary));
  }
  absl::StrAppend(
      &text, "  version      print the version\n\n",
      "skald help VERB tells more. The server's address: --server or SKALD_SERVER, else ",
      kDefaultServer, ".\n\n",
      "Exit codes: 0 done, of a saga: completed; 2 bad usage, input, definition or expression;\n"
      "3 the saga faulted, or evaluating failed; 4 it was cancelled; 5 it is suspended or parked;\n"
      "128 + N signal N stopped `skald run`; 1 anything else.\n");
  return text;
}

const Verb* FindVerb(const std::string& name) {
  for (const Verb* verb : AllVerbs()) {
    if (name == verb->name) return verb;
  }
  return nullptr;
}

int UnknownVerb(const std::string& name) {
  std::vector<std::string> names;
  for (const Verb* verb : AllVerbs()) names.emplace_back(verb->name);
  const std::string nearest = Nearest(name, names);
  std::cerr << "skald: unknown verb '" << name << "'";
  if (!nearest.empty()) std::cerr << "; did you mean '" << nearest << "'?";
  std::cerr << "\nAll verbs: skald help\n";
  return kExitUsage;
}

// What was written may still have been in a buffer: nobody who reads the output is to take half of
// it, or none, for all.
int Finish(int exit, absl::FunctionRef<void(absl::string_view)> complain) {
  std::cout << std::flush;
  if (std::cout.good()) return exit;
  complain("cannot write to standard output");
  return exit == kExitOk ? kExitError : exit;
}

int FinishWithoutVerb() {
  return Finish(kExitOk, [](absl::string_view what) { std::cerr << "skald: " << what << "\n"; });
}

int Main(std::vector<std::string> arguments) {
  if (arguments.empty()) {
    std::cerr << Overview();
    return kExitUsage;
  }
  std::string name = arguments[0];
  arguments.erase(arguments.begin());
  if (name == "version" || name == "--version") {
    std::cout << "skald " << SKALD_VERSION << "\n";
    return FinishWithoutVerb();
  }
  if (name == "help" || name == "--help" || name == "-h") {
    if (arguments.empty()) {
      std::cout << Overview();
      return FinishWithoutVerb();
    }
    name = arguments[0];
    if (name == "version") {
      std::cout << "skald version: print the version\n\nUsage: skald version\n";
      return FinishWithoutVerb();
    }
    arguments = {"--help"};
  }
  const Verb* verb = FindVerb(name);
  if (verb == nullptr) return UnknownVerb(name);
  Invocation call(*verb, std::move(arguments));
  return Finish(verb->run(call), [&call](absl::string_view what) { call.FailWith(what); });
}

}  // namespace

}  // namespace skald::tools

int main(int argc, char** argv) { return skald::tools::Main({argv + 1, argv + argc}); }
