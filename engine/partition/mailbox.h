// The marks of a partition's mailboxes, the only way partitions talk.
//
// Messages to a partition are numbered from 1 without gaps. The receiver takes only the one after
// its mark, and the mark moves in the commit of the message's effect (or of its refusal, so that
// none blocks the line). The sender keeps a message until the receiver has it durable, and sends
// what is not acknowledged again, in order: after a restart, and when nothing has moved for a
// while.
//
// Thread rule: owned by its partition.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "base/ids.h"
#include "storage/delta.h"

namespace skald::partition {

class Mailbox {
 public:
  explicit Mailbox(PartitionId self) : self_(self) {}

  // ---- What commits say ----
  void OnSent(PartitionId to, uint64_t seq, Position commit, Timestamp time, storage::Delta& delta);
  void OnTaken(PartitionId from, uint64_t seq, storage::Delta& delta);
  void OnAcked(PartitionId to, uint64_t through, storage::Delta& delta);
  // Reads the marks from rows. Precondition: nothing happened yet.
  absl::Status Load(const storage::Delta& delta);

  // ---- Receiving ----
  // The last message taken from a partition.
  uint64_t mark(PartitionId from) const;

  // ---- Sending ----
  // The number of the next message to a partition.
  uint64_t NextSeq(PartitionId to) const;
  // The receiver has everything through `through` durable. Known at once, committed later.
  void Acknowledge(PartitionId to, uint64_t through, Timestamp now);
  bool IsAcknowledged(PartitionId to, uint64_t seq) const;

  // Acknowledgements that are worth a commit now: at most once a second.
  std::vector<std::pair<PartitionId, uint64_t>> AcksToCommit(Timestamp now);

  // A message that has to be sent again, and the commit that holds it.
  struct Resend {
    PartitionId to;
    uint64_t seq = 0;
    Position commit;
  };
  // Those that nothing was heard of for long, in order.
  std::vector<Resend> MessagesToResend(Timestamp now);

  // After a restart nobody knows what arrived: what is not acknowledged is sent again at once.
  void ResendAll();

  // When acknowledgements or messages want to be asked again; kNever: not before something happens.
  Timestamp NextDue() const;

 private:
  struct Out {
    uint64_t sent = 0;
    uint64_t acked = 0;        // committed
    uint64_t acked_known = 0;  // heard of
    // Sent and not committed as acknowledged, in order.
    std::deque<std::pair<uint64_t, Position>> unacked;
    Timestamp moved;  // when it was last sent or acknowledged
  };

  void PutSummary(PartitionId to, const Out& out, storage::Delta& delta) const;

  const PartitionId self_;
  absl::btree_map<PartitionId, uint64_t> in_;
  absl::btree_map<PartitionId, Out> out_;
  Timestamp acks_committed_;
};

}  // namespace skald::partition
