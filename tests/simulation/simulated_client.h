// A client and an operator in one: starts sagas, reads them, meddles with them, repeats requests whose
// answers it did not get, or some that it did, and does not mind being refused.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "tests/simulation/model.h"
#include "tests/simulation/site.h"

namespace skald::simulation {

class SimulatedClient {
 public:
  struct Options {
    std::string name;
    uint32_t sagas = 12;         // ids that clients choose from
    Micros think = 2 * kSecond;  // at most, between requests
  };

  SimulatedClient(Options options, Site& site, Model& model);

  // Begins; goes on until everybody is to behave.
  void Run();
  // Deploys definition number `which` until it is acknowledged.
  void Deploy(size_t which);
  // Everything is settled: what is parked or suspended goes on. False when nothing was to be done.
  bool Settle();
  // Reads every saga once.
  void ReadAll();
  // Requests whose answers are to come.
  size_t waiting() const { return waiting_; }
  // The server is gone, and with it what was asked.
  void OnServerGone() { waiting_ = 0; }

 private:
  void Think();
  void Act();
  void Start();
  void Meddle();
  void Read();
  void ReadUntilTold(const SagaKey& key);
  void Again();
  void Send(saga::Command command, int attempts);
  void SendVerb(const SagaKey& key, decltype(saga::Command::request) request);
  bool SettleSaga(const SagaKey& key, const saga::SagaState& state);
  SagaKey AnySaga();
  decltype(saga::Command::request) AnyVerb();

  const Options options_;
  Site& site_;
  Model& model_;
  std::deque<saga::Command> sent_;  // with request ids, the last few
  uint64_t next_request_ = 1;
  size_t waiting_ = 0;
};

}  // namespace skald::simulation
