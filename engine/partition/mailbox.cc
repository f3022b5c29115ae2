#include "engine/partition/mailbox.h"

#include <algorithm>

#include "base/check.h"
#include "base/status_macros.h"
#include "engine/partition/rows.h"

namespace skald::partition {
namespace {

constexpr Micros kAckInterval = kSecond;
constexpr Micros kResendInterval = 5 * kSecond;
constexpr size_t kResentAtOnce = 64;

}  // namespace

void Mailbox::PutSummary(PartitionId to, const Out& out, storage::Delta& delta) const {
  delta.Put(MailboxOutKey(self_, to, 0), EncodeNumbers(out.sent, out.acked));
}

void Mailbox::OnSent(PartitionId to, uint64_t seq, Position commit, Timestamp time,
                     storage::Delta& delta) {
  Out& out = out_[to];
  SKALD_CHECK(seq == out.sent + 1);
  out.sent = seq;
  out.unacked.emplace_back(seq, commit);
  out.moved = std::max(out.moved, time);
  delta.Put(MailboxOutKey(self_, to, seq), EncodeNumbers(commit.value()));
  PutSummary(to, out, delta);
}

void Mailbox::OnTaken(PartitionId from, uint64_t seq, storage::Delta& delta) {
  uint64_t& mark = in_[from];
  SKALD_CHECK(seq == mark + 1);
  mark = seq;
  delta.Put(MailboxInKey(self_, from), EncodeNumbers(seq));
}

void Mailbox::OnAcked(PartitionId to, uint64_t through, storage::Delta& delta) {
  Out& out = out_[to];
  SKALD_CHECK(through <= out.sent);
  out.acked = std::max(out.acked, through);
  out.acked_known = std::max(out.acked_known, through);
  while (!out.unacked.empty() && out.unacked.front().first <= through) {
    delta.Delete(MailboxOutKey(self_, to, out.unacked.front().first));
    out.unacked.pop_front();
  }
  PutSummary(to, out, delta);
}

absl::Status Mailbox::Load(const storage::Delta& delta) {
  absl::Status malformed;
  const auto scan = [&](storage::Table table, auto take) -> absl::Status {
    const std::string prefix = TablePrefix(table, self_);
    SKALD_RETURN_IF_ERROR(delta.Scan(prefix, storage::PrefixEnd(prefix),
                                     [&](absl::string_view key, absl::string_view value) {
                                       const auto parts = ParseMailboxKey(key);
                                       const auto numbers = DecodeNumbers(value);
                                       malformed.Update(parts.status());
                                       malformed.Update(numbers.status());
                                       if (malformed.ok()) take(*parts, *numbers);
                                       return malformed.ok();
                                     }));
    return malformed;
  };
  using Numbers = std::pair<uint64_t, uint64_t>;
  SKALD_RETURN_IF_ERROR(scan(storage::Table::kMailboxIn,
                             [&](const MailboxKey& key, const Numbers& numbers) {
                               in_[key.other] = numbers.first;
                             }));
  return scan(storage::Table::kMailboxOut, [&](const MailboxKey& key, const Numbers& numbers) {
    Out& out = out_[key.other];
    if (key.seq == 0) {
      out.sent = numbers.first;
      out.acked = out.acked_known = numbers.second;
    } else {
      out.unacked.emplace_back(key.seq, Position(numbers.first));
    }
  });
}

uint64_t Mailbox::mark(PartitionId from) const {
  const auto found = in_.find(from);
  return found == in_.end() ? 0 : found->second;
}

uint64_t Mailbox::NextSeq(PartitionId to) const {
  const auto found = out_.find(to);
  return found == out_.end() ? 1 : found->second.sent + 1;
}

void Mailbox::Acknowledge(PartitionId to, uint64_t through, Timestamp now) {
  const auto found = out_.find(to);
  if (found == out_.end()) return;
  Out& out = found->second;
  // A receiver cannot have what was never sent; it may speak of what a lost commit sent.
  through = std::min(through, out.sent);
  if (through <= out.acked_known) return;
  out.acked_known = through;
  out.moved = now;
}

bool Mailbox::IsAcknowledged(PartitionId to, uint64_t seq) const {
  const auto found = out_.find(to);
  return found != out_.end() && found->second.acked_known >= seq;
}

std::vector<std::pair<PartitionId, uint64_t>> Mailbox::AcksToCommit(Timestamp now) {
  std::vector<std::pair<PartitionId, uint64_t>> acks;
  if (now < After(acks_committed_, kAckInterval)) return acks;
  for (const auto& [to, out] : out_) {
    if (out.acked_known > out.acked) acks.emplace_back(to, out.acked_known);
  }
  if (!acks.empty()) acks_committed_ = now;
  return acks;
}

std::vector<Mailbox::Resend> Mailbox::MessagesToResend(Timestamp now) {
  std::vector<Resend> messages;
  for (auto& [to, out] : out_) {
    if (out.acked_known == out.sent || now < After(out.moved, kResendInterval)) continue;
    size_t count = 0;
    for (const auto& [seq, commit] : out.unacked) {
      if (seq <= out.acked_known) continue;
      if (++count > kResentAtOnce) break;
      messages.push_back({to, seq, commit});
    }
    out.moved = now;
  }
  return messages;
}

void Mailbox::ResendAll() {
  for (auto& [to, out] : out_) out.moved = Timestamp(0);
}

Timestamp Mailbox::NextDue() const {
  Timestamp due = kNever;
  for (const auto& [to, out] : out_) {
    if (out.acked_known > out.acked) due = std::min(due, After(acks_committed_, kAckInterval));
    if (out.acked_known < out.sent) due = std::min(due, After(out.moved, kResendInterval));
  }
  return due;
}

}  // namespace skald::partition
