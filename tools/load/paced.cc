#include "tools/load/paced.h"

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "skald/v1/saga_service.grpc.pb.h"
#include "tools/client.h"

namespace skald::tools::load {

namespace {

constexpr absl::Duration kHold = absl::Seconds(1);
constexpr absl::Duration kGrace = absl::Seconds(2);
constexpr uint64_t kFrameItemsMax = 500;

// One stream and the sagas that are due on it: a thread that offers, and one that reads results.
class PacedStream {
 public:
  // Numbers are `first`, `first` + `step`, ..., one each `interval` from `start` on.
  struct Schedule {
    absl::Time start;
    absl::Duration interval;
    uint64_t first = 0, step = 1;
  };

  PacedStream(std::shared_ptr<grpc::Channel> channel, const Requests& requests, Meter& meter,
              absl::Duration tick, Schedule schedule)
      : stub_(v1::SagaService::NewStub(channel)),
        requests_(requests),
        meter_(meter),
        tick_(tick),
        schedule_(schedule),
        stream_(Open()),
        reader_([this] { ReadResults(); }) {}

  // Until the meter's end.
  void Offer() {
    while (absl::Now() < meter_.end() && OfferDue()) absl::SleepFor(tick_);
    stream_->WritesDone();
    MutexLock lock(mutex_);
    const absl::Time deadline = absl::Now() + kGrace;
    while (!ended_ && absl::Now() < deadline) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(100));
    }
    context_.TryCancel();
  }

  // After Offer.
  void Finish() {
    reader_.join();
    MutexLock lock(mutex_);
    for (const auto& [number, due] : in_flight_) meter_.CountOther(due, "unanswered", 1);
  }

 private:
  using Stream = grpc::ClientReaderWriter<v1::StartSagasRequest, v1::StartSagasResponse>;

  std::unique_ptr<Stream> Open() {
    // Ends a write that nobody reads.
    context_.set_deadline(absl::ToChronoTime(meter_.end() + 5 * kGrace));
    return stub_->StartSagas(&context_);
  }

  absl::Time DueAt(uint64_t turn) const {
    return schedule_.start + static_cast<double>(turn) * schedule_.interval;
  }

  // Writes all that is due. False: the stream broke.
  bool OfferDue() {
    const absl::Time now = absl::Now();
    while (DueAt(turn_) <= now) {
      v1::StartSagasRequest frame;
      while (DueAt(turn_) <= now && static_cast<uint64_t>(frame.items_size()) < kFrameItemsMax) {
        const absl::Time due = DueAt(turn_);
        const uint64_t number = schedule_.first + turn_++ * schedule_.step;
        meter_.CountOffered(due, 1);
        // Of the present, not of the frame's: a write may have waited.
        if (absl::Now() - due > kHold) {
          meter_.CountOther(due, "held_back", 1);
          continue;
        }
        auto& item = *frame.add_items();
        item.set_item_id(number);
        requests_.Fill(number, *item.mutable_start());
        MutexLock lock(mutex_);
        in_flight_.emplace(number, due);
      }
      if (frame.items_size() > 0 && !stream_->Write(frame)) return false;
    }
    return true;
  }

  void ReadResults() {
    v1::StartSagasResponse frame;
    while (stream_->Read(&frame)) {
      for (const auto& result : frame.results()) {
        absl::Time due;
        {
          MutexLock lock(mutex_);
          const auto found = in_flight_.find(result.item_id());
          if (found == in_flight_.end()) continue;
          due = found->second;
          in_flight_.erase(found);
        }
        meter_.Count(due, result.has_error() ? ReadError(result.error()) : RpcError(),
                     result.started());
      }
    }
    const grpc::Status status = stream_->Finish();
    if (!status.ok() && status.error_code() != grpc::StatusCode::CANCELLED) {
      meter_.Count(absl::Now(), ReadError(status), {});
    }
    MutexLock lock(mutex_);
    ended_ = true;
    changed_.NotifyAll();
  }

  const std::unique_ptr<v1::SagaService::Stub> stub_;
  const Requests& requests_;
  Meter& meter_;
  const absl::Duration tick_;
  const Schedule schedule_;
  uint64_t turn_ = 0;  // of the thread that offers
  grpc::ClientContext context_;
  Mutex mutex_;
  CondVar changed_;
  absl::flat_hash_map<uint64_t, absl::Time> in_flight_ SKALD_GUARDED_BY(mutex_);
  bool ended_ SKALD_GUARDED_BY(mutex_) = false;
  const std::unique_ptr<Stream> stream_;
  std::thread reader_;
};

}  // namespace

FlowResult RunPaced(const std::string& server, const Shape& shape, const FlowOptions& options) {
  const Requests requests(shape, options);
  Meter meter(shape, options);
  const uint32_t count =
      static_cast<uint32_t>(std::min<int64_t>(options.streams, std::max<int64_t>(options.rate, 1)));
  const absl::Duration interval = absl::Seconds(1) / static_cast<double>(options.rate);
  const absl::Time start = absl::Now();
  std::deque<PacedStream> streams;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < count; ++i) {
    streams.emplace_back(ConnectTo(server), requests, meter, options.tick,
                         PacedStream::Schedule{.start = start + static_cast<double>(i) * interval,
                                               .interval = static_cast<double>(count) * interval,
                                               .first = i,
                                               .step = count});
  }
  for (PacedStream& stream : streams) threads.emplace_back([&stream] { stream.Offer(); });
  for (std::thread& thread : threads) thread.join();
  for (PacedStream& stream : streams) stream.Finish();
  return meter.Take();
}

}  // namespace skald::tools::load
