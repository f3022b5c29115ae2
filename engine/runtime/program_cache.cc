#include "engine/runtime/program_cache.h"

#include <utility>

namespace skald::runtime {

std::shared_ptr<const definition::Program> ProgramCache::Get(absl::string_view hash,
                                                             absl::string_view text) {
  {
    MutexLock lock(mu_);
    const auto found = programs_.find(hash);
    if (found != programs_.end()) return found->second;
  }
  // Two partitions may compile the same at the same time, at start: rather that than one waiting
  // for the other with all of its definitions.
  definition::CompileResult compiled = definition::Compile(text, limits_);
  MutexLock lock(mu_);
  return programs_.try_emplace(std::string(hash), std::move(compiled.program)).first->second;
}

std::shared_ptr<const definition::Program> ProgramCache::Find(absl::string_view hash) const {
  MutexLock lock(mu_);
  const auto found = programs_.find(hash);
  return found == programs_.end() ? nullptr : found->second;
}

void ProgramCache::Put(std::shared_ptr<const definition::Program> program) {
  MutexLock lock(mu_);
  programs_.try_emplace(program->hash, program);
}

}  // namespace skald::runtime
