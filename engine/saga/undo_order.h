// Which undo may start now: the order within a scope and its finished child scopes, from the
// entries' phases alone.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/saga/state.h"

namespace skald::saga {

// The due entries of a scope that may start now, in order. Under `reverse` and `mirror` at most
// one: strictly descending place at which outcomes were recorded; one that runs, retries or is
// parked holds back those after it.
std::vector<uint32_t> StartableUndos(const Scope& scope);

// True when no entry of the scope is due, running, retrying or parked.
bool IsUndoFinished(const Scope& scope);

// True while a handler of the scope runs or waits for its retry.
bool IsUndoRunning(const Scope& scope);

// The seqs of all entries that an undo of the whole scope marks due, child scopes' included.
std::vector<uint32_t> ArmedSeqs(const std::vector<Entry>& entries);

}  // namespace skald::saga
