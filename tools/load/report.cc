#include "tools/load/report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace skald::tools::load {

namespace {

// The smallest value that so large a part of them does not exceed.
double Quantile(const std::vector<double>& sorted, double part) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(part * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(1.0, rank)) - 1];
}

double PerSecond(const FlowResult& result) {
  return static_cast<double>(result.completed) / absl::ToDoubleSeconds(result.span);
}

double Rounded(double value) { return std::round(value * 1000) / 1000; }

const char* Mode(const FlowOptions& options) { return options.unary ? "unary" : "stream"; }

}  // namespace

Json ReportJson(const Shape& shape, const FlowOptions& options, const FlowResult& result) {
  Json::ObjectBuilder object;
  object.Add("shape", Json::String(shape.name))
      .Add("mode", Json::String(Mode(options)))
      .Add("counted", Json::String(options.starts_only ? "starts" : "ends"))
      .Add("in_flight", Json::Int(options.in_flight))
      .Add("seconds", Json::Double(Rounded(absl::ToDoubleSeconds(result.span))))
      .Add("sagas", Json::Int(static_cast<int64_t>(result.completed)))
      .Add("failed", Json::Int(static_cast<int64_t>(result.failed)))
      .Add("per_s", Json::Double(Rounded(PerSecond(result))))
      .Add("p50_ms", Json::Double(Rounded(Quantile(result.latencies_ms, 0.50))))
      .Add("p90_ms", Json::Double(Rounded(Quantile(result.latencies_ms, 0.90))))
      .Add("p99_ms", Json::Double(Rounded(Quantile(result.latencies_ms, 0.99))))
      .Add("max_ms", Json::Double(Rounded(Quantile(result.latencies_ms, 1))));
  if (!result.first_failure.empty()) {
    object.Add("first_failure", Json::String(result.first_failure));
  }
  return std::move(object).Build();
}

std::string ReportText(const Shape& shape, const FlowOptions& options, const FlowResult& result) {
  std::string text = absl::StrFormat(
      "%s, %s, %u in flight: %.0f sagas/s, p50 %.2f ms, p99 %.2f ms (%u in %.1f s)", shape.name,
      Mode(options), options.in_flight, PerSecond(result), Quantile(result.latencies_ms, 0.50),
      Quantile(result.latencies_ms, 0.99), result.completed, absl::ToDoubleSeconds(result.span));
  if (result.failed > 0) {
    text += absl::StrFormat("\n%u failed, the first: %s", result.failed, result.first_failure);
  }
  return text;
}

}  // namespace skald::tools::load
