#include "tests/simulation/chronicle.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "engine/partition/dedup.h"
#include "engine/saga/evolve.h"
#include "engine/saga/pending.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "tests/support/saga_harness.h"

namespace skald::simulation {
namespace {

using log::v1::Event;

std::vector<Json> ParseSlots(const storage::CommitView& view) {
  std::vector<Json> slots;
  for (const absl::string_view slot : view.slots) {
    slots.push_back(Json::Parse(slot).value_or(Json()));
  }
  return slots;
}

void EvolveAll(const storage::CommitView& view, const log::v1::EventBodies& bodies,
               saga::SagaState& state) {
  const std::vector<Json> slots = ParseSlots(view);
  for (int i = 0; i < bodies.events_size(); ++i) {
    const auto place = static_cast<uint64_t>(i);
    saga::Evolve(bodies.events(i),
                 {.header = view.header,
                  .revision = Revision(view.header.first_revision() + place),
                  .position = Position(view.header.first_position() + place),
                  .slots = slots},
                 state);
  }
}

}  // namespace

PartitionId PartitionOf(const SagaKey& key, uint32_t partitions) {
  return PartitionId(static_cast<uint32_t>(HashBytes(key.saga_id) % partitions));
}

std::string Name(const SagaKey& key) { return absl::StrCat(key.namespace_name, "/", key.saga_id); }

Chronicle::Chronicle(uint32_t partitions, Scheduler& scheduler, Trace& trace)
    : scheduler_(scheduler), trace_(trace), commits_(partitions) {}

// ---- Reading ----

void Chronicle::Read(const storage::EventLog& log) {
  for (uint32_t id = 0; id < commits_.size(); ++id) {
    const auto cursor = log.Read(PartitionId(id), last(PartitionId(id)).Next());
    for (; cursor->Valid(); cursor->Next()) Take(PartitionId(id), cursor->record());
  }
}

void Chronicle::Compare(const storage::EventLog& log) {
  for (uint32_t id = 0; id < commits_.size(); ++id) {
    const auto cursor = log.Read(PartitionId(id), Position(1));
    for (const Commit& commit : commits_[id]) {
      if (!cursor->Valid() || cursor->record() != absl::string_view(commit.record)) {
        return trace_.Violate("log", absl::StrCat("partition ", id, " lost position ",
                                                  commit.first.value(), ", which was durable"));
      }
      cursor->Next();
    }
  }
  Read(log);
}

void Chronicle::Take(PartitionId partition, absl::string_view record) {
  const absl::StatusOr<storage::CommitView> view = storage::DecodeCommit(record);
  const std::string place = absl::StrCat("partition ", partition.value(), " after position ",
                                         last(partition).value());
  if (!view.ok()) return trace_.Violate("log", absl::StrCat(place, ": ", view.status().message()));
  const log::v1::CommitHeader& header = view->header;
  std::vector<Commit>& commits = commits_[partition.value()];
  Commit commit{.first = Position(header.first_position()),
                .count = header.count(),
                .record = std::string(record),
                .saga = {header.namespace_(), header.saga_id()},
                .revision = Revision(header.first_revision()),
                .time = Timestamp(header.time_us()),
                .cause = header.cause().command(),
                .request_id = header.request_id(),
                .digest = header.request_digest()};
  if (commit.first != last(partition).Next() || header.partition() != partition.value()) {
    return trace_.Violate("log", absl::StrCat(place, " stands ", commit.first.value()));
  }
  if (!commits.empty() && commit.time < commits.back().time) {
    return trace_.Violate("log", absl::StrCat(place, ": time goes back"));
  }
  trace_.Add(scheduler_.now(),
             absl::StrCat("log ", partition.value(), "@", commit.first.value(), "+", commit.count,
                          " ", commit.saga.saga_id, " ", commit.cause, " ", commit.request_id, " #",
                          absl::Hex(HashBytes(record) & 0xffffffff)));
  commits.push_back(std::move(commit));
  if (!header.saga_id().empty()) return TakeSaga(partition, *view, commits.size() - 1);
  log::v1::EventBodies bodies;
  bodies.ParseFromArray(view->bodies.data(), static_cast<int>(view->bodies.size()));
  for (const Event& event : bodies.events()) {
    if (!event.has_definition_deployed()) continue;
    if (!deployed_.emplace(partition.value(), event.definition_deployed().hash()).second) {
      trace_.Violate("once", absl::StrCat(place, ": a definition is deployed twice"));
    }
  }
}

void Chronicle::TakeSaga(PartitionId partition, const storage::CommitView& view, size_t number) {
  const Commit& commit = commits_[partition.value()][number];
  Saga& saga = sagas_[commit.saga];
  saga.partition = partition;
  if (commit.revision.value() != saga.state.events) {
    return trace_.Violate("log", absl::StrCat(Name(commit.saga), " goes on at revision ",
                                              commit.revision.value(), " after ",
                                              saga.state.events));
  }
  CheckOnce(commit);
  if (!commit.request_id.empty()) {
    requests_[{commit.saga.namespace_name, commit.request_id}] = {partition.value(), number};
  }
  log::v1::EventBodies bodies;
  bodies.ParseFromArray(view.bodies.data(), static_cast<int>(view.bodies.size()));
  saga.commits.push_back(number);
  if (commit.saga.saga_id == shown_) Print(view, bodies);
  EvolveAll(view, bodies, saga.state);
  ::testing::TestPartResultArray failures;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    for (const Event& event : bodies.events()) See(saga, event, commit);
    if (saga.state.is_ended()) saga.promises.CheckEnd(saga.state);
  }
  if (failures.size() > 0) {
    trace_.Violate("undo", absl::StrCat(Name(commit.saga), " in the commit at ",
                                        commit.first.value(), " of partition ", partition.value(),
                                        ": ", failures.GetTestPartResult(0).message()));
  }
}

void Chronicle::Print(const storage::CommitView& view,
                      const log::v1::EventBodies& bodies) const {
  const std::vector<std::string> slots(view.slots.begin(), view.slots.end());
  for (const Event& event : bodies.events()) {
    const std::string text =
        skald::testing::FormatEvent(event, slots, Timestamp(1'700'000'000 * kSecond));
    std::printf("%20s%s\n", "", text.c_str());
  }
  std::fflush(stdout);
}

void Chronicle::CheckOnce(const Commit& commit) {
  if (commit.request_id.empty()) return;
  const Commit* const before = OfRequest(commit.saga.namespace_name, commit.request_id);
  if (before == nullptr || After(before->time, partition::kRequestsRemembered) <= commit.time) {
    return;
  }
  trace_.Violate("once", absl::StrCat("request ", commit.request_id, " on ", Name(commit.saga),
                                      " has an effect at ", before->first.value(), " and at ",
                                      commit.first.value()));
}

void Chronicle::See(Saga& saga, const Event& event, const Commit& commit) {
  saga.promises.See(event);
  const bool late = event.has_late_completion() || event.has_late_effect_resolved();
  if (saga.over && !late) {
    trace_.Violate("history", absl::StrCat(Name(commit.saga), " goes on after its end at ",
                                           commit.first.value()));
  }
  saga.over = saga.over || event.has_saga_completed() || event.has_saga_faulted() ||
              event.has_saga_cancelled();
  const auto open = [&](uint32_t frame, const log::v1::WorkerCall& call) {
    saga::WorkerCall made{.function = call.function(),
                          .path = call.path(),
                          .run = call.run(),
                          .attempt = call.attempt(),
                          .compensation = call.compensation(),
                          .arguments = {}};
    saga.open_keys[frame] = saga::IdempotencyKey(commit.saga, made);
    saga.attempts.emplace(frame, call.attempt());
    if (saga.completed_keys.count(saga.open_keys[frame]) > 0) {
      trace_.Violate("once", absl::StrCat("a call is made under key ", saga.open_keys[frame],
                                          " although one completed under it"));
    }
  };
  if (event.has_task_started() && event.task_started().has_call() &&
      event.task_started().kind() == log::v1::FRAME_KIND_WORKER) {
    open(event.task_started().frame(), event.task_started().call());
  } else if (event.has_task_retried() && event.task_retried().has_call()) {
    open(event.task_retried().frame(), event.task_retried().call());
  } else if (event.has_task_completed() && commit.cause == "AnswerTask") {
    const auto key = saga.open_keys.find(event.task_completed().frame());
    if (key != saga.open_keys.end()) saga.completed_keys.insert(key->second);
  }
}

// ---- Looking up ----

Position Chronicle::last(PartitionId partition) const {
  const auto& commits = commits_[partition.value()];
  return commits.empty() ? Position(0) : commits.back().last();
}

const Chronicle::Commit* Chronicle::EndingAt(PartitionId partition, Position position) const {
  const auto& commits = commits_[partition.value()];
  const auto found = std::partition_point(
      commits.begin(), commits.end(), [&](const Commit& each) { return each.last() < position; });
  return found != commits.end() && found->last() == position ? &*found : nullptr;
}

const Chronicle::Saga* Chronicle::Find(const SagaKey& key) const {
  const auto found = sagas_.find(key);
  return found == sagas_.end() ? nullptr : &found->second;
}

const Chronicle::Commit* Chronicle::OfRequest(const std::string& namespace_name,
                                              const std::string& request_id) const {
  const auto found = requests_.find({namespace_name, request_id});
  return found == requests_.end() ? nullptr
                                  : &commits_[found->second.first][found->second.second];
}

bool Chronicle::IsDeployed(PartitionId partition, const std::string& hash) const {
  return deployed_.count({partition.value(), hash}) > 0;
}

std::optional<saga::SagaState> Chronicle::StateAt(const SagaKey& key, uint64_t events) const {
  const Saga* const saga = Find(key);
  if (saga == nullptr || saga->state.events < events) return std::nullopt;
  if (saga->state.events == events) return saga->state;
  saga::SagaState state;
  for (const size_t number : saga->commits) {
    if (state.events >= events) break;
    const Commit& commit = commits_[saga->partition.value()][number];
    const absl::StatusOr<storage::CommitView> view = storage::DecodeCommit(commit.record);
    log::v1::EventBodies bodies;
    bodies.ParseFromArray(view->bodies.data(), static_cast<int>(view->bodies.size()));
    EvolveAll(*view, bodies, state);
  }
  if (state.events != events) return std::nullopt;
  return state;
}

}  // namespace skald::simulation
