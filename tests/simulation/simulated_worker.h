// Workers as they are met: they answer, fail, stall past their lease, repeat themselves, die, or lose
// their connection and come back with what they hold. And the service they work on, which honours
// idempotency keys.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/model.h"
#include "tests/simulation/site.h"

namespace skald::simulation {

// What workers call. A key is executed once, and remembered with its outcome.
class Service {
 public:
  // The output under this key; the effect happens if it has not yet.
  std::string Execute(const std::string& key, Random& random);
  bool Has(const std::string& key) const { return effects_.count(key) > 0; }
  size_t effects() const { return effects_.size(); }

 private:
  std::map<std::string, std::string> effects_;
};

class SimulatedWorker {
 public:
  struct Options {
    std::string name;
    std::vector<std::string> functions;
    uint32_t credit = 4;
    Micros lease = 10 * kSecond;
    bool hostile = true;
  };

  SimulatedWorker(Options options, Site& site, Service& service, Model& model);
  ~SimulatedWorker();

  // Connects if the server is up and it is not connected.
  void Connect();
  // The server is gone.
  void OnServerGone();
  // Tasks that it has and has not got rid of.
  size_t held() const { return held_.size(); }

 private:
  class Link;
  enum class Plan { kSucceed, kRefuse, kFail, kFailInDoubt };
  struct Held {
    task::ReadyTaskPtr task;
    Plan plan = Plan::kSucceed;
    std::optional<saga::AnswerTask> answer;
    bool repeat = false;
    uint64_t sent = 0;  // the number of the last sending
  };

  void OnTask(const task::ReadyTaskPtr& task);
  void OnCancel(const saga::TaskToken& token);
  void Work(const std::string& name);
  void Send(const std::string& name);
  void OnReply(const std::string& name, const absl::Status& status);
  void Repeat(const saga::AnswerTask& answer);
  void Submit(const saga::AnswerTask& answer, std::function<void(absl::Status)> done);
  void Disconnect();
  void Die();
  void Heartbeat();
  bool Hostile() const { return options_.hostile && !site_.behave; }

  const Options options_;
  Site& site_;
  Service& service_;
  Model& model_;
  std::shared_ptr<Link> link_;  // null: not connected
  std::map<std::string, Held> held_;
  uint64_t sendings_ = 0;
  bool beats_ = false;
};

}  // namespace skald::simulation
