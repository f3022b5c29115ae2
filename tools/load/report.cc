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

const char* Mode(const FlowOptions& options) {
  if (options.rate > 0) return "paced";
  return options.unary ? "unary" : "stream";
}

Json Number(uint64_t value) { return Json::Int(static_cast<int64_t>(value)); }

}  // namespace

Json ReportJson(const Shape& shape, const FlowOptions& options, const FlowResult& result,
                const std::optional<RowWatcher::Result>& seen) {
  Json::ObjectBuilder object;
  object.Add("shape", Json::String(shape.name))
      .Add("mode", Json::String(Mode(options)))
      .Add("counted", Json::String(options.starts_only ? "starts" : "ends"))
      .Add("in_flight", Json::Int(options.in_flight))
      .Add("seconds", Json::Double(Rounded(absl::ToDoubleSeconds(result.span))))
      .Add("sagas", Number(result.completed))
      .Add("failed", Number(result.failed))
      .Add("per_s", Json::Double(Rounded(PerSecond(result))))
      .Add("p50_ms", Json::Double(Rounded(Quantile(result.latencies_ms, 0.50))))
      .Add("p90_ms", Json::Double(Rounded(Quantile(result.latencies_ms, 0.90))))
      .Add("p99_ms", Json::Double(Rounded(Quantile(result.latencies_ms, 0.99))))
      .Add("max_ms", Json::Double(Rounded(Quantile(result.latencies_ms, 1))));
  if (options.rate > 0) {
    Json::ObjectBuilder others;
    for (const auto& [what, count] : result.others) others.Add(what, Number(count));
    object.Add("rate", Json::Int(options.rate))
        .Add("offered_per_s", Json::Double(Rounded(static_cast<double>(result.offered) /
                                                   absl::ToDoubleSeconds(result.span))))
        .Add("others", std::move(others).Build());
  }
  if (seen) {
    object.Add("seen", Number(seen->delays_ms.size()))
        .Add("unseen", Number(seen->unseen))
        .Add("seen_p50_ms", Json::Double(Rounded(Quantile(seen->delays_ms, 0.50))))
        .Add("seen_p99_ms", Json::Double(Rounded(Quantile(seen->delays_ms, 0.99))))
        .Add("seen_max_ms", Json::Double(Rounded(Quantile(seen->delays_ms, 1))));
  }
  if (!result.first_failure.empty()) {
    object.Add("first_failure", Json::String(result.first_failure));
  }
  return std::move(object).Build();
}

std::string ReportText(const Shape& shape, const FlowOptions& options, const FlowResult& result,
                       const std::optional<RowWatcher::Result>& seen) {
  const std::string load = options.rate > 0 ? absl::StrFormat("%d a second offered", options.rate)
                                            : absl::StrFormat("%u in flight", options.in_flight);
  std::string text = absl::StrFormat(
      "%s, %s, %s: %.0f sagas/s, p50 %.2f ms, p99 %.2f ms (%u in %.1f s)", shape.name,
      Mode(options), load, PerSecond(result), Quantile(result.latencies_ms, 0.50),
      Quantile(result.latencies_ms, 0.99), result.completed, absl::ToDoubleSeconds(result.span));
  for (const auto& [what, count] : result.others) {
    text += absl::StrFormat("\n%s: %u", what, count);
  }
  if (seen) {
    text += absl::StrFormat("\nseen by a watcher p50 %.2f ms, p99 %.2f ms after the answer",
                            Quantile(seen->delays_ms, 0.50), Quantile(seen->delays_ms, 0.99));
  }
  if (result.failed > 0) {
    text += absl::StrFormat("\n%u failed, the first: %s", result.failed, result.first_failure);
  }
  return text;
}

}  // namespace skald::tools::load
