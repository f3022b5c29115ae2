#include "engine/runtime/engine_impl.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/this_thread.h"
#include "engine/audit/key_file.h"
#include "engine/runtime/guarded_done.h"
#include "storage/data_directory.h"
#include "storage/memory/memory_event_log.h"
#include "storage/memory/memory_views.h"
#include "xxhash.h"

namespace skald::runtime {
namespace {

constexpr uint32_t kDefaultPartitions = 16;
// Of a thread's turn, over all its partitions (see PartitionOptions).
constexpr size_t kTurnStartsMax = 4'096;
// What a thread has under way however long it waits (see AdmissionLimits).
constexpr size_t kBegunRoomMin = 512;

// Memory is ahead of disk and must not be believed: no destructor may write anything more.
void EndProcess(const absl::Status& status) {
  std::fprintf(stderr, "skald: fatal: %s\n", status.ToString().c_str());
  std::fflush(stderr);
  _exit(70);
}

// A namespace and a second part, with a byte between them that neither may hold.
std::string Joined(absl::string_view namespace_name, absl::string_view rest) {
  std::string joined;
  joined.reserve(namespace_name.size() + 1 + rest.size());
  joined.append(namespace_name.data(), namespace_name.size());
  joined.push_back('\0');
  joined.append(rest.data(), rest.size());
  return joined;
}

// What SubmitTogether has gathered on this thread so far.
struct Gathered {
  const EngineImpl* engine = nullptr;
  Gathered* outer = nullptr;
  std::vector<std::pair<PartitionThread*, std::vector<PartitionThread::Submission>>> by_thread;
};
thread_local Gathered* gathering = nullptr;

std::string Hex(XXH128_hash_t hash) {
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(EngineOptions options) {
  return OpenEngine(std::move(options), {});
}

absl::StatusOr<std::unique_ptr<Engine>> OpenEngine(EngineOptions options, EngineParts parts) {
  auto engine = std::make_unique<EngineImpl>(std::move(options), std::move(parts));
  SKALD_RETURN_IF_ERROR(engine->Start());
  return engine;
}

EngineImpl::EngineImpl(EngineOptions options, EngineParts parts)
    : options_(std::move(options)),
      clock_(parts.clock != nullptr ? parts.clock : &real_clock_),
      fatal_(parts.fatal ? std::move(parts.fatal) : EndProcess),
      flush_events_(parts.flush_events),
      log_(parts.log),
      views_(parts.views),
      programs_(options_.definition_limits) {
  std::random_device device;
  for (uint64_t& seed : id_seed_) seed = (uint64_t{device()} << 32) | device();
}

// ---- Opening ----

absl::Status EngineImpl::Start() {
  started_ = clock_->Now();
  SKALD_RETURN_IF_ERROR(OpenStore());
  MakeAuditor();
  SKALD_RETURN_IF_ERROR(auditor_->CheckLog());
  SKALD_RETURN_IF_ERROR(OpenJournal());
  task::BrokerOptions broker = options_.broker;
  broker.quiesced = [this](const saga::TaskToken& token, bool never_dispatched) {
    saga::Command command;
    command.saga = token.saga;
    command.request = saga::QuiesceTask{token, never_dispatched};
    SubmitInternal(std::move(command));
  };
  broker.refill = [this](task::RefillRequest request) {
    // While partitions come up nobody could take it; the broker asks again.
    if (!serving_) return;
    partition::Partition& source = *partitions_[request.source.value()];
    ThreadOf(request.source).Post([&source, request = std::move(request)]() mutable {
      source.Refill(std::move(request));
    });
  };
  broker_ = std::make_unique<task::Broker>(std::move(broker));
  MakePartitions();
  SKALD_RETURN_IF_ERROR(RecoverAll());
  SKALD_RETURN_IF_ERROR(MakeProjector());
  SampleFreeBytes();
  StartThreads();
  return absl::OkStatus();
}

absl::Status EngineImpl::OpenStore() {
  if (log_ != nullptr) return absl::OkStatus();
  if (options_.data_dir.empty()) {
    owned_log_ = std::make_unique<storage::MemoryEventLog>(storage::MemoryEventLogOptions{
        .partition_count =
            options_.partition_count == 0 ? kDefaultPartitions : options_.partition_count});
    owned_views_ = std::make_unique<storage::MemoryViews>();
  } else {
    SKALD_ASSIGN_OR_RETURN(
        storage::DataDirectory store,
        storage::DataDirectory::Open({.path = options_.data_dir,
                                      .create_if_missing = options_.create_if_missing,
                                      .partition_count = options_.partition_count}));
    for (const std::string& notice : store.notices) {
      std::fprintf(stderr, "skald: %s\n", notice.c_str());
    }
    owned_log_ = std::move(store.log);
    owned_views_ = std::move(store.views);
  }
  log_ = owned_log_.get();
  views_ = owned_views_.get();
  return absl::OkStatus();
}

void EngineImpl::MakeAuditor() {
  const std::string name = audit::StoreName(log_->store_id());
  if (options_.data_dir.empty()) {
    auditor_ = std::make_unique<audit::Auditor>(
        *log_, *views_, [keys = std::vector<audit::SigningKey>{audit::SigningKey::Generate(name)}] {
          return keys;
        });
    return;
  }
  const std::string path = audit::KeyFilePath(options_.data_dir);
  // Sagas go on without a key; whoever asks for a checkpoint is told what is wrong with it.
  if (const absl::Status made = audit::EnsureKeyFile(path, name); !made.ok()) {
    std::fprintf(stderr, "skald: no checkpoints can be signed: %s\n",
                 std::string(made.message()).c_str());
  }
  MutexLock lock(rotation_mu_);
  if (const absl::Status finished = FinishKeyRotation(); !finished.ok()) {
    std::fprintf(stderr, "skald: the rotation of the audit key cannot be finished: %s\n",
                 std::string(finished.message()).c_str());
  }
  auditor_ = std::make_unique<audit::Auditor>(*log_, *views_,
                                              [path] { return audit::ReadMadeKeyFile(path); });
}

absl::Status EngineImpl::OpenJournal() {
  audit::CheckpointJournalOptions options;
  options.store_name = auditor_->store_name();
  if (options_.data_dir.empty()) {
    options.file_bytes_max = 1 << 20;  // of memory
  } else {
    options.path = audit::JournalPath(options_.data_dir);
  }
  std::vector<std::string> notices;
  SKALD_ASSIGN_OR_RETURN(journal_, audit::CheckpointJournal::Open(std::move(options), &notices));
  for (const std::string& notice : notices) std::fprintf(stderr, "skald: %s\n", notice.c_str());
  keeper_ = std::make_unique<audit::CheckpointKeeper>(
      audit::CheckpointKeeperParts{.log = *log_,
                                   .views = *views_,
                                   .auditor = *auditor_,
                                   .journal = *journal_,
                                   .clock = *clock_},
      options_.checkpoint_interval);
  return keeper_->CheckKept();
}

uint32_t EngineImpl::ThreadCount() const {
  uint32_t threads = options_.threads;
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency() / 2);
  return std::min(threads, partition_count_);
}

void EngineImpl::MakePartitions() {
  const uint32_t count = partition_count_ = log_->partition_count();
  const size_t of_a_thread = (count + ThreadCount() - 1) / ThreadCount();
  figures_ = std::vector<Figures>(count);
  std::random_device device;
  for (uint32_t id = 0; id < count; ++id) {
    partition::PartitionOptions options{
        .partition = PartitionId(id),
        .partition_count = count,
        .seed = (uint64_t{device()} << 32) | device(),
        .admission = {.commands_max = options_.inbox_commands_max,
                      .begun_room_min = std::max<size_t>(kBegunRoomMin / of_a_thread, 1),
                      .bytes_max = options_.inbox_bytes_max,
                      .free_bytes_soft = options_.free_bytes_soft,
                      .free_bytes_hard = options_.free_bytes_hard},
        .cached_state_bytes = options_.cached_state_bytes / count,
        .turn_starts_max = std::max<size_t>(kTurnStartsMax / of_a_thread, 1)};
    options.decide.state_bytes_max = options_.saga_bytes_max;
    partitions_.push_back(std::make_unique<partition::Partition>(
        options, partition::PartitionEnvironment{
                     .log = *log_, .views = *views_, .programs = programs_, .outlet = *this}));
  }
}

// Every partition by itself, as many at a time as there will be threads.
absl::Status EngineImpl::RecoverAll() {
  const uint32_t threads = ThreadCount();
  threads_.resize(threads);
  std::vector<absl::Status> results(threads);
  std::vector<std::thread> recoverers;
  for (uint32_t thread = 0; thread < threads; ++thread) {
    recoverers.emplace_back([this, thread, threads, &results] {
      for (size_t id = thread; id < partitions_.size(); id += threads) {
        results[thread].Update(partitions_[id]->Recover(started_));
      }
    });
  }
  for (std::thread& recoverer : recoverers) recoverer.join();
  for (const absl::Status& result : results) SKALD_RETURN_IF_ERROR(result);
  for (const auto& partition : partitions_) {
    // What is due counts from the log's times; with a clock behind them it would wait.
    real_clock_.GoOnFrom(partition->last_time());
    OnTurn(*partition);
  }
  return absl::OkStatus();
}

void EngineImpl::StartThreads() {
  writer_ = std::make_unique<storage::LogWriter>(
      *log_,
      storage::LogWriterOptions{
          .on_durable = [this](absl::Span<const std::pair<PartitionId, Position>> positions) {
            OnLogDurable(positions);
          },
          .on_fatal = [this](const absl::Status& status) { OnFatal(status); }});
  for (size_t thread = 0; thread < threads_.size(); ++thread) {
    PartitionThreadOptions options{
        .clock = clock_,
        .writer = writer_.get(),
        .partitions = {},
        .on_durable = [this] { TellListeners(); },
        .on_fatal = [this](const absl::Status& status) { OnFatal(status); },
        .on_turn = [this](const partition::Partition& partition) { OnTurn(partition); }};
    for (size_t id = thread; id < partitions_.size(); id += threads_.size()) {
      options.partitions.push_back(partitions_[id].get());
    }
    threads_[thread] = std::make_unique<PartitionThread>(std::move(options));
  }
  // What a thread's first turn sends, and what the broker then says of it, must find everyone there.
  serving_ = true;
  broker_->Begin(clock_->Now());
  for (const auto& thread : threads_) thread->Start();
  projector_->Start();
  ticker_ = std::thread([this] {
    NameThread("ticker");
    RunTicker();
  });
  flusher_ = std::thread([this] {
    NameThread("flusher");
    RunFlusher();
  });
  keeper_->Start();
}

// ---- Commands ----

PartitionId EngineImpl::PartitionOf(const SagaKey& key) const {
  const std::string joined = Joined(key.namespace_name, key.saga_id);
  return PartitionId(
      static_cast<uint32_t>(XXH3_64bits(joined.data(), joined.size()) % partition_count_));
}

absl::Status EngineImpl::CheckServing(PartitionId partition) const {
  if (serving_) [[likely]] {
    return absl::OkStatus();
  }
  return PartitionNotServingError(partition, "the engine is stopping");
}

void EngineImpl::Submit(saga::Command command, Done<CommandReply> done) {
  SubmitFor(partition::Caller::kCall, command, done);
}

bool EngineImpl::TrySubmit(saga::Command& command, Done<CommandReply>& done) {
  return SubmitFor(partition::Caller::kStream, command, done);
}

void EngineImpl::SubmitTogether(absl::FunctionRef<void()> work) {
  Gathered gathered{.engine = this, .outer = gathering};
  gathering = &gathered;
  work();
  gathering = gathered.outer;
  for (auto& [thread, submissions] : gathered.by_thread) thread->Submit(std::move(submissions));
}

void EngineImpl::HandOver(PartitionThread& thread, PartitionThread::Submission submission) {
  if (gathering == nullptr || gathering->engine != this) return thread.Submit(std::move(submission));
  for (auto& [known, submissions] : gathering->by_thread) {
    if (known == &thread) return submissions.push_back(std::move(submission));
  }
  gathering->by_thread.emplace_back(&thread, std::vector<PartitionThread::Submission>());
  gathering->by_thread.back().second.push_back(std::move(submission));
}

bool EngineImpl::AtTurnEnd(absl::AnyInvocable<void()> work) {
  PartitionThread* const thread = PartitionThread::Current();
  if (thread == nullptr) return false;
  thread->AtTurnEnd(std::move(work));
  return true;
}

bool EngineImpl::SubmitFor(partition::Caller caller, saga::Command& command,
                           Done<CommandReply>& done) {
  const auto refuse = [&done](absl::Status status) {
    std::move(done)(std::move(status));
    return true;
  };
  if (command.saga.saga_id.empty()) {
    if (!std::holds_alternative<saga::StartSaga>(command.request)) {
      return refuse(BadRequestError("saga_id", "is missing"));
    }
    // From the request's id, so that a repetition meets the same saga; else unique.
    const std::string& request_id = command.request_id;
    const uint64_t unique[3] = {id_seed_[0], id_seed_[1], next_id_++};
    const std::string named = Joined(command.saga.namespace_name, request_id);
    command.saga.saga_id = Hex(request_id.empty() ? XXH3_128bits(unique, sizeof(unique))
                                                  : XXH3_128bits(named.data(), named.size()));
  }
  const PartitionId id = PartitionOf(command.saga);
  if (absl::Status status = CheckServing(id); !status.ok()) return refuse(std::move(status));
  partition::Partition& partition = *partitions_[id.value()];
  absl::StatusOr<partition::Ticket> ticket = partition.admission().Enter(command, caller);
  if (!ticket.ok()) {
    const bool may_wait = caller == partition::Caller::kStream &&
                          HasReason(ticket.status(), ErrorReason::kPartitionOverloaded);
    return may_wait ? false : refuse(ticket.status());
  }
  HandOver(ThreadOf(id), {.partition = &partition,
                          .command = std::move(command),
                          .ticket = *std::move(ticket),
                          .done = std::move(done)});
  return true;
}

// The engine's own commands pass the door always: they make room.
void EngineImpl::SubmitInternal(saga::Command command) {
  const PartitionId id = PartitionOf(command.saga);
  if (!CheckServing(id).ok()) return;
  ThreadOf(id).Submit({.partition = partitions_[id.value()].get(),
                       .command = std::move(command),
                       .ticket = {},
                       .done = nullptr});
}

void EngineImpl::Deploy(std::string text, std::string actor, Done<DeployReply> done) {
  definition::CompileResult compiled = definition::Compile(text, options_.definition_limits);
  if (!compiled.ok()) return std::move(done)(compiled.status());
  programs_.Put(compiled.program);
  const PartitionId id(0);
  if (absl::Status status = CheckServing(id); !status.ok()) return std::move(done)(status);
  partition::Partition& partition = *partitions_[0];
  absl::StatusOr<partition::Ticket> ticket = partition.admission().EnterDeploy(text.size());
  if (!ticket.ok()) return std::move(done)(ticket.status());
  const definition::Program& program = *compiled.program;
  DeployReply reply{.position = {},
                    .namespace_name = program.namespace_name,
                    .name = program.name,
                    .version = program.version,
                    .hash = program.hash,
                    .warnings = std::move(compiled.diagnostics),
                    .unserved_functions = {}};
  partition::DeployDefinition deploy{.namespace_name = program.namespace_name,
                                     .name = program.name,
                                     .version = program.version,
                                     .hash = program.hash,
                                     .text = std::move(text),
                                     .actor = std::move(actor)};
  partition::Done<partition::Deployment> deployed =
      [this, reply = std::move(reply), program = compiled.program,
       done = std::move(done)](absl::StatusOr<partition::Deployment> deployment) mutable {
        FinishDeploy(std::move(reply), *program, std::move(deployment), done);
      };
  ThreadOf(id).Post([&partition, deploy = std::move(deploy), ticket = *std::move(ticket),
                     guarded = GuardedDone<partition::Deployment>(id, std::move(deployed))]()
                        mutable {
    partition.Deploy(std::move(deploy), std::move(ticket), guarded.Release());
  });
}

void EngineImpl::FinishDeploy(DeployReply reply, const definition::Program& program,
                              absl::StatusOr<partition::Deployment> deployment,
                              Done<DeployReply>& done) {
  if (!deployment.ok()) return std::move(done)(deployment.status());
  reply.position = deployment->position;
  reply.already_deployed = deployment->already_deployed;
  const std::vector<task::QueueStats> queues = broker_->Queues();
  for (const std::string& function : program.worker_functions) {
    const bool served = std::any_of(queues.begin(), queues.end(), [&](const auto& queue) {
      return queue.function == function && queue.workers > 0;
    });
    if (!served) reply.unserved_functions.push_back(function);
  }
  std::move(done)(std::move(reply));
}

// ---- The log's news ----

void EngineImpl::OnLogDurable(absl::Span<const std::pair<PartitionId, Position>> positions) {
  // A round of the models that begins now is to find it final, though its thread knows nothing of
  // it yet.
  for (const auto& [partition, position] : positions) {
    partitions_[partition.value()]->watermark().Durable(position);
  }
  for (size_t thread = 0; thread < threads_.size(); ++thread) {
    std::vector<std::pair<partition::Partition*, Position>> news;
    for (const auto& [partition, position] : positions) {
      if (partition.value() % threads_.size() != thread) continue;
      news.emplace_back(partitions_[partition.value()].get(), position);
    }
    if (!news.empty()) threads_[thread]->Durable(news);
  }
  TellListeners();
}

void EngineImpl::TellListeners() {
  projector_->OnLogGrown();
  if (listener_count_.load(std::memory_order_relaxed) == 0) return;
  MutexLock lock(listeners_mu_);
  for (const auto& [id, grown] : listeners_) grown();
}

uint64_t EngineImpl::AddLogListener(std::function<void()> grown) {
  const uint64_t id = next_id_++;
  MutexLock lock(listeners_mu_);
  listeners_.emplace(id, std::move(grown));
  listener_count_ = listeners_.size();
  return id;
}

void EngineImpl::RemoveLogListener(uint64_t id) {
  MutexLock lock(listeners_mu_);
  listeners_.erase(id);
  listener_count_ = listeners_.size();
}

void EngineImpl::OnTurn(const partition::Partition& partition) {
  Figures& figures = figures_[partition.id().value()];
  const partition::PartitionStats stats = partition.stats();
  constexpr auto kRelaxed = std::memory_order_relaxed;
  figures.staged.store(stats.staged.value(), kRelaxed);
  figures.durable.store(stats.durable.value(), kRelaxed);
  figures.applied.store(stats.applied.value(), kRelaxed);
  figures.inbox.store(stats.inbox, kRelaxed);
  figures.cached_states.store(stats.cached_states, kRelaxed);
  figures.commits.store(stats.commits, kRelaxed);
  figures.commands.store(stats.commands, kRelaxed);
  if (!closing_.load(kRelaxed)) return;
  figures.written_out = partition.IsWrittenOut() && !partition.HasWork();
  MutexLock lock(mu_);
  changed_.NotifyAll();
}

void EngineImpl::OnFatal(const absl::Status& status) {
  serving_ = false;
  {
    MutexLock lock(mu_);
    if (!broken_.ok()) return;
    broken_ = status;
    changed_.NotifyAll();
  }
  fatal_(status);
  // The process goes on, so whoever waits for an answer gets one: the log may never say what
  // happened.
  for (const auto& partition : partitions_) {
    ThreadOf(partition->id()).Post([&each = *partition, status] { each.GiveUp(status); });
  }
}

// ---- partition::Outlet ----

void EngineImpl::Enqueue(PartitionId from, std::vector<task::ReadyTaskPtr> tasks) {
  broker_->Enqueue(from, std::move(tasks), clock_->Now());
}

void EngineImpl::Refilled(task::RefillReply reply) {
  broker_->Refilled(std::move(reply), clock_->Now());
}

void EngineImpl::Withdraw(absl::Span<const saga::TaskToken> tokens) { broker_->Withdraw(tokens); }

void EngineImpl::Cancel(absl::Span<const partition::CancelledTask> tasks) {
  const Timestamp now = clock_->Now();
  for (const auto& [token, from_recovery] : tasks) broker_->Cancel(token, from_recovery, now);
}

void EngineImpl::Closed(absl::Span<const saga::TaskToken> tokens) {
  broker_->Closed(tokens, clock_->Now());
}

void EngineImpl::Dismissed(absl::Span<const saga::TaskToken> tokens) {
  broker_->Dismissed(tokens, clock_->Now());
}

void EngineImpl::Send(partition::Message message) {
  const PartitionId to(message.body.to());
  SKALD_CHECK(to.value() < partitions_.size());
  ThreadOf(to).Post([&partition = *partitions_[to.value()],
                     message = std::move(message)]() mutable {
    partition.Receive(std::move(message));
  });
}

void EngineImpl::Acknowledge(PartitionId sender, PartitionId receiver, uint64_t through) {
  ThreadOf(sender).Post([&partition = *partitions_[sender.value()], receiver, through] {
    partition.Acknowledged(receiver, through);
  });
}

void EngineImpl::Deployed(PartitionId partition, const partition::DefinitionPtr& definition) {
  if (partition == PartitionId(0)) catalog_.Add(definition);
}

}  // namespace skald::runtime
