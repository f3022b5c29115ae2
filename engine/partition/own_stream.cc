// A partition's own stream: definitions that it learns, and messages between partitions.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "base/json.h"
#include "engine/partition/partition.h"
#include "storage/commit_record.h"

namespace skald::partition {
namespace {

using log::v1::DefinitionDeployed;
using log::v1::EventBodies;
using log::v1::MessageSent;

std::string Word(absl::string_view text) { return std::string(text); }

// What became of a message: taken, or refused with a reason.
void AddTaken(const Message& message, EventBodies& bodies) {
  auto* const event = bodies.add_events()->mutable_message_received();
  event->set_from(message.from.value());
  event->set_seq(message.body.seq());
}

EventBodies Refused(const Message& message, ErrorReason reason) {
  EventBodies bodies;
  auto* const event = bodies.add_events()->mutable_message_refused();
  event->set_from(message.from.value());
  event->set_seq(message.body.seq());
  event->set_reason(Word(ErrorReasonName(reason)));
  return bodies;
}

}  // namespace

bool Partition::CommitOwn(absl::string_view cause, absl::string_view actor, Timestamp not_before,
                          const EventBodies& bodies, std::vector<std::string> slots) {
  log::v1::CommitHeader header;
  header.set_format(storage::kCommitFormat);
  header.set_partition(options_.partition.value());
  header.set_first_position(staged_position().Next().value());
  header.set_count(static_cast<uint32_t>(bodies.events_size()));
  header.set_first_revision(fold_->own_revision().value());
  header.set_time_us(CommitTime(not_before).value());
  header.mutable_cause()->set_command(Word(cause));
  header.set_actor(Word(actor));
  if (!Encode(header, bodies, slots)) return false;
  staged_bytes_ += record_.size();
  staged_->push_back({.partition = options_.partition,
                      .first = Position(header.first_position()),
                      .count = header.count(),
                      .record = std::move(record_)});
  ++commits_;
  fold_->TakeOwn(header, bodies, slots);
  return true;
}

// ---- Definitions ----

void Partition::Handle(DeployRequest& request) {
  SKALD_CHECK(options_.partition == PartitionId(0));
  ++commands_;
  const DeployDefinition& wanted = request.definition;
  const Definition* const known =
      fold_->definitions().Find(wanted.namespace_name, wanted.name, wanted.version);
  const auto answer = [&](absl::StatusOr<Deployment> deployment) {
    gate_.Hold(staged_position(), Answer<Deployment>{std::move(request.done), std::move(deployment),
                                                     std::move(request.ticket)});
  };
  if (known != nullptr && known->hash != wanted.hash) {
    return answer(DefinitionAlreadyExistsError(wanted.namespace_name, wanted.name, wanted.version));
  }
  if (known == nullptr) {
    EventBodies bodies;
    DefinitionDeployed& deployed = *bodies.add_events()->mutable_definition_deployed();
    deployed.set_namespace_(wanted.namespace_name);
    deployed.set_name(wanted.name);
    deployed.set_version(wanted.version);
    deployed.set_hash(wanted.hash);
    deployed.set_text_slot(1);
    for (uint32_t to = 1; to < options_.partition_count; ++to) {
      MessageSent& sent = *bodies.add_events()->mutable_message_sent();
      sent.set_to(to);
      sent.set_seq(fold_->mailbox().NextSeq(PartitionId(to)));
      *sent.mutable_deploy_definition() = deployed;
    }
    const std::string slot = Json::String(wanted.text).ToText();
    if (!CommitOwn("DeployDefinition", wanted.actor, Timestamp(0), bodies, {slot})) {
      return answer(CommitTooLargeError(record_.size(), storage::kCommitBytesMax));
    }
    HoldDeployed(wanted.hash);
    for (int i = 1; i < bodies.events_size(); ++i) {
      gate_.Hold(staged_position(), SendMessage{{.from = options_.partition,
                                                 .time = fold_->last_time(),
                                                 .body = bodies.events(i).message_sent(),
                                                 .slots = {slot}}});
    }
  }
  PendingDeployment pending;
  const Definition& definition = *fold_->definitions().FindByHash(wanted.hash);
  pending.deployment = {.position = {options_.partition, definition.position},
                        .already_deployed = known != nullptr};
  // Of one that was there already, too: its messages were sent before whatever was sent last.
  for (uint32_t to = 1; to < options_.partition_count; ++to) {
    const uint64_t last = fold_->mailbox().NextSeq(PartitionId(to)) - 1;
    pending.messages.emplace_back(PartitionId(to), last);
  }
  pending.request = std::move(request);
  deployments_.push_back(std::move(pending));
  AnswerDeployments();
}

void Partition::HoldDeployed(absl::string_view hash) {
  for (DefinitionPtr& definition : fold_->definitions().All()) {
    if (definition->hash != hash) continue;
    gate_.Hold(staged_position(), PublishDefinition{std::move(definition)});
  }
}

void Partition::AnswerDeployments() {
  while (!deployments_.empty()) {
    PendingDeployment& pending = deployments_.front();
    const bool everywhere =
        std::all_of(pending.messages.begin(), pending.messages.end(), [&](const auto& message) {
          return fold_->mailbox().IsAcknowledged(message.first, message.second);
        });
    if (!everywhere) return;
    gate_.Hold(staged_position(),
               Answer<Deployment>{std::move(pending.request.done), pending.deployment,
                                  std::move(pending.request.ticket)});
    deployments_.pop_front();
  }
}

// ---- Messages ----

void Partition::Handle(Message& message) {
  const uint64_t seq = message.body.seq();
  const uint64_t mark = fold_->mailbox().mark(message.from);
  // One before it got lost: the sender will send both again, in order.
  if (seq > mark + 1) return;
  if (seq == mark + 1) {
    EventBodies bodies;
    std::vector<std::string> slots;
    const DefinitionDeployed& sent = message.body.deploy_definition();
    const Definition* const known =
        fold_->definitions().Find(sent.namespace_(), sent.name(), sent.version());
    const bool learns = message.body.has_deploy_definition() && known == nullptr;
    if (!message.body.has_deploy_definition()) {
      bodies = Refused(message, ErrorReason::kInternal);
    } else if (known != nullptr && known->hash != sent.hash()) {
      bodies = Refused(message, ErrorReason::kDefinitionAlreadyExists);
    } else {
      AddTaken(message, bodies);
    }
    if (learns) {
      DefinitionDeployed& deployed = *bodies.add_events()->mutable_definition_deployed();
      deployed = sent;
      deployed.set_text_slot(1);
      slots.push_back(message.slots[sent.text_slot() - 1]);
    }
    constexpr absl::string_view kCause = "ReceiveMessage";
    if (CommitOwn(kCause, "", message.time, bodies, std::move(slots))) {
      if (learns) HoldDeployed(sent.hash());
    } else {
      SKALD_CHECK(
          CommitOwn(kCause, "", message.time, Refused(message, ErrorReason::kCommitTooLarge), {}));
    }
  }
  gate_.Hold(
      staged_position(),
      AcknowledgeMessages{.sender = message.from, .through = fold_->mailbox().mark(message.from)});
}

void Partition::Acknowledged(PartitionId receiver, uint64_t through) {
  fold_->mailbox().Acknowledge(receiver, through, now_);
  AnswerDeployments();
}

void Partition::CommitAcks() {
  const auto acks = fold_->mailbox().AcksToCommit(now_);
  if (acks.empty()) return;
  EventBodies bodies;
  for (const auto& [to, through] : acks) {
    auto* const acked = bodies.add_events()->mutable_messages_acked();
    acked->set_to(to.value());
    acked->set_through(through);
  }
  SKALD_CHECK(CommitOwn("AcknowledgeMessages", "", Timestamp(0), bodies, {}));
}

void Partition::ResendMessages() {
  for (const Mailbox::Resend& resend : fold_->mailbox().MessagesToResend(now_)) {
    // What is not durable yet is still at the gate.
    if (resend.commit > gate_.durable()) continue;
    const auto cursor = environment_.log.Read(options_.partition, resend.commit);
    if (!cursor->Valid()) return Break(cursor->status());
    const absl::StatusOr<storage::CommitView> commit = storage::DecodeCommit(cursor->record());
    if (!commit.ok()) return Break(commit.status());
    EventBodies bodies;
    SKALD_CHECK(
        bodies.ParseFromArray(commit->bodies.data(), static_cast<int>(commit->bodies.size())));
    for (const log::v1::Event& event : bodies.events()) {
      const MessageSent& sent = event.message_sent();
      if (!event.has_message_sent() || sent.to() != resend.to.value() || sent.seq() != resend.seq) {
        continue;
      }
      environment_.outlet.Send({.from = options_.partition,
                                .time = Timestamp(commit->header.time_us()),
                                .body = sent,
                                .slots = {commit->slots.begin(), commit->slots.end()}});
    }
  }
}

}  // namespace skald::partition
