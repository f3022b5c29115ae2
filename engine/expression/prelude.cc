#include "engine/expression/prelude.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/expression/builtins.h"
#include "engine/expression/compiler.h"
#include "engine/expression/parser.h"

namespace skald::expression {
namespace {

struct Library {
  Program program;
  absl::flat_hash_map<std::pair<absl::string_view, size_t>, const Function*> functions;
};

// Never destroyed: compiled expressions point into it.
const Library& TheLibrary() {
  static const Library& library = *[] {
    auto* built = new Library();
    Parser parser(kPrelude);
    const auto trees = parser.ParseDefinitions();
    SKALD_CHECK(trees.ok());
    Compiler compiler(parser.lexer(), {}, built->program);
    const auto functions = compiler.CompileDefinitions(*trees);
    SKALD_CHECK(functions.ok());
    for (size_t i = 0; i < functions->size(); ++i) {
      const Function* function = (*functions)[i];
      built->functions[{function->name, (*trees)[i]->parameters.size()}] = function;
    }
    return built;
  }();
  return library;
}

}  // namespace

const Function* FindPrelude(absl::string_view name, size_t arity) {
  const auto found = TheLibrary().functions.find({name, arity});
  return found == TheLibrary().functions.end() ? nullptr : found->second;
}

const std::vector<std::string>& BuiltinNames() {
  static const auto& names = *[] {
    auto* all = new std::vector<std::string>();
    const auto add = [all](absl::string_view name, size_t arity) {
      if (!absl::StartsWith(name, "_")) all->push_back(absl::StrCat(name, "/", arity));
    };
    for (const auto& table :
         {CoreNatives(), CollectionNatives(), StringNatives(), MathNatives(), TimeNatives()}) {
      for (const NativeEntry& entry : table) add(entry.name, entry.arity);
    }
    for (const SpecialEntry& entry : Specials()) add(entry.name, entry.arity);
    for (const auto& [signature, function] : TheLibrary().functions) {
      add(signature.first, signature.second);
    }
    std::sort(all->begin(), all->end());
    return all;
  }();
  return names;
}

}  // namespace skald::expression
