// Tasks that are checked and then refused. Each becomes an empty `do`; a program that has one is
// never handed out.
#include "engine/definition/builder.h"
#include "engine/definition/unsupported.h"

namespace skald::definition {
namespace {

Unsupported ConstructOf(absl::string_view keyword) {
  if (keyword == "fork") return Unsupported::kFork;
  if (keyword == "for") return Unsupported::kFor;
  if (keyword == "listen") return Unsupported::kListen;
  return keyword == "emit" ? Unsupported::kEmit : Unsupported::kRun;
}

}  // namespace

void Builder::BuildUnsupported(NodeIndex index, const Value& task, const Surroundings& around) {
  const std::string keyword = draft_.notes[index].keyword;
  const Value head = task.Get(keyword);
  diagnostics_.Unsupported(head.key_place(), head.pointer(),
                           NotSupportedYet(ConstructOf(keyword), keyword));
  Standpoint body{Site::kTaskBody, around.locals};
  Surroundings inside = around;
  const auto bind = [](Surroundings& where, const std::string& name) {
    where.locals.push_back(name);
    where.loop_locals.push_back(name);
  };
  std::vector<NodeIndex> children;
  if (keyword == "for") {
    parts_.Expression(head.Get("in"), body);
    bind(inside, LocalName(head.Get("each"), "item"));
    bind(inside, LocalName(head.Get("at"), "index"));
    parts_.Expression(task.Get("while"), {Site::kTaskBody, inside.locals});
    children = BuildList(task.Get("do"), inside);
  } else if (keyword == "fork") {
    inside.is_branch = true;
    children = BuildList(head.Get("branches"), inside);
  } else if (keyword == "listen") {
    const Value each = task.Get("foreach");
    bind(inside, LocalName(each.Get("item"), "item"));
    bind(inside, LocalName(each.Get("at"), "index"));
    children = BuildList(each.Get("do"), inside);
  } else if (keyword == "emit") {
    parts_.Data(head.Get("event").Get("with"), body);
  } else {
    body.site = Site::kBuiltInArguments;
    parts_.Data(head.Get("workflow").Get("input"), body);
    for (const absl::string_view process : {"container", "script", "shell"}) {
      for (const absl::string_view part : {"command", "stdin", "arguments", "environment"}) {
        parts_.Data(head.Get(process).Get(part), body);
      }
    }
  }
  draft_.notes[index].children = std::move(children);
}

void Builder::BuildUnsupportedCall(const Value& task, const Standpoint& body) {
  const Value call = task.Get("call");
  const bool catalog = call.text().find_first_of(":@") != absl::string_view::npos;
  diagnostics_.Unsupported(
      call.place(), call.pointer(),
      NotSupportedYet(catalog ? Unsupported::kCatalogCall : Unsupported::kBuiltInCall,
                      call.text()));
  parts_.Data(task.Get("with"), {Site::kBuiltInArguments, body.locals});
}

}  // namespace skald::definition
