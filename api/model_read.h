// A unary call that reads one model. It waits for rows that are new enough a little at a time,
// giving its thread to other reads in between, and ends at once when the caller gives up, when its
// time is over or when the server stops.
//
//   return ReadRows<v1::GetRowRequest, v1::GetRowResponse>({context, access}, *call, *request,
//   response,
//       [](const v1::GetRowRequest& request, const projection::ModelRows& rows,
//          const query::StopCheck& stop, v1::GetRowResponse& response) { ... });
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "api/context.h"
#include "api/convert_model.h"
#include "api/model_access.h"
#include "base/mutex.h"
#include "engine/projection/reader.h"
#include "engine/query/page.h"

namespace skald::api {

// Keeps itself alive until OnDone, and its work as long as that takes.
class ModelRead final : public grpc::ServerUnaryReactor,
                        public OpenCall,
                        public std::enable_shared_from_this<ModelRead> {
 public:
  // Reads into a response of its own: the call's may be gone. The call's request too.
  using Work = std::function<absl::Status(const projection::ModelRows&, const query::StopCheck&)>;
  // Moves what was read into the call's response, which is there.
  using Fill = std::function<void()>;

  // What a read works with.
  struct Place {
    ApiContext& context;
    ModelAccess& access;
  };

  static grpc::ServerUnaryReactor* Open(Place place, Timestamp deadline, std::string model,
                                        projection::OpenOptions options, Work work, Fill fill);

  explicit ModelRead(Place place) : context_(place.context), access_(place.access) {}
  ~ModelRead() override;

  void Drain(Micros grace) override;
  void End() override;

 private:
  void OnCancel() override;
  void OnDone() override;

  void PostStep();
  void Step();
  void FinishWith(const absl::Status& status);
  // OK while somebody waits for the answer and there is time.
  absl::Status Check();
  // True for the one that may end the call.
  bool Claim();

  // Constant after Open.
  ApiContext& context_;
  ModelAccess& access_;
  std::shared_ptr<ModelRead> self_;
  Timestamp deadline_;       // of the call
  Timestamp read_deadline_;  // of reading, with the server's bound
  Timestamp wait_until_;
  std::string model_;
  projection::OpenOptions options_;
  Work work_;
  Fill fill_;
  bool is_counted_ = false;

  Mutex mutex_;
  bool ended_ SKALD_GUARDED_BY(mutex_) = false;
};

template <typename Request, typename Response>
grpc::ServerUnaryReactor* ReadRows(
    ModelRead::Place place, const grpc::CallbackServerContext& call, const Request& request,
    Response* response,
    std::function<absl::Status(const Request&, const projection::ModelRows&,
                               const query::StopCheck&, Response&)>
        read) {
  struct Task {
    Request request;
    Response response;
  };
  auto task = std::make_shared<Task>(Task{request, {}});
  return ModelRead::Open(
      place, DeadlineOf(call), request.model(), ToOpenOptions(request.options()),
      [task, read = std::move(read)](const projection::ModelRows& rows,
                                     const query::StopCheck& stop) {
        return read(task->request, rows, stop, task->response);
      },
      [task, response] { response->Swap(&task->response); });
}

}  // namespace skald::api
