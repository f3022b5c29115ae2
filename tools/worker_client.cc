#include "tools/worker_client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/utf8.h"

namespace skald::tools {

namespace {

constexpr absl::Duration kBackoffMin = absl::Milliseconds(100);
constexpr absl::Duration kBackoffMax = absl::Seconds(2);
constexpr absl::Duration kTick = absl::Milliseconds(100);
// How long the server may take to end a stream that has nothing left to say.
constexpr absl::Duration kCloseGrace = absl::Seconds(2);
// Bounds of a frame: well under gRPC's 4 MiB, and small enough to let others pass. The last answer
// may go beyond the bytes.
constexpr size_t kFrameAnswersMax = 1'000;
constexpr size_t kFrameHeartbeatsMax = 1'000;
constexpr size_t kFrameBytesMax = 1 << 20;
// Of a text of an error: twice what the server keeps of the longest, and so it says what it cut.
constexpr size_t kErrorTextMax = 64 << 10;

std::chrono::microseconds ToChrono(absl::Duration duration) {
  return std::chrono::microseconds(std::max<int64_t>(1, absl::ToInt64Microseconds(duration)));
}

}  // namespace

WorkerClient::WorkerClient(std::shared_ptr<grpc::Channel> channel, WorkerClientOptions options)
    : channel_(std::move(channel)), options_(std::move(options)) {
  SKALD_CHECK(options_.on_task != nullptr);
  reader_ = std::thread([this] { RunStreams(); });
  timer_ = std::thread([this] { KeepLeases(); });
}

WorkerClient::~WorkerClient() {
  Stop(absl::ZeroDuration());
  reader_.join();
  timer_.join();
}

void WorkerClient::Complete(absl::string_view token, std::string output) {
  Answer(token, /*failed=*/false, std::move(output), {});
}

void WorkerClient::Fail(absl::string_view token, v1::Problem error) {
  // Bytes that are no text, or more of it than a message takes, break each stream that they are
  // sent on.
  for (std::string* text : {error.mutable_type(), error.mutable_title(), error.mutable_detail(),
                            error.mutable_instance()}) {
    *text = ToValidUtf8(absl::string_view(*text).substr(0, kErrorTextMax));
  }
  Answer(token, /*failed=*/true, {}, std::move(error));
}

bool WorkerClient::Stop(absl::Duration grace) {
  const absl::Time deadline = absl::Now() + grace;
  MutexLock lock(mutex_);
  stopping_ = true;
  while (!open_.empty() && !closed_ && absl::Now() < deadline) {
    changed_.WaitFor(mutex_, ToChrono(deadline - absl::Now()));
  }
  const bool all_recorded = open_.empty();
  closed_ = true;
  changed_.NotifyAll();
  timer_wake_.NotifyAll();

  const absl::Time end = absl::Now() + (all_recorded ? kCloseGrace : absl::ZeroDuration());
  while (sending_ && absl::Now() < end) changed_.WaitFor(mutex_, ToChrono(end - absl::Now()));
  if (stream_ != nullptr && !sending_ && all_recorded) {
    sending_ = true;  // nobody may write after this
    stream_->WritesDone();
    sending_ = false;
  }
  while (stream_ != nullptr && absl::Now() < end) {
    changed_.WaitFor(mutex_, ToChrono(end - absl::Now()));
  }
  if (context_ != nullptr) context_->TryCancel();
  return all_recorded;
}

size_t WorkerClient::open_tasks() const {
  MutexLock lock(mutex_);
  return open_.size();
}

bool WorkerClient::connected() const {
  MutexLock lock(mutex_);
  return stream_ != nullptr;
}

// Streams: one after the other, on the reader's thread.

void WorkerClient::RunStreams() {
  absl::Duration backoff = kBackoffMin;
  while (true) {
    const absl::Time began = absl::Now();
    const grpc::Status status = RunStream();
    {
      MutexLock lock(mutex_);
      if (closed_) return;
    }
    if (options_.on_connection) {
      RpcError error = ReadError(status);
      if (error.ok()) {
        error.code = grpc::StatusCode::UNAVAILABLE;
        error.message = "the server ended the stream";
      }
      options_.on_connection(error);
    }
    backoff = absl::Now() - began > kBackoffMax ? kBackoffMin : std::min(backoff * 2, kBackoffMax);
    const absl::Time until = absl::Now() + backoff;
    MutexLock lock(mutex_);
    while (!closed_ && absl::Now() < until) changed_.WaitFor(mutex_, ToChrono(until - absl::Now()));
    if (closed_) return;
  }
}

grpc::Status WorkerClient::RunStream() {
  grpc::ClientContext context;
  {
    MutexLock lock(mutex_);
    if (closed_) return grpc::Status::OK;
    context_ = &context;
  }
  const std::unique_ptr<v1::WorkerService::Stub> stub = v1::WorkerService::NewStub(channel_);
  std::shared_ptr<Stream> stream = stub->Work(&context);
  v1::WorkResponse frame;
  if (SayHello(*stream) && stream->Read(&frame)) {
    {
      MutexLock lock(mutex_);
      const absl::Duration lease = FromProto(frame.welcome().lease());
      if (lease > absl::ZeroDuration()) lease_ = lease;
      stream_ = stream;
    }
    if (options_.on_connection) options_.on_connection({});
    do {
      TakeFrame(frame);
    } while (stream->Read(&frame));
  }
  {
    // A writer may still be at the stream; it fails soon.
    MutexLock lock(mutex_);
    stream_ = nullptr;
    while (sending_) changed_.Wait(mutex_);
  }
  grpc::Status status = stream->Finish();
  MutexLock lock(mutex_);
  context_ = nullptr;
  changed_.NotifyAll();
  return status;
}

bool WorkerClient::SayHello(Stream& stream) {
  v1::WorkRequest frame;
  v1::WorkerHello& hello = *frame.mutable_hello();
  hello.set_name(options_.name);
  for (const std::string& function : options_.functions) hello.add_functions(function);
  {
    MutexLock lock(mutex_);
    ++stream_number_;
    to_send_.clear();
    heartbeats_.clear();
    extra_credit_ = 0;
    // Answers follow the welcome, frame by frame; until then nobody else is to get their tasks.
    for (auto& [token, task] : open_) {
      hello.add_held_tokens(token);
      task.sent = false;
      if (task.answered) to_send_.push_back(token);
    }
    const auto open = static_cast<uint32_t>(open_.size());
    if (!stopping_ && open < options_.credit) hello.set_credit(options_.credit - open);
    frame.set_keep_credit(stopping_);
  }
  return stream.Write(frame);
}

void WorkerClient::TakeFrame(v1::WorkResponse& frame) {
  std::vector<const v1::Task*> fresh;
  {
    MutexLock lock(mutex_);
    in_frame_ = true;
    for (const v1::Task& task : frame.tasks()) {
      if (stopping_) continue;  // others get it when the stream is closed
      auto [slot, is_new] = open_.try_emplace(task.token());
      if (is_new) {
        fresh.push_back(&task);
      } else if (slot->second.stream != stream_number_) {
        // The hello left out its credit, and it took one. That of a task that is handed out twice
        // on this stream the server gives back.
        ++extra_credit_;
      }
      slot->second.stream = stream_number_;
    }
  }
  for (const v1::AnswerResult& result : frame.results()) TakeResult(result);
  for (const v1::Task* task : fresh) options_.on_task(*this, *task);
  for (const std::string& token : frame.cancelled_tokens()) {
    if (options_.on_stop) options_.on_stop(token, /*cancelled=*/true);
  }
  for (const std::string& token : frame.lost_tokens()) {
    {
      MutexLock lock(mutex_);
      auto lost = open_.find(token);
      if (lost == open_.end() || lost->second.answered) continue;
      if (lost->second.stream != stream_number_) ++extra_credit_;
      open_.erase(lost);
      changed_.NotifyAll();
    }
    if (options_.on_stop) options_.on_stop(token, /*cancelled=*/false);
  }
  {
    MutexLock lock(mutex_);
    in_frame_ = false;
  }
  Send();
}

void WorkerClient::TakeResult(const v1::AnswerResult& result) {
  RpcError error;
  if (result.has_error()) error = ReadError(result.error());
  {
    MutexLock lock(mutex_);
    auto found = open_.find(result.token());
    if (found == open_.end()) return;
    if (error.IsTransient()) {
      found->second.sent = false;
      found->second.retry_at = absl::Now() + error.retry_after.value_or(kTick);
      return;
    }
    if (found->second.stream != stream_number_) ++extra_credit_;
    open_.erase(found);
    if (open_.empty()) changed_.NotifyAll();
  }
  if (options_.on_result) options_.on_result(result.token(), error);
}

// Answers.

void WorkerClient::Answer(absl::string_view token, bool failed, std::string output,
                          v1::Problem error) {
  {
    MutexLock lock(mutex_);
    auto found = open_.find(std::string(token));
    if (found == open_.end() || found->second.answered) return;
    OpenTask& task = found->second;
    task.answered = true;
    task.failed = failed;
    task.output = std::move(output);
    task.error = std::move(error);
    to_send_.push_back(found->first);
  }
  Send();
}

void WorkerClient::Send() {
  while (true) {
    v1::WorkRequest frame;
    std::shared_ptr<Stream> stream;
    {
      MutexLock lock(mutex_);
      if (sending_ || in_frame_ || stream_ == nullptr || closed_ || !Gather(frame)) return;
      sending_ = true;
      stream = stream_;
    }
    const bool written = stream->Write(frame);
    MutexLock lock(mutex_);
    sending_ = false;
    if (stream_ == nullptr || closed_) changed_.NotifyAll();
    if (!written) return;  // the reader finds the stream broken; the next one gets all again
  }
}

// Fills a frame with what is due. False when nothing is.
bool WorkerClient::Gather(v1::WorkRequest& frame) {
  size_t taken = 0;
  size_t bytes = 0;
  for (const std::string& token : to_send_) {
    if (taken >= kFrameAnswersMax || bytes >= kFrameBytesMax) break;
    ++taken;
    auto found = open_.find(token);
    if (found == open_.end() || found->second.sent) continue;
    bytes += found->second.output.size() + found->second.error.ByteSizeLong() + token.size();
    AddAnswer(token, found->second, frame);
  }
  to_send_.erase(to_send_.begin(), to_send_.begin() + static_cast<ptrdiff_t>(taken));
  for (size_t i = 0; i < kFrameHeartbeatsMax && !heartbeats_.empty(); ++i) {
    frame.add_heartbeats(std::move(heartbeats_.back()));
    heartbeats_.pop_back();
  }
  if (!stopping_) frame.set_credit(std::exchange(extra_credit_, 0));
  frame.set_keep_credit(stopping_);
  return taken > 0 || frame.heartbeats_size() > 0 || frame.credit() > 0;
}

void WorkerClient::AddAnswer(const std::string& token, OpenTask& task, v1::WorkRequest& frame) {
  task.sent = true;
  if (task.failed) {
    v1::TaskFailure& failure = *frame.add_failures();
    failure.set_token(token);
    *failure.mutable_error() = task.error;
  } else {
    v1::TaskCompletion& completion = *frame.add_completions();
    completion.set_token(token);
    completion.set_output(task.output);
  }
}

// Heartbeats every third of a lease, and answers that were refused for a moment.
void WorkerClient::KeepLeases() {
  absl::Time beat = absl::Now();
  while (true) {
    bool due = false;
    {
      MutexLock lock(mutex_);
      if (closed_) return;
      timer_wake_.WaitFor(mutex_, ToChrono(std::min(kTick, lease_ / 6)));
      if (closed_) return;
      if (stream_ == nullptr) continue;
      const absl::Time now = absl::Now();
      const bool beat_now = heartbeats_.empty() && now - beat >= lease_ / 3;
      if (beat_now) beat = now;
      for (auto& [token, task] : open_) {
        if (task.sent) continue;
        if (beat_now) heartbeats_.push_back(token);
        if (task.answered && task.retry_at != absl::InfinitePast() && task.retry_at <= now) {
          task.retry_at = absl::InfinitePast();
          to_send_.push_back(token);
        }
      }
      due = !heartbeats_.empty() || !to_send_.empty();
    }
    if (due) Send();
  }
}

}  // namespace skald::tools
