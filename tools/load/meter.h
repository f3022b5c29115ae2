// What every way of starting sagas counts: ends and refusals, and how long each took.
//
// Thread rule: every method from any thread, but Take, which is called once, after the others.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "skald/v1/saga_service.pb.h"
#include "tools/client.h"
#include "tools/load/definitions.h"

namespace skald::tools::load {

struct FlowOptions {
  uint32_t in_flight = 64;
  absl::Duration warmup = absl::Seconds(1);
  absl::Duration duration = absl::Seconds(10);
  uint64_t sagas_max = 0;  // 0: as many as fit the duration
  // Each saga by a call of its own instead of over one stream.
  bool unary = false;
  // Count a saga when its start is durable, instead of when it has ended.
  bool starts_only = false;
  size_t input_bytes = 64;
  // Sagas offered a second, ended or not, instead of so many in flight; 0: keep in_flight.
  int64_t rate = 0;
  uint32_t streams = 8;  // over which they are offered
  // What takes longer, from when it was due, does not count as done.
  absl::Duration late = absl::Seconds(10);
  // What is due within so long on a stream goes in one frame; adds as much to what is measured.
  absl::Duration tick = absl::Milliseconds(1);
  // Called for each saga that ended as it should within the measured span.
  std::function<void(absl::string_view saga_id, absl::Time answered)> on_ended = {};
};

struct FlowResult {
  uint64_t completed = 0;  // ended (or started) within the measured span, as they should
  uint64_t failed = 0;     // ended otherwise, or was refused
  std::string first_failure;
  absl::Duration span;
  std::vector<double> latencies_ms;  // sorted
  // Of a given rate, within the measured span: what was offered, and what became of that which was
  // not done in time, by name of the status that refused it, or late, held_back (the stream was not
  // read in time), unanswered.
  uint64_t offered = 0;
  std::map<std::string, uint64_t> others;
};

class Meter {
 public:
  Meter(const Shape& shape, const FlowOptions& options);

  absl::Time begin() const { return begin_; }
  absl::Time end() const { return end_; }

  // A number for the next saga, or nothing when no more are wanted.
  std::optional<uint64_t> Next();

  // A saga that was due at `start` was answered.
  void Count(absl::Time start, const RpcError& error, const v1::StartSagaResponse& response);
  // Of a given rate: `count` sagas were due at `start`.
  void CountOffered(absl::Time start, uint64_t count);
  // Of a given rate: they came to nothing, for that reason.
  void CountOther(absl::Time start, absl::string_view what, uint64_t count);

  FlowResult Take();

 private:
  bool IsMeasured(absl::Time time) const { return time >= begin_ && time <= end_; }
  // Empty when it is as it should be.
  std::string FailureOf(const RpcError& error, const v1::StartSagaResponse& response) const;

  // Constant after construction.
  const Shape& shape_;
  const FlowOptions& options_;
  const absl::Time begin_;
  const absl::Time end_;

  Mutex mutex_;
  FlowResult result_ SKALD_GUARDED_BY(mutex_);
  uint64_t started_ SKALD_GUARDED_BY(mutex_) = 0;
  absl::Time last_ SKALD_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// Requests differ in number only.
class Requests {
 public:
  Requests(const Shape& shape, const FlowOptions& options);
  void Fill(uint64_t number, v1::StartSagaRequest& request) const;

 private:
  const std::string prefix_;
  v1::StartSagaRequest request_;
};

}  // namespace skald::tools::load
