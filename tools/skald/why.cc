// skald why: from an event back to the command that began it, link by link.
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "skald/v1/log_service.grpc.pb.h"
#include "tools/skald/fetch_saga.h"
#include "tools/skald/render.h"
#include "tools/skald/verbs.h"

namespace skald::tools {

namespace {

// Links followed before the rest is left out; each is a call of the server.
constexpr int64_t kLinksMax = 1'000;
// Of the events decided together with a link's, the nearest; a commit may have a thousand.
constexpr size_t kDecidedWithShown = 8;

// One decision on the way: its events up to the one that led on, and that one.
struct Link {
  v1::RecordedEvent event;
  std::vector<v1::RecordedEvent> decided_before;  // with it, in the same commit
};

// What is said of a state by the event that made it last.
bool IsDecisive(const v1::RecordedEvent& event, const v1::Saga& saga) {
  const std::string& type = event.type();
  if (HasEnded(saga.status())) return EndsSaga(event);
  if (saga.suspend_reason() == v1::SUSPEND_REASON_PARKED) {
    return type == "TaskParked" || type == "CompensationStepParked";
  }
  if (saga.suspend_reason() == v1::SUSPEND_REASON_OPERATOR) return type == "SagaSuspended";
  if (saga.has_error()) return type == "ErrorRaised";
  return true;
}

// "charge" of "/do/1/charge", or the pointer itself.
bool IsAbout(const v1::RecordedEvent& event, const std::string& task) {
  return event.task() == task || (!absl::StartsWith(task, "/") && !task.empty() &&
                                  absl::EndsWith(event.task(), absl::StrCat("/", task)));
}

// ---- The events ----

grpc::Status ReadRange(Invocation& call, uint32_t partition, uint64_t from, uint64_t to,
                       std::vector<v1::RecordedEvent>& events) {
  v1::ReadLogRequest request;
  request.set_partition(partition);
  request.set_from_position(from);
  request.set_to_position(to);
  grpc::ClientContext context;
  call.Prepare(context);
  const auto reader = v1::LogService::NewStub(call.channel())->ReadLog(&context, request);
  v1::ReadLogResponse frame;
  while (reader->Read(&frame)) {
    for (v1::RecordedEvent& event : *frame.mutable_events()) events.push_back(std::move(event));
  }
  return reader->Finish();
}

// The event that is asked about.
grpc::Status FindEvent(Invocation& call, const SagaKey& key,
                       const std::function<bool(const v1::RecordedEvent&)>& is_it,
                       std::optional<v1::RecordedEvent>& found) {
  return ReadEvents(call, key, 0, [&](const v1::RecordedEvent& event) {
    if (is_it(event)) found = event;
  });
}

// ---- The way back ----

class Chain {
 public:
  Chain(Invocation& call, int64_t links_max) : call_(call), links_max_(links_max) {}

  grpc::Status Follow(v1::RecordedEvent event) {
    while (true) {
      Link link{.event = std::move(event), .decided_before = {}};
      const v1::LogPosition& at = link.event.position();
      if (link.event.commit_position() < at.position()) {
        grpc::Status status = ReadRange(call_, at.partition(), link.event.commit_position(),
                                        at.position() - 1, link.decided_before);
        if (!status.ok()) return status;
      }
      const uint64_t cause = link.event.causation().position();
      const uint32_t partition = at.partition();
      links_.push_back(std::move(link));
      if (cause == 0) return grpc::Status::OK;
      if (static_cast<int64_t>(links_.size()) >= links_max_) {
        is_cut_ = true;
        return grpc::Status::OK;
      }
      std::vector<v1::RecordedEvent> events;
      grpc::Status status = ReadRange(call_, partition, cause, cause, events);
      if (!status.ok()) return status;
      if (events.size() != 1) {
        return {grpc::StatusCode::DATA_LOSS,
                absl::StrCat("the log has no event at position ", cause, " of partition ",
                             partition, ", which event ", links_.back().event.revision(),
                             " says it was caused by")};
      }
      event = std::move(events[0]);
    }
  }

  // From what is asked about to the root.
  const std::deque<Link>& links() const { return links_; }
  bool is_cut() const { return is_cut_; }

 private:
  Invocation& call_;
  const int64_t links_max_;
  std::deque<Link> links_;
  bool is_cut_ = false;
};

// ---- Output ----

Json OptionalText(const std::string& text) {
  return text.empty() ? Json::Null() : Json::String(text);
}

Json LinkToJson(const Link& link) {
  Json::ArrayBuilder before;
  for (const v1::RecordedEvent& event : link.decided_before) before.Add(EventToJson(event));
  Json::ObjectBuilder object;
  object.Add("event", EventToJson(link.event))
      .Add("decided_with", std::move(before).Build())
      .Add("command", OptionalText(link.event.causation().command()))
      .Add("actor", OptionalText(link.event.actor()))
      .Add("request_id", OptionalText(link.event.request_id()))
      .Add("correlation_id", OptionalText(link.event.correlation_id()))
      .Add("root", Json::Bool(link.event.causation().position() == 0));
  return std::move(object).Build();
}

std::string EventWords(const v1::RecordedEvent& event, const Style& style) {
  // Without the time, which stands before.
  const std::string line = EventToLine(event, FromProto(event.time()), Style(false));
  const size_t words = line.find("s  ");
  return absl::StrCat(style.Bold(absl::StrCat("#", event.revision())), "  ",
                      words == std::string::npos ? line : line.substr(words + 3));
}

void PrintLink(const Invocation& call, const Link& link) {
  const Style& style = call.style();
  const v1::RecordedEvent& event = link.event;
  call.PrintLine(EventWords(event, style));
  size_t shown = 0;
  for (auto before = link.decided_before.rbegin(); before != link.decided_before.rend(); ++before) {
    if (shown++ == kDecidedWithShown) {
      call.PrintLine(absl::StrCat("    and ", link.decided_before.size() - kDecidedWithShown,
                                  " more; skald history shows them"));
      break;
    }
    call.PrintLine(absl::StrCat("    with ", EventWords(*before, style)));
  }
  std::string by = absl::StrCat("    decided ", TimeText(FromProto(event.time())), " by ",
                                style.Cyan(event.causation().command()));
  if (!event.actor().empty()) absl::StrAppend(&by, " from ", event.actor());
  if (!event.request_id().empty()) absl::StrAppend(&by, ", request ", event.request_id());
  if (!event.correlation_id().empty()) {
    absl::StrAppend(&by, ", correlation ", event.correlation_id());
  }
  absl::StrAppend(&by, "  ",
                  style.Dim(absl::StrCat("(position ", event.position().partition(), ":",
                                         event.position().position(), ")")));
  call.PrintLine(by);
}

int Print(Invocation& call, const v1::Saga& saga, const Chain& chain) {
  if (call.json()) {
    Json::ArrayBuilder links;
    for (const Link& link : chain.links()) links.Add(LinkToJson(link));
    Json::ObjectBuilder object;
    object.Add("saga_id", Json::String(saga.saga_id()))
        .Add("namespace", Json::String(saga.namespace_()))
        .Add("status", Json::String(StatusWord(saga.status())))
        .Add("whole", Json::Bool(!chain.is_cut()))
        .Add("links", std::move(links).Build());
    call.PrintJson(std::move(object).Build());
    return kExitOk;
  }
  call.PrintLine(absl::StrCat(
      call.style().Bold(absl::StrCat(saga.namespace_(), "/", saga.saga_id())), " is ",
      PaintStatus(saga, call.style()), saga.has_error() ? ": " + ProblemToLine(saga.error()) : ""));
  for (size_t i = 0; i < chain.links().size(); ++i) {
    if (i > 0) call.PrintLine("  because");
    PrintLink(call, chain.links()[i]);
  }
  if (chain.is_cut()) {
    call.PrintLine(absl::StrCat("  and so on: skald why ", saga.namespace_(), "/", saga.saga_id(),
                                " --revision ", chain.links().back().event.revision(),
                                " goes on from here; or raise --links"));
  }
  return kExitOk;
}

int Run(Invocation& call) {
  std::string task;
  int64_t revision = -1, links = kLinksMax;
  call.AddNamespaceFlag();
  call.flags()
      .Add("task", &task, "TASK", "Why what happened last to this task did: a pointer or a name.")
      .Add("revision", &revision, "NUMBER", "Why this event happened.", -1)
      .Add("links", &links, "COUNT", "How far to go back, at most.", 1);
  if (auto exit = call.Parse({.words_min = 1, .words_max = 1})) return *exit;
  if (!task.empty() && revision >= 0) return call.BadUsage("takes --task or --revision, not both");
  const SagaKey key = call.SagaOf(call.words()[0]);
  v1::Saga saga;
  grpc::Status status = FetchSaga(call, key, saga);
  if (!status.ok()) return call.Fail(status);
  if (revision > static_cast<int64_t>(saga.revision())) {
    return call.FailWith(
        absl::StrCat("there is no event ", revision, ": the saga's last is ", saga.revision()),
        kExitUsage);
  }
  const auto is_it = [&](const v1::RecordedEvent& event) {
    if (revision >= 0) return event.revision() == static_cast<uint64_t>(revision);
    return task.empty() ? IsDecisive(event, saga) : IsAbout(event, task);
  };
  std::optional<v1::RecordedEvent> found;
  status = FindEvent(call, key, is_it, found);
  if (!status.ok()) return call.Fail(status);
  if (!found) {
    return call.FailWith(absl::StrCat("nothing has happened to a task '", task, "': skald history ",
                                      key.namespace_name, "/", key.saga_id, " lists all events"),
                         kExitUsage);
  }
  Chain chain(call, links);
  status = chain.Follow(*std::move(found));
  return status.ok() ? Print(call, saga, chain) : call.Fail(status);
}

}  // namespace

const Verb kWhyVerb = {
    "why", "tell what led to a saga's state", "NAMESPACE/SAGA_ID",
    "Goes from an event back through its causes to the command from outside that began it. Each\n"
    "link: what happened, what was decided with it, when, by which command, who asked (actor),\n"
    "request id and correlation id. Without --task or --revision: from what made the saga what it\n"
    "is, that is the event that ended, parked or suspended it, the error it recovers from, or "
    "else\n"
    "its last one.\n\n"
    "With --json one object: links [{event, decided_with, command, actor, request_id,\n"
    "correlation_id, root}], and whole: false when --links cut it short.\n\n"
    "Examples:\n"
    "  skald why shop/order-1001\n"
    "  skald why shop/order-1001 --task charge\n"
    "  skald why shop/order-1001 --revision 17 --json | jq '.links[-1].actor'\n\n"
    "Exits with 0; 1 when there is no such saga; 2 when it has no such task or revision.",
    Run};

}  // namespace skald::tools
