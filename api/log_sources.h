// Where the frames of LogService come from: the log, read in chunks. See FrameSource for the
// threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "api/context.h"
#include "api/pull_stream.h"
#include "api/stream_token.h"
#include "skald/v1/log_service.pb.h"

namespace skald::api {

// One saga's events, from a revision on, to the end there was.
class HistorySource final : public FrameSource<v1::ReadHistoryResponse> {
 public:
  HistorySource(ApiContext& context, SagaKey key, Revision from);
  ~HistorySource() override;

  void Open(std::function<void()> wake) override;
  Pulled Pull(v1::ReadHistoryResponse& frame) override;
  void Close() override {}

 private:
  // A chunk while the engine reads it. Shared with the engine, which may still hold it when the
  // stream is gone.
  struct Chunk;

  ApiContext& context_;
  const SagaKey key_;
  Revision next_;
  std::function<void()> wake_;
  std::shared_ptr<Chunk> chunk_;
  bool is_complete_ = false;
};

// One partition's events between two positions.
class RangeSource final : public FrameSource<v1::ReadLogResponse> {
 public:
  RangeSource(ApiContext& context, PartitionId partition, Position from, Position to);

  void Open(std::function<void()>) override {}
  Pulled Pull(v1::ReadLogResponse& frame) override;
  void Close() override {}

 private:
  ApiContext& context_;
  const PartitionId partition_;
  Position next_;
  const Position to_;
};

// Which events a follower sends.
class EventMatcher {
 public:
  // BAD_REQUEST names what is wrong with the filter.
  static absl::StatusOr<EventMatcher> Make(ApiContext& context, const v1::EventFilter& filter);

  bool Matches(const runtime::RecordedEvent& event);
  // Set when all that can match is in the partition of one saga.
  const std::optional<PartitionId>& only_partition() const { return only_partition_; }

 private:
  EventMatcher(ApiContext& context, const v1::EventFilter& filter)
      : context_(&context), filter_(filter) {}

  bool IsOfDefinition(const std::string& hash);

  ApiContext* context_;
  v1::EventFilter filter_;
  absl::flat_hash_set<int> kinds_;  // empty: all
  std::optional<PartitionId> only_partition_;
  absl::flat_hash_map<std::string, bool> definitions_;  // hash -> whether it has the name asked for
};

// All partitions, without end.
class FollowSource final : public FrameSource<v1::FollowLogResponse> {
 public:
  // `next` holds the next position of each partition.
  FollowSource(ApiContext& context, EventMatcher matcher, TokenScope scope,
               std::vector<Position> next);

  void Open(std::function<void()> wake) override;
  Pulled Pull(v1::FollowLogResponse& frame) override;
  void Close() override;

 private:
  // Reads on from the partitions in turn until the frame is full or nothing is left. True:
  // everything was read.
  absl::StatusOr<bool> Scan(v1::FollowLogResponse& frame);

  ApiContext& context_;
  EventMatcher matcher_;
  const TokenScope scope_;
  std::vector<Position> next_;
  size_t turn_ = 0;  // the partition to read first, so that none starves
  uint64_t listener_ = 0;
  size_t passed_over_ = 0;       // events that did not match since the last frame
  bool told_caught_up_ = false;  // by the last frame
  Timestamp last_frame_;
};

}  // namespace skald::api
