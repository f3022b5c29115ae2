#include "tests/simulation/simulated_worker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errors.h"

namespace skald::simulation {
namespace {

// A worker that heard nothing asks again.
constexpr Micros kAskAgain = 3 * kSecond;
constexpr Micros kReconnect = 2 * kSecond;

}  // namespace

std::string Service::Execute(const std::string& key, Random& random) {
  const auto [effect, is_new] = effects_.try_emplace(key);
  if (is_new) effect->second = absl::StrCat("{\"n\":", random.Below(4), "}");
  return effect->second;
}

// One connection of a worker: what the broker says arrives a little later, if the connection is
// still there.
class SimulatedWorker::Link : public task::WorkerSink,
                              public std::enable_shared_from_this<Link> {
 public:
  explicit Link(SimulatedWorker& worker) : worker_(worker) {}

  void Push(std::vector<task::ReadyTaskPtr> tasks, Micros /*lease*/) override {
    Later([tasks = std::move(tasks)](SimulatedWorker& worker) {
      for (const task::ReadyTaskPtr& task : tasks) worker.OnTask(task);
    });
  }
  void Cancel(std::vector<saga::TaskToken> tokens) override {
    Later([tokens = std::move(tokens)](SimulatedWorker& worker) {
      for (const saga::TaskToken& token : tokens) worker.OnCancel(token);
    });
  }

  task::WorkerId id;

 private:
  // In order: each word arrives after the one before.
  template <typename Words>
  void Later(Words words) {
    Site& site = worker_.site_;
    arrives_ = std::max(arrives_, After(site.now(), site.random().Between(20, 2'000)));
    site.scheduler.In(arrives_.value() - site.now().value(),
                      [self = weak_from_this(), words = std::move(words)] {
                        const std::shared_ptr<Link> link = self.lock();
                        if (link != nullptr && link->worker_.link_ == link) words(link->worker_);
                      });
  }

  SimulatedWorker& worker_;
  Timestamp arrives_;
};

SimulatedWorker::SimulatedWorker(Options options, Site& site, Service& service, Model& model)
    : options_(std::move(options)), site_(site), service_(service), model_(model) {}

SimulatedWorker::~SimulatedWorker() = default;

// ---- Connections ----

void SimulatedWorker::Connect() {
  if (link_ != nullptr || !site_.is_serving()) return;
  auto link = std::make_shared<Link>(*this);
  link_ = link;
  std::vector<saga::TaskToken> holds;
  for (const auto& [name, held] : held_) holds.push_back(held.task->token);
  site_.Note(absl::StrCat("worker ", options_.name, " connects with ", holds.size()));
  const auto busy = static_cast<uint32_t>(held_.size());
  const uint32_t credit = options_.credit > busy ? options_.credit - busy : 0;
  link->id = site_.server->broker().Connect(
      {.name = options_.name, .functions = options_.functions, .credit = credit, .holds = holds},
      link, site_.now());
  if (!std::exchange(beats_, true)) Heartbeat();
}

void SimulatedWorker::OnServerGone() {
  if (std::exchange(link_, nullptr) == nullptr) return;
  site_.scheduler.In(site_.random().Between(0, kReconnect), [this] { Connect(); });
}

// The connection breaks; the server may notice later.
void SimulatedWorker::Disconnect() {
  const std::shared_ptr<Link> link = std::exchange(link_, nullptr);
  if (link == nullptr || site_.server == nullptr) return;
  site_.Note(absl::StrCat("worker ", options_.name, " is cut off"));
  site_.scheduler.In(site_.random().Between(0, 3 * kSecond), [this, link, run = site_.run] {
    if (site_.run != run || site_.server == nullptr) return;
    site_.server->broker().Disconnect(link->id, site_.now());
  });
  site_.scheduler.In(site_.random().Between(0, 20 * kSecond), [this] { Connect(); });
}

void SimulatedWorker::Die() {
  site_.Note(absl::StrCat("worker ", options_.name, " dies"));
  held_.clear();
  Disconnect();
}

void SimulatedWorker::Heartbeat() {
  site_.scheduler.In(options_.lease / 3, [this] { Heartbeat(); });
  if (link_ == nullptr) return Connect();
  if (held_.empty() || !site_.is_serving() || (Hostile() && site_.random().Chance(15))) return;
  std::vector<saga::TaskToken> tokens;
  for (const auto& [name, held] : held_) tokens.push_back(held.task->token);
  site_.server->broker().Heartbeat(link_->id, tokens, site_.now());
}

// ---- Tasks ----

void SimulatedWorker::OnTask(const task::ReadyTaskPtr& task) {
  const std::string name = Name(task->token);
  const auto [held, is_new] = held_.try_emplace(name);
  if (!is_new) return;  // delivered again: it is at it
  held->second.task = task;
  Random& random = site_.random();
  Micros delay = random.Between(kMillisecond, 2 * kSecond);
  absl::string_view fate = "works";
  if (Hostile()) {
    const uint64_t dice = random.Below(100);
    if (dice < 10) {
      held->second.plan = Plan::kRefuse;
    } else if (dice < 20) {
      held->second.plan = Plan::kFail;
    } else if (dice < 25) {
      held->second.plan = Plan::kFailInDoubt;
    } else if (dice < 35) {
      fate = "stalls";
      delay = random.Between(options_.lease / 2, 3 * options_.lease);
    } else if (dice < 39) {
      fate = "loses its connection";
      Disconnect();
    } else if (dice < 41) {
      return Die();
    }
    held->second.repeat = random.Chance(5);
  }
  site_.Note(absl::StrCat("worker ", options_.name, " has ", name, " ", task->function, ", ", fate));
  site_.scheduler.In(delay, [this, name] { Work(name); });
}

void SimulatedWorker::OnCancel(const saga::TaskToken& token) {
  const auto held = held_.find(Name(token));
  if (held == held_.end() || held->second.answer) return;
  if (Hostile() && site_.random().Chance(40)) return;  // did not hear
  held->second.plan = Plan::kFail;
  Work(held->first);
}

void SimulatedWorker::Work(const std::string& name) {
  const auto at = held_.find(name);
  if (at == held_.end() || at->second.answer) return;
  Held& held = at->second;
  saga::AnswerTask answer{.token = held.task->token, .output = {}, .error = {}};
  const auto fail = [&](int status) {
    answer.error = Json::Parse(absl::StrCat("{\"status\":", status, "}")).value();
  };
  switch (held.plan) {
    case Plan::kSucceed: {
      const std::string text = service_.Execute(held.task->idempotency_key, site_.random());
      answer.output = saga::Payload{Json::Parse(text).value(), text};
      break;
    }
    case Plan::kRefuse:
      // What the service has done under this key it does not refuse any more.
      if (service_.Has(held.task->idempotency_key)) {
        held.plan = Plan::kSucceed;
        return Work(name);
      }
      fail(site_.random().Chance(50) ? 409 : 422);
      break;
    case Plan::kFail:
      fail(503);
      break;
    case Plan::kFailInDoubt:
      service_.Execute(held.task->idempotency_key, site_.random());
      fail(503);
      break;
  }
  held.answer = std::move(answer);
  Send(name);
}

// ---- Answers ----

void SimulatedWorker::Submit(const saga::AnswerTask& answer,
                             std::function<void(absl::Status)> done) {
  saga::Command command;
  command.saga = answer.token.saga;
  command.actor = options_.name;
  command.request = answer;
  const Asked asked = model_.Ask(command);
  site_.Note(absl::StrCat("worker ", options_.name, " answers ", Name(answer.token), " with ",
                          answer.output ? answer.output->text : answer.error->ToText()));
  site_.server->Submit(
      command, [this, command, asked, done = std::move(done)](
                   const absl::StatusOr<partition::CommandReply>& reply) {
        model_.CheckReply(command, asked, reply);
        site_.scheduler.In(site_.random().Between(20, 2'000),
                           [done, status = reply.status()] { done(status); });
      });
}

void SimulatedWorker::Send(const std::string& name) {
  const auto at = held_.find(name);
  if (at == held_.end()) return;
  const uint64_t sending = at->second.sent = ++sendings_;
  if (site_.is_serving() && link_ != nullptr) {
    Submit(*at->second.answer, [this, name](const absl::Status& status) { OnReply(name, status); });
  }
  // Until it hears something definite.
  site_.scheduler.In(kAskAgain, [this, name, sending] {
    const auto held = held_.find(name);
    if (held != held_.end() && held->second.sent == sending) Send(name);
  });
}

void SimulatedWorker::OnReply(const std::string& name, const absl::Status& status) {
  const auto at = held_.find(name);
  // It may be for what this worker had before it died.
  if (at == held_.end() || !at->second.answer) return;
  const bool again = HasReason(status, ErrorReason::kPartitionNotServing) ||
                     HasReason(status, ErrorReason::kPartitionOverloaded) ||
                     HasReason(status, ErrorReason::kDiskSpaceLow);
  if (again) return;
  const Held held = std::move(at->second);
  held_.erase(at);
  site_.Note(absl::StrCat("worker ", options_.name, " is done with ", name, ": ",
                          absl::StatusCodeToString(status.code())));
  if (held.repeat) Repeat(*held.answer);
  if (link_ != nullptr && site_.is_serving()) {
    site_.server->broker().AddCredit(link_->id, 1, site_.now());
  }
}

// An answer that was taken is given again, as after a lost acknowledgement.
void SimulatedWorker::Repeat(const saga::AnswerTask& answer) {
  site_.scheduler.In(site_.random().Between(0, 30 * kSecond), [this, answer] {
    if (site_.is_serving()) Submit(answer, [](const absl::Status&) {});
  });
}

}  // namespace skald::simulation
