// What answers are right: judged by what the log says, as the chronicle folds it.
//
// Every answer that leaves the process is checked when it leaves, whether or not it arrives. Invariants
// by name: `durable-first` (an answer speaks of nothing undurable), `acknowledged` (what was
// acknowledged is in the log), `once` (a repeated request is answered, not done again), `state` (what is
// read is what the log says), `answers` (no other refusals than there are reasons for).
#pragma once

#include <set>
#include <string>

#include "engine/partition/reply.h"
#include "engine/saga/command.h"
#include "engine/saga/view.h"
#include "tests/simulation/site.h"

namespace skald::simulation {

// What was durable when a question was asked: an answer knows at least that.
struct Asked {
  bool existed = false;
  uint64_t events = 0;   // of the saga
  bool deployed = false;  // the definition, where a start needs it
  // Until when the request is surely remembered that had had its effect; 0: it had none.
  Timestamp remembered_until;
};

class Model {
 public:
  explicit Model(Site& site) : site_(site) {}

  Asked Ask(const saga::Command& command) const;
  Asked Ask(const SagaKey& key) const;

  void CheckReply(const saga::Command& command, const Asked& asked,
                  const absl::StatusOr<partition::CommandReply>& reply);
  void CheckView(const SagaKey& key, const Asked& asked,
                 const absl::StatusOr<saga::SagaView>& view);
  void CheckHistory(const SagaKey& key, Revision from, const Asked& asked,
                    const absl::StatusOr<partition::History>& history);
  void CheckDeployment(const partition::DeployDefinition& definition,
                       const absl::StatusOr<partition::Deployment>& deployment);

 private:
  void CheckOk(const saga::Command& command, const Asked& asked,
               const partition::CommandReply& reply);
  void CheckRefusal(const saga::Command& command, const Asked& asked, const absl::Status& refusal);
  bool IsExcused(const absl::Status& refusal) const;
  bool HadEffect(const saga::Command& command) const;
  Timestamp RememberedUntil(const saga::Command& command) const;
  void Wrong(absl::string_view invariant, const SagaKey& key, absl::string_view what);

  Site& site_;
  // Calls whose success was acknowledged, as "saga/frame/attempt".
  std::set<std::string> accepted_;
};

// All that a view says, as a text.
std::string Describe(const saga::SagaView& view);
// "s1/3/1".
std::string Name(const saga::TaskToken& token);

}  // namespace skald::simulation
