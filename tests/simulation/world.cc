#include "tests/simulation/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/definition/compile.h"
#include "engine/runtime/verify.h"
#include "tests/property/random_definition.h"

namespace skald::simulation {
namespace {

constexpr uint64_t kPlenty = 1 << 30;
constexpr uint64_t kSoftFloor = 1 << 20;
constexpr uint64_t kHardFloor = 1 << 16;
// Everything that is settled properly ends within this.
constexpr Micros kSettledWithin = 6 * kHour;

}  // namespace

SimulationResult Simulate(const SimulationOptions& options) { return World(options).Run(); }

World::World(const SimulationOptions& options)
    : options_(options),
      site_(options.seed, 1 + static_cast<uint32_t>(options.seed % 4), options.mutation,
            options.verbose),
      model_(site_),
      audit_(site_) {
  site_.chronicle.Show(options_.shown);
  MakeServerOptions();
  MakeDefinitions();
  MakePeople();
}

// ---- Making it ----

// Small bounds, other ones with each seed: what is rare with the defaults happens here.
void World::MakeServerOptions() {
  Random& random = site_.random();
  partition::PartitionOptions& partition = server_options_.partition;
  partition.admission = {.commands_max = random.Chance(20) ? 8u : 4'096u,
                         .bytes_max = 64 << 20,
                         .free_bytes_soft = kSoftFloor,
                         .free_bytes_hard = kHardFloor};
  partition.decide.events_per_step = random.Chance(30) ? 5 + random.Below(20) : 1'000;
  partition.cached_state_bytes = random.Chance(50) ? 1 : 1 << 20;
  partition.seal_interval = random.Between(5 * kMillisecond, 200 * kMillisecond);
  partition.seal_events = random.Chance(30) ? 10 + random.Below(50) : 10'000;
  partition.turn_requests_max = random.Chance(30) ? 1 + random.Below(4) : 256;
  partition.turn_starts_max = random.Chance(30) ? 1 + random.Below(4) : 256;
  server_options_.partitions = site_.partitions;
  server_options_.broker.lease = random.Between(4 * kSecond, 20 * kSecond);
  if (random.Chance(40)) {
    server_options_.broker.waiting_bytes_max = 2'000;
    server_options_.broker.queue_bytes_min = 2'000;
  }
  server_options_.mutation = options_.mutation;
  server_options_.messages_lost = random.Chance(50) ? 10 : 0;
  server_options_.messages_twice = random.Chance(50) ? 10 : 0;
  server_options_.slow_syncs = random.Chance(30) ? 2 : 0;
  for (const Fault fault :
       {Fault::kCrash, Fault::kStop, Fault::kFailAppend, Fault::kFailApply, Fault::kLowDisk,
        Fault::kOutOfDisk, Fault::kLose, Fault::kJump, Fault::kDamage, Fault::kFlush}) {
    if (random.Chance(60)) faults_.push_back(fault);
  }
  faults_.insert(faults_.end(), {Fault::kCheckRows, Fault::kCheckAudit});
  fault_interval_ = random.Between(kSecond, 10 * kSecond);
  chaos_ends_ = After(site_.now(), random.Between(kMinute, 6 * kMinute));
}

void World::MakeDefinitions() {
  const uint64_t count = 2 + site_.random().Below(3);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string text =
        skald::testing::RandomDefinition(site_.random().Next()).Text(absl::StrCat("d", i), "1.0.0");
    const definition::CompileResult compiled = definition::Compile(text);
    SKALD_CHECK(compiled.ok());
    site_.programs.Put(compiled.program);
    site_.definitions.push_back({.namespace_name = compiled.program->namespace_name,
                                 .name = compiled.program->name,
                                 .version = compiled.program->version,
                                 .hash = compiled.program->hash,
                                 .text = text,
                                 .actor = "deployer"});
  }
}

void World::MakePeople() {
  Random& random = site_.random();
  const uint64_t workers = 1 + random.Below(4);
  for (uint64_t i = 0; i < workers; ++i) {
    SimulatedWorker::Options options{.name = absl::StrCat("w", i),
                                     .functions = {},
                                     .credit = static_cast<uint32_t>(1 + random.Below(8)),
                                     .lease = server_options_.broker.lease,
                                     .hostile = random.Chance(85)};
    // The first serves everything, so that everything can end.
    for (const char* const prefix : {"work", "undo"}) {
      for (int number = 0; number < 4; ++number) {
        if (i == 0 || random.Chance(50)) options.functions.push_back(absl::StrCat(prefix, number));
      }
    }
    if (options.functions.empty()) options.functions.push_back("work0");
    workers_.push_back(
        std::make_unique<SimulatedWorker>(std::move(options), site_, service_, model_));
  }
  const uint64_t clients = 1 + random.Below(4);
  for (uint64_t i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<SimulatedClient>(
        SimulatedClient::Options{.name = absl::StrCat("c", i),
                                 .sagas = static_cast<uint32_t>(4 + random.Below(60)),
                                 .think = random.Between(kSecond / 10, kSecond)},
        site_, model_));
  }
}

// ---- Steps ----

SimulationResult World::Run() {
  Boot();
  for (size_t i = 0; i < site_.definitions.size(); ++i) clients_[0]->Deploy(i);
  for (const auto& client : clients_) client->Run();
  PlanFault();
  bool goes_on = true;
  while (goes_on && site_.now() < chaos_ends_) goes_on = Step();  // leaps of the clock move the end
  if (goes_on) Settle();
  return Result();
}

bool World::Step() {
  if (site_.trace.violation()) return false;
  if (options_.steps_max != 0 && site_.scheduler.steps() >= options_.steps_max) return false;
  if (!site_.scheduler.RunNext()) return false;
  if (site_.server != nullptr && !site_.server->fatal().ok()) {
    if (!site_.disk.has_failed() && !site_.disk.is_damaged()) {
      site_.trace.Violate("serves", absl::StrCat("the server stops without a reason: ",
                                                 site_.server->fatal().message()));
    }
    Crash("it must not go on");
  }
  return !site_.trace.violation();
}

bool World::StepUntil(Timestamp time) {
  while (site_.now() < time) {
    if (!Step()) return false;
  }
  return true;
}

void World::Boot() {
  if (site_.server != nullptr) return;
  site_.Note("server: starts");
  auto server = std::make_unique<Server>(server_options_, site_.disk, site_.programs,
                                         site_.chronicle, site_.scheduler, site_.trace);
  const absl::Status status = server->Start();
  if (!status.ok()) {
    server.reset();
    site_.Note(absl::StrCat("server: refuses to start: ", status.message()));
    if (!site_.disk.is_damaged() || !absl::IsDataLoss(status)) {
      return site_.trace.Violate("start", status.message());
    }
    site_.disk.Mend();
    return site_.scheduler.In(kSecond, [this] { Boot(); });
  }
  site_.server = std::move(server);
  ++site_.run;
  if (site_.behave) site_.server->Behave();
  for (const auto& worker : workers_) {
    site_.scheduler.In(site_.random().Between(0, 3 * kSecond), [each = worker.get()] {
      each->Connect();
    });
  }
}

void World::EveryoneLosesTheServer() {
  for (const auto& worker : workers_) worker->OnServerGone();
  for (const auto& client : clients_) client->OnServerGone();
  row_checks_ = 0;
  site_.scheduler.In(site_.random().Between(0, 5 * kSecond), [this] { Boot(); });
}

void World::Crash(absl::string_view why) {
  if (site_.server == nullptr) return;
  site_.Note(absl::StrCat("server: crashes: ", why));
  ++crashes_;
  const std::vector<storage::StagedCommit> in_flight = site_.server->in_flight();
  site_.server.reset();
  site_.disk.Crash(in_flight);
  site_.disk.Open();
  if (site_.disk.is_damaged()) {
    site_.chronicle.Read(site_.disk.log());
  } else {
    site_.chronicle.Compare(site_.disk.log());
  }
  EveryoneLosesTheServer();
}

void World::Stop() {
  site_.Note("server: is asked to stop");
  site_.server->Close([this, run = site_.run] {
    site_.scheduler.In(0, [this, run] {
      if (site_.run != run || site_.server == nullptr) return;
      site_.Note("server: has stopped");
      SKALD_CHECK(site_.disk.views().Flush().ok());
      site_.server.reset();
      EveryoneLosesTheServer();
    });
  });
  site_.scheduler.In(kMinute, [this, run = site_.run] {
    if (site_.run != run || site_.server == nullptr) return;
    site_.trace.Violate("serves", "the server was asked to stop a minute ago");
  });
}

// ---- Faults ----

void World::PlanFault() {
  site_.scheduler.In(site_.random().Between(kMillisecond, 2 * fault_interval_), [this] {
    if (site_.behave) return;
    if (site_.is_serving()) Strike(faults_[site_.random().Below(faults_.size())]);
    PlanFault();
  });
}

void World::Strike(Fault fault) {
  Random& random = site_.random();
  const PartitionId any(static_cast<uint32_t>(random.Below(site_.partitions)));
  switch (fault) {
    case Fault::kCrash:
      return Crash("killed");
    case Fault::kStop:
      return Stop();
    case Fault::kFailAppend:
      site_.Note("disk: the next sync fails");
      return site_.disk.FailNextAppend();
    case Fault::kFailApply:
      site_.Note("disk: the next write to views fails");
      return site_.disk.FailNextApply();
    case Fault::kLowDisk:
      return FillDisk(kSoftFloor - 1);
    case Fault::kOutOfDisk:
      return FillDisk(kHardFloor - 1);
    case Fault::kLose:
      if (random.Chance(50)) return site_.server->LoseAfterNextWrite(any);
      return site_.server->Lose(any);
    case Fault::kJump: {
      const Micros span = random.Chance(20) ? random.Between(kHour, 30 * kHour)
                                            : random.Between(kSecond, 3 * kMinute);
      site_.Note(absl::StrCat("the clock leaps ", span / kSecond, " s"));
      chaos_ends_ = After(chaos_ends_, span);
      return site_.scheduler.Jump(span);
    }
    case Fault::kDamage:
      return Damage();
    case Fault::kFlush:
      SKALD_CHECK(site_.disk.views().Flush().ok());
      return;
    case Fault::kCheckRows:
      return CheckRows(any);
    case Fault::kCheckAudit:
      return audit_.Check(any);
  }
}

void World::FillDisk(uint64_t free_bytes) {
  site_.Note(absl::StrCat("disk: ", free_bytes, " bytes are free"));
  site_.disk.SetFreeBytes(free_bytes);
  site_.scheduler.In(site_.random().Between(kSecond, 20 * kSecond),
                     [this] { site_.disk.SetFreeBytes(kPlenty); });
}

// A bit flips while the server is down. It refuses to start, or serves what is whole until the
// store is brought back from a backup.
void World::Damage() {
  Crash("before its disk is damaged");
  if (!site_.disk.FlipBit()) return;
  CheckDamage();
  site_.scheduler.In(site_.random().Between(5 * kSecond, 30 * kSecond), [this] {
    if (!site_.disk.is_damaged()) return;
    Crash("to restore its disk");
    site_.disk.Mend();
    site_.chronicle.Compare(site_.disk.log());
  });
}

void World::CheckDamage() {
  size_t noticed = 0;
  for (uint32_t id = 0; id < site_.partitions; ++id) {
    size_t number = 0;
    const auto cursor = site_.disk.log().Read(PartitionId(id), Position(1));
    for (; cursor->Valid(); cursor->Next(), ++number) {
      const Chronicle::Commit& commit = site_.chronicle.commits(PartitionId(id))[number];
      const absl::StatusOr<storage::CommitView> view = storage::DecodeCommit(cursor->record());
      const bool intact = cursor->record() == absl::string_view(commit.record);
      if (!view.ok() && absl::IsDataLoss(view.status())) ++noticed;
      if (view.ok() != intact) site_.trace.Violate("damage", "a flipped bit is not noticed");
    }
  }
  if (noticed != 1) site_.trace.Violate("damage", absl::StrCat(noticed, " commits are refused"));
}

// ---- The end ----

void World::Settle() {
  site_.Note("faults end, everybody behaves");
  site_.behave = true;
  site_.disk.SetFreeBytes(kPlenty);
  if (site_.disk.is_damaged()) {
    Crash("to restore its disk");
    site_.disk.Mend();
    site_.chronicle.Compare(site_.disk.log());
  }
  if (site_.server != nullptr) site_.server->Behave();
  const Timestamp last = After(site_.now(), kSettledWithin);
  while (!IsSettled()) {
    if (site_.now() > last) return ReportStuck();
    if (site_.is_serving()) clients_[0]->Settle();
    if (!StepUntil(After(site_.now(), 2 * kSecond))) return;
  }
  CheckEnd();
  if (site_.trace.violation()) return;
  Crash("once more, at the end");
  while (!site_.is_serving() || !IsSettled()) {
    if (!StepUntil(After(site_.now(), kSecond))) return;
  }
  CheckEnd();
}

bool World::IsSettled() const {
  if (!site_.is_serving() || row_checks_ > 0) return false;
  for (const auto& [key, saga] : site_.chronicle.sagas()) {
    if (!saga.state.is_ended() || !saga.state.late_effects.empty()) return false;
  }
  const bool busy = std::any_of(workers_.begin(), workers_.end(),
                                [](const auto& worker) { return worker->held() > 0; });
  const bool waiting = std::any_of(clients_.begin(), clients_.end(),
                                   [](const auto& client) { return client->waiting() > 0; });
  return !busy && !waiting;
}

void World::ReportStuck() {
  for (const auto& [key, saga] : site_.chronicle.sagas()) {
    if (saga.state.is_ended() && saga.state.late_effects.empty()) continue;
    return site_.trace.Violate(
        "ends", absl::StrCat("neither ends nor waits for a named reason:\n",
                             Describe(saga::ViewOf(saga.state))));
  }
  for (const auto& worker : workers_) {
    if (worker->held() > 0) return site_.trace.Violate("ends", "a worker gets no last word");
  }
  site_.trace.Violate("ends", "a request gets no answer");
}

// With nothing to do left, nobody is to be given anything.
void World::CheckQueues() {
  for (const task::QueueStats& queue : site_.server->broker().Queues()) {
    if (queue.ready == 0 && queue.leased == 0 && !queue.more) continue;
    site_.trace.Violate("ends", absl::StrCat("all is settled, and the broker has ", queue.ready,
                                             " ready and ", queue.leased, " leased tasks of ",
                                             queue.function, queue.more ? " and more" : ""));
  }
}

void World::CheckEnd() {
  CheckEffects();
  CheckQueues();
  clients_[0]->ReadAll();
  for (uint32_t id = 0; id < site_.partitions; ++id) {
    audit_.Check(PartitionId(id));
    CheckRows(PartitionId(id));
  }
  const Timestamp last = After(site_.now(), kMinute);
  while (!IsSettled()) {
    if (site_.now() > last) return ReportStuck();
    if (!StepUntil(After(site_.now(), kSecond))) return;
  }
}

// What a saga says was done was done.
void World::CheckEffects() {
  for (const auto& [key, saga] : site_.chronicle.sagas()) {
    for (const std::string& done : saga.completed_keys) {
      if (service_.Has(done)) continue;
      site_.trace.Violate("effects", absl::StrCat(done, " completed and has no effect"));
    }
  }
}

void World::CheckRows(PartitionId partition) {
  ++row_checks_;
  site_.server->models().Check();
  site_.server->Capture(partition, [this, partition](std::unique_ptr<storage::ViewSnapshot> rows,
                                                     Position position) {
    if (row_checks_ > 0) --row_checks_;
    if (rows == nullptr) return;
    runtime::VerifyReport report;
    const absl::Status status =
        runtime::VerifyPartition({partition, position, std::move(rows)}, site_.disk.log(),
                                 site_.programs, nullptr, report);
    site_.Note(absl::StrCat("rows of ", partition.value(), " at ", position.value()));
    if (site_.disk.is_damaged()) {
      if (!status.ok() && !absl::IsDataLoss(status)) {
        site_.trace.Violate("damage", status.message());
      }
      return;
    }
    if (!status.ok()) return site_.trace.Violate("rows", status.message());
    if (!report.differences.empty()) site_.trace.Violate("rows", report.differences.front());
  });
}

SimulationResult World::Result() const {
  SimulationResult result{.hash = site_.trace.hash(),
                          .steps = site_.scheduler.steps(),
                          .lines = site_.trace.lines(),
                          .sagas = site_.chronicle.sagas().size(),
                          .crashes = crashes_,
                          .effects = service_.effects(),
                          .violation = site_.trace.violation(),
                          .last = site_.trace.last()};
  for (uint32_t id = 0; id < site_.partitions; ++id) {
    result.commits += site_.chronicle.commits(PartitionId(id)).size();
  }
  return result;
}

}  // namespace skald::simulation
