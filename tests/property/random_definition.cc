#include "tests/property/random_definition.h"

#include "absl/strings/str_cat.h"

namespace skald::testing {
namespace {

Json Str(absl::string_view text) { return Json::String(text); }

Json One(absl::string_view key, Json value) {
  Json::ObjectBuilder object;
  object.Add(key, std::move(value));
  return std::move(object).Build();
}

}  // namespace

Json RandomDefinition::Seconds(uint32_t below) {
  return One("seconds", Json::Int(1 + Below(below)));
}

Json RandomDefinition::RetryPolicy() {
  Json::ObjectBuilder policy;
  policy.Add("delay", Seconds(3));
  if (Chance(50))
    policy.Add("backoff", One(Chance(50) ? "exponential" : "linear", Json::EmptyObject()));
  if (Chance(30)) {
    policy.Add(
        "jitter",
        std::move(Json::ObjectBuilder().Add("from", Seconds(1)).Add("to", Seconds(4))).Build());
  }
  Json attempt = One("count", Json::Int(1 + Below(2)));
  if (Chance(30)) attempt = std::move(attempt).With("duration", Seconds(20));
  policy.Add("limit", One("attempt", std::move(attempt)));
  return std::move(policy).Build();
}

Json RandomDefinition::Call(const std::string& prefix) {
  Json task = One("call", Str(absl::StrCat(prefix, Below(4))));
  if (Chance(30)) task = std::move(task).With("with", One("n", Str("${ .n // 0 }")));
  if (Chance(30)) task = std::move(task).With("timeout", One("after", Seconds(30)));
  return task;
}

Json RandomDefinition::Compensation() {
  Json compensation;
  if (Chance(70)) {
    compensation = One("use", Str(absl::StrCat("undo", Below(4))));
  } else {
    compensation = One("do", List(1, true));
  }
  if (Chance(30))
    compensation = std::move(compensation).With("with", Str("${ $compensation.task.output }"));
  if (Chance(20))
    compensation =
        std::move(compensation).With("if", Str("${ $compensation.task.outcome != \"failed\" }"));
  if (Chance(40)) compensation = std::move(compensation).With("retry", RetryPolicy());
  if (Chance(30)) compensation = std::move(compensation).With("timeout", One("after", Seconds(10)));
  const char* exhausted[] = {"park", "continue", "fault"};
  if (Chance(60))
    compensation = std::move(compensation).With("onExhausted", Str(exhausted[Below(3)]));
  return compensation;
}

Json RandomDefinition::Try(int depth, bool inside_undo) {
  Json::ObjectBuilder clause;
  if (Chance(30))
    clause.Add("errors", One("with", One("status", Json::Int(Chance(50) ? 503 : 409))));
  const bool retry = Chance(50);
  if (retry) clause.Add("retry", RetryPolicy());
  if (Chance(50)) clause.Add("do", List(depth - 1, inside_undo));
  const bool pivot = pivot_allowed_;
  pivot_allowed_ = false;
  Json task = One("try", List(depth - 1, inside_undo));
  pivot_allowed_ = pivot;
  task = std::move(task).With("catch", std::move(clause).Build());
  if (!inside_undo && Chance(30)) {
    Json scope = One(Chance(50) ? "onRetry" : "onFault", Str("none"));
    if (scope.Find("onRetry")) scope = One("onRetry", Str("keep"));
    task = std::move(task).With("metadata", One("saga", One("scope", std::move(scope))));
  }
  return task;
}

// Goes on, leaves its list, or ends the saga: by the data, or always.
Json RandomDefinition::Switch(bool inside_undo) {
  const char* const flows[] = {"continue", "exit", "end"};
  const auto flow = [&] { return Str(flows[Below(inside_undo ? 2 : 3)]); };
  Json::ArrayBuilder cases;
  cases.Add(One("many", One("when", Str("${ (.n // 0) > 1 }")).With("then", flow())));
  if (Chance(40)) cases.Add(One("other", One("then", flow())));
  return One("switch", std::move(cases).Build());
}

Json RandomDefinition::Body(int depth, bool inside_undo) {
  if (Chance(8)) return Switch(inside_undo);
  switch (Below(depth > 0 ? 9 : 6)) {
    case 0:
      return One("set", One("n", Str("${ (.n // 0) + 1 }")));
    case 1:
      return One("wait", Seconds(5));
    case 2: {
      Json error = std::move(Json::ObjectBuilder()
                                 .Add("type", Str("https://example.com/raised"))
                                 .Add("status", Json::Int(Chance(50) ? 409 : 503))
                                 .Add("title", Str("${ \"raised at \\(.n)\" }")))
                       .Build();
      Json task = One("raise", One("error", std::move(error)));
      return std::move(task).With("if", Str(Chance(50) ? "(.n // 0) > 1" : "false"));
    }
    case 6:
      return One("do", List(depth - 1, inside_undo));
    case 7:
    case 8:
      return Try(depth, inside_undo);
    default:
      break;
  }
  return Call(inside_undo ? "undo" : "work");
}

Json RandomDefinition::Task(int depth, bool inside_undo) {
  if (!inside_undo && Chance(6)) {
    Json target = Chance(50) ? Json::EmptyObject() : One("scope", Str("whole"));
    Json undo = One("call", Str("compensate:1.0.0@default")).With("with", std::move(target));
    if (!Chance(30)) return undo;
    return std::move(undo).With("timeout", One("after", Seconds(15)));
  }
  Json task = Body(depth, inside_undo);
  if (Chance(10))
    task = std::move(task).With("export", One("as", Str("$context + { n: (.n? // 0) }")));
  if (Chance(10) && !task.Find("raise"))
    task = std::move(task).With("output", One("as", Str("${ { n: (.n? // 1) } }")));
  if (inside_undo || task.Find("metadata")) return task;
  Json saga = Json::EmptyObject();
  const bool call = task.Find("call") != nullptr;
  if ((call && Chance(60)) || (task.Find("do") && Chance(20))) {
    saga = std::move(saga).With("compensate", Compensation());
    if (call && Chance(40)) saga = std::move(saga).With("register", Str("attempt"));
  }
  if (pivot_allowed_ && depth == 2 && Chance(10) && !task.Find("raise")) {
    saga = std::move(saga).With("pivot", Json::Bool(true));
    pivot_allowed_ = false;
  }
  if (saga.Size() > 0) task = std::move(task).With("metadata", One("saga", std::move(saga)));
  return task;
}

Json RandomDefinition::List(int depth, bool inside_undo) {
  Json::ArrayBuilder list;
  const uint32_t count = 1 + Below(3);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string name = absl::StrCat("t", ++tasks_);
    list.Add(One(name, Task(depth, inside_undo)));
  }
  return std::move(list).Build();
}

std::string RandomDefinition::Text(absl::string_view name, absl::string_view version) {
  Json document = std::move(Json::ObjectBuilder()
                                .Add("dsl", Str("1.0.3"))
                                .Add("namespace", Str("test"))
                                .Add("name", Str(name))
                                .Add("version", Str(version)))
                      .Build();
  Json saga = One("name", Str("whole"));
  if (Chance(50)) {
    const char* orders[] = {"reverse", "mirror", "parallel"};
    saga = std::move(saga).With("order", Str(orders[Below(3)]));
    if (Chance(20)) saga = std::move(saga).With("onCancel", Str("abandon"));
    if (Chance(20)) saga = std::move(saga).With("timeout", One("after", Seconds(60)));
  }
  document = std::move(document).With("metadata", One("saga", std::move(saga)));
  Json definition = One("document", std::move(document));
  if (Chance(30)) definition = std::move(definition).With("timeout", One("after", Seconds(120)));
  definition = std::move(definition).With("do", List(2, false));
  return definition.ToText();
}

}  // namespace skald::testing
