#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

// Flags are asked from the verbs themselves, so the script cannot lag behind them.
std::vector<std::string> FlagsOf(const Verb& verb) {
  std::vector<std::string> names;
  Invocation call(verb, {});
  call.set_list_flags(&names);
  verb.run(call);
  return names;
}

std::string BashScript() {
  std::vector<std::string> verbs;
  std::string cases;
  for (const Verb* verb : AllVerbs()) {
    verbs.emplace_back(verb->name);
    absl::StrAppend(&cases, "    ", verb->name, ") words=\"", absl::StrJoin(FlagsOf(*verb), " "),
                    "\" ;;\n");
  }
  return absl::StrCat(
      "# Bash completion of skald. Load it with: source <(skald completion bash)\n"
      "_skald() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words=\n"
      "  COMPREPLY=()\n"
      "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
      "    COMPREPLY=($(compgen -W \"",
      absl::StrJoin(verbs, " "),
      " help version\" -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  case $verb in\n",
      cases, "    help) COMPREPLY=($(compgen -W \"", absl::StrJoin(verbs, " "),
      "\" -- \"$current\")); return ;;\n"
      "  esac\n"
      "  if [[ $current == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  elif [[ $verb == log && $COMP_CWORD -eq 2 ]]; then\n"
      "    COMPREPLY=($(compgen -W \"read follow\" -- \"$current\"))\n"
      "  elif [[ $verb == audit && $COMP_CWORD -eq 2 ]]; then\n"
      "    COMPREPLY=($(compgen -W \"checkpoint export verify key\" -- \"$current\"))\n"
      "  elif [[ $verb == models && $COMP_CWORD -eq 2 ]]; then\n"
      "    COMPREPLY=($(compgen -W \"deploy drop list show validate\" -- \"$current\"))\n"
      "  elif [[ $verb == completion ]]; then\n"
      "    COMPREPLY=($(compgen -W \"bash\" -- \"$current\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _skald skald");
}

int Run(Invocation& call) {
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  if (call.words()[0] != "bash") return call.BadUsage("knows only bash");
  call.PrintLine(BashScript());
  return kExitOk;
}

}  // namespace

const Verb kCompletionVerb = {"completion", "print a script for the shell's completion", "bash",
                              "Example:\n"
                              "  source <(skald completion bash)",
                              Run};

}  // namespace skald::tools
