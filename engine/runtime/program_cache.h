// The compiled definitions of a process, by the hash of their text: every partition has each
// definition in its own log, but one program serves them all.
//
// Thread rule: all methods from any thread.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "engine/definition/compile.h"
#include "engine/partition/definitions.h"

namespace skald::runtime {

class ProgramCache : public partition::ProgramSource {
 public:
  explicit ProgramCache(definition::DefinitionLimits limits) : limits_(limits) {}

  // Compiles a text that nobody asked for before.
  std::shared_ptr<const definition::Program> Get(absl::string_view hash,
                                                 absl::string_view text) override;
  // Null when nobody has asked for it, or it does not compile. All that any log names are there: a
  // partition compiles what it recovers, and what is deployed is kept before it is in a log.
  std::shared_ptr<const definition::Program> Find(absl::string_view hash) const;
  // Keeps a program that was compiled elsewhere.
  void Put(std::shared_ptr<const definition::Program> program);

 private:
  const definition::DefinitionLimits limits_;
  mutable Mutex mu_;
  absl::flat_hash_map<std::string, std::shared_ptr<const definition::Program>> programs_
      SKALD_GUARDED_BY(mu_);
};

}  // namespace skald::runtime
