#include "api/call_registry.h"

#include <chrono>
#include <vector>

namespace skald::api {

bool CallRegistry::Add(const std::shared_ptr<OpenCall>& call) {
  MutexLock lock(mutex_);
  if (draining()) return false;
  calls_.emplace(call.get(), call);
  return true;
}

void CallRegistry::Remove(const OpenCall* call) {
  MutexLock lock(mutex_);
  calls_.erase(call);
  if (calls_.empty()) removed_.NotifyAll();
}

void CallRegistry::Drain(Micros grace) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(grace);
  {
    MutexLock lock(mutex_);
    draining_ = true;
  }
  for (const std::shared_ptr<OpenCall>& call : Snapshot()) call->Drain(grace);

  MutexLock lock(mutex_);
  while (!calls_.empty()) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) return;
    removed_.WaitFor(mutex_, std::chrono::duration_cast<std::chrono::microseconds>(left));
  }
}

void CallRegistry::EndAll() {
  for (const std::shared_ptr<OpenCall>& call : Snapshot()) call->End();
}

std::vector<std::shared_ptr<OpenCall>> CallRegistry::Snapshot() {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<OpenCall>> calls;
  for (const auto& [key, weak] : calls_) {
    if (std::shared_ptr<OpenCall> call = weak.lock()) calls.push_back(std::move(call));
  }
  return calls;
}

}  // namespace skald::api
