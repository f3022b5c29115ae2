// How long after a client was told that its saga has ended a watcher of the model `sagas` sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "skald/v1/read_model_service.grpc.pb.h"
#include "tools/client.h"
#include "tools/load/definitions.h"

namespace skald::tools::load {

// Watches the ended sagas of one definition on a thread of its own.
class RowWatcher {
 public:
  struct Result {
    std::vector<double> delays_ms;  // sorted; 0 when the watcher saw it first
    uint64_t unseen = 0;            // answered, and not seen within the grace
    RpcError error;                 // what the stream ended with before it was stopped
  };

  // Returns when the watcher has caught up, so that only later rows are told.
  RowWatcher(std::shared_ptr<grpc::Channel> channel, const Shape& shape);
  ~RowWatcher();

  // From any thread: the saga's end was answered.
  void Answered(absl::string_view saga_id, absl::Time time);

  // Waits up to `grace` for what was answered, and ends the stream.
  Result Stop(absl::Duration grace);

 private:
  void Watch();
  void Saw(const v1::WatchRowsResponse& frame, absl::Time time);

  const std::unique_ptr<v1::ReadModelService::Stub> stub_;
  v1::WatchRowsRequest request_;
  grpc::ClientContext context_;
  Mutex mutex_;
  CondVar changed_;
  bool caught_up_ SKALD_GUARDED_BY(mutex_) = false;
  bool stopped_ SKALD_GUARDED_BY(mutex_) = false;
  // What only one of the two has told of yet.
  absl::flat_hash_map<std::string, absl::Time> answered_ SKALD_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, absl::Time> seen_ SKALD_GUARDED_BY(mutex_);
  Result result_ SKALD_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace skald::tools::load
