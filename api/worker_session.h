// A worker's stream: tasks out, answers in, many to a frame each way.
//
// What is to be told gathers in an outbox while a write is under way, or a turn of the engine tells
// more, and goes out together, in frames that a client takes by default. The outbox is bounded:
// tasks by the worker's credit, results by worker_answers_max, and all but tasks by 4 MiB and what
// one frame of the worker's brings; past that the stream is not read.
//
// Credit: a task takes one when it is handed out. It comes back with the answer's result (unless
// that asks for the answer again), or when a heartbeat reports the task lost; of a task that is
// handed out again before that, the second comes back at once. Only tasks handed out on this stream
// count, so a repeated answer gives nothing.
//
// Keeps itself alive until OnDone; the broker and the engine's callbacks share it and may come
// later, also when the server is gone. Thread rule: Push and Cancel from any thread; lock order is
// none, as no other object is called under the lock.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "api/context.h"
#include "base/mutex.h"
#include "engine/task/broker.h"
#include "skald/v1/worker_service.pb.h"

namespace skald::api {

class WorkerSession final : public grpc::ServerBidiReactor<v1::WorkRequest, v1::WorkResponse>,
                            public OpenCall,
                            public task::WorkerSink,
                            public std::enable_shared_from_this<WorkerSession> {
 public:
  // Owned by itself.
  static WorkerSession* Open(ApiContext& context, const grpc::CallbackServerContext& call);
  explicit WorkerSession(ApiContext& context) : context_(context), engine_(context.engine) {}

  // task::WorkerSink
  void Push(std::vector<task::ReadyTaskPtr> tasks, Micros lease) override;
  void Cancel(std::vector<saga::TaskToken> tokens) override;

  // OpenCall
  void Drain(Micros grace) override;
  void End() override;

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // The parts of a frame.
  absl::Status TakeFrame(const v1::WorkRequest& frame);
  absl::Status TakeHello(const v1::WorkerHello& hello);
  void TakeCompletion(const v1::TaskCompletion& completion, bool keep_credit);
  void TakeFailure(const v1::TaskFailure& failure, bool keep_credit);
  void TakeHeartbeats(const google::protobuf::RepeatedPtrField<std::string>& heartbeats);
  void Answer(const std::string& token, saga::AnswerTask answer, bool keep_credit);
  void AddResult(const std::string& token, const absl::Status& status, bool keep_credit);

  // The stream ends after the results that are due.
  void SetEnd(absl::Status status) SKALD_REQUIRES(mutex_);

  // Does what there is to do next: read, give credit back, write or finish. The only place that
  // does any of them. A sink must not call its broker, so what Push and Cancel set off leaves
  // credit to the next caller, and the end to a thread of the pool.
  enum class BrokerCalls { kAllowed, kForbidden };
  void Advance(BrokerCalls calls = BrokerCalls::kAllowed);
  // As Advance, at the end of the engine's turn if this is one: there is more to be told by then.
  void AdvanceSoon(BrokerCalls calls = BrokerCalls::kAllowed);
  enum class Next { kNothing, kRead, kSend, kFinish };
  Next Decide(BrokerCalls calls) SKALD_REQUIRES(mutex_);
  bool MustFinish() const SKALD_REQUIRES(mutex_);
  // The frame to be told next that has room; so many bytes are to be added to it.
  v1::WorkResponse& News(size_t bytes) SKALD_REQUIRES(mutex_);
  // True when a frame is in `writing_`.
  bool FillFrame(Timestamp now) SKALD_REQUIRES(mutex_);
  void GiveCreditBack();
  void LeaveBroker();

  // Constant after construction.
  ApiContext& context_;  // gone with the server, which waits for the call but not for late callers
  runtime::Engine& engine_;
  std::string actor_;
  std::shared_ptr<WorkerSession> self_;

  // Owned by gRPC while a read or a write is under way.
  v1::WorkRequest request_;
  v1::WorkResponse writing_;
  // Owned by whoever reads: the hello has come.
  bool has_hello_ = false;

  Mutex mutex_;
  // What is to be told.
  struct Handed {
    task::ReadyTaskPtr task;
    Timestamp until;  // from when on it is too late to tell: much of its lease is over
  };
  std::deque<Handed> tasks_ SKALD_GUARDED_BY(mutex_);  // in order of `until`
  Micros lease_ SKALD_GUARDED_BY(mutex_) = 0;
  // Cancelled while there were tasks that had not been told, perhaps of these.
  absl::flat_hash_set<std::string> cancelled_ SKALD_GUARDED_BY(mutex_);
  struct Frame {
    v1::WorkResponse news;
    size_t bytes = 0;  // about
  };
  std::deque<Frame> news_ SKALD_GUARDED_BY(mutex_);
  size_t news_bytes_ SKALD_GUARDED_BY(mutex_) = 0;  // with what is being written
  size_t writing_bytes_ SKALD_GUARDED_BY(mutex_) = 0;
  // Tokens handed out on this stream and not answered.
  absl::flat_hash_set<std::string> held_ SKALD_GUARDED_BY(mutex_);
  // Tokens that came with the hello and are not answered: the worker is at work on these too.
  absl::flat_hash_set<std::string> claimed_ SKALD_GUARDED_BY(mutex_);
  // To be given back to the broker with the next frame.
  uint32_t credit_back_ SKALD_GUARDED_BY(mutex_) = 0;
  // Answers taken whose results are not written.
  size_t outstanding_ SKALD_GUARDED_BY(mutex_) = 0;

  std::optional<task::WorkerId> worker_ SKALD_GUARDED_BY(mutex_);
  bool is_reading_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_starting_read_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_writing_ SKALD_GUARDED_BY(mutex_) = false;  // or giving credit back before it
  bool is_gathering_ SKALD_GUARDED_BY(mutex_) = false;  // until the end of a turn, which advances
  bool reads_done_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_draining_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_ending_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_broken_ SKALD_GUARDED_BY(mutex_) = false;
  bool is_finished_ SKALD_GUARDED_BY(mutex_) = false;
  absl::Status end_status_ SKALD_GUARDED_BY(mutex_);
};

}  // namespace skald::api
