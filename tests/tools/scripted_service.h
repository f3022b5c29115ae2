// A server of workers that a test scripts, on loopback.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "skald/v1/worker_service.grpc.pb.h"
#include "tools/client.h"

namespace skald::tools {

// Says what the test wants and remembers what the worker said. Each frame from the worker is
// answered by the results it asks for and whatever tasks there are.
class ScriptedService : public v1::WorkerService::Service {
 public:
  grpc::Status Work(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<v1::WorkResponse, v1::WorkRequest>* stream) override {
    v1::WorkRequest frame;
    if (!stream->Read(&frame)) return grpc::Status::OK;
    {
      MutexLock lock(mutex_);
      hellos_.push_back(frame.hello());
      contexts_.insert(context);
      changed_.NotifyAll();
    }
    Measure(frame);
    v1::WorkResponse welcome;
    *welcome.mutable_welcome()->mutable_lease() = ToProto(lease_);
    AddResults(frame, welcome);
    AddNews(welcome);
    bool alive = stream->Write(welcome);
    while (alive && stream->Read(&frame)) {
      Measure(frame);
      v1::WorkResponse response;
      AddResults(frame, response);
      AddNews(response);
      alive = stream->Write(response);
    }
    MutexLock lock(mutex_);
    contexts_.erase(context);
    return context->IsCancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
  }

  void Queue(const std::string& token, const std::string& function = "charge") {
    MutexLock lock(mutex_);
    v1::Task& task = *news_.add_tasks();
    task.set_token(token);
    task.set_function(function);
  }
  // Told with the next frame.
  void Cancel(const std::string& token) {
    MutexLock lock(mutex_);
    news_.add_cancelled_tokens(token);
  }
  void Lose(const std::string& token) {
    MutexLock lock(mutex_);
    news_.add_lost_tokens(token);
  }
  // The next answer to the token is refused for a moment.
  void RefuseOnce(const std::string& token) {
    MutexLock lock(mutex_);
    refuse_.insert(token);
  }
  // The next answer is taken in, but the stream breaks before its result is sent.
  void BreakOn(const std::string& token) {
    MutexLock lock(mutex_);
    break_on_ = token;
  }
  void set_lease(absl::Duration lease) { lease_ = lease; }

  // Waits until `done` holds of what was heard.
  template <typename Condition>
  bool Await(Condition done) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    MutexLock lock(mutex_);
    while (!done()) {
      if (absl::Now() > end) return false;
      changed_.WaitFor(mutex_, std::chrono::milliseconds(50));
    }
    return true;
  }

  // Guarded by the mutex; read inside Await, or when nothing runs any more.
  std::vector<v1::WorkerHello> hellos_;
  std::map<std::string, std::vector<std::string>> answers_;  // token -> outputs or titles, in order
  std::multiset<std::string> heartbeats_;
  uint32_t credit_ = 0;
  bool keep_credit_ = false;
  size_t frame_bytes_max_ = 0;
  int frame_heartbeats_max_ = 0;

 private:
  void Measure(const v1::WorkRequest& frame) {
    MutexLock lock(mutex_);
    frame_bytes_max_ = std::max(frame_bytes_max_, frame.ByteSizeLong());
    frame_heartbeats_max_ = std::max(frame_heartbeats_max_, frame.heartbeats_size());
  }
  void AddResults(const v1::WorkRequest& frame, v1::WorkResponse& response) {
    MutexLock lock(mutex_);
    credit_ += frame.credit();
    keep_credit_ = keep_credit_ || frame.keep_credit();
    for (const std::string& token : frame.heartbeats()) heartbeats_.insert(token);
    for (const auto& completion : frame.completions()) {
      Take(completion.token(), completion.output(), response);
    }
    for (const auto& failure : frame.failures()) {
      Take(failure.token(), failure.error().title(), response);
    }
    changed_.NotifyAll();
  }
  void Take(const std::string& token, const std::string& text, v1::WorkResponse& response)
      SKALD_REQUIRES(mutex_) {
    answers_[token].push_back(text);
    if (token == break_on_) {
      break_on_.clear();
      for (grpc::ServerContext* context : contexts_) context->TryCancel();
      return;
    }
    v1::AnswerResult& result = *response.add_results();
    result.set_token(token);
    if (refuse_.erase(token) > 0) result.mutable_error()->set_code(grpc::StatusCode::UNAVAILABLE);
  }
  void AddNews(v1::WorkResponse& response) {
    MutexLock lock(mutex_);
    response.MergeFrom(news_);
    news_.Clear();
  }

  Mutex mutex_;
  CondVar changed_;
  v1::WorkResponse news_;
  std::set<std::string> refuse_;
  std::string break_on_;
  std::set<grpc::ServerContext*> contexts_;
  absl::Duration lease_ = absl::Seconds(30);
};

class ScriptedServiceTest : public ::testing::Test {
 protected:
  // Again on the port that it had.
  void StartServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void StopServer() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  void TearDown() override {
    if (server_ != nullptr) StopServer();
  }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  ScriptedService service_;

 private:
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace skald::tools
