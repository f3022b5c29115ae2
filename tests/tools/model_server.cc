// A server with one model of known rows, for tests of the verbs that read models. Prints its port,
// and ends when its standard input does.
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/server.h"
#include "tests/api/fake_engine.h"
#include "tests/engine/query/sagas_model.h"
#include "tests/support/memory_models.h"

int main() {
  using skald::Json;
  skald::testing::MemoryModels models;
  models.Add(skald::query::SagasSchema());
  std::vector<Json> rows;
  for (int i = 0; i < 250; ++i) {
    rows.push_back(skald::query::SagaRow(
        absl::StrCat("s", 100 + i), i % 5 == 0 ? "faulted" : "running",
        absl::StrCat("2026-01-", 10 + i % 20, "T00:00:00.000000Z"),
        i % 2 == 0 ? Json::String("2026-02-01T00:00:00.000000Z") : Json(), i % 3, i / 4.0));
  }
  models.PutAll("sagas", rows);
  models.SetCut({.time = skald::Timestamp(1'767'225'600'000'000),
                 .positions = {skald::Position(250), skald::Position(0)}});
  skald::api::FakeEngine engine;
  skald::api::ServerOptions options;
  options.address = "127.0.0.1:0";
  options.models = &models;
  auto server = skald::api::Server::Start(engine, options);
  if (!server.ok()) {
    std::cerr << server.status() << "\n";
    return 1;
  }
  std::cout << (*server)->port() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
  }
  return 0;
}
