// `run`: containers, scripts, shells and child workflows.
#include "engine/definition/grammar.h"

namespace skald::definition::grammar {
namespace {

void Lifetime(Shape& shape, const Value& value) {
  const bool is_object =
      shape.Object(value, "a lifetime",
                   {{"cleanup",
                     [](Shape& s, const Value& v) {
                       s.OneOf(v, "when to clean up", {"always", "never", "eventually"});
                     },
                     kRequired},
                    {"after", Duration}});
  if (!is_object) return;
  const bool eventually = value.Get("cleanup").text() == "eventually";
  if (eventually && !value.Has("after")) shape.Error(value, "'cleanup: eventually' needs 'after'");
  if (!eventually && value.Has("after")) {
    shape.Error(value.Get("after"), "'after' has a meaning only with 'cleanup: eventually'");
  }
}

void PullPolicy(Shape& shape, const Value& value) {
  shape.OneOf(value, "a pull policy", {"ifNotPresent", "always", "never"});
}

void Container(Shape& shape, const Value& value) {
  shape.Object(value, "a container",
               {{"image", Text, kRequired},
                {"name", Text},
                {"command", Text},
                {"ports", AnyObject},
                {"volumes", AnyObject},
                {"environment", AnyObject},
                {"stdin", Text},
                {"arguments", StringList},
                {"lifetime", Lifetime},
                {"pullPolicy", PullPolicy}});
}

void Script(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "a script";
  if (shape.Object(value, kWhat,
                   {{"language", Text, kRequired},
                    {"stdin", Text},
                    {"arguments", StringList},
                    {"environment", AnyObject},
                    {"code", Text},
                    {"source", ExternalResource}})) {
    shape.ExactlyOneOf(value, kWhat, {"code", "source"});
  }
}

void ShellCommand(Shape& shape, const Value& value) {
  shape.Object(value, "a shell command",
               {{"command", Text, kRequired},
                {"stdin", Text},
                {"arguments", StringList},
                {"environment", AnyObject}});
}

void Workflow(Shape& shape, const Value& value) {
  shape.Object(value, "a child workflow",
               {{"namespace", Text, kRequired},
                {"name", Text, kRequired},
                {"version", Text, kRequired},
                {"input", AnyObject}});
}

void ReturnMode(Shape& shape, const Value& value) {
  shape.OneOf(value, "what a process returns", {"stdout", "stderr", "code", "all", "none"});
}

}  // namespace

void Run(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "'run'";
  if (shape.Object(value, kWhat,
                   {{"await", Flag},
                    {"return", ReturnMode},
                    {"container", Container},
                    {"script", Script},
                    {"shell", ShellCommand},
                    {"workflow", Workflow}})) {
    shape.ExactlyOneOf(value, kWhat, {"container", "script", "shell", "workflow"});
  }
}

}  // namespace skald::definition::grammar
