#include "api/worker_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/convert_common.h"
#include "api/grpc_status.h"
#include "api/task_token.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace skald::api {
namespace {

constexpr int kFunctionsMax = 1'000;
// A frame stays well under the 4 MiB that a client takes by default; one task alone is under 1 MiB.
constexpr size_t kFrameBytes = 1 << 20;
// So much may wait to be told, beside tasks, before the stream is not read.
constexpr size_t kNewsBytesMax = 4 << 20;
// Of anything that is told beside its token and an error.
constexpr size_t kNewsBytes = 16;
// How much of an output that is not JSON its error shows.
constexpr size_t kTailBytes = 1'024;

// The end of `text`, mended to UTF-8.
std::string Tail(absl::string_view text) {
  if (text.size() > kTailBytes) text.remove_prefix(text.size() - kTailBytes);
  return ToValidUtf8(text);
}

// What a worker's output that is not JSON counts as: a `runtime` error (the type that is filled
// in).
Json NotJsonError(const std::string& output, const absl::Status& problem) {
  Json::ObjectBuilder builder;
  builder.Add("status", Json::Int(500));
  builder.Add("title", Json::String("The worker's output is not JSON"));
  builder.Add("detail", Json::String(absl::StrCat(problem.message(),
                                                  ". The output ends with: ", Tail(output))));
  return std::move(builder).Build();
}

void SetTask(const task::ReadyTask& ready, std::string token, v1::Task& proto) {
  proto.set_token(std::move(token));
  proto.set_namespace_(ready.token.saga.namespace_name);
  proto.set_saga_id(ready.token.saga.saga_id);
  proto.set_definition_name(ready.definition_name);
  proto.set_definition_version(ready.definition_version);
  proto.set_function(ready.function);
  proto.set_reference(ready.reference);
  proto.set_attempt(ready.token.attempt);
  proto.set_idempotency_key(ready.idempotency_key);
  proto.set_arguments(ready.arguments);
  proto.set_compensation(ready.compensation);
  if (ready.deadline != kNever) SetTimestamp(ready.deadline, *proto.mutable_deadline());
}

}  // namespace

WorkerSession* WorkerSession::Open(ApiContext& context, const grpc::CallbackServerContext& call) {
  auto session = std::make_shared<WorkerSession>(context);
  session->self_ = session;
  Violations violations;
  session->actor_ = ActorOf(call, violations);
  absl::Status status = violations.ToStatus();
  if (!context.calls.Add(session)) status = ServerStoppingError();
  if (!status.ok()) {
    MutexLock lock(session->mutex_);
    session->SetEnd(std::move(status));
  }
  session->Advance();
  return session.get();
}

// ---- From the worker ----

void WorkerSession::OnReadDone(bool ok) {
  absl::Status status;
  if (ok) {
    status = TakeFrame(request_);
  } else if (!has_hello_) {
    // Also when the first frame was no WorkRequest: gRPC does not tell that from the end.
    status = BadRequestError("hello", "must be in the first frame");
  }
  const bool goes_on = ok && status.ok();
  {
    // Only now may the next read overwrite the request; after an error there is none.
    MutexLock lock(mutex_);
    is_reading_ = false;
    if (!ok) reads_done_ = true;
    // At once: from here on any thread may finish the stream.
    if (!status.ok()) SetEnd(std::move(status));
  }
  // It takes no more tasks, and gives up those it has not answered.
  if (!goes_on) LeaveBroker();
  Advance();
}

absl::Status WorkerSession::TakeFrame(const v1::WorkRequest& frame) {
  if (frame.has_hello() == has_hello_) {
    return BadRequestError("hello", has_hello_ ? "was said already" : "must be in the first frame");
  }
  const size_t answers = static_cast<size_t>(frame.completions_size() + frame.failures_size());
  if (answers + static_cast<size_t>(frame.heartbeats_size()) >
      context_.options.worker_frame_items_max) {
    return BadRequestError("completions, failures and heartbeats",
                           absl::StrCat("are more than ", context_.options.worker_frame_items_max));
  }
  if (frame.credit() > context_.options.worker_credit_max) {
    return BadRequestError("credit",
                           absl::StrCat("is more than ", context_.options.worker_credit_max));
  }
  if (frame.has_hello()) SKALD_RETURN_IF_ERROR(TakeHello(frame.hello()));

  std::optional<task::WorkerId> worker;
  {
    MutexLock lock(mutex_);
    outstanding_ += answers;
    worker = worker_;
  }
  engine_.SubmitTogether([&] {
    for (const v1::TaskCompletion& done : frame.completions()) {
      TakeCompletion(done, frame.keep_credit());
    }
    for (const v1::TaskFailure& failure : frame.failures()) {
      TakeFailure(failure, frame.keep_credit());
    }
  });
  if (frame.heartbeats_size() > 0) TakeHeartbeats(frame.heartbeats());
  if (frame.credit() > 0 && worker) {
    engine_.broker().AddCredit(*worker, frame.credit(), engine_.Now());
  }
  return absl::OkStatus();
}

absl::Status WorkerSession::TakeHello(const v1::WorkerHello& hello) {
  Violations violations;
  violations.CheckId("hello.name", hello.name(), Presence::kRequired);
  if (hello.functions_size() == 0 || hello.functions_size() > kFunctionsMax) {
    violations.Add("hello.functions", absl::StrCat("must be 1 to ", kFunctionsMax));
  }
  for (const std::string& function : hello.functions()) {
    violations.CheckId("hello.functions", function, Presence::kRequired);
  }
  if (hello.credit() > context_.options.worker_credit_max) {
    violations.Add("hello.credit",
                   absl::StrCat("is more than ", context_.options.worker_credit_max));
  }
  if (static_cast<size_t>(hello.held_tokens_size()) > context_.options.worker_frame_items_max) {
    violations.Add("hello.held_tokens",
                   absl::StrCat("are more than ", context_.options.worker_frame_items_max));
  }
  SKALD_RETURN_IF_ERROR(violations.ToStatus());
  has_hello_ = true;

  task::WorkerOptions options;
  options.name = hello.name();
  options.functions.assign(hello.functions().begin(), hello.functions().end());
  options.credit = hello.credit();
  {
    MutexLock lock(mutex_);
    v1::WorkerWelcome& welcome = *News(kNewsBytes).mutable_welcome();
    SetDuration(context_.options.worker_lease, *welcome.mutable_lease());
    welcome.set_credit_max(context_.options.worker_credit_max);
    for (const std::string& bytes : hello.held_tokens()) {
      std::optional<saga::TaskToken> token = DecodeTaskToken(bytes);
      if (token) {
        options.holds.push_back(*std::move(token));
        claimed_.insert(bytes);
      } else {
        News(bytes.size() + kNewsBytes).add_lost_tokens(bytes);
      }
    }
  }
  task::Broker& broker = engine_.broker();
  const task::WorkerId worker =
      broker.Connect(std::move(options), shared_from_this(), engine_.Now());
  {
    MutexLock lock(mutex_);
    if (!is_broken_ && !is_finished_) {
      worker_ = worker;
      return absl::OkStatus();
    }
  }
  // The stream broke meanwhile, when there was nothing to disconnect yet.
  broker.Disconnect(worker, engine_.Now());
  return absl::OkStatus();
}

void WorkerSession::TakeCompletion(const v1::TaskCompletion& completion, bool keep_credit) {
  saga::AnswerTask answer;
  std::string text = completion.output().empty() ? std::string("null") : completion.output();
  absl::StatusOr<Json> output =
      Json::Parse(text, {.bytes_max = context_.options.message_bytes_max});
  if (output.ok()) {
    answer.output = saga::Payload{*std::move(output), std::move(text)};
  } else {
    answer.error = NotJsonError(text, output.status());
  }
  Answer(completion.token(), std::move(answer), keep_credit);
}

void WorkerSession::TakeFailure(const v1::TaskFailure& failure, bool keep_credit) {
  const int status = failure.error().status();
  if (status != 0 && (status < 100 || status > 599)) {
    AddResult(failure.token(), BadRequestError("error.status", "must be 100 to 599, or 0"),
              keep_credit);
    return;
  }
  saga::AnswerTask answer;
  answer.error = ProblemToJson(failure.error());
  Answer(failure.token(), std::move(answer), keep_credit);
}

void WorkerSession::Answer(const std::string& token, saga::AnswerTask answer, bool keep_credit) {
  std::optional<saga::TaskToken> decoded = DecodeTaskToken(token);
  if (!decoded) {
    AddResult(token, BadRequestError("token", "is no task token"), keep_credit);
    return;
  }
  saga::Command command;
  command.saga = decoded->saga;
  command.actor = actor_;
  answer.token = *std::move(decoded);
  command.request = std::move(answer);
  engine_.Submit(std::move(command), [self = shared_from_this(), token, keep_credit](
                                         const absl::StatusOr<runtime::CommandReply>& reply) {
    self->AddResult(token, reply.status(), keep_credit);
  });
}

void WorkerSession::AddResult(const std::string& token, const absl::Status& status,
                              bool keep_credit) {
  {
    MutexLock lock(mutex_);
    if (is_broken_ || is_finished_) return;
    v1::AnswerResult result;
    if (!status.ok()) *result.mutable_error() = ToRpcStatus(status);
    const size_t bytes = token.size() + kNewsBytes + (status.ok() ? 0 : result.ByteSizeLong());
    result.set_token(token);
    *News(bytes).add_results() = std::move(result);
    // An answer that is to be sent again leaves its task with the worker: overload must not bring
    // more work.
    const bool is_final = status.ok() || !GetErrorInfo(status).value_or(ErrorInfo()).retry_after;
    if (is_final) {
      claimed_.erase(token);
      if (held_.erase(token) > 0 && !keep_credit) ++credit_back_;
    }
  }
  AdvanceSoon();
}

void WorkerSession::TakeHeartbeats(
    const google::protobuf::RepeatedPtrField<std::string>& heartbeats) {
  std::vector<saga::TaskToken> tokens;
  std::vector<std::string> lost;
  for (const std::string& bytes : heartbeats) {
    std::optional<saga::TaskToken> token = DecodeTaskToken(bytes);
    if (token) {
      tokens.push_back(*std::move(token));
    } else {
      lost.push_back(bytes);
    }
  }
  std::optional<task::WorkerId> worker;
  {
    MutexLock lock(mutex_);
    worker = worker_;
  }
  if (!worker) return;
  for (const saga::TaskToken& token : engine_.broker().Heartbeat(*worker, tokens, engine_.Now())) {
    lost.push_back(EncodeTaskToken(token));
  }
  MutexLock lock(mutex_);
  for (std::string& token : lost) {
    claimed_.erase(token);
    if (held_.erase(token) > 0) ++credit_back_;
    News(token.size() + kNewsBytes).add_lost_tokens(std::move(token));
  }
}

// ---- To the worker ----

void WorkerSession::Push(std::vector<task::ReadyTaskPtr> tasks, Micros lease) {
  const Timestamp now = engine_.Now();
  const Timestamp until = After(now, lease / 2);
  {
    MutexLock lock(mutex_);
    // What is not told stays leased to this worker; the broker hands it on when the stream is gone.
    if (is_draining_ || is_ending_ || is_broken_ || is_finished_) return;
    lease_ = lease;
    // No frame may ever take what is too late: the worker does not read.
    while (!tasks_.empty() && tasks_.front().until <= now) {
      tasks_.pop_front();
      ++credit_back_;
    }
    for (task::ReadyTaskPtr& task : tasks) tasks_.push_back({std::move(task), until});
  }
  AdvanceSoon(BrokerCalls::kForbidden);
}

void WorkerSession::Cancel(std::vector<saga::TaskToken> tokens) {
  {
    MutexLock lock(mutex_);
    if (is_broken_ || is_finished_) return;
    for (const saga::TaskToken& token : tokens) {
      std::string bytes = EncodeTaskToken(token);
      if (!tasks_.empty()) cancelled_.insert(bytes);
      News(bytes.size() + kNewsBytes).add_cancelled_tokens(std::move(bytes));
    }
  }
  AdvanceSoon(BrokerCalls::kForbidden);
}

void WorkerSession::AdvanceSoon(BrokerCalls calls) {
  {
    MutexLock lock(mutex_);
    if (is_gathering_) return;
    is_gathering_ = true;
  }
  const auto end = [self = shared_from_this()](BrokerCalls allowed) {
    {
      MutexLock lock(self->mutex_);
      self->is_gathering_ = false;
    }
    self->Advance(allowed);
  };
  if (!engine_.AtTurnEnd([end] { end(BrokerCalls::kAllowed); })) end(calls);
}

void WorkerSession::Advance(BrokerCalls calls) {
  for (;;) {
    Next next = Next::kNothing;
    absl::Status end_status;
    {
      MutexLock lock(mutex_);
      next = Decide(calls);
      if (next == Next::kFinish) end_status = end_status_;
    }
    switch (next) {
      case Next::kNothing:
        return;
      case Next::kRead: {
        StartRead(&request_);
        MutexLock lock(mutex_);
        is_starting_read_ = false;
        break;
      }
      case Next::kSend: {
        if (calls == BrokerCalls::kAllowed) GiveCreditBack();
        const Timestamp now = engine_.Now();
        bool has_frame = false;
        {
          MutexLock lock(mutex_);
          has_frame = FillFrame(now);
          is_writing_ = has_frame;
          // What this call may not do nobody else does, as no write ends. Under the lock, while the
          // call is alive and the pool with it.
          const bool leaves_rest =
              calls == BrokerCalls::kForbidden && !has_frame && (credit_back_ > 0 || MustFinish());
          if (leaves_rest) context_.pool.Post([self = shared_from_this()] { self->Advance(); });
        }
        if (has_frame) StartWrite(&writing_);
        break;
      }
      case Next::kFinish: {
        LeaveBroker();
        Finish(ToGrpcStatus(end_status));
        return;
      }
    }
  }
}

WorkerSession::Next WorkerSession::Decide(BrokerCalls calls) {
  if (is_finished_) return Next::kNothing;
  if (calls == BrokerCalls::kAllowed && MustFinish()) {
    is_finished_ = true;
    return Next::kFinish;
  }
  const bool has_credit = calls == BrokerCalls::kAllowed && credit_back_ > 0 && worker_;
  if (!is_writing_ && !is_gathering_ && !is_broken_ &&
      (!news_.empty() || !tasks_.empty() || has_credit)) {
    // Held from here on, so that giving credit back and filling the frame are one.
    is_writing_ = true;
    return Next::kSend;
  }
  if (!is_reading_ && !reads_done_ && !is_ending_ && !is_broken_ &&
      outstanding_ < context_.options.worker_answers_max && news_bytes_ < kNewsBytesMax) {
    is_reading_ = true;
    is_starting_read_ = true;
    return Next::kRead;
  }
  return Next::kNothing;
}

bool WorkerSession::MustFinish() const {
  if (is_writing_ || is_starting_read_) return false;
  if (is_broken_) return true;
  if (outstanding_ > 0 || !news_.empty()) return false;
  return is_ending_ || reads_done_ || (is_draining_ && held_.empty() && claimed_.empty());
}

v1::WorkResponse& WorkerSession::News(size_t bytes) {
  if (news_.empty() || news_.back().bytes >= kFrameBytes) news_.emplace_back();
  news_.back().bytes += bytes;
  news_bytes_ += bytes;
  return news_.back().news;
}

bool WorkerSession::FillFrame(Timestamp now) {
  bool has_frame = !news_.empty();
  size_t bytes = 0;
  if (has_frame) {
    writing_.Swap(&news_.front().news);
    bytes = writing_bytes_ = news_.front().bytes;
    news_.pop_front();
  }
  while (!tasks_.empty() && bytes < kFrameBytes) {
    const Handed handed = std::move(tasks_.front());
    tasks_.pop_front();
    std::string token = EncodeTaskToken(handed.task->token);
    // One that was not told in time goes to another, or comes again, when its lease is over.
    const bool is_told = now < handed.until && !cancelled_.contains(token);
    // Handed out again after its lease, it took another credit.
    if (!is_told || !held_.insert(token).second) ++credit_back_;
    if (!is_told) continue;
    v1::Task& proto = *writing_.add_tasks();
    SetTask(*handed.task, std::move(token), proto);
    bytes += proto.ByteSizeLong();
    has_frame = true;
  }
  if (tasks_.empty()) cancelled_.clear();
  if (writing_.tasks_size() > 0) SetDuration(lease_, *writing_.mutable_lease());
  return has_frame;
}

void WorkerSession::GiveCreditBack() {
  std::optional<task::WorkerId> worker;
  uint32_t credit = 0;
  {
    MutexLock lock(mutex_);
    // Until the broker has said who the worker is, it waits.
    if (!worker_) return;
    credit = std::exchange(credit_back_, 0);
    if (!is_draining_) worker = worker_;
  }
  // Tasks that this sets free mostly come by Push before it returns, into the frame that is about
  // to go.
  if (worker && credit > 0) {
    engine_.broker().AddCredit(*worker, credit, engine_.Now());
  }
}

void WorkerSession::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    is_writing_ = false;
    outstanding_ -= static_cast<size_t>(writing_.results_size());
    news_bytes_ -= std::exchange(writing_bytes_, 0);
    writing_.Clear();
    if (!ok) is_broken_ = true;
  }
  Advance();
}

// ---- The end ----

void WorkerSession::SetEnd(absl::Status status) {
  is_ending_ = true;
  if (end_status_.ok()) end_status_ = std::move(status);
}

void WorkerSession::OnCancel() {
  {
    MutexLock lock(mutex_);
    is_broken_ = true;
    if (end_status_.ok()) end_status_ = absl::CancelledError("The worker has gone");
  }
  LeaveBroker();
  Advance();
}

void WorkerSession::Drain(Micros grace) {
  {
    MutexLock lock(mutex_);
    is_draining_ = true;
    tasks_.clear();
    if (end_status_.ok()) end_status_ = ServerStoppingError();
    SetDuration(grace, *News(kNewsBytes).mutable_drain()->mutable_grace());
  }
  Advance();
}

void WorkerSession::End() {
  {
    MutexLock lock(mutex_);
    is_broken_ = true;
    if (end_status_.ok()) end_status_ = ServerStoppingError();
  }
  LeaveBroker();
  Advance();
}

void WorkerSession::LeaveBroker() {
  std::optional<task::WorkerId> worker;
  {
    MutexLock lock(mutex_);
    worker = std::exchange(worker_, std::nullopt);
    tasks_.clear();
    credit_back_ = 0;
  }
  if (worker) engine_.broker().Disconnect(*worker, engine_.Now());
}

void WorkerSession::OnDone() {
  context_.calls.Remove(this);
  const std::shared_ptr<WorkerSession> self = std::move(self_);
}

}  // namespace skald::api
