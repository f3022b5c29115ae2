#include "tools/load/workers.h"

#include "absl/strings/str_cat.h"

namespace skald::tools::load {

LoadWorkers::LoadWorkers(const std::string& server, const Shape& shape, uint32_t count,
                         uint32_t credit) {
  if (shape.functions.empty()) return;
  clients_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    WorkerClientOptions options;
    options.name = absl::StrCat("saga_load-", i);
    options.functions = shape.functions;
    options.credit = credit;
    options.on_task = [](WorkerClient& client, const v1::Task& task) {
      if (task.function() == kFailingFunction) {
        v1::Problem error;
        error.set_status(422);
        error.set_title("refused");
        client.Fail(task.token(), std::move(error));
      } else {
        client.Complete(task.token(), R"({"ok":true})");
      }
    };
    clients_.push_back(std::make_unique<WorkerClient>(ConnectTo(server), std::move(options)));
  }
}

}  // namespace skald::tools::load
