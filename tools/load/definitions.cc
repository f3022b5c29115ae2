#include "tools/load/definitions.h"

#include "absl/strings/str_cat.h"

namespace skald::tools::load {

namespace {

std::string Head(absl::string_view name) {
  return absl::StrCat("document:\n  dsl: '1.0.3'\n  namespace: ", kNamespace, "\n  name: ", name,
                      "\n  version: '", kVersion, "'\ndo:\n");
}

}  // namespace

absl::StatusOr<Shape> MakeShape(absl::string_view name) {
  Shape shape{.name = std::string(name), .text = Head(name)};
  if (name == "tasks0") {
    absl::StrAppend(&shape.text, "  - done:\n      set: { done: true }\n");
    return shape;
  }
  if (name == "tasks1" || name == "tasks3" || name == "tasks9") {
    const int count = name.back() - '0';
    for (int i = 1; i <= count; ++i) {
      absl::StrAppend(&shape.text, "  - step", i, ":\n      call: loadStep\n");
    }
    shape.functions = {"loadStep"};
    return shape;
  }
  if (name == "compensate") {
    for (int i = 1; i <= 2; ++i) {
      absl::StrAppend(&shape.text, "  - step", i,
                      ":\n      call: loadStep\n"
                      "      metadata: { saga: { compensate: loadUndo } }\n");
    }
    absl::StrAppend(&shape.text, "  - last:\n      call: ", kFailingFunction, "\n");
    shape.functions = {"loadStep", "loadUndo", kFailingFunction};
    shape.faults = true;
    return shape;
  }
  if (name == "waiting") {
    absl::StrAppend(&shape.text, "  - rest:\n      wait: { days: 365 }\n");
    shape.ends = false;
    return shape;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown shape '", name,
                   "'; there are tasks0, tasks1, tasks3, tasks9, compensate and waiting"));
}

}  // namespace skald::tools::load
