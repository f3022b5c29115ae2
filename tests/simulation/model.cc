#include "tests/simulation/model.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "engine/partition/dedup.h"

namespace skald::simulation {

using saga::Command;

std::string Name(const saga::TaskToken& token) {
  return absl::StrCat(token.saga.saga_id, "/", token.frame.value(), "/", token.attempt);
}

std::string Describe(const saga::SagaView& view) {
  std::string text = absl::StrCat(
      Name(view.key), " of ", view.definition_name, " ", view.definition_version, " ",
      absl::BytesToHexString(view.definition_hash), "\nstatus ", saga::StatusName(view.status), " ",
      static_cast<int>(view.suspend_reason), "\ninput ", view.input.ToText(), "\noutput ",
      view.output.ToText(), "\nerror ", view.error.ToText());
  if (view.compensation) {
    absl::StrAppend(&text, "\ncompensation ", view.compensation->outcome, " ",
                    view.compensation->failed);
    for (const saga::CompensationStep& step : view.compensation->steps) {
      absl::StrAppend(&text, "\n  ", step.task, " ", step.name, " ", step.state, " ",
                      step.attempts);
    }
  }
  for (const saga::ActiveTask& task : view.active) {
    absl::StrAppend(&text, "\nactive ", task.task, " ", task.name, " ", task.state, " ",
                    task.compensation, " ", task.attempt, " ", task.function, " ",
                    task.due ? task.due->value() : 0);
  }
  for (const saga::Incident& incident : view.incidents) {
    absl::StrAppend(&text, "\nincident ", static_cast<int>(incident.kind), " ", incident.task, " ",
                    incident.name, " ", incident.error.ToText(), " ", incident.since.value(), " ",
                    incident.verbs);
  }
  absl::StrAppend(&text, "\ntimes ", view.started.value(), " ", view.updated.value(), " ",
                  view.ended ? view.ended->value() : 0, "\nrevision ", view.revision.value());
  return text;
}

void Model::Wrong(absl::string_view invariant, const SagaKey& key, absl::string_view what) {
  site_.trace.Violate(invariant, absl::StrCat(Name(key), ": ", what));
}

// ---- Asking ----

Asked Model::Ask(const SagaKey& key) const {
  const Chronicle::Saga* const saga = site_.chronicle.Find(key);
  if (saga == nullptr) return {};
  return {.existed = true, .events = saga->state.events};
}

bool Model::HadEffect(const Command& command) const {
  if (command.request_id.empty()) return false;
  const Chronicle::Commit* const commit =
      site_.chronicle.OfRequest(command.saga.namespace_name, command.request_id);
  return commit != nullptr && commit->saga == command.saga &&
         commit->digest == command.request_digest;
}

// A start is remembered by its saga, other requests for a day.
Timestamp Model::RememberedUntil(const Command& command) const {
  if (!HadEffect(command)) return Timestamp(0);
  const Chronicle::Commit& commit =
      *site_.chronicle.OfRequest(command.saga.namespace_name, command.request_id);
  if (commit.cause == "StartSaga") return kNever;
  return After(commit.time, partition::kRequestsRemembered - kMinute);
}

Asked Model::Ask(const Command& command) const {
  Asked asked = Ask(command.saga);
  asked.remembered_until = RememberedUntil(command);
  const auto* const start = std::get_if<saga::StartSaga>(&command.request);
  if (start == nullptr) return asked;
  const PartitionId partition = PartitionOf(command.saga, site_.partitions);
  for (const partition::DeployDefinition& each : site_.definitions) {
    const bool named = each.name == start->definition_name &&
                       (start->definition_version.empty() ||
                        start->definition_version == each.version);
    if (named && site_.chronicle.IsDeployed(partition, each.hash)) asked.deployed = true;
  }
  return asked;
}

// ---- Commands ----

void Model::CheckReply(const Command& command, const Asked& asked,
                       const absl::StatusOr<partition::CommandReply>& reply) {
  if (reply.ok()) return CheckOk(command, asked, *reply);
  CheckRefusal(command, asked, reply.status());
}

void Model::CheckOk(const Command& command, const Asked& asked,
                    const partition::CommandReply& reply) {
  const std::string what = absl::StrCat(saga::CommandName(command), " ", command.request_id, " ");
  const Chronicle& log = site_.chronicle;
  const PartitionId partition = PartitionOf(command.saga, site_.partitions);
  if (reply.position.partition != partition || reply.position.position > log.last(partition)) {
    return Wrong("durable-first", command.saga,
                 absl::StrCat(what, "is answered with position ", reply.position.position.value(),
                              ", the log is durable to ", log.last(partition).value()));
  }
  if (log.Find(command.saga) == nullptr) {
    return Wrong("acknowledged", command.saga, absl::StrCat(what, "is OK, but there is no saga"));
  }
  if (reply.duplicate) {
    if (!HadEffect(command)) {
      Wrong("once", command.saga, absl::StrCat(what, "is called a repetition and is none"));
    }
    return;
  }
  if (site_.now() < asked.remembered_until) {
    return Wrong("once", command.saga,
                 absl::StrCat(what, "is repeated and answered as if it were new"));
  }
  const Chronicle::Commit* const commit = log.EndingAt(partition, reply.position.position);
  const bool effect = commit != nullptr && commit->saga == command.saga &&
                      commit->cause == std::string(saga::CommandName(command)) &&
                      commit->request_id == command.request_id;
  const auto* const answer = std::get_if<saga::AnswerTask>(&command.request);
  const bool must = answer != nullptr || std::holds_alternative<saga::StartSaga>(command.request);
  if (must && !effect) {
    return Wrong("acknowledged", command.saga,
                 absl::StrCat(what, "is OK, but position ", reply.position.position.value(),
                              " is not its commit"));
  }
  if (answer != nullptr && answer->output && !accepted_.insert(Name(answer->token)).second) {
    Wrong("once", command.saga, absl::StrCat("the answer to ", Name(answer->token), " is taken twice"));
  }
}

bool Model::IsExcused(const absl::Status& refusal) const {
  return HasReason(refusal, ErrorReason::kPartitionNotServing) ||
         HasReason(refusal, ErrorReason::kPartitionOverloaded) ||
         HasReason(refusal, ErrorReason::kDiskSpaceLow);
}

void Model::CheckRefusal(const Command& command, const Asked& asked, const absl::Status& refusal) {
  if (IsExcused(refusal)) return;
  const std::string what = absl::StrCat(saga::CommandName(command), " ", command.request_id,
                                        " is refused with ", refusal.message());
  if (site_.now() < asked.remembered_until) {
    return Wrong("once", command.saga, absl::StrCat("the repeated ", what));
  }
  const Chronicle::Saga* const saga = site_.chronicle.Find(command.saga);
  const std::optional<ErrorInfo> info = GetErrorInfo(refusal);
  bool right = saga != nullptr;
  switch (info ? info->reason : ErrorReason::kInternal) {
    case ErrorReason::kSagaNotFound:
      right = !asked.existed;
      break;
    case ErrorReason::kDefinitionNotFound:
      right = !asked.deployed;
      break;
    case ErrorReason::kSagaAlreadyExists:
      right = right && (command.request_id.empty() ||
                        command.request_id != saga->state.request_id);
      break;
    case ErrorReason::kRequestIdReused: {
      const auto* const commit =
          site_.chronicle.OfRequest(command.saga.namespace_name, command.request_id);
      right = commit != nullptr &&
              (commit->digest != command.request_digest || commit->saga != command.saga);
      break;
    }
    case ErrorReason::kSagaAlreadyEnded:
      right = right && saga->state.is_ended();
      break;
    case ErrorReason::kSagaNotSuspended:
    case ErrorReason::kSagaParked:
    case ErrorReason::kSagaPivotPassed:
    case ErrorReason::kTaskNotFound:
    case ErrorReason::kTaskNotRunning:
    case ErrorReason::kTaskNotParked:
      break;
    default:
      right = false;
  }
  if (!right) Wrong("answers", command.saga, what);
}

// ---- Reads ----

void Model::CheckView(const SagaKey& key, const Asked& asked,
                      const absl::StatusOr<saga::SagaView>& view) {
  if (!view.ok()) {
    if (IsExcused(view.status())) return;
    if (HasReason(view.status(), ErrorReason::kSagaNotFound) && !asked.existed) return;
    return Wrong("answers", key, absl::StrCat("a read is refused with ", view.status().message()));
  }
  const uint64_t events = view->revision.value() + 1;
  if (events < asked.events) {
    return Wrong("state", key, absl::StrCat("a read shows ", events, " events, there were ",
                                            asked.events, " before"));
  }
  const std::optional<saga::SagaState> state = site_.chronicle.StateAt(key, events);
  if (!state) {
    return Wrong("durable-first", key,
                 absl::StrCat("a read shows ", events, " events, which the log does not have"));
  }
  const std::string expected = Describe(saga::ViewOf(*state));
  const std::string got = Describe(*view);
  if (expected != got) {
    Wrong("state", key, absl::StrCat("a read shows\n", got, "\nthe log says\n", expected));
  }
}

void Model::CheckHistory(const SagaKey& key, Revision from, const Asked& asked,
                         const absl::StatusOr<partition::History>& history) {
  if (!history.ok()) {
    if (IsExcused(history.status())) return;
    if (HasReason(history.status(), ErrorReason::kSagaNotFound) && !asked.existed) return;
    return Wrong("answers", key,
                 absl::StrCat("a history is refused with ", history.status().message()));
  }
  const Chronicle::Saga* const saga = site_.chronicle.Find(key);
  if (saga == nullptr) return Wrong("durable-first", key, "a history of a saga that is not there");
  const auto& commits = site_.chronicle.commits(saga->partition);
  size_t at = 0;
  while (at < saga->commits.size() &&
         commits[saga->commits[at]].revision.Plus(commits[saga->commits[at]].count) <= from) {
    ++at;
  }
  uint64_t end = 0;
  for (const partition::IndexedCommit& each : *history) {
    if (at == saga->commits.size()) return Wrong("state", key, "a history goes beyond the log");
    const Chronicle::Commit& commit = commits[saga->commits[at++]];
    if (each.first != commit.first || each.count != commit.count ||
        each.revision != commit.revision) {
      return Wrong("state", key, absl::StrCat("a history has a commit at ", each.first.value(),
                                              ", the log has it at ", commit.first.value()));
    }
    end = each.revision.value() + each.count;
  }
  if (end < asked.events && from.value() < asked.events) {
    Wrong("state", key, absl::StrCat("a history ends after ", end, " events of ", asked.events));
  }
}

void Model::CheckDeployment(const partition::DeployDefinition& definition,
                            const absl::StatusOr<partition::Deployment>& deployment) {
  const SagaKey none{definition.namespace_name, definition.name};
  if (!deployment.ok()) {
    if (IsExcused(deployment.status())) return;
    return Wrong("answers", none,
                 absl::StrCat("a deployment is refused with ", deployment.status().message()));
  }
  for (uint32_t id = 0; id < site_.partitions; ++id) {
    if (site_.chronicle.IsDeployed(PartitionId(id), definition.hash)) continue;
    Wrong("acknowledged", none,
          absl::StrCat("is acknowledged as deployed, partition ", id, " does not have it"));
  }
}

}  // namespace skald::simulation
