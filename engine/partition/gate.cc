#include "engine/partition/gate.h"

#include "base/check.h"
#include "base/overloaded.h"

namespace skald::partition {
namespace {

template <typename T>
void Give(Answer<T>& answer) {
  // The place goes first: who is told that a request is done may come with the next at once.
  answer.ticket = Ticket();
  std::move(answer.done)(std::move(answer.value));
}

template <typename T>
void Fail(Answer<T>& answer, const absl::Status& why) {
  answer.value = why;
  Give(answer);
}

}  // namespace

void Gate::Hold(Position needs, Effect effect) {
  SKALD_CHECK(held_.empty() || held_.back().needs <= needs);
  if (needs <= durable_) {
    Release(std::move(effect));
    FlushBatch();
    return;
  }
  held_.push_back({needs, std::move(effect)});
}

void Gate::Open(Position durable) {
  SKALD_CHECK(durable >= durable_);
  durable_ = durable;
  while (!held_.empty() && held_.front().needs <= durable) {
    // Out of the queue first: a callback may hold something new.
    Effect effect = std::move(held_.front().effect);
    held_.pop_front();
    Release(std::move(effect));
  }
  FlushBatch();
}

// Within a batch the broker gets new tasks first, then the rest. A token's own changes keep their
// order: one that is withdrawn and comes back within a batch splits it.
void Gate::Release(Effect effect) {
  std::visit(
      Overloaded{
          [&](EnqueueTask& task) {
            if (!batch_.withdrawn.empty()) FlushBatch();
            batch_.enqueued.push_back(std::move(task.task));
          },
          [&](WithdrawTask& task) { batch_.withdrawn.push_back(std::move(task.token)); },
          [&](CancelTask& task) { batch_.cancelled.push_back(std::move(task.task)); },
          [&](RefillQueue& refill) {
            FlushBatch();
            outlet_.Refilled(std::move(refill.reply));
          },
          [&](CloseTask& task) {
            (task.answered ? batch_.closed : batch_.dismissed).push_back(std::move(task.token));
          },
          [&](Answer<CommandReply>& answer) { Give(answer); },
          [&](Answer<saga::SagaView>& answer) { Give(answer); },
          [&](Answer<History>& answer) { Give(answer); },
          [&](Answer<Deployment>& answer) { Give(answer); },
          [&](Answer<StoreChanged>& answer) { Give(answer); },
          [&](SendMessage& send) { outlet_.Send(std::move(send.message)); },
          [&](AcknowledgeMessages& ack) {
            outlet_.Acknowledge(ack.sender, partition_, ack.through);
          },
          [&](PublishDefinition& publish) { outlet_.Deployed(partition_, publish.definition); },
          [&](PublishModels& publish) { outlet_.ModelsChanged(publish.models); },
      },
      effect);
}

void Gate::FlushBatch() {
  if (!batch_.enqueued.empty()) {
    outlet_.Enqueue(partition_, std::exchange(batch_.enqueued, {}));
  }
  const auto flush = [&](auto& tasks, auto tell) {
    if (tasks.empty()) return;
    (outlet_.*tell)(tasks);
    tasks.clear();
  };
  flush(batch_.withdrawn, &Outlet::Withdraw);
  flush(batch_.cancelled, &Outlet::Cancel);
  flush(batch_.closed, &Outlet::Closed);
  flush(batch_.dismissed, &Outlet::Dismissed);
}

void Gate::Discard(const absl::Status& why, Position durable) {
  std::deque<Held> held = std::exchange(held_, {});
  durable_ = durable;
  for (Held& item : held) {
    std::visit(Overloaded{
                   [&](Answer<CommandReply>& answer) { Fail(answer, why); },
                   [&](Answer<saga::SagaView>& answer) { Fail(answer, why); },
                   [&](Answer<History>& answer) { Fail(answer, why); },
                   [&](Answer<Deployment>& answer) { Fail(answer, why); },
                   [&](Answer<StoreChanged>& answer) { Fail(answer, why); },
                   [](EnqueueTask&) {},
                   [](WithdrawTask&) {},
                   [](CancelTask&) {},
                   [](RefillQueue&) {},
                   [](CloseTask&) {},
                   [](SendMessage&) {},
                   [](AcknowledgeMessages&) {},
                   [](PublishDefinition&) {},
                   [](PublishModels&) {},
               },
               item.effect);
  }
}

}  // namespace skald::partition
