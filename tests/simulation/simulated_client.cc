#include "tests/simulation/simulated_client.h"

#include "absl/strings/str_cat.h"
#include "base/errors.h"
#include "engine/saga/view.h"

namespace skald::simulation {
namespace {

constexpr size_t kRequestsRemembered = 12;
constexpr int kAttemptsMax = 4;

bool IsUncertain(const absl::Status& status) {
  return HasReason(status, ErrorReason::kPartitionNotServing) ||
         HasReason(status, ErrorReason::kPartitionOverloaded) ||
         HasReason(status, ErrorReason::kDiskSpaceLow);
}

}  // namespace

SimulatedClient::SimulatedClient(Options options, Site& site, Model& model)
    : options_(std::move(options)), site_(site), model_(model) {}

void SimulatedClient::Run() { Think(); }

void SimulatedClient::Think() {
  site_.scheduler.In(site_.random().Between(kMillisecond, options_.think), [this] {
    if (site_.behave) return;
    if (site_.is_serving()) Act();
    Think();
  });
}

void SimulatedClient::Act() {
  const uint64_t dice = site_.random().Below(100);
  if (dice < 35) return Start();
  if (dice < 65) return Meddle();
  if (dice < 90) return Read();
  if (dice < 97) return Again();
  Deploy(site_.random().Below(site_.definitions.size()));
}

SagaKey SimulatedClient::AnySaga() {
  return {"test", absl::StrCat("s", site_.random().Below(options_.sagas))};
}

// ---- Commands ----

void SimulatedClient::Send(saga::Command command, int attempts) {
  if (!site_.is_serving()) return;
  const Asked asked = model_.Ask(command);
  site_.Note(absl::StrCat("client ", options_.name, " sends ", saga::CommandName(command), " ",
                          command.saga.saga_id, " ", command.request_id));
  ++waiting_;
  site_.server->Submit(command, [this, command, asked,
                           attempts](const absl::StatusOr<partition::CommandReply>& reply) {
    model_.CheckReply(command, asked, reply);
    --waiting_;
    site_.Note(absl::StrCat("client ", options_.name, " gets ", command.saga.saga_id, " ",
                            command.request_id, " ",
                            absl::StatusCodeToString(reply.status().code())));
    if (!IsUncertain(reply.status()) || attempts >= kAttemptsMax) return;
    if (command.request_id.empty() || site_.random().Chance(30)) return;
    site_.scheduler.In(site_.random().Between(kMillisecond, 3 * kSecond),
                       [this, command, attempts] { Send(command, attempts + 1); });
  });
  // A client whose connection breaks asks again with the same id, or gives up.
  if (command.request_id.empty() || attempts >= kAttemptsMax || site_.random().Chance(40)) return;
  site_.scheduler.In(5 * kSecond, [this, command, attempts, run = site_.run] {
    if (site_.run != run && !site_.behave) Send(command, attempts + 1);
  });
}

void SimulatedClient::SendVerb(const SagaKey& key, decltype(saga::Command::request) request) {
  saga::Command command;
  command.saga = key;
  command.actor = options_.name;
  command.request = std::move(request);
  if (!site_.behave && site_.random().Chance(70)) {
    command.request_id = absl::StrCat(options_.name, "-", next_request_++);
    command.request_digest = HashBytes(command.request_id, site_.random().Below(1'000'000));
    sent_.push_back(command);
    if (sent_.size() > kRequestsRemembered) sent_.pop_front();
  }
  Send(std::move(command), 1);
}

void SimulatedClient::Start() {
  const size_t which = site_.random().Below(site_.definitions.size());
  Json input = Json::Parse(absl::StrCat("{\"n\":", site_.random().Below(3), "}")).value();
  SendVerb(AnySaga(), saga::StartSaga{.definition_name = site_.definitions[which].name,
                                      .definition_version = {},
                                      .input = saga::Payload::Of(std::move(input))});
}

decltype(saga::Command::request) SimulatedClient::AnyVerb() {
  Random& random = site_.random();
  switch (random.Below(18)) {
    case 0:
    case 1:
      return saga::CancelSaga{.reason = "asked", .compensate = {}, .force = random.Chance(30)};
    case 2:
      return saga::TerminateSaga{"asked"};
    case 3:
    case 4:
      return saga::SuspendSaga{"asked"};
    case 5:
    case 6:
    case 7:
    case 8:
      return saga::ResumeSaga{};
    case 9:
    case 10:
      return saga::RetryTask{};
    case 11:
      return saga::CompleteTask{"", saga::Payload::Of(Json::EmptyObject()), "by hand"};
    case 12:
      return saga::FailTask{"", "by hand"};
    case 13:
    case 14:
      return saga::RetryCompensation{};
    case 15:
      return saga::SkipCompensation{"", "no need"};
    default:
      return saga::ResolveCompensation{"", "by hand"};
  }
}

void SimulatedClient::Meddle() { SendVerb(AnySaga(), AnyVerb()); }

// The same request once more, or another one under its id.
void SimulatedClient::Again() {
  if (sent_.empty()) return Start();
  saga::Command command = sent_[site_.random().Below(sent_.size())];
  if (site_.random().Chance(15)) ++command.request_digest;
  Send(std::move(command), 1);
}

void SimulatedClient::Deploy(size_t which) {
  const auto again = [this, which](Micros delay) {
    site_.scheduler.In(delay, [this, which] {
      const std::string& hash = site_.definitions[which].hash;
      for (uint32_t id = 0; id < site_.partitions; ++id) {
        if (!site_.chronicle.IsDeployed(PartitionId(id), hash)) return Deploy(which);
      }
    });
  };
  if (!site_.is_serving()) return again(kSecond);
  const partition::DeployDefinition definition = site_.definitions[which];
  ++waiting_;
  site_.server->Deploy(definition, [this, definition](
                                       const absl::StatusOr<partition::Deployment>& deployment) {
    model_.CheckDeployment(definition, deployment);
    --waiting_;
    site_.Note(absl::StrCat("client ", options_.name, " deployed ", definition.name, ": ",
                            absl::StatusCodeToString(deployment.status().code())));
  });
  again(10 * kSecond);
}

// ---- Reads ----

void SimulatedClient::Read() {
  const SagaKey key = AnySaga();
  const Asked asked = model_.Ask(key);
  ++waiting_;
  const uint64_t dice = site_.random().Below(4);
  if (dice == 0) {
    const Revision from(site_.random().Below(asked.events + 1));
    site_.server->FindHistory(
        key, from,
        [this, key, from, asked](const absl::StatusOr<partition::History>& history) {
          --waiting_;
          model_.CheckHistory(key, from, asked, history);
        });
    return;
  }
  const auto check = [this, key, asked](const absl::StatusOr<saga::SagaView>& view) {
    --waiting_;
    model_.CheckView(key, asked, view);
    site_.Note(absl::StrCat("client ", options_.name, " reads ", key.saga_id, " at ",
                            view.ok() ? view->revision.value() : 0));
  };
  if (dice == 1) {
    const Timestamp deadline = After(site_.now(), site_.random().Between(0, 60 * kSecond));
    const bool until_parked = site_.random().Chance(50);
    site_.server->WaitSaga(
        key, deadline, until_parked,
        [this, key, deadline, until_parked, check](const absl::StatusOr<saga::SagaView>& view) {
          check(view);
          if (!view.ok() || saga::IsEnded(view->status) || site_.now() >= deadline) return;
          if (until_parked && view->suspend_reason == saga::SuspendReason::kParked) return;
          site_.trace.Violate("answers", absl::StrCat(Name(key), ": who waits is told too early"));
        });
    return;
  }
  site_.server->GetSaga(key, check);
}

void SimulatedClient::ReadAll() {
  for (const auto& each : site_.chronicle.sagas()) ReadUntilTold(each.first);
}

void SimulatedClient::ReadUntilTold(const SagaKey& key) {
  const Asked asked = model_.Ask(key);
  ++waiting_;
  site_.server->GetSaga(key, [this, key, asked](const absl::StatusOr<saga::SagaView>& view) {
    model_.CheckView(key, asked, view);
    if (!HasReason(view.status(), ErrorReason::kPartitionOverloaded)) {
      --waiting_;
      if (!view.ok()) site_.trace.Violate("answers", absl::StrCat(Name(key), " cannot be read"));
      return;
    }
    site_.scheduler.In(kMillisecond, [this, key, run = site_.run] {
      if (site_.run != run || site_.server == nullptr) return;
      --waiting_;
      ReadUntilTold(key);
    });
  });
}

// ---- The end ----

bool SimulatedClient::Settle() {
  bool acted = false;
  for (const auto& [key, saga] : site_.chronicle.sagas()) {
    if (SettleSaga(key, saga.state)) acted = true;
  }
  return acted;
}

bool SimulatedClient::SettleSaga(const SagaKey& key, const saga::SagaState& state) {
  const saga::SagaView view = saga::ViewOf(state);
  if (view.suspend_reason == saga::SuspendReason::kOperator) {
    SendVerb(key, saga::ResumeSaga{});
    return true;
  }
  for (const saga::Incident& incident : view.incidents) {
    if (incident.kind == saga::Incident::Kind::kParkedTask) {
      SendVerb(key, saga::FailTask{incident.task, "by hand"});
    } else {
      SendVerb(key, saga::ResolveCompensation{incident.task, "by hand"});
    }
  }
  return !view.incidents.empty();
}

}  // namespace skald::simulation
