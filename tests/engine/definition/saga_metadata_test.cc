// `metadata.saga`: compensations, scopes, pivots; a typo must never switch an undo off.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(Compensation, ShortFormCallsAFunction) {
  const auto program = MustCompileBody(R"(use: {functions: {release: {call: release-stock}}}
do:
  - a: {call: reserve, metadata: {saga: {compensate: release}}}
  - b: {call: pay, metadata: {saga: {compensate: refund}}}
)");
  ASSERT_NE(program, nullptr);
  const Node& a = NodeAt(*program, "/do/0/a");
  ASSERT_TRUE(a.compensation.has_value());
  EXPECT_EQ(a.compensation->reference, "/do/0/a/metadata/saga/compensate");
  EXPECT_EQ(a.compensation->on_exhausted, OnExhausted::kPark);
  EXPECT_FALSE(a.compensation->register_attempt);
  EXPECT_FALSE(a.compensation->with || a.compensation->condition || a.compensation->retry ||
               a.compensation->timeout);
  const Node& handler = program->node(a.compensation->handler);
  EXPECT_EQ(handler.kind, NodeKind::kCallFunction);
  EXPECT_EQ(handler.reference, "/do/0/a/metadata/saga/compensate");
  EXPECT_EQ(handler.callee, program->Find("/use/functions/release"));
  EXPECT_EQ(handler.parent, kNoNode);
  EXPECT_FALSE(a.scope.has_value()) << "a leaf is no scope";
  const Node& worker = program->node(NodeAt(*program, "/do/1/b").compensation->handler);
  EXPECT_EQ(worker.kind, NodeKind::kCallWorker);
  EXPECT_EQ(worker.function, "refund");
  EXPECT_THAT(program->worker_functions, ElementsAre("pay", "refund", "release-stock", "reserve"));
}

TEST(Compensation, LongFormHasItsOptions) {
  const auto program = MustCompileBody(R"(use:
  retries: {undo: {delay: PT1S}}
  timeouts: {short: {after: PT5S}}
do:
  - a:
      call: reserve
      metadata:
        saga:
          register: attempt
          compensate:
            use: release
            with: {id: '${ $compensation.task.output.id }'}
            if: $compensation.task.outcome != "failed"
            retry: undo
            timeout: short
            onExhausted: continue
  - b:
      call: pay
      metadata:
        saga:
          register: completion
          compensate:
            do:
              - log: {set: {why: '${ $compensation.cause }'}}
              - refund: {call: refund, then: exit}
            with: '${ .charge }'
            retry: {limit: {attempt: {count: 2}}}
            timeout: {after: PT1M}
            onExhausted: fault
)");
  ASSERT_NE(program, nullptr);
  const Compensation& a = *NodeAt(*program, "/do/0/a").compensation;
  EXPECT_TRUE(a.register_attempt);
  EXPECT_TRUE(a.with && a.condition);
  EXPECT_EQ(a.retry->delay.constant.micros, kSecond);
  EXPECT_EQ(a.timeout->constant.micros, 5 * kSecond);
  EXPECT_EQ(a.on_exhausted, OnExhausted::kContinue);
  const Compensation& b = *NodeAt(*program, "/do/1/b").compensation;
  EXPECT_FALSE(b.register_attempt);
  EXPECT_EQ(b.retry->attempt_count_max, 2u);
  EXPECT_EQ(b.timeout->constant.micros, kMinute);
  EXPECT_EQ(b.on_exhausted, OnExhausted::kFault);
  const Node& handler = program->node(b.handler);
  EXPECT_EQ(handler.kind, NodeKind::kDo);
  EXPECT_EQ(handler.reference, "/do/1/b/metadata/saga/compensate/do");
  EXPECT_THAT(handler.body,
              ElementsAre(program->Find("/do/1/b/metadata/saga/compensate/do/0/log"),
                          program->Find("/do/1/b/metadata/saga/compensate/do/1/refund")));
  EXPECT_EQ(program->node(handler.body[0]).parent, b.handler);
}

TEST(Compensation, OfAFunctionAppliesToItsCalls) {
  const auto program = MustCompileBody(R"(use:
  functions:
    charge:
      call: charge
      metadata: {saga: {compensate: refund, register: attempt}}
    outer: {do: [{inner: {call: charge}}]}
do:
  - plain: {call: charge}
  - own: {call: charge, metadata: {saga: {compensate: other}}}
  - late: {call: charge, metadata: {saga: {register: completion}}}
  - deep: {call: outer}
)");
  ASSERT_NE(program, nullptr);
  const std::string definition = "/use/functions/charge/metadata/saga/compensate";
  const Node& plain = NodeAt(*program, "/do/0/plain");
  ASSERT_TRUE(plain.compensation.has_value());
  EXPECT_EQ(plain.compensation->reference, definition);
  EXPECT_EQ(plain.compensation->handler, program->Find(definition));
  EXPECT_TRUE(plain.compensation->register_attempt);
  EXPECT_EQ(NodeAt(*program, "/do/1/own").compensation->reference,
            "/do/1/own/metadata/saga/compensate");
  EXPECT_FALSE(NodeAt(*program, "/do/2/late").compensation->register_attempt);
  EXPECT_EQ(NodeAt(*program, "/use/functions/outer/do/0/inner").compensation->reference,
            definition);
  EXPECT_FALSE(NodeAt(*program, "/use/functions/charge").compensation.has_value())
      << "or it would be undone twice";
  EXPECT_FALSE(NodeAt(*program, "/do/3/deep").compensation.has_value());
}

TEST(Scope, RootHasTheDocumentsOptions) {
  const auto program = MustCompile(R"(document:
  dsl: 1.0.3
  namespace: a
  name: b
  version: 1.0.0
  metadata:
    other: [free]
    saga:
      name: whole
      order: mirror
      onFault: none
      onTimeout: none
      onCancel: abandon
      timeout: {after: PT1H}
      forward: {delay: PT2S}
do:
  - a: {call: f, metadata: {saga: {pivot: true}, other: 1}}
)");
  ASSERT_NE(program, nullptr);
  const ScopeOptions& scope = *program->nodes[0].scope;
  EXPECT_EQ(scope.name, "whole");
  EXPECT_EQ(scope.order, CompensationOrder::kMirror);
  EXPECT_FALSE(scope.compensate_on_fault);
  EXPECT_FALSE(scope.compensate_on_timeout);
  EXPECT_FALSE(scope.compensate_on_cancel);
  EXPECT_TRUE(scope.compensate_on_retry);
  EXPECT_EQ(scope.timeout->constant.micros, kHour);
  EXPECT_EQ(scope.forward->delay.constant.micros, 2 * kSecond);
  EXPECT_TRUE(NodeAt(*program, "/do/0/a").pivot);
}

TEST(Scope, ExplicitAndImplicit) {
  const auto program = MustCompileBody(R"(use:
  functions:
    undoable: {do: [{u: {call: f, metadata: {saga: {compensate: g}}}}]}
do:
  - plainDo: {do: [{a: {call: f, metadata: {saga: {compensate: g}}}}]}
  - saidDo: {do: [], metadata: {saga: {scope: true}}}
  - ownUndo: {do: [{a: {call: f}}], metadata: {saga: {compensate: g}}}
  - tryWith: {try: [{a: {call: f, metadata: {saga: {compensate: g}}}}], catch: {}}
  - tryDeep: {try: [{d: {do: [{c: {call: undoable}}]}}], catch: {}}
  - tryNone: {try: [{a: {call: f}}], catch: {}}
  - tryOut:
      try: [{a: {call: f, metadata: {saga: {compensate: g}}}}]
      catch: {}
      metadata: {saga: {scope: false}}
  - tryCatch: {try: [], catch: {do: [{a: {call: f, metadata: {saga: {compensate: g}}}}]}}
  - tryOptions:
      try: []
      catch: {}
      metadata: {saga: {scope: {name: n, order: parallel, onRetry: keep}}}
  - callOwn: {call: undoable, metadata: {saga: {compensate: g}}}
  - callPlain: {call: undoable}
  - leaf: {call: f, metadata: {saga: {compensate: g}}}
)");
  ASSERT_NE(program, nullptr);
  const auto is_scope = [&](absl::string_view reference) {
    return NodeAt(*program, reference).scope.has_value();
  };
  EXPECT_FALSE(is_scope("/do/0/plainDo"));
  EXPECT_TRUE(is_scope("/do/1/saidDo"));
  EXPECT_TRUE(is_scope("/do/2/ownUndo"));
  EXPECT_TRUE(is_scope("/do/3/tryWith"));
  EXPECT_TRUE(is_scope("/do/4/tryDeep"));
  EXPECT_FALSE(is_scope("/do/5/tryNone"));
  EXPECT_FALSE(is_scope("/do/6/tryOut"));
  EXPECT_TRUE(is_scope("/do/7/tryCatch"));
  const ScopeOptions& options = *NodeAt(*program, "/do/8/tryOptions").scope;
  EXPECT_EQ(options.name, "n");
  EXPECT_EQ(options.order, CompensationOrder::kParallel);
  EXPECT_FALSE(options.compensate_on_retry);
  EXPECT_TRUE(is_scope("/do/9/callOwn")) << "its one undo replaces those inside";
  EXPECT_FALSE(is_scope("/do/10/callPlain"));
  EXPECT_FALSE(is_scope("/do/11/leaf"));
}

TEST(Pivot, MayStandInScopes) {
  const auto program = MustCompileBody(R"(use: {retries: {hard: {delay: PT1S}}}
do:
  - inner:
      do:
        - p: {call: f, metadata: {saga: {pivot: true}}}
        - q: {call: f, metadata: {saga: {forward: hard}}}
      metadata: {saga: {scope: {forward: hard}}}
  - guard:
      try: [{p: {call: f, metadata: {saga: {pivot: true, compensate: g}}}}]
      catch: {}
  - top: {set: {x: 1}, metadata: {saga: {pivot: true}}}
  - after:
      do: [{deep: {call: f, metadata: {saga: {forward: {delay: PT2S}}}}}]
  - no: {call: f, metadata: {saga: {pivot: false}}}
)");
  ASSERT_NE(program, nullptr);
  EXPECT_TRUE(NodeAt(*program, "/do/0/inner/do/0/p").pivot);
  EXPECT_EQ(NodeAt(*program, "/do/0/inner/do/1/q").forward->delay.constant.micros, kSecond);
  EXPECT_TRUE(NodeAt(*program, "/do/1/guard/try/0/p").pivot);
  EXPECT_TRUE(NodeAt(*program, "/do/3/after/do/0/deep").forward.has_value());
  EXPECT_FALSE(NodeAt(*program, "/do/4/no").pivot);
}

class BadSaga : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadSaga, IsRefusedWithItsPlace) { ExpectRefused(GetParam()); }

// A worker call with this `metadata.saga`, whose text begins at line 7, column 36.
BadCase Call(const char* name, absl::string_view saga, int column, const char* pointer,
             const char* fragment) {
  return Bad(name, absl::StrCat("do:\n  - a: {call: f, metadata: {saga: ", saga, "}}\n"), 7, column,
             pointer, fragment);
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, BadSaga,
    ::testing::Values(
        Call("NotAnObject", "yes", 35, "/do/0/a/metadata/saga", "expected an object"),
        Call("MisspeltKey", "{compensat: g}", 36, "/do/0/a/metadata/saga/compensat",
             "'compensat' is no key of 'metadata.saga' of a task; did you mean 'compensate'?"),
        Call("UnknownKey", "{zzz: g}", 36, "/do/0/a/metadata/saga/zzz",
             "known are compensate, register, scope, pivot, forward"),
        Call("CompensateNumber", "{compensate: 5}", 48, "/do/0/a/metadata/saga/compensate",
             "expected the name of a function"),
        Call("CompensateNull", "{compensate: }", 48, "/do/0/a/metadata/saga/compensate",
             "expected the name of a function"),
        Call("CompensateEmpty", "{compensate: ''}", 48, "/do/0/a/metadata/saga/compensate",
             "expected a name"),
        Call("CompensateKey", "{compensate: {use: g, retires: x}}", 57,
             "/do/0/a/metadata/saga/compensate/retires", "did you mean 'retry'?"),
        Call("UseAndDo", "{compensate: {use: g, do: []}}", 48, "/do/0/a/metadata/saga/compensate",
             "takes only one of 'use' or 'do'"),
        Call("NeitherUseNorDo", "{compensate: {if: .x}}", 48, "/do/0/a/metadata/saga/compensate",
             "needs 'use' or 'do'"),
        Call("CompensateRetry", "{compensate: {use: g, retry: undo}}", 64,
             "/do/0/a/metadata/saga/compensate/retry", "use.retries has no retry policy 'undo'"),
        Call("CompensateTimeout", "{compensate: {use: g, timeout: {afte: PT1S}}}", 67,
             "/do/0/a/metadata/saga/compensate/timeout/afte", "did you mean 'after'?"),
        Call("OnExhausted", "{compensate: {use: g, onExhausted: parc}}", 70,
             "/do/0/a/metadata/saga/compensate/onExhausted", "did you mean 'park'?"),
        Call("OnExhaustedOutside", "{compensate: g, onExhausted: park}", 51,
             "/do/0/a/metadata/saga/onExhausted", "it belongs under 'compensate'"),
        Call("Register", "{compensate: g, register: attempts}", 61,
             "/do/0/a/metadata/saga/register", "did you mean 'attempt'?"),
        Call("RegisterAlone", "{register: attempt}", 36, "/do/0/a/metadata/saga/register",
             "'register' has a meaning only with 'compensate'"),
        Call("PivotText", "{pivot: 'true'}", 43, "/do/0/a/metadata/saga/pivot", "true or false"),
        Call("ScopeOnACall", "{scope: true}", 36, "/do/0/a/metadata/saga/scope",
             "a 'call' task is no scope"),
        Call("OptionOutsideScope", "{order: mirror}", 36, "/do/0/a/metadata/saga/order",
             "it belongs under 'scope'"),
        Call("BrokenHandler", "{compensate: {do: [{x: {cal: y}}]}}", 59,
             "/do/0/a/metadata/saga/compensate/do/0/x/cal", "did you mean 'call'?"),
        Call("ForwardBeforePivot", "{forward: {}}", 36, "/do/0/a/metadata/saga/forward",
             "no pivot stands before this task"),
        Call("ForwardOnPivot", "{pivot: true, forward: {}}", 49, "/do/0/a/metadata/saga/forward",
             "no pivot stands before this task")),
    BadCaseName());

INSTANTIATE_TEST_SUITE_P(
    Scopes, BadSaga,
    ::testing::Values(
        Bad("ScopeNumber", "do:\n  - a: {do: [], metadata: {saga: {scope: 1}}}\n", 7, 42,
            "/do/0/a/metadata/saga/scope", "true, false or an object of options"),
        Bad("ScopeKey", "do:\n  - a: {do: [], metadata: {saga: {scope: {onfualt: none}}}}\n", 7, 43,
            "/do/0/a/metadata/saga/scope/onfualt", "did you mean 'onFault'?"),
        Bad("ScopeOrder", "do:\n  - a: {do: [], metadata: {saga: {scope: {order: backwards}}}}\n",
            7, 50, "/do/0/a/metadata/saga/scope/order", "'reverse', 'mirror' or 'parallel'"),
        Bad("OnRetryOnDo", "do:\n  - a: {do: [], metadata: {saga: {scope: {onRetry: keep}}}}\n", 7,
            43, "/do/0/a/metadata/saga/scope/onRetry", "'onRetry' is no key of 'scope'"),
        Bad("ScopeOnSet", "do:\n  - a: {set: {x: 1}, metadata: {saga: {scope: false}}}\n", 7, 40,
            "/do/0/a/metadata/saga/scope", "a 'set' task is no scope"),
        Bad("OptOutOfOwn",
            "do:\n  - a: {do: [], metadata: {saga: {scope: false, compensate: g}}}\n", 7, 35,
            "/do/0/a/metadata/saga/scope", "cannot opt out"),
        BadCase{"RootOrder",
                "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: 1.0.0\n"
                "  metadata: {saga: {ordr: mirror}}\ndo: []\n",
                6, 21, "/document/metadata/saga/ordr", "did you mean 'order'?"},
        BadCase{"RootScope",
                "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: 1.0.0\n"
                "  metadata: {saga: {scope: {order: mirror}}}\ndo: []\n",
                6, 21, "/document/metadata/saga/scope", "stand right here"},
        BadCase{"RootPivot",
                "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: 1.0.0\n"
                "  metadata: {saga: {pivot: true}}\ndo: []\n",
                6, 21, "/document/metadata/saga/pivot", "it belongs on a task"},
        BadCase{"RootOnRetry",
                "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: 1.0.0\n"
                "  metadata: {saga: {onRetry: keep}}\ndo: []\n",
                6, 21, "/document/metadata/saga/onRetry", "only a 'try' retries"},
        BadCase{"RootForward",
                "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: 1.0.0\n"
                "  metadata: {saga: {forward: hard}}\ndo: []\n",
                6, 30, "/document/metadata/saga/forward",
                "use.retries has no retry policy 'hard'"}),
    BadCaseName());

INSTANTIATE_TEST_SUITE_P(
    Pivots, BadSaga,
    ::testing::Values(
        Bad("InPlainDo", "do:\n  - a: {do: [{p: {call: f, metadata: {saga: {pivot: true}}}}]}\n", 7,
            46, "/do/0/a/do/0/p/metadata/saga/pivot", "this list is of a 'do' that is no scope"),
        Bad("InPlainTry",
            "do:\n  - a: {try: [{p: {call: f, metadata: {saga: {pivot: true}}}}], catch: {}}\n", 7,
            47, "/do/0/a/try/0/p/metadata/saga/pivot", "this list is of a 'try' that is no scope"),
        Bad("InCatch",
            "do:\n  - a:\n      try: []\n      catch: {do: [{p: {call: f, metadata: {saga: {pivot: "
            "true}}}}]}\n      metadata: {saga: {scope: true}}\n",
            9, 52, "/do/0/a/catch/do/0/p/metadata/saga/pivot", "of a 'catch' that is no scope"),
        Bad("InRetriedTry",
            "do:\n  - a:\n      try: [{p: {call: f, metadata: {saga: {pivot: true}}}}]\n"
            "      catch: {retry: {}}\n      metadata: {saga: {scope: true}}\n",
            8, 45, "/do/0/a/try/0/p/metadata/saga/pivot", "inside a 'try' with 'retry'"),
        Bad("DeepInRetriedTry",
            "do:\n  - a:\n      try:\n        - d:\n            do: [{p: {call: f, metadata: "
            "{saga: "
            "{pivot: true}}}}]\n            metadata: {saga: {scope: true}}\n"
            "      catch: {retry: {}}\n",
            10, 50, "/do/0/a/try/0/d/do/0/p/metadata/saga/pivot", "inside a 'try' with 'retry'"),
        Bad("CalledInRetriedTry",
            "use:\n  functions:\n    f:\n      do: [{p: {call: g, metadata: {saga: {pivot: "
            "true}}}}]\n"
            "      metadata: {saga: {scope: true}}\n"
            "do:\n  - a: {try: [{c: {call: f}}], catch: {retry: {}}}\n",
            12, 20, "/do/0/a/try/0/c/call", "a pivot is inside this function"),
        Bad("OfAFunction",
            "use: {functions: {f: {call: g, metadata: {saga: {pivot: true}}}}}\ndo: [{a: {call: "
            "f}}]\n",
            6, 50, "/use/functions/f/metadata/saga/pivot",
            "the definition of a function is in none")),
    BadCaseName());

INSTANTIATE_TEST_SUITE_P(
    UndoInUndo, BadSaga,
    ::testing::Values(
        Call("Nested", "{compensate: {do: [{x: {call: g, metadata: {saga: {compensate: h}}}}]}}",
             86, "/do/0/a/metadata/saga/compensate/do/0/x/metadata/saga/compensate",
             "a compensation cannot have a compensation"),
        Call("PivotInside", "{compensate: {do: [{x: {call: g, metadata: {saga: {pivot: true}}}}]}}",
             86, "/do/0/a/metadata/saga/compensate/do/0/x/metadata/saga/pivot",
             "'pivot' has no meaning inside a compensation"),
        Call("ExplicitInside", "{compensate: {do: [{x: {call: 'compensate:1.0.0@default'}}]}}", 65,
             "/do/0/a/metadata/saga/compensate/do/0/x/call", "cannot ask for another undo"),
        Bad("ThroughAFunction",
            "use:\n  functions:\n    g: {do: [{x: {call: h, metadata: {saga: {compensate: i}}}}]}\n"
            "do:\n  - a: {call: f, metadata: {saga: {compensate: g}}}\n",
            10, 48, "/do/0/a/metadata/saga/compensate",
            "'g' is called to undo, but something in it"),
        Bad("FunctionWithUndo",
            "use:\n  functions:\n    g: {call: h, metadata: {saga: {compensate: i}}}\n"
            "do:\n  - a: {call: f, metadata: {saga: {compensate: {use: g}}}}\n",
            10, 54, "/do/0/a/metadata/saga/compensate/use",
            "'g' is called to undo, but has a compensation of its own")),
    BadCaseName());

INSTANTIATE_TEST_SUITE_P(
    EndInUndo, BadSaga,
    ::testing::Values(
        Call("Task", "{compensate: {do: [{x: {call: g, then: end}}]}}", 74,
             "/do/0/a/metadata/saga/compensate/do/0/x/then",
             "'end' would complete the saga, which a compensation cannot do; 'exit' ends the list"),
        Call("Case", "{compensate: {do: [{x: {switch: [{y: {then: end}}]}}]}}", 79,
             "/do/0/a/metadata/saga/compensate/do/0/x/switch/0/y/then", "'end' would complete"),
        Call("Catch", "{compensate: {do: [{x: {try: [{y: {call: g}}], catch: {then: end}}}]}}", 96,
             "/do/0/a/metadata/saga/compensate/do/0/x/catch/then", "'end' would complete"),
        Bad("ThroughAFunction",
            "use:\n  functions:\n    g: {do: [{x: {call: h, then: end}}]}\n"
            "do:\n  - a: {call: f, metadata: {saga: {compensate: g}}}\n",
            10, 48, "/do/0/a/metadata/saga/compensate",
            "'g' is called to undo, but something in it says 'then: end'")),
    BadCaseName());

INSTANTIATE_TEST_SUITE_P(
    ScopeNames, BadSaga,
    ::testing::Values(
        Bad("Twice",
            "do:\n"
            "  - a: {do: [{x: {call: f}}], metadata: {saga: {scope: {name: trip}}}}\n"
            "  - b: {do: [{y: {call: f}}], metadata: {saga: {scope: {name: trip}}}}\n",
            8, 57, "/do/1/b/metadata/saga/scope/name",
            "a scope 'trip' is in this definition already, at /do/0/a; an undo by that name could "
            "mean both: name one of them otherwise"),
        Bad("AsATaskThatIsAScope",
            "do:\n"
            "  - trip: {do: [{x: {call: f}}], metadata: {saga: {scope: true}}}\n"
            "  - b: {do: [{y: {call: f}}], metadata: {saga: {scope: {name: trip}}}}\n",
            8, 57, "/do/1/b/metadata/saga/scope/name", "at /do/0/trip; an undo by that name"),
        Bad("AsTheRoot",
            "do:\n"
            "  - b: {do: [{y: {call: f}}], metadata: {saga: {scope: {name: order}}}}\n",
            7, 57, "/do/0/b/metadata/saga/scope/name", "at /document/metadata/saga; an undo"),
        Bad("TheRootIsNotCalledDo",
            "do:\n  - a: {call: 'compensate:1.0.0@default', with: {scope: do}}\n", 7, 57,
            "/do/0/a/with/scope", "no scope is named 'do'")),
    BadCaseName());

TEST(ScopeNames, OfTasksMayRepeatAndTheRootHasTheDefinitions) {
  MustCompileBody(R"(do:
  - a: {do: [{trip: {do: [{x: {call: f}}], metadata: {saga: {scope: true}}}}]}
  - trip: {do: [{y: {call: f}}], metadata: {saga: {scope: true}}}
  - all: {call: 'compensate:1.0.0@default', with: {scope: order}}
)");
}

TEST(Warnings, AttemptWithoutOutsideEffect) {
  const auto warnings = [](absl::string_view task) {
    const CompileResult result = Compile(absl::StrCat(
        kHeader, "use: {functions: {pure: {set: {x: 1}}, real: {call: w}}}\ndo: [{a: {", task,
        ", metadata: {saga: {compensate: g, register: attempt}}}}]\n"));
    EXPECT_TRUE(result.ok()) << Findings(result);
    return result.diagnostics;
  };
  ASSERT_THAT(warnings("set: {x: 1}"), SizeIs(1));
  EXPECT_THAT(warnings("set: {x: 1}")[0].message, HasSubstr("without outside effect"));
  EXPECT_EQ(warnings("set: {x: 1}")[0].severity, Diagnostic::Severity::kWarning);
  EXPECT_THAT(warnings("wait: PT1S"), SizeIs(1));
  EXPECT_THAT(warnings("do: [{b: {set: {x: 1}}}]"), SizeIs(1));
  EXPECT_THAT(warnings("call: pure"), SizeIs(1));
  ASSERT_THAT(warnings("call: real"), SizeIs(1));
  EXPECT_THAT(warnings("call: real")[0].message, HasSubstr("more than one call"));
  EXPECT_THAT(warnings("call: worker"), SizeIs(0));
  EXPECT_THAT(warnings("do: [{b: {call: worker}}]"), SizeIs(1));
}

TEST(Warnings, ForwardOfAScopeWithoutPivot) {
  const CompileResult result = Compile(absl::StrCat(
      kHeader, "do: [{a: {do: [], metadata: {saga: {scope: {forward: {delay: PT1S}}}}}}]\n"));
  EXPECT_TRUE(result.ok());
  ASSERT_THAT(result.diagnostics, SizeIs(1));
  EXPECT_THAT(result.diagnostics[0].message, HasSubstr("no task of this scope is a pivot"));
}

}  // namespace
}  // namespace skald::definition
