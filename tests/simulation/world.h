// One simulation: a store, a process that comes and goes, clients, workers, and faults, all from one
// seed. First everything goes wrong; then faults stop, everybody behaves, and everything has to end.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/audit_check.h"
#include "tests/simulation/model.h"
#include "tests/simulation/simulated_client.h"
#include "tests/simulation/simulated_worker.h"
#include "tests/simulation/site.h"

namespace skald::simulation {

struct SimulationOptions {
  uint64_t seed = 1;
  uint64_t steps_max = 0;  // stop after so many; 0: at the end
  bool verbose = false;
  std::string shown;  // id of a saga whose events are printed
  Mutation mutation = Mutation::kNone;
};

// What came of it.
struct SimulationResult {
  uint64_t hash = 0;  // of the trace
  uint64_t steps = 0, lines = 0, commits = 0, sagas = 0, crashes = 0, effects = 0;
  std::optional<Violation> violation;
  std::deque<std::string> last;  // lines of the trace
};

SimulationResult Simulate(const SimulationOptions& options);

class World {
 public:
  explicit World(const SimulationOptions& options);

  SimulationResult Run();

 private:
  enum class Fault {
    kCrash, kStop, kFailAppend, kFailApply, kLowDisk, kOutOfDisk, kLose, kJump, kDamage, kFlush,
    kCheckRows, kCheckAudit,
  };

  // Making it.
  void MakeServerOptions();
  void MakeDefinitions();
  void MakePeople();

  // False when the run is over: a violation, or enough steps.
  bool Step();
  bool StepUntil(Timestamp time);
  void Boot();
  void Crash(absl::string_view why);
  void Stop();
  void EveryoneLosesTheServer();

  // Faults.
  void PlanFault();
  void Strike(Fault fault);
  void FillDisk(uint64_t free_bytes);
  void Damage();
  void CheckDamage();

  // The end.
  void Settle();
  bool IsSettled() const;
  void ReportStuck();
  void CheckEnd();
  void CheckEffects();
  void CheckQueues();
  void CheckRows(PartitionId partition);
  SimulationResult Result() const;

  const SimulationOptions options_;
  Site site_;
  Service service_;
  Model model_;
  AuditCheck audit_;
  ServerOptions server_options_;
  std::vector<Fault> faults_;  // that strike in this run
  std::vector<std::unique_ptr<SimulatedWorker>> workers_;
  std::vector<std::unique_ptr<SimulatedClient>> clients_;
  Micros fault_interval_ = 0;
  Timestamp chaos_ends_;
  uint64_t crashes_ = 0;
  size_t row_checks_ = 0;  // under way
};

}  // namespace skald::simulation
