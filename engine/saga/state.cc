#include "engine/saga/state.h"

#include <algorithm>

namespace skald::saga {
namespace {

size_t BytesOf(const std::vector<Entry>& entries) {
  size_t bytes = 0;
  for (const Entry& entry : entries) {
    bytes += sizeof(Entry) + entry.task.size() + entry.path.size() + entry.handler.size();
    bytes += entry.input.ApproximateBytes() + entry.output.ApproximateBytes() +
             entry.raw_output.ApproximateBytes() + entry.context.ApproximateBytes();
    bytes += BytesOf(entry.children);
  }
  return bytes;
}

}  // namespace

Frame* SagaState::Find(FrameId id) {
  return const_cast<Frame*>(static_cast<const SagaState*>(this)->Find(id));
}

const Frame* SagaState::Find(FrameId id) const {
  auto it = std::lower_bound(frames.begin(), frames.end(), id,
                             [](const Frame& frame, FrameId wanted) { return frame.id < wanted; });
  return it != frames.end() && it->id == id ? &*it : nullptr;
}

bool SagaState::HasChildren(FrameId id) const {
  // Children are newer than their parent.
  return std::any_of(frames.rbegin(), frames.rend(), [&](const Frame& frame) {
    return frame.parent == id && frame.id != kRootFrame;
  });
}

bool SagaState::HasExplicitUndo(FrameId id) const {
  return id != kRootFrame && std::any_of(frames.begin(), frames.end(), [&](const Frame& frame) {
           return frame.scope && frame.scope->undoing && frame.scope->explicit_frame == id;
         });
}

Entry* FindEntry(std::vector<Entry>& entries, uint32_t seq) {
  return const_cast<Entry*>(FindEntry(static_cast<const std::vector<Entry>&>(entries), seq));
}

const Entry* FindEntry(const std::vector<Entry>& entries, uint32_t seq) {
  for (const Entry& entry : entries) {
    if (entry.seq == seq) return &entry;
    if (const Entry* inner = FindEntry(entry.children, seq)) return inner;
  }
  return nullptr;
}

std::vector<const Entry*> EntriesOfFrame(const std::vector<Entry>& entries, FrameId frame) {
  std::vector<const Entry*> found;
  for (const Entry& entry : entries) {
    if (entry.frame == frame) found.push_back(&entry);
    const std::vector<const Entry*> inner = EntriesOfFrame(entry.children, frame);
    found.insert(found.end(), inner.begin(), inner.end());
  }
  return found;
}

size_t ApproximateBytes(const SagaState& state) {
  size_t bytes = sizeof(SagaState) + state.input.ApproximateBytes() +
                 state.context.ApproximateBytes() + state.output.ApproximateBytes() +
                 state.error.ApproximateBytes();
  for (const Frame& frame : state.frames) {
    bytes += sizeof(Frame) + frame.task.size() + frame.data.ApproximateBytes() +
             frame.input.ApproximateBytes();
    if (frame.scope) bytes += BytesOf(frame.scope->entries);
  }
  bytes += BytesOf(state.kept);
  for (const auto& [path, record] : state.runs) bytes += path.size() + sizeof(record) + 32;
  return bytes;
}

}  // namespace skald::saga
