// What can be said of a program only as a whole: cycles between functions, which tasks have
// something to undo, which are scopes, where pivots and forward policies may stand, what explicit
// undos refer to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/definition/compile.h"
#include "engine/definition/diagnostics.h"
#include "engine/definition/draft.h"

namespace skald::definition {

// Completes and checks a draft. To be called in this order.

// Refuses circles and too long chains of calls between entries of use.functions, and undos that
// have an undo inside or end the saga. Gives calls the undo of what they call. Lists the worker
// functions that can be reached. False when there is a circle or a chain too long: what follows
// must not be done then.
bool LinkFunctions(Draft& draft, const DefinitionLimits& limits, DiagnosticSink& diagnostics);

// Makes scopes of the tasks that are scopes without saying so; refuses `scope: false` where it
// cannot be.
void MarkScopes(Draft& draft, DiagnosticSink& diagnostics);

// Checks what depends on scopes: their names, pivots, forward policies, registrations, explicit
// undos.
void CheckScopes(const Draft& draft, DiagnosticSink& diagnostics);

// Facts about what a node does, through its lists and the functions it calls. Each is computed once
// a node. Precondition: no cycle between functions.
class Reach {
 public:
  explicit Reach(const Draft& draft);

  // Itself or something inside has an undo.
  bool HasUndo(NodeIndex index) { return Any(index, undo_); }
  // Something inside, itself not counted, has an undo.
  bool HasUndoInside(NodeIndex index);
  // It has an undo or asks for one.
  bool Undoes(NodeIndex index) { return Any(index, undoes_); }
  bool HasPivot(NodeIndex index) { return Any(index, pivot_); }
  // It calls something outside the engine.
  bool HasEffect(NodeIndex index) { return Any(index, effect_); }
  // It may end the saga: `then: end`.
  bool HasEnd(NodeIndex index) { return Any(index, end_); }

 private:
  enum class Known : uint8_t { kNot, kNo, kYes };
  struct Fact {
    bool (*holds)(const Draft& draft, NodeIndex index);
    std::vector<Known> known;
  };
  bool Any(NodeIndex index, Fact& fact);

  const Draft& draft_;
  Fact undo_, undoes_, pivot_, effect_, end_;
};

}  // namespace skald::definition
