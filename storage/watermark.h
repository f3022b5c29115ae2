// The time up to which a partition's commits are final: all of them durable, and none to come that
// is as early. Commits of several partitions stand in one order by time, so who folds them in that
// order goes up to the least of the partitions' watermarks, and waits for nobody.
//
// The partition says when it begins to decide, and from what time on; the log's news say what
// became durable. Whoever asks sets a floor with it: later turns give later times, so the watermark
// goes on also where nothing happens.
//
// Thread rule: BeginTurn, EndTurn and Restart by the partition's thread; Durable and Raise from
// any.
#pragma once

#include <deque>

#include "base/ids.h"
#include "base/mutex.h"

namespace skald::storage {

class Watermark {
 public:
  // ---- The partition ----
  // The log is durable through `durable`, whose time is `latest`, and nothing is under way.
  void Restart(Position durable, Timestamp latest);
  // Begins a turn, whose commits may not be earlier than `earliest`. Returns the least time that
  // they may have: that, or more when a floor lies above it.
  Timestamp BeginTurn(Timestamp earliest);
  // The turn is over; so far the partition has decided through `decided`, whose time is `latest`.
  void EndTurn(Position decided, Timestamp latest);

  // ---- Anyone ----
  // The log is durable through `durable`. May come late: after that of a later position.
  void Durable(Position durable);

  struct Reading {
    // Commits up to this time are final. At most the floor.
    Timestamp through;
    // Of the latest commit that was decided; above the floor when clocks went back.
    Timestamp latest;
  };
  // Turns that begin from now on give their commits times later than `floor`.
  Reading Raise(Timestamp floor);

 private:
  // What a turn decided: nothing of it is earlier than `from`, nothing lies after `last`.
  struct Turn {
    Timestamp from;
    Position last;
  };

  Mutex mu_;
  Timestamp least_ SKALD_GUARDED_BY(mu_);               // of turns that begin
  Timestamp open_from_ SKALD_GUARDED_BY(mu_) = kNever;  // of the turn that goes on
  std::deque<Turn> under_way_ SKALD_GUARDED_BY(mu_);    // not all durable, in order
  Position decided_ SKALD_GUARDED_BY(mu_);
  Timestamp latest_ SKALD_GUARDED_BY(mu_);
};

}  // namespace skald::storage
