// A worker's side of WorkerService.Work: connects, takes tasks, sends answers in batches, keeps
// leases alive, and after a broken stream goes on where it was.
//
//   WorkerClient worker(ConnectTo("127.0.0.1:7480"),
//                       {.name = "payments",
//                        .functions = {"charge"},
//                        .credit = 16,
//                        .on_task = [](WorkerClient& client, const v1::Task& task) {
//                          client.Complete(task.token(), "{}");
//                        }});
//   ...
//   worker.Stop(absl::Seconds(10));
//
// Delivery is at least once; the same token twice is given to `on_task` once while it is open. An
// answer is kept and sent again until the server has said what became of it.
//
// Thread rule: every method from any thread, also from the callbacks, except Stop and the
// destructor. Callbacks run one at a time on the client's own thread and should not block: what
// takes long belongs to other threads, which answer when they are done. Answers given inside
// `on_task` leave in one frame when the frame of tasks is through.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "grpcpp/channel.h"
#include "skald/v1/worker_service.grpc.pb.h"
#include "tools/client.h"

namespace skald::tools {

class WorkerClient;

struct WorkerClientOptions {
  std::string name;
  std::vector<std::string> functions = {};
  // How many tasks are open at a time.
  uint32_t credit = 1;
  std::function<void(WorkerClient& client, const v1::Task& task)> on_task = {};
  // Nobody wants the task done any more (its saga, or the server that gave it to another). Its
  // answer is still welcome if `cancelled`, and of no use if it is lost.
  std::function<void(absl::string_view token, bool cancelled)> on_stop = {};
  // What became of an answer; ok() when it is recorded. Transient errors are retried before.
  std::function<void(absl::string_view token, const RpcError& error)> on_result = {};
  // The stream is up (an OK status), or broke for that reason.
  std::function<void(const RpcError& error)> on_connection = {};
};

class WorkerClient {
 public:
  // Connects in the background, and again whenever the stream breaks.
  WorkerClient(std::shared_ptr<grpc::Channel> channel, WorkerClientOptions options);
  // Stops at once if Stop was not called: open tasks go to others.
  ~WorkerClient();
  WorkerClient(const WorkerClient&) = delete;
  WorkerClient& operator=(const WorkerClient&) = delete;

  // Answers a task: `output` is JSON, empty for null. Texts of an error that are no UTF-8 are
  // mended. Ignored when the task is not open.
  void Complete(absl::string_view token, std::string output);
  void Fail(absl::string_view token, v1::Problem error);

  // Takes no more tasks, waits until those under way are answered and recorded, or `grace` has
  // passed, and closes the stream. True when all answers are recorded.
  bool Stop(absl::Duration grace);

  // Tasks without a recorded answer.
  size_t open_tasks() const;
  // A hello was answered, and the stream has not broken since.
  bool connected() const;

 private:
  struct OpenTask {
    uint64_t stream = 0;    // number of the stream that it came on
    bool answered = false;  // the answer is below
    bool sent = false;      // on the present stream
    bool failed = false;
    std::string output;
    v1::Problem error;
    absl::Time retry_at = absl::InfinitePast();  // after an answer was refused for the moment
  };
  using Stream = grpc::ClientReaderWriter<v1::WorkRequest, v1::WorkResponse>;

  void RunStreams();
  grpc::Status RunStream();
  bool SayHello(Stream& stream);
  void TakeFrame(v1::WorkResponse& frame);
  void TakeResult(const v1::AnswerResult& result);
  void Answer(absl::string_view token, bool failed, std::string output, v1::Problem error);
  // Sends what is pending unless another thread is at it, which then sees it.
  void Send();
  bool Gather(v1::WorkRequest& frame) SKALD_REQUIRES(mutex_);
  void AddAnswer(const std::string& token, OpenTask& task, v1::WorkRequest& frame)
      SKALD_REQUIRES(mutex_);
  void KeepLeases();

  // Constant after construction.
  const std::shared_ptr<grpc::Channel> channel_;
  const WorkerClientOptions options_;

  mutable Mutex mutex_;
  CondVar changed_;     // open_ shrank, a write ended, the stream changed, or stopping began
  CondVar timer_wake_;  // closed_
  absl::flat_hash_map<std::string, OpenTask> open_ SKALD_GUARDED_BY(mutex_);
  std::vector<std::string> to_send_ SKALD_GUARDED_BY(mutex_);     // tokens with fresh answers
  std::vector<std::string> heartbeats_ SKALD_GUARDED_BY(mutex_);  // due now
  uint32_t extra_credit_ SKALD_GUARDED_BY(mutex_) = 0;            // to be added by the next frame
  uint64_t stream_number_ SKALD_GUARDED_BY(mutex_) = 0;
  absl::Duration lease_ SKALD_GUARDED_BY(mutex_) = absl::Seconds(30);
  std::shared_ptr<Stream> stream_ SKALD_GUARDED_BY(mutex_);  // null while there is none
  grpc::ClientContext* context_ SKALD_GUARDED_BY(mutex_) = nullptr;
  bool in_frame_ SKALD_GUARDED_BY(mutex_) = false;  // answers wait for the frame's end
  bool sending_ SKALD_GUARDED_BY(mutex_) = false;   // a thread is writing
  bool stopping_ SKALD_GUARDED_BY(mutex_) = false;  // no new tasks
  bool closed_ SKALD_GUARDED_BY(mutex_) = false;    // no new streams

  std::thread reader_;
  std::thread timer_;
};

}  // namespace skald::tools
