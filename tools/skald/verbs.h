// The verbs of `skald`, one file each.
#pragma once

#include "absl/types/span.h"
#include "tools/skald/invocation.h"

namespace skald::tools {

extern const Verb kAuditVerb;
extern const Verb kCancelVerb;
extern const Verb kCompleteVerb;
extern const Verb kCompletionVerb;
extern const Verb kCountVerb;
extern const Verb kDefinitionsVerb;
extern const Verb kDeployVerb;
extern const Verb kEvalVerb;
extern const Verb kFailVerb;
extern const Verb kFsckVerb;
extern const Verb kGetVerb;
extern const Verb kHistoryVerb;
extern const Verb kIncidentsVerb;
extern const Verb kListVerb;
extern const Verb kLogVerb;
extern const Verb kModelsVerb;
extern const Verb kRebuildVerb;
extern const Verb kReplayVerb;
extern const Verb kResolveVerb;
extern const Verb kResumeVerb;
extern const Verb kRetryVerb;
extern const Verb kRowVerb;
extern const Verb kRowsVerb;
extern const Verb kRunVerb;
extern const Verb kSkipVerb;
extern const Verb kSqlVerb;
extern const Verb kStartVerb;
extern const Verb kStatusVerb;
extern const Verb kSuspendVerb;
extern const Verb kTerminateVerb;
extern const Verb kValidateVerb;
extern const Verb kVerifyVerb;
extern const Verb kWatchVerb;
extern const Verb kWhyVerb;
extern const Verb kWorkerVerb;

// In the order in which help shows them.
absl::Span<const Verb* const> AllVerbs();

}  // namespace skald::tools
