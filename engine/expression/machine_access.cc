// Nodes that lead into a value, and everything that works by paths: assignments, deletions, `path`.
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/expression/machine.h"
#include "engine/expression/machine_items.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

constexpr size_t kPathBytes = 16;

}  // namespace

Flow Machine::Inaccessible(const Node* node) {
  if (fatal_ || node == nullptr || !node->optional) return Failed();
  error_ = Json();
  return Flow::kNext;
}

template <>
Flow Machine::Follow<Json>(const Node* node, Json&& target, const Json& key, Out<Json> out) {
  Json value;
  if (!Index(*this, target, key, value)) return Inaccessible(node);
  return out(std::move(value));
}

template <>
Flow Machine::Follow<Tracked>(const Node* node, Tracked&& target, const Json& key,
                              Out<Tracked> out) {
  if (!target.on_path) {
    return Error(absl::StrCat("Invalid path expression near attempt to access element ",
                              ShortText(key), " of ", ShortText(target.value, kLongerText)));
  }
  Tracked found;
  if (!Index(*this, target.value, key, found.value)) return Inaccessible(node);
  if (!Charge(kPathBytes * (target.path.Size() + 1))) return Failed();
  found.path = std::move(target.path).WithAppended(key);
  found.on_path = true;
  return out(std::move(found));
}

template <typename Item>
Flow Machine::RunField(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out) {
  const auto follow = [&](Item&& target) {
    Item current = std::move(target);
    const auto keep = [&current](Item&& found) {
      current = std::move(found);
      return Flow::kNext;
    };
    // Only the last key is optional when the node is.
    for (size_t i = 0; i + 1 < node->keys.size(); ++i) {
      const Flow flow =
          Follow<Item>(nullptr, std::move(current), Json::String(node->keys[i]), keep);
      if (flow != Flow::kNext) return AtOffset(node->key_offsets[i], flow);
    }
    return AtOffset(node->key_offsets.back(),
                    Follow<Item>(node, std::move(current), Json::String(node->keys.back()), out));
  };
  return node->a == nullptr ? follow(Item(in)) : Run<Item>(node->a, frame, in, follow);
}

template <typename Item>
Flow Machine::RunIndex(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out) {
  return Run<Json>(node->b, frame, ValueOf(in), [&](Json&& key) {
    return Run<Item>(node->a, frame, in, [&](Item&& target) {
      return Follow<Item>(node, std::move(target), key, out);
    });
  });
}

template <typename Item>
Flow Machine::RunSlice(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out) {
  const auto with_ends = [&](const Json& from, const Json& upto) {
    const Json key = SliceKey(from, upto);
    return Run<Item>(node->a, frame, in, [&](Item&& target) {
      return Follow<Item>(node, std::move(target), key, out);
    });
  };
  const auto with_start = [&](Json&& from) {
    if (node->c == nullptr) return with_ends(from, Json());
    return Run<Json>(node->c, frame, ValueOf(in),
                     [&](Json&& upto) { return with_ends(from, upto); });
  };
  if (node->b == nullptr) return with_start(Json());
  return Run<Json>(node->b, frame, ValueOf(in), with_start);
}

template <typename Item>
Flow Machine::RunIterate(const Node* node, const FrameRef& frame, const Item& in, Out<Item> out) {
  if (node->a == nullptr) return Iterate<Item>(node, Item(in), out);
  return Run<Item>(node->a, frame, in,
                   [&](Item&& target) { return Iterate<Item>(node, std::move(target), out); });
}

template <>
Flow Machine::Iterate<Json>(const Node* node, Json&& target, Out<Json> out) {
  const Json container = std::move(target);
  Flow flow = Flow::kNext;
  if (container.is_array()) {
    for (const Json& element : container.AsArray()) {
      if (!Spend(1)) return Flow::kFatal;
      flow = out(Json(element));
      if (flow != Flow::kNext) break;
    }
  } else if (container.is_object()) {
    for (const Json::Member& member : container.AsObject()) {
      if (!Spend(1)) return Flow::kFatal;
      flow = out(Json(member.value));
      if (flow != Flow::kNext) break;
    }
  } else {
    Raise(absl::StrCat("Cannot iterate over ", Describe(container)));
    return Inaccessible(node);
  }
  return flow;
}

template <>
Flow Machine::Iterate<Tracked>(const Node* node, Tracked&& target, Out<Tracked> out) {
  const Tracked container = std::move(target);
  if (!container.on_path) {
    return Error(absl::StrCat("Invalid path expression near attempt to iterate through ",
                              ShortText(container.value, kLongerText)));
  }
  const size_t size = container.value.Size();
  if (!container.value.is_array() && !container.value.is_object()) {
    Raise(absl::StrCat("Cannot iterate over ", Describe(container.value)));
    return Inaccessible(node);
  }
  for (size_t i = 0; i < size; ++i) {
    if (!Spend(1) || !Charge(kPathBytes * (container.path.Size() + 1))) return Flow::kFatal;
    Flow flow = Flow::kNext;
    if (container.value.is_array()) {
      const Json key = Json::Int(static_cast<int64_t>(i));
      flow = out(Tracked{container.value.At(i), container.path.WithAppended(key), true});
    } else {
      const Json::Member& member = container.value.AsObject()[i];
      flow = out(Tracked{member.value, container.path.WithAppended(member.name), true});
    }
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

template <typename Item>
Flow Machine::RecurseDown(const Item& item, Out<Item> out) {
  if (!StackLeft() || !Spend(1)) return Flow::kFatal;
  const Flow flow = out(Item(item));
  const Json& value = ValueOf(item);
  if (flow != Flow::kNext || !(value.is_array() || value.is_object())) return flow;
  return Iterate<Item>(nullptr, Item(item),
                       [&](Item&& below) { return RecurseDown<Item>(below, out); });
}

Flow Machine::PathsOf(const Closure& closure, Frame* frame, const Json& in,
                      absl::FunctionRef<Flow(Json&&)> out) {
  const Tracked start{in, Json::EmptyArray(), true};
  return RunClosure<Tracked>(closure, FrameRef(frame), start, [&](Tracked&& found) {
    if (!found.on_path) {
      return Error(absl::StrCat("Invalid path expression with result ",
                                ShortText(found.value, kLongerText)));
    }
    return out(std::move(found.path));
  });
}

Flow Machine::CollectPaths(const Closure& closure, Frame* frame, const Json& in,
                           std::vector<Json>& paths) {
  return PathsOf(closure, frame, in, [&](Json&& path) {
    if (!Charge(kPathBytes)) return Flow::kFatal;
    paths.push_back(std::move(path));
    return Flow::kNext;
  });
}

// Takes each value out of its container on the way down and puts it back on the way up, so that
// what nobody else holds is changed in place.
Flow Machine::UpdateAt(Json&& root, absl::Span<const Json> path,
                       absl::FunctionRef<Flow(Json&&, Json&)> change, Json& out) {
  if (!StackLeft() || !Spend(1)) return Flow::kFatal;
  if (path.empty()) return change(std::move(root), out);
  Json below;
  if (!TakeAt(*this, root, path[0], below)) return Failed();
  Json changed;
  const Flow flow = UpdateAt(std::move(below), path.subspan(1), change, changed);
  if (flow != Flow::kNext) return flow;
  return SetAt(*this, std::move(root), path[0], std::move(changed), out) ? Flow::kNext : Failed();
}

Flow Machine::UpdatePaths(const Closure& closure, Frame* frame, Json&& in,
                          absl::FunctionRef<Flow(Json&&, Json&, bool&)> change, Json& out) {
  std::vector<Json> paths;
  Flow flow = CollectPaths(closure, frame, in, paths);
  if (flow != Flow::kNext) return flow;
  Json root = std::move(in);
  std::vector<Json> emptied;
  for (Json& path : paths) {
    bool deleted = false;
    Json next;
    const auto change_one = [&](Json&& old, Json& fresh) {
      return change(std::move(old), fresh, deleted);
    };
    flow = UpdateAt(std::move(root), path.AsArray(), change_one, next);
    if (flow != Flow::kNext) return flow;
    root = std::move(next);
    if (deleted) emptied.push_back(std::move(path));
  }
  // Only now, so that deleting an element moves no other that a later path names.
  if (!emptied.empty()) {
    if (!DeletePaths(*this, std::move(root), std::move(emptied), out)) return Failed();
    return Flow::kNext;
  }
  out = std::move(root);
  return Flow::kNext;
}

template Flow Machine::RunField<Json>(const Node*, const FrameRef&, const Json&, Out<Json>);
template Flow Machine::RunField<Tracked>(const Node*, const FrameRef&, const Tracked&,
                                         Out<Tracked>);
template Flow Machine::RunIndex<Json>(const Node*, const FrameRef&, const Json&, Out<Json>);
template Flow Machine::RunIndex<Tracked>(const Node*, const FrameRef&, const Tracked&,
                                         Out<Tracked>);
template Flow Machine::RunSlice<Json>(const Node*, const FrameRef&, const Json&, Out<Json>);
template Flow Machine::RunSlice<Tracked>(const Node*, const FrameRef&, const Tracked&,
                                         Out<Tracked>);
template Flow Machine::RunIterate<Json>(const Node*, const FrameRef&, const Json&, Out<Json>);
template Flow Machine::RunIterate<Tracked>(const Node*, const FrameRef&, const Tracked&,
                                           Out<Tracked>);
template Flow Machine::RecurseDown<Json>(const Json&, Out<Json>);
template Flow Machine::RecurseDown<Tracked>(const Tracked&, Out<Tracked>);

}  // namespace skald::expression
