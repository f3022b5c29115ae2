// How many echoes a second does gRPC do here, and what does one cost? Client and server are two
// processes over loopback, both with the callback API and the same allocator, as skaldd and its
// clients are; so both ends share the machine's cores, as in every benchmark of ours.
//
//   grpc_echo [--seconds=3] [--bytes=200] [--json]
//
// Measures unary calls and round trips on streams with 1, 16 and 64 under way, and frames of 64
// items: how many a second, how long each takes, and the CPU of both ends for one.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/json.h"
#include "base/mutex.h"
#include "grpcpp/grpcpp.h"
#include "skald/bench/v1/echo.grpc.pb.h"

namespace skald::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  double seconds = 3;
  int bytes = 200;
  bool json = false;
};

// One way of calling.
struct Mode {
  const char* name;
  int under_way;  // calls, or streams with one frame under way each
  int batch;      // items in a message
  bool streams;
};

struct Result {
  Mode mode;
  double calls_per_second = 0;
  double cpu_us = 0;  // of both processes for a call
  double p50_us = 0;
  double p99_us = 0;
};

class EchoServer final : public v1::EchoService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context,
                                 const v1::EchoRequest* request,
                                 v1::EchoResponse* response) override {
    response->set_item(request->item());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerBidiReactor<v1::EchoManyRequest, v1::EchoManyResponse>* EchoMany(
      grpc::CallbackServerContext*) override {
    // Deletes itself in OnDone, as gRPC wants it.
    class Stream final : public grpc::ServerBidiReactor<v1::EchoManyRequest, v1::EchoManyResponse> {
     public:
      Stream() { StartRead(&request_); }
      void OnReadDone(bool ok) override {
        if (!ok) {
          Finish(grpc::Status::OK);
          return;
        }
        response_.mutable_items()->Swap(request_.mutable_items());
        StartWrite(&response_);
      }
      void OnWriteDone(bool ok) override {
        if (ok) StartRead(&request_);
      }
      void OnDone() override { delete this; }

     private:
      v1::EchoManyRequest request_;
      v1::EchoManyResponse response_;
    };
    return new Stream;
  }
};

// What a caller measures: how long each of its calls took.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual void Start() = 0;
  // Returns when the call under way, if any, is over.
  void Join() {
    MutexLock lock(mutex_);
    while (!is_over_) over_.Wait(mutex_);
  }
  const std::vector<float>& micros() const { return micros_; }

 protected:
  void Begin() { begin_ = Clock::now(); }
  void End() {
    micros_.push_back(std::chrono::duration<float, std::micro>(Clock::now() - begin_).count());
  }
  void Over() {
    MutexLock lock(mutex_);
    is_over_ = true;
    over_.NotifyAll();
  }

 private:
  Clock::time_point begin_;
  std::vector<float> micros_;
  Mutex mutex_;
  CondVar over_;
  bool is_over_ SKALD_GUARDED_BY(mutex_) = false;
};

// Calls again and again, one at a time, until told to stop.
class UnaryCaller final : public Caller {
 public:
  UnaryCaller(v1::EchoService::Stub& stub, int bytes, const std::atomic<bool>& stop)
      : stub_(stub), stop_(stop) {
    request_.set_item(std::string(static_cast<size_t>(bytes), 'x'));
  }

  void Start() override {
    context_ = std::make_unique<grpc::ClientContext>();
    Begin();
    stub_.async()->Echo(context_.get(), &request_, &response_, [this](const grpc::Status& status) {
      if (!status.ok()) std::abort();
      End();
      stop_ ? Over() : Start();
    });
  }

 private:
  v1::EchoService::Stub& stub_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<grpc::ClientContext> context_;
  v1::EchoRequest request_;
  v1::EchoResponse response_;
};

// A stream with one frame under way.
class StreamCaller final
    : public Caller,
      public grpc::ClientBidiReactor<v1::EchoManyRequest, v1::EchoManyResponse> {
 public:
  StreamCaller(v1::EchoService::Stub& stub, int bytes, int batch, const std::atomic<bool>& stop)
      : stub_(stub), stop_(stop) {
    for (int i = 0; i < batch; ++i) {
      request_.add_items(std::string(static_cast<size_t>(bytes), 'x'));
    }
  }

  void Start() override {
    stub_.async()->EchoMany(&context_, this);
    Begin();
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    End();
    Next();
  }
  void OnWriteDone(bool ok) override {
    if (ok) Next();
  }
  void OnDone(const grpc::Status&) override { Over(); }

 private:
  // A round is over when both its write and its read are, in whatever order gRPC tells.
  void Next() {
    if (halves_.fetch_add(1) % 2 == 0) return;
    if (stop_) {
      StartWritesDone();
      return;
    }
    Begin();
    StartWrite(&request_);
    StartRead(&response_);
  }

  v1::EchoService::Stub& stub_;
  const std::atomic<bool>& stop_;
  std::atomic<int> halves_{0};
  grpc::ClientContext context_;
  v1::EchoManyRequest request_;
  v1::EchoManyResponse response_;
};

// The server in a process of its own. Made before anything else of gRPC is: a process that uses it
// must not fork.
class ServerProcess {
 public:
  // Ends the program when there can be none.
  ServerProcess() {
    int port[2];
    int life[2];
    if (::pipe(port) != 0 || ::pipe(life) != 0) Fail("pipe");
    process_ = ::fork();
    if (process_ < 0) Fail("fork");
    if (process_ == 0) {
      ::close(life[1]);
      Serve(port[1], life[0]);
    }
    ::close(port[1]);
    ::close(life[0]);
    life_ = life[1];
    if (::read(port[0], &port_, sizeof(port_)) != sizeof(port_)) Fail("the server");
    ::close(port[0]);
    if (::clock_getcpuclockid(process_, &cpu_) != 0) Fail("clock_getcpuclockid");
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() {
    ::close(life_);
    ::waitpid(process_, nullptr, 0);
  }

  int port() const { return port_; }
  // Of both processes, since they began.
  double CpuSeconds() const { return Seconds(cpu_) + Seconds(CLOCK_PROCESS_CPUTIME_ID); }

 private:
  [[noreturn]] static void Fail(const char* what) {
    std::perror(absl::StrFormat("grpc_echo: %s", what).c_str());
    std::exit(1);
  }

  // Tells `port` where it listens, and serves until the other end of `life` is closed.
  [[noreturn]] static void Serve(int port, int life) {
    EchoServer service;
    int number = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &number);
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr || ::write(port, &number, sizeof(number)) != sizeof(number)) {
      std::fprintf(stderr, "grpc_echo: cannot listen on loopback\n");
      std::exit(1);
    }
    char none;
    while (::read(life, &none, 1) > 0) {
    }
    server->Shutdown(std::chrono::system_clock::now());
    ::_exit(0);
  }

  static double Seconds(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  pid_t process_ = 0;
  int life_ = 0;
  int port_ = 0;
  clockid_t cpu_ = 0;
};

float Percentile(std::vector<float>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<size_t>(static_cast<double>(sorted.size() - 1) * share)];
}

Result Measure(v1::EchoService::Stub& stub, const ServerProcess& server, const Mode& mode,
               const Options& options) {
  std::atomic<bool> stop{false};
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < mode.under_way; ++i) {
    if (mode.streams) {
      callers.push_back(std::make_unique<StreamCaller>(stub, options.bytes, mode.batch, stop));
    } else {
      callers.push_back(std::make_unique<UnaryCaller>(stub, options.bytes, stop));
    }
  }
  const double cpu_before = server.CpuSeconds();
  const Clock::time_point begin = Clock::now();
  for (const auto& caller : callers) caller->Start();
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  stop = true;
  for (const auto& caller : callers) caller->Join();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const double cpu = server.CpuSeconds() - cpu_before;

  std::vector<float> all;
  for (const auto& caller : callers) {
    all.insert(all.end(), caller->micros().begin(), caller->micros().end());
  }
  std::sort(all.begin(), all.end());
  const auto calls = static_cast<double>(all.size());
  return {mode, calls / seconds, 1e6 * cpu / calls, Percentile(all, 0.5), Percentile(all, 0.99)};
}

void PrintTable(const std::vector<Result>& results) {
  absl::PrintF("%-8s %9s %6s %12s %12s %9s %9s %9s\n", "mode", "under way", "batch", "calls/s",
               "items/s", "CPU us", "p50 us", "p99 us");
  for (const Result& result : results) {
    absl::PrintF("%-8s %9d %6d %12.0f %12.0f %9.1f %9.0f %9.0f\n", result.mode.name,
                 result.mode.under_way, result.mode.batch, result.calls_per_second,
                 result.calls_per_second * result.mode.batch, result.cpu_us, result.p50_us,
                 result.p99_us);
  }
}

void PrintJson(const std::vector<Result>& results, const Options& options) {
  Json::ArrayBuilder rows;
  for (const Result& result : results) {
    Json::ObjectBuilder row;
    row.Add("mode", Json::String(result.mode.name));
    row.Add("under_way", Json::Int(result.mode.under_way));
    row.Add("batch", Json::Int(result.mode.batch));
    row.Add("calls_per_second", Json::Double(result.calls_per_second));
    row.Add("items_per_second", Json::Double(result.calls_per_second * result.mode.batch));
    row.Add("cpu_us", Json::Double(result.cpu_us));
    row.Add("p50_us", Json::Double(result.p50_us));
    row.Add("p99_us", Json::Double(result.p99_us));
    rows.Add(std::move(row).Build());
  }
  Json::ObjectBuilder report;
  report.Add("benchmark", Json::String("grpc_echo"));
  report.Add("cores", Json::Int(std::thread::hardware_concurrency()));
  report.Add("bytes", Json::Int(options.bytes));
  report.Add("seconds", Json::Double(options.seconds));
  report.Add("results", std::move(rows).Build());
  absl::PrintF("%s\n", std::move(report).Build().ToPrettyText());
}

bool ParseOptions(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (argument == "--json") {
      options.json = true;
    } else if (absl::ConsumePrefix(&argument, "--seconds=")) {
      if (!absl::SimpleAtod(argument, &options.seconds) || options.seconds <= 0) return false;
    } else if (absl::ConsumePrefix(&argument, "--bytes=")) {
      if (!absl::SimpleAtoi(argument, &options.bytes) || options.bytes < 0) return false;
    } else {
      return false;
    }
  }
  return true;
}

int Main(int argc, char** argv) {
  Options options;
  if (!ParseOptions(argc, argv, options)) {
    std::fprintf(stderr, "usage: grpc_echo [--seconds=N] [--bytes=N] [--json]\n");
    return 2;
  }
  const ServerProcess server;
  const std::unique_ptr<v1::EchoService::Stub> stub = v1::EchoService::NewStub(grpc::CreateChannel(
      absl::StrFormat("127.0.0.1:%d", server.port()), grpc::InsecureChannelCredentials()));

  std::vector<Result> results;
  for (const Mode& mode :
       {Mode{"unary", 1, 1, false}, Mode{"unary", 16, 1, false}, Mode{"unary", 64, 1, false},
        Mode{"stream", 1, 1, true}, Mode{"stream", 16, 1, true}, Mode{"stream", 64, 1, true},
        Mode{"stream", 1, 64, true}, Mode{"stream", 4, 64, true}}) {
    results.push_back(Measure(*stub, server, mode, options));
  }
  options.json ? PrintJson(results, options) : PrintTable(results);
  return 0;
}

}  // namespace
}  // namespace skald::bench

int main(int argc, char** argv) { return skald::bench::Main(argc, argv); }
