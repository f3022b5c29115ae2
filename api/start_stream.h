// The stream StartSagas: items in, results out, many to a frame each way.
//
// Bounded: items whose results are not written yet are at most start_items_max, and the results at
// most start_bytes_max and what became ready at once; past that the stream is not read, so a client
// that does not read its results is slowed down by flow control. Sagas that end meanwhile, which
// may be many and large, are let go and fetched again when there is room. Results that become ready
// while a write is under way, or in one turn of the engine, go into the next frames together.
//
// Under overload a stream is slowed rather than refused: an item that finds no room in its
// partition waits for it, for up to a second, and what follows it in the stream waits with it.
//
// Keeps itself alive until OnDone; the engine's callbacks share it and may come later, also
// when the server is gone.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <grpcpp/alarm.h>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "api/context.h"
#include "api/saga_wait.h"
#include "base/mutex.h"
#include "skald/v1/saga_service.pb.h"

namespace skald::api {

// Writes what StartSaga answers without a wait.
void SetStarted(const runtime::CommandReply& reply, v1::StartSagaResponse& response);

class StartStream final
    : public grpc::ServerBidiReactor<v1::StartSagasRequest, v1::StartSagasResponse>,
      public OpenCall,
      public std::enable_shared_from_this<StartStream> {
 public:
  // Owned by itself.
  static StartStream* Open(ApiContext& context, const grpc::CallbackServerContext& call);
  explicit StartStream(ApiContext& context) : context_(context), engine_(context.engine) {}

  void Drain(Micros grace) override;
  void End() override;

 private:
  using Result = v1::StartSagasResponse::Result;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // Submits the items of the request that are left. When one has to wait, goes on later by itself;
  // when all are, the stream may be read again.
  void TakeItems();
  // The life of an item: submitted, perhaps waited for, answered. False: it has to wait for room.
  bool StartItem(const v1::StartSagasRequest::Item& item);
  void WaitForItem(uint64_t item_id, Timestamp deadline, runtime::CommandReply reply);
  std::shared_ptr<SagaWait> AddWait(uint64_t item_id, runtime::CommandReply reply)
      SKALD_REQUIRES(mutex_);
  void FinishWait(uint64_t item_id, runtime::CommandReply reply,
                  const absl::StatusOr<saga::SagaView>& view);
  // Fetches the saga of the longest deferred item.
  void FetchDeferred();
  void AddError(uint64_t item_id, const absl::Status& status);
  void AddResult(Result result);

  // Does what there is to do next: read, write or finish. The only place that starts any of them.
  void Advance();
  // As Advance, at the end of the engine's turn if this is one: there is more to be told by then.
  void AdvanceSoon();
  size_t held_bytes() const SKALD_REQUIRES(mutex_) { return pending_bytes_ + writing_bytes_; }
  void CancelWaits(bool tell_client);

  // Constant after construction.
  ApiContext& context_;  // gone with the server, which waits for the call but not for late callers
  runtime::Engine& engine_;
  std::string actor_;
  Timestamp deadline_ = kNever;
  std::shared_ptr<StartStream> self_;

  // Owned by gRPC while a read or a write is under way.
  v1::StartSagasRequest request_;
  v1::StartSagasResponse writing_;

  // Of TakeItems, which is entered by one thread at a time: the item that is next, since when it has
  // waited for room, and what looks again.
  int next_item_ = 0;
  std::optional<Timestamp> held_since_;
  std::optional<grpc::Alarm> look_again_;  // a new one each time: it is set while the last one runs

  struct Frame {
    v1::StartSagasResponse results;
    size_t bytes = 0;
  };
  // An item whose saga has ended, but was too much to hold.
  struct Deferred {
    uint64_t item_id = 0;
    runtime::CommandReply reply;
  };

  Mutex mutex_;
  // Frames to write, each of no more than a client takes.
  std::deque<Frame> pending_ SKALD_GUARDED_BY(mutex_);
  size_t pending_bytes_ SKALD_GUARDED_BY(mutex_) = 0;
  size_t writing_bytes_ SKALD_GUARDED_BY(mutex_) = 0;
  std::deque<Deferred> deferred_ SKALD_GUARDED_BY(mutex_);
  bool is_fetching_ SKALD_GUARDED_BY(mutex_) = false;
  // FetchDeferred asks the engine, which may answer at once: what comes of that is for who asked.
  bool is_asking_ SKALD_GUARDED_BY(mutex_) = false;
  // Items read whose results are not written.
  size_t outstanding_ SKALD_GUARDED_BY(mutex_) = 0;
  bool is_reading_ SKALD_GUARDED_BY(mutex_) = false;
  // Between deciding to read and having told gRPC: the stream must not finish in between.
  bool is_starting_read_ SKALD_GUARDED_BY(mutex_) = false;
  // TakeItems runs: neither then.
  bool is_taking_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_writing_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_gathering_ SKALD_GUARDED_BY(mutex_) = false;  // until the end of a turn, which advances
  bool reads_done_ SKALD_GUARDED_BY(mutex_) = false;
  // How the stream ends, once that is known: after the results that are due, or at once.
  bool is_ending_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_draining_ SKALD_GUARDED_BY(mutex_) = false;  // the server stops: nobody is waited for
  bool is_broken_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_finished_ SKALD_GUARDED_BY(mutex_) = false;
  absl::Status end_status_ SKALD_GUARDED_BY(mutex_);
  uint64_t next_wait_ SKALD_GUARDED_BY(mutex_) = 0;
  struct ItemWait {
    uint64_t item_id = 0;
    std::shared_ptr<SagaWait> wait;
  };
  absl::flat_hash_map<uint64_t, ItemWait> waits_ SKALD_GUARDED_BY(mutex_);
};

}  // namespace skald::api
