// What does a JSON document cost? A saga's document of about 1 KB is parsed when it enters, looked
// into by expressions, changed by results and written when it is stored.
//
// Sketch: 1 KB at about 1 GB/s is 1 us to scan; some 25 values need a node at about 20 ns each, so
// parsing should take 1.5 us, writing (no nodes) 1 us, a lookup of three members 30 ns.
#include <string>

#include "base/check.h"
#include "base/json.h"
#include "benchmark/benchmark.h"

namespace skald {
namespace {

constexpr char kOrder[] =
    R"({"orderId":"ord-2024-000123456","createdAt":"2024-05-17T09:30:12.345Z","status":"PLACED",)"
    R"("customer":{"id":"cus-88123","name":"Astrid Lindgren","email":"astrid@example.com",)"
    R"("loyal":true,"address":{"street":"Dalagatan 46","city":"Stockholm","zip":"113 24",)"
    R"("country":"SE"}},"currency":"SEK","total":1849.50,"items":[)"
    R"({"sku":"BK-0001","name":"Pippi L\u00e5ngstrump","quantity":2,"price":149.00,"tax":0.06,)"
    R"("tags":["book","children"]},)"
    R"({"sku":"BK-0047","name":"Mio, min Mio","quantity":1,"price":179.5,"tax":0.06,)"
    R"("tags":["book"]},)"
    R"({"sku":"TO-1234","name":"Wooden horse, red","quantity":3,"price":457.33,"tax":0.25,)"
    R"("tags":["toy","wood","gift"]}],)"
    R"("payment":{"method":"card","token":"tok_1N3T00LkdIwHu7ixt44h1F8k","authorized":false},)"
    R"("shipping":{"carrier":"PostNord","service":"express","parcel":{"weightGrams":1840,)"
    R"("widthMm":300,"heightMm":120,"depthMm":220},"notes":null},"attempt":1,)"
    R"("correlationId":"6f1c1a34-6a51-4f2e-9a3d-0f0c1f8a7b11"})";

Json Order() {
  absl::StatusOr<Json> order = Json::Parse(kOrder);
  SKALD_CHECK(order.ok());
  return *std::move(order);
}

void SetBytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * (sizeof(kOrder) - 1)));
}

void BM_ParseOrder(benchmark::State& state) {
  for (auto _ : state) {
    absl::StatusOr<Json> order = Json::Parse(kOrder);
    benchmark::DoNotOptimize(order);
  }
  SetBytes(state);
}
BENCHMARK(BM_ParseOrder);

void BM_WriteOrder(benchmark::State& state) {
  const Json order = Order();
  std::string out;
  for (auto _ : state) {
    out.clear();
    order.AppendTo(out);
    benchmark::DoNotOptimize(out.data());
  }
  SetBytes(state);
}
BENCHMARK(BM_WriteOrder);

void BM_LookUpThreeLevels(benchmark::State& state) {
  const Json order = Order();
  for (auto _ : state) {
    benchmark::DoNotOptimize(order.Get("shipping").Get("parcel").Get("heightMm"));
  }
}
BENCHMARK(BM_LookUpThreeLevels);

void BM_LookUpInWideObject(benchmark::State& state) {
  Json wide;
  for (int64_t i = 0; i < state.range(0); ++i) {
    wide = std::move(wide).With("member" + std::to_string(i), Json::Int(i));
  }
  const std::string key = "member" + std::to_string(state.range(0) / 2);
  for (auto _ : state) benchmark::DoNotOptimize(wide.Find(key));
}
BENCHMARK(BM_LookUpInWideObject)->Arg(4)->Arg(16)->Arg(64)->Arg(4096);

void BM_ChangeSharedOrder(benchmark::State& state) {
  const Json order = Order();
  for (auto _ : state) {
    Json paid = order.With("status", Json::String("PAID"));
    benchmark::DoNotOptimize(paid);
  }
}
BENCHMARK(BM_ChangeSharedOrder);

void BM_CompareEqualOrders(benchmark::State& state) {
  const Json a = Order();
  const Json b = Order();
  for (auto _ : state) benchmark::DoNotOptimize(a == b);
}
BENCHMARK(BM_CompareEqualOrders);

void BM_BuildArrayStepByStep(benchmark::State& state) {
  for (auto _ : state) {
    Json array;
    for (int64_t i = 0; i < 1000; ++i) array = std::move(array).WithAppended(Json::Int(i));
    benchmark::DoNotOptimize(array);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(BM_BuildArrayStepByStep);

}  // namespace
}  // namespace skald
