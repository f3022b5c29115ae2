// Requests to a saga: they may be refused, and then nothing happens.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/ids.h"
#include "base/json.h"

namespace skald::saga {

// A frame of a saga: one execution of a task or an undo; unique in its saga, never reused.
using FrameId = StrongNumber<struct FrameIdTag, uint32_t>;

// What a worker answers to: survives restarts, differs between attempts.
struct TaskToken {
  SagaKey saga;
  FrameId frame;
  uint32_t attempt = 1;

  friend bool operator==(const TaskToken&, const TaskToken&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const TaskToken& token) {
    return H::combine(std::move(hash), token.saga, token.frame, token.attempt);
  }
};

// A JSON value as it came from outside: the text is logged as it is, the value is worked with.
struct Payload {
  Json value;
  std::string text;

  // Both from a value made by the engine.
  static Payload Of(Json value) {
    std::string text = value.ToText();
    return {std::move(value), std::move(text)};
  }
};

// Starts a saga with a deployed definition. The definition's hash is looked up by the partition.
struct StartSaga {
  std::string definition_name;
  std::string definition_version;  // empty: the newest
  Payload input;
};

struct CancelSaga {
  std::string reason;
  // Overrides the root scope's onCancel: true undoes, false abandons.
  std::optional<bool> compensate;
  // Go over a sealed pivot (without undoing what it sealed).
  bool force = false;
};

// Ends at once, without undo.
struct TerminateSaga {
  std::string reason;
};

struct SuspendSaga {
  std::string reason;
};

struct ResumeSaga {};

// A worker's success or failure.
struct AnswerTask {
  TaskToken token;
  // One of the two is set.
  std::optional<Payload> output;
  std::optional<Json>
      error;  // {type, status, title, detail, instance}; what is missing is filled in
};

// The task broker has made sure that no answer of a cancelled task is on its way any more.
struct QuiesceTask {
  TaskToken token;
  bool never_dispatched = false;
};

// Verbs for parked work. `task` is the JSON pointer or name of the parked task or undo; empty: the
// only one.
struct RetryCompensation {
  std::string task;
};
struct SkipCompensation {
  std::string task;
  std::string reason;  // required
};
// Of a late effect too, also after the end.
struct ResolveCompensation {
  std::string task;
  std::string note;  // required
};
struct RetryTask {
  std::string task;
};
struct CompleteTask {
  std::string task;
  Payload output;
  std::string note;  // required
};
struct FailTask {
  std::string task;
  std::string note;  // required
};

// A timer is due. Stale ones are no-ops.
struct FireTimer {
  enum class Kind : uint8_t {
    kDue = 1,              // a wait or a retry's delay is over
    kDeadline = 2,         // the frame's timeout (of frame 0: the saga's)
    kAttemptDeadline = 3,  // the limit of one attempt of a try
    kUndoDeadline = 4,     // the timeout of a scope's whole compensation
    kContinue =
        5,  // go on with a macro step that was cut short so that it could not starve other sagas
  };
  Kind kind = Kind::kDue;
  FrameId frame;
  Timestamp due;
};

struct Command {
  SagaKey saga;
  // The client's idempotency key and the digest of the request; empty without one.
  std::string request_id;
  uint64_t request_digest = 0;
  // Who asks, as the API knows them.
  std::string actor;
  // The business conversation; empty: the saga itself.
  std::string correlation_id;
  std::variant<StartSaga, CancelSaga, TerminateSaga, SuspendSaga, ResumeSaga, AnswerTask,
               QuiesceTask, RetryCompensation, SkipCompensation, ResolveCompensation, RetryTask,
               CompleteTask, FailTask, FireTimer>
      request;
};

// "StartSaga": what a commit's cause is called.
absl::string_view CommandName(const Command& command);

}  // namespace skald::saga
