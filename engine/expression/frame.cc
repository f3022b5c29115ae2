#include "engine/expression/frame.h"

#include <cstdlib>
#include <memory>
#include <new>

namespace skald::expression {

FrameRef Frame::New(Frame* parent, uint32_t variable_count, uint32_t closure_count) {
  static_assert(sizeof(Frame) % alignof(Json) == 0 && alignof(BoundClosure) <= alignof(Json));
  const size_t bytes =
      sizeof(Frame) + variable_count * sizeof(Json) + closure_count * sizeof(BoundClosure);
  Frame* frame = new (::operator new(bytes)) Frame();
  frame->parent_ = parent;
  if (parent != nullptr) ++parent->references_;
  frame->variable_count_ = variable_count;
  frame->closure_count_ = closure_count;
  std::uninitialized_value_construct_n(frame->variables(), variable_count);
  std::uninitialized_value_construct_n(frame->closures(), closure_count);
  return FrameRef(frame);
}

// Chains of frames may be as long as the budget allows, so what dies is linked into a list instead
// of recursing. A dead frame needs its parent pointer no more: it links the list.
void Frame::Destroy(Frame* frame) {
  Frame* dead = frame;
  Frame* pending = std::exchange(dead->parent_, nullptr);
  const auto drop = [&dead](Frame* candidate) {
    if (candidate == nullptr || !Drop(candidate)) return static_cast<Frame*>(nullptr);
    Frame* parent = std::exchange(candidate->parent_, dead);
    dead = candidate;
    return parent;
  };
  while (pending != nullptr) pending = drop(pending);
  while (dead != nullptr) {
    Frame* current = dead;
    dead = current->parent_;
    BoundClosure* closures = current->closures();
    for (uint32_t i = 0; i < current->closure_count_; ++i) {
      Frame* next = std::exchange(closures[i].frame.frame_, nullptr);
      while (next != nullptr) next = drop(next);
    }
    std::destroy_n(closures, current->closure_count_);
    std::destroy_n(current->variables(), current->variable_count_);
    current->~Frame();
    ::operator delete(current);
  }
}

}  // namespace skald::expression
