// The variables and function parameters of one activation. Private to engine/expression.
//
// Counted: a tail call lets go of its caller's frame, while a function passed down keeps the frame
// it was written in. Frames form no cycles: a frame points only to frames that existed before it.
// One evaluation, one thread.
#pragma once

#include <cstdint>
#include <utility>

#include "base/json.h"
#include "engine/expression/program.h"

namespace skald::expression {

class Frame;

// A counted reference to a frame.
class FrameRef {
 public:
  FrameRef() = default;
  explicit FrameRef(Frame* frame);
  FrameRef(const FrameRef& other) : FrameRef(other.frame_) {}
  FrameRef(FrameRef&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  FrameRef& operator=(FrameRef other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~FrameRef();

  Frame* get() const { return frame_; }
  Frame* operator->() const { return frame_; }

 private:
  friend class Frame;
  Frame* frame_ = nullptr;
};

// A function with the frame it was written in.
struct BoundClosure {
  const Closure* code = nullptr;
  FrameRef frame;
};

class Frame {
 public:
  // `parent` is the frame of the enclosing function; null at the top.
  static FrameRef New(Frame* parent, uint32_t variable_count, uint32_t closure_count);

  // The frame `hops` further out. A program whose top binds nothing has no frame there.
  static Frame* Up(Frame* frame, int32_t hops) {
    for (; hops > 0; --hops) frame = frame->parent_;
    return frame;
  }
  Json& variable(uint32_t slot) { return variables()[slot]; }
  BoundClosure& closure(uint32_t slot) { return closures()[slot]; }

 private:
  friend class FrameRef;

  Frame() = default;
  Json* variables() { return reinterpret_cast<Json*>(this + 1); }
  BoundClosure* closures() {
    return reinterpret_cast<BoundClosure*>(variables() + variable_count_);
  }
  static void Destroy(Frame* frame);
  static bool Drop(Frame* frame) { return --frame->references_ == 0; }

  Frame* parent_ = nullptr;
  uint32_t references_ = 0;
  uint32_t variable_count_ = 0;
  uint32_t closure_count_ = 0;
};

inline FrameRef::FrameRef(Frame* frame) : frame_(frame) {
  if (frame_ != nullptr) ++frame_->references_;
}
inline FrameRef::~FrameRef() {
  if (frame_ != nullptr && Frame::Drop(frame_)) Frame::Destroy(frame_);
}

}  // namespace skald::expression
