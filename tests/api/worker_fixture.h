// A worker's end of a Work stream.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/task_token.h"
#include "tests/api/api_fixture.h"

namespace skald::api {

// What a worker is told, gathered over frames.
struct Told {
  std::vector<v1::Task> tasks;
  std::map<std::string, google::rpc::Status> results;  // by token
  std::vector<std::string> cancelled;
  std::vector<std::string> lost;
  bool welcome = false;
  bool drain = false;
  int frames = 0;
};

class WorkerTest : public ApiTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::WorkRequest, v1::WorkResponse>;

  static v1::WorkRequest Hello(uint32_t credit) {
    v1::WorkRequest frame;
    frame.mutable_hello()->set_name("w");
    frame.mutable_hello()->add_functions("pay");
    frame.mutable_hello()->set_credit(credit);
    return frame;
  }

  static saga::TaskToken Token(int i) {
    return {.saga = {"shop", absl::StrCat("order-", i)}, .frame = saga::FrameId(1)};
  }

  // Makes tasks first .. first + count - 1 ready.
  std::vector<task::ReadyTaskPtr> Enqueue(
      int first, int count, const std::string& arguments = R"({"amount":12345678901234567890})") {
    std::vector<task::ReadyTaskPtr> tasks;
    for (int i = first; i < first + count; ++i) {
      auto ready = std::make_shared<task::ReadyTask>();
      ready->token = Token(i);
      ready->function = "pay";
      ready->reference = "/do/0/pay";
      ready->definition_name = "order";
      ready->definition_version = "1.0.0";
      ready->idempotency_key = absl::StrCat("shop/order-", i, "/do/0/pay/1");
      ready->arguments = arguments;
      ready->created = engine_.Now();
      tasks.push_back(std::move(ready));
    }
    engine_.broker().Enqueue(PartitionId(0), tasks, engine_.Now());
    return tasks;
  }

  // Opens a stream and says hello.
  std::unique_ptr<Stream> OpenStream(grpc::ClientContext& context, uint32_t credit) {
    std::unique_ptr<Stream> stream = workers()->Work(&context);
    EXPECT_TRUE(stream->Write(Hello(credit)));
    return stream;
  }

  // Reads frames until `enough`; false when the stream ended first.
  static bool ReadUntil(Stream& stream, Told& told, const std::function<bool()>& enough) {
    v1::WorkResponse frame;
    while (!enough()) {
      if (!stream.Read(&frame)) return false;
      ++told.frames;
      told.welcome |= frame.has_welcome();
      told.drain |= frame.has_drain();
      for (const v1::Task& task : frame.tasks()) {
        EXPECT_EQ(frame.lease().seconds(), 30);
        told.tasks.push_back(task);
      }
      for (const v1::AnswerResult& result : frame.results()) {
        told.results[result.token()] = result.error();
      }
      told.cancelled.insert(told.cancelled.end(), frame.cancelled_tokens().begin(),
                            frame.cancelled_tokens().end());
      told.lost.insert(told.lost.end(), frame.lost_tokens().begin(), frame.lost_tokens().end());
    }
    return true;
  }
};

}  // namespace skald::api
