#include "engine/saga/execution.h"

#include <type_traits>
#include <variant>

#include "absl/strings/string_view.h"
#include "base/check.h"

namespace skald::saga {

absl::string_view CommandName(const Command& command) {
  struct Names {
    absl::string_view operator()(const StartSaga&) const { return "StartSaga"; }
    absl::string_view operator()(const CancelSaga&) const { return "CancelSaga"; }
    absl::string_view operator()(const TerminateSaga&) const { return "TerminateSaga"; }
    absl::string_view operator()(const SuspendSaga&) const { return "SuspendSaga"; }
    absl::string_view operator()(const ResumeSaga&) const { return "ResumeSaga"; }
    absl::string_view operator()(const AnswerTask&) const { return "AnswerTask"; }
    absl::string_view operator()(const QuiesceTask&) const { return "QuiesceTask"; }
    absl::string_view operator()(const RetryCompensation&) const { return "RetryCompensation"; }
    absl::string_view operator()(const SkipCompensation&) const { return "SkipCompensation"; }
    absl::string_view operator()(const ResolveCompensation&) const { return "ResolveCompensation"; }
    absl::string_view operator()(const RetryTask&) const { return "RetryTask"; }
    absl::string_view operator()(const CompleteTask&) const { return "CompleteTask"; }
    absl::string_view operator()(const FailTask&) const { return "FailTask"; }
    absl::string_view operator()(const FireTimer&) const { return "FireTimer"; }
  };
  return std::visit(Names{}, command.request);
}

namespace {

// Whether the saga's own events made it necessary; else someone outside wanted it.
bool FollowsFromEvents(const Command& command) {
  return std::holds_alternative<AnswerTask>(command.request) ||
         std::holds_alternative<QuiesceTask>(command.request) ||
         std::holds_alternative<FireTimer>(command.request);
}

}  // namespace

Decision Decide(const SagaState& state, const Command& command, const DecideContext& context) {
  Decision decision;
  Decide(state, command, context, decision);
  return decision;
}

void Decide(const SagaState& state, const Command& command, const DecideContext& context,
            Decision& decision) {
  SKALD_CHECK(context.program != nullptr);
  decision.header.Clear();
  decision.bodies.Clear();
  decision.slots.clear();
  decision.moves = 0;
  decision.state = state;
  Execution(state, command, context, decision).Run();
}

Execution::Execution(const SagaState& state, const Command& command, const DecideContext& context,
                     Decision& decision)
    : command_(command),
      context_(context),
      state_(decision.state),
      header_(decision.header),
      bodies_(decision.bodies),
      slot_texts_(decision.slots),
      reply_(decision.reply),
      moves_(decision.moves),
      random_state_(context.random) {
  header_.set_format(1);
  header_.set_partition(context.partition.value());
  header_.set_first_position(context.next_position.value());
  header_.set_namespace_(command.saga.namespace_name);
  header_.set_saga_id(command.saga.saga_id);
  header_.set_first_revision(state.events);
  header_.set_time_us(context.now.value());
  header_.set_correlation_id(state.exists() ? state.correlation_id : command.correlation_id);
  absl::string_view name = CommandName(command);
  header_.mutable_cause()->set_command(name.data(), name.size());
  if (FollowsFromEvents(command)) header_.mutable_cause()->set_position(state.last_position);
  header_.set_actor(command.actor);
  header_.set_request_id(command.request_id);
  header_.set_request_digest(command.request_digest);
  header_.set_definition_hash(context.program->hash);
}

void Execution::Run() && {
  reply_ = std::visit([this](const auto& request) { return Handle(request); }, command_.request);
  if (reply_.ok() || bodies_.events_size() > 0) Advance();
  header_.set_count(static_cast<uint32_t>(bodies_.events_size()));
}

void Execution::Emit(log::v1::Event event) {
  const uint64_t place = static_cast<uint64_t>(bodies_.events_size());
  log::v1::Event* added = bodies_.add_events();
  *added = std::move(event);
  Evolve(*added,
         {.header = header_,
          .revision = Revision(state_.events),
          .position = Position(context_.next_position.value() + place),
          .slots = slot_values_},
         state_);
}

uint32_t Execution::AddSlot(const Json& value) { return AddSlot(Payload::Of(value)); }

uint32_t Execution::AddSlot(const Payload& payload) {
  slot_values_.push_back(payload.value);
  slot_texts_.push_back(payload.text);
  slot_bytes_ += payload.text.size();
  return static_cast<uint32_t>(slot_texts_.size());
}

const definition::Node& Execution::NodeOf(const Frame& frame) const {
  const NodeIndex index = program().Find(frame.task);
  SKALD_CHECK(index != definition::kNoNode);
  return program().node(index);
}

bool Execution::OverBudget() const {
  return static_cast<size_t>(bodies_.events_size()) >= context_.limits.events_per_step ||
         slot_bytes_ >= context_.limits.bytes_per_step || moves_ >= context_.limits.moves_per_step;
}

// SplitMix64 (Steele, Lea, Flood 2014): one seed per decision, drawn by the loop.
uint64_t Execution::NextRandom() {
  random_state_ += 0x9e3779b97f4a7c15ull;
  uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace skald::saga
