// Tasks of every kind that runs: what their nodes hold, and what is refused where.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/definition/definition_testing.h"

namespace skald::definition {
namespace {

using ::testing::ElementsAre;

TEST(Tasks, StandInTheirListsWithPointers) {
  const auto program = MustCompileBody(R"(do:
  - first: {set: {x: 1}}
  - group:
      do:
        - inner: {wait: PT1S}
        - 'a/b~c': {wait: {seconds: 2}}
  - last: {set: '${ .x }'}
  - text: {set: '.x'}
)");
  ASSERT_NE(program, nullptr);
  const Node& root = program->nodes[0];
  ASSERT_EQ(root.body.size(), 4u);
  const Node& first = NodeAt(*program, "/do/0/first");
  EXPECT_EQ(first.parent, 0u);
  EXPECT_EQ(first.name, "first");
  EXPECT_EQ(first.next, program->Find("/do/1/group"));
  EXPECT_EQ(first.definition.ToText(), R"({"set":{"x":1}})");
  EXPECT_TRUE(first.value.is_constant());
  const Node& group = NodeAt(*program, "/do/1/group");
  EXPECT_EQ(group.kind, NodeKind::kDo);
  EXPECT_THAT(group.body, ElementsAre(program->Find("/do/1/group/do/0/inner"),
                                      program->Find("/do/1/group/do/1/a~1b~0c")));
  const Node& odd = NodeAt(*program, "/do/1/group/do/1/a~1b~0c");
  EXPECT_EQ(odd.name, "a/b~c");
  EXPECT_EQ(odd.parent, program->Find("/do/1/group"));
  EXPECT_EQ(odd.next, kNoNode);
  EXPECT_EQ(odd.kind, NodeKind::kWait);
  EXPECT_EQ(odd.wait.constant.micros, 2 * kSecond);
  const Node& last = NodeAt(*program, "/do/2/last");
  EXPECT_FALSE(last.value.is_constant());
  const Node& text = NodeAt(*program, "/do/3/text");
  EXPECT_EQ(text.next, kNoNode);
  EXPECT_TRUE(text.value.is_constant()) << "a value position evaluates ${ } only";
}

TEST(Tasks, FlowGoesToTasksOfTheSameList) {
  const auto program = MustCompileBody(R"(do:
  - a: {set: {x: 1}, then: c}
  - b: {set: {x: 1}, then: end}
  - c: {set: {x: 1}, then: exit}
  - d: {set: {x: 1}, then: continue}
  - e:
      switch:
        - red: {when: .x == 1, then: a}
        - blue: {when: '${ .x == 2 }', then: end}
        - other: {then: exit}
      then: b
)");
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(NodeAt(*program, "/do/0/a").then.kind, Flow::Kind::kTask);
  EXPECT_EQ(NodeAt(*program, "/do/0/a").then.target, program->Find("/do/2/c"));
  EXPECT_EQ(NodeAt(*program, "/do/1/b").then.kind, Flow::Kind::kEnd);
  EXPECT_EQ(NodeAt(*program, "/do/2/c").then.kind, Flow::Kind::kExit);
  EXPECT_EQ(NodeAt(*program, "/do/3/d").then.kind, Flow::Kind::kContinue);
  const Node& choice = NodeAt(*program, "/do/4/e");
  EXPECT_EQ(choice.kind, NodeKind::kSwitch);
  ASSERT_EQ(choice.cases.size(), 3u);
  EXPECT_EQ(choice.cases[0].name, "red");
  EXPECT_EQ(choice.cases[0].then.target, program->Find("/do/0/a"));
  EXPECT_TRUE(choice.cases[1].when.has_value());
  EXPECT_FALSE(choice.cases[2].when.has_value());
  EXPECT_EQ(choice.then.target, program->Find("/do/1/b"));
}

TEST(Tasks, CallsResolveToFunctionsThenWorkers) {
  const auto program = MustCompileBody(R"(use:
  functions:
    charge:
      call: charge
      with: {amount: '${ .total }'}
    both:
      do:
        - one: {call: charge}
        - two: {call: both}
    unused: {call: nobody}
do:
  - pay: {call: charge, with: {total: 5}}
  - ship: {call: ship}
  - all: {call: both}
)");
  ASSERT_NE(program, nullptr);
  const Node& pay = NodeAt(*program, "/do/0/pay");
  EXPECT_EQ(pay.kind, NodeKind::kCallFunction);
  EXPECT_EQ(pay.function, "charge");
  EXPECT_EQ(pay.callee, program->Find("/use/functions/charge"));
  ASSERT_TRUE(pay.with.has_value());
  EXPECT_TRUE(pay.with->is_constant());
  const Node& charge = NodeAt(*program, "/use/functions/charge");
  EXPECT_EQ(charge.kind, NodeKind::kCallWorker) << "inside X, X is the worker function";
  EXPECT_EQ(charge.name, "charge");
  EXPECT_EQ(charge.parent, kNoNode);
  const Node& ship = NodeAt(*program, "/do/1/ship");
  EXPECT_EQ(ship.kind, NodeKind::kCallWorker);
  EXPECT_FALSE(ship.with.has_value());
  EXPECT_EQ(NodeAt(*program, "/use/functions/both/do/0/one").kind, NodeKind::kCallFunction);
  EXPECT_EQ(NodeAt(*program, "/use/functions/both/do/1/two").kind, NodeKind::kCallWorker);
  EXPECT_THAT(program->worker_functions, ElementsAre("both", "charge", "ship"));
}

TEST(Tasks, TryHoldsItsCatch) {
  const auto program = MustCompileBody(R"(use:
  retries:
    slow:
      when: $err.status >= 500
      delay: {seconds: 2}
      backoff: {exponential: {}}
      limit: {attempt: {count: 3, duration: PT5S}, duration: PT1M}
      jitter: {from: PT0S, to: {milliseconds: 500}}
do:
  - guard:
      try:
        - a: {call: pay}
      catch:
        errors: {with: {type: https://x/errors/communication, status: 503, title: t, detail: d, instance: /do/0}}
        as: err
        when: $err.status == 503 and $input.x
        exceptWhen: .skip
        retry: slow
        do:
          - b: {set: {e: '${ $err }'}}
        then: end
  - plain:
      try: [{c: {call: pay}}]
      catch: {}
  - linear:
      try: []
      catch: {retry: {delay: '${ $error.wait }', backoff: {linear: {}}}}
)");
  ASSERT_NE(program, nullptr);
  const Node& guard = NodeAt(*program, "/do/0/guard");
  EXPECT_EQ(guard.kind, NodeKind::kTry);
  EXPECT_THAT(guard.body, ElementsAre(program->Find("/do/0/guard/try/0/a")));
  ASSERT_TRUE(guard.catch_clause.has_value());
  const CatchClause& clause = *guard.catch_clause;
  EXPECT_EQ(clause.filter.type, "https://x/errors/communication");
  EXPECT_EQ(clause.filter.status, 503);
  EXPECT_EQ(clause.filter.title, "t");
  EXPECT_EQ(clause.filter.detail, "d");
  EXPECT_EQ(clause.filter.instance, "/do/0");
  EXPECT_EQ(clause.as, "err");
  EXPECT_TRUE(clause.when.has_value());
  EXPECT_TRUE(clause.except_when.has_value());
  EXPECT_TRUE(clause.has_body);
  EXPECT_THAT(clause.body, ElementsAre(program->Find("/do/0/guard/catch/do/0/b")));
  EXPECT_EQ(NodeAt(*program, "/do/0/guard/catch/do/0/b").parent, program->Find("/do/0/guard"));
  ASSERT_TRUE(clause.then.has_value());
  EXPECT_EQ(clause.then->kind, Flow::Kind::kEnd);
  ASSERT_TRUE(clause.retry.has_value());
  const RetryPolicy& retry = *clause.retry;
  EXPECT_TRUE(retry.when.has_value());
  EXPECT_EQ(retry.delay.constant.micros, 2 * kSecond);
  EXPECT_EQ(retry.backoff, Backoff::kExponential);
  EXPECT_EQ(retry.attempt_count_max, 3u);
  EXPECT_EQ(retry.attempt_duration->constant.micros, 5 * kSecond);
  EXPECT_EQ(retry.total_duration->constant.micros, kMinute);
  EXPECT_EQ(retry.jitter->second.constant.micros, 500 * kMillisecond);
  EXPECT_FALSE(guard.scope.has_value()) << "nothing in it has an undo";

  const CatchClause& bare = *NodeAt(*program, "/do/1/plain").catch_clause;
  EXPECT_EQ(bare.as, "error");
  EXPECT_FALSE(bare.has_body);
  EXPECT_FALSE(bare.retry.has_value());
  EXPECT_FALSE(bare.then.has_value());
  const RetryPolicy& linear = *NodeAt(*program, "/do/2/linear").catch_clause->retry;
  EXPECT_EQ(linear.backoff, Backoff::kLinear);
  EXPECT_TRUE(linear.delay.computed.has_value());
  EXPECT_FALSE(linear.attempt_count_max.has_value());
}

TEST(Tasks, RaiseTakesErrorsInlineOrByName) {
  const auto program = MustCompileBody(R"(use:
  errors:
    refused: {type: https://x/refused, status: 402, title: '${ "no " + .why }', detail: d}
do:
  - named: {raise: {error: refused}}
  - inline: {raise: {error: {type: about:blank, status: 400, instance: /do/1}}}
)");
  ASSERT_NE(program, nullptr);
  const ErrorTemplate& named = *NodeAt(*program, "/do/0/named").error;
  EXPECT_EQ(named.status, 402);
  EXPECT_EQ(named.type.source().AsString(), "https://x/refused");
  EXPECT_FALSE(named.title.is_constant());
  EXPECT_EQ(named.detail.source().AsString(), "d");
  EXPECT_TRUE(named.instance.source().is_null());
  EXPECT_EQ(NodeAt(*program, "/do/1/inline").error->instance.source().AsString(), "/do/1");
}

TEST(Tasks, ExplicitUndo) {
  const auto program = MustCompileBody(R"(do:
  - trip:
      metadata: {saga: {scope: {name: journey}}}
      do:
        - book: {call: book, metadata: {saga: {compensate: cancel}}}
        - all: {call: compensate:1.0.0@default}
        - one: {call: compensate:1.0.0@default, with: {task: book}}
        - outer: {call: compensate:1.0.0@default, with: {scope: journey}}
        - empty: {call: compensate:1.0.0@default, with: {}}
)");
  ASSERT_NE(program, nullptr);
  const Node& all = NodeAt(*program, "/do/0/trip/do/1/all");
  EXPECT_EQ(all.kind, NodeKind::kCompensate);
  EXPECT_EQ(all.compensate_target.kind, CompensateTarget::Kind::kInnermost);
  const Node& one = NodeAt(*program, "/do/0/trip/do/2/one");
  EXPECT_EQ(one.compensate_target.kind, CompensateTarget::Kind::kTask);
  EXPECT_EQ(one.compensate_target.name, "book");
  EXPECT_EQ(NodeAt(*program, "/do/0/trip/do/3/outer").compensate_target.kind,
            CompensateTarget::Kind::kScope);
}

TEST(Tasks, AliasesMakeTasksOfTheirOwn) {
  const auto program = MustCompileBody(R"(do:
  - a: &pay {call: pay, timeout: {after: PT1S}}
  - b: *pay
  - c: {<<: *pay, call: refund}
)");
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(NodeAt(*program, "/do/1/b").function, "pay");
  EXPECT_EQ(NodeAt(*program, "/do/2/c").function, "refund");
  EXPECT_EQ(NodeAt(*program, "/do/2/c").timeout->constant.micros, kSecond);
}

class BadTask : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadTask, IsRefusedWithItsPlace) { ExpectRefused(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Form, BadTask,
    ::testing::Values(
        Bad("NotAList", "do: {a: {set: {x: 1}}}\n", 6, 5, "/do", "expected tasks, a list"),
        Bad("TwoNames", "do:\n  - a: {wait: PT1S}\n    b: {wait: PT1S}\n", 7, 5, "/do/0",
            "found 2 keys (is the indentation right?)"),
        Bad("ForgottenIndent", "do:\n  - a:\n    set: {x: 1}\n", 7, 5, "/do/0",
            "is the indentation right?"),
        Bad("ItemIsText", "do: [a]\n", 6, 6, "/do/0",
            "expected 'name: {...}', found the string 'a'"),
        Bad("TaskIsNull", "do:\n  - a:\n", 7, 7, "/do/0/a", "expected a task, an object"),
        Bad("NoKeyword", "do:\n  - a: {then: end}\n", 7, 8, "/do/0/a",
            "a task needs one of 'call'"),
        Bad("MisspeltKeyword", "do:\n  - a: {swich: []}\n", 7, 9, "/do/0/a/swich",
            "did you mean 'switch'?"),
        Bad("TwoKeywords", "do:\n  - a: {set: {x: 1}, call: b}\n", 7, 9, "/do/0/a/set",
            "'set' is no key of a 'call' task"),
        Bad("MisspeltCommon", "do:\n  - a: {set: {x: 1}, thn: end}\n", 7, 22, "/do/0/a/thn",
            "'thn' is no key of a 'set' task; did you mean 'then'?"),
        Bad("SameName", "do:\n  - a: {wait: PT1S}\n  - a: {wait: PT1S}\n", 8, 5, "/do/1/a",
            "a task 'a' is in this list already, at line 7, column 5"),
        Bad("FlowWordAsName", "do:\n  - end: {wait: PT1S}\n", 7, 5, "/do/0/end",
            "'end' is a word of 'then'"),
        Bad("IfIsBoolean", "do:\n  - a: {if: true, wait: PT1S}\n", 7, 13, "/do/0/a/if",
            "expected an expression, a string, found the boolean true; put it in quotes: 'true'"),
        Bad("EmptySet", "do:\n  - a: {set: {}}\n", 7, 14, "/do/0/a/set", "at least one member"),
        Bad("SetList", "do:\n  - a: {set: [1]}\n", 7, 14, "/do/0/a/set",
            "expected an object or an expression, found a list"),
        Bad("WaitNumber", "do:\n  - a: {wait: 5}\n", 7, 15, "/do/0/a/wait",
            "a duration is an object"),
        Bad("WaitText", "do:\n  - a: {wait: 5s}\n", 7, 15, "/do/0/a/wait",
            "'5s' is no ISO 8601 duration"),
        Bad("TryNeedsCatch", "do:\n  - a: {try: []}\n", 7, 8, "/do/0/a",
            "'catch' is missing in a 'try' task"),
        Bad("CatchKey", "do:\n  - a: {try: [], catch: {retires: x}}\n", 7, 26,
            "/do/0/a/catch/retires", "did you mean 'retry'?"),
        Bad("CatchAsReserved", "do:\n  - a: {try: [], catch: {as: input}}\n", 7, 30,
            "/do/0/a/catch/as", "'$input' is a variable of the language"),
        Bad("CatchAsNoName", "do:\n  - a: {try: [], catch: {as: my-error}}\n", 7, 30,
            "/do/0/a/catch/as", "cannot name a variable"),
        Bad("CatchFilterEmpty", "do:\n  - a: {try: [], catch: {errors: {with: {}}}}\n", 7, 41,
            "/do/0/a/catch/errors/with", "at least one member"),
        Bad("CatchFilterStatus", "do:\n  - a: {try: [], catch: {errors: {with: {status: x}}}}\n", 7,
            50, "/do/0/a/catch/errors/with/status", "a whole number"),
        Bad("EmptySwitch", "do:\n  - a: {switch: []}\n", 7, 17, "/do/0/a/switch",
            "at least one element"),
        Bad("CaseNeedsThen", "do:\n  - a: {switch: [{x: {when: .y}}]}\n", 7, 22,
            "/do/0/a/switch/0/x", "'then' is missing in a case"),
        Bad("TwoDefaults", "do:\n  - a: {switch: [{x: {then: end}}, {y: {then: end}}]}\n", 7, 37,
            "/do/0/a/switch/1/y",
            "a second case without 'when', the default is at line 7, column 19"),
        Bad("RaiseNeedsError", "do:\n  - a: {raise: {}}\n", 7, 16, "/do/0/a/raise",
            "'error' is missing in 'raise'"),
        Bad("RaiseInstance", "do:\n  - a: {raise: {error: {type: a, status: 1, instance: do}}}\n",
            7, 55, "/do/0/a/raise/error/instance", "a JSON pointer"),
        Bad("CallIsList", "do:\n  - a: {call: [x]}\n", 7, 15, "/do/0/a/call", "a string"),
        Bad("CallEmpty", "do:\n  - a: {call: ''}\n", 7, 15, "/do/0/a/call",
            "the name of a function is missing"),
        Bad("CallTooLong", absl::StrCat("do:\n  - a: {call: ", std::string(257, 'f'), "}\n"), 7, 15,
            "/do/0/a/call", "the name of a function has 257 bytes; at most 256 are allowed"),
        Bad("CallWithControl", "do:\n  - a: {call: \"pay\\n\"}\n", 7, 15, "/do/0/a/call",
            "the name of a function must not contain control characters"),
        Bad("TaskWithControl", "do:\n  - \"a\\tb\": {set: {x: 1}}\n", 7, 5, "/do/0/a\tb",
            "the name of a task must not contain control characters"),
        Bad("WithIsText", "do:\n  - a: {call: x, with: '${ . }'}\n", 7, 24, "/do/0/a/with",
            "expected an object"),
        Bad("UndoArguments", "do:\n  - a: {call: 'compensate:1.0.0@default', with: {scop: x}}\n", 7,
            50, "/do/0/a/with/scop", "did you mean 'scope'?"),
        Bad("UndoBoth",
            "do:\n  - a: {call: 'compensate:1.0.0@default', with: {scope: do, task: b}}\n", 7, 49,
            "/do/0/a/with", "'scope' or 'task', not both")),
    BadCaseName());

INSTANTIATE_TEST_SUITE_P(
    Names, BadTask,
    ::testing::Values(
        Bad("ThenNowhere", "do:\n  - a: {wait: PT1S, then: bb}\n  - b: {wait: PT1S}\n", 7, 27,
            "/do/0/a/then",
            "no task 'bb' in this list ('then' cannot leave its list); did you mean 'b'?"),
        Bad("ThenOutside", "do:\n  - a: {wait: PT1S}\n  - b: {do: [{c: {wait: PT1S, then: a}}]}\n",
            8, 37, "/do/1/b/do/0/c/then", "no task 'a' in this list"),
        Bad("ThenInside", "do:\n  - a: {wait: PT1S, then: c}\n  - b: {do: [{c: {wait: PT1S}}]}\n",
            7, 27, "/do/0/a/then", "no task 'c' in this list"),
        Bad("CaseNowhere", "do:\n  - a: {switch: [{x: {then: nd}}]}\n", 7, 29,
            "/do/0/a/switch/0/x/then", "did you mean 'end'?"),
        Bad("CatchNowhere", "do:\n  - a: {try: [{b: {wait: PT1S}}], catch: {then: b}}\n", 7, 49,
            "/do/0/a/catch/then", "no task 'b'"),
        Bad("FunctionThen", "use: {functions: {f: {wait: PT1S, then: a}}}\ndo: [{a: {call: f}}]\n",
            6, 41, "/use/functions/f/then", "no task 'a' in this list"),
        Bad("UnknownRetry",
            "use: {retries: {undo: {}}}\ndo:\n  - a: {try: [], catch: {retry: undoo}}\n", 8, 33,
            "/do/0/a/catch/retry", "use.retries has no retry policy 'undoo'; did you mean 'undo'?"),
        Bad("UnknownError", "do:\n  - a: {raise: {error: gone}}\n", 7, 24, "/do/0/a/raise/error",
            "use.errors has no error 'gone'"),
        Bad("UnknownTimeout", "do:\n  - a: {wait: PT1S, timeout: t}\n", 7, 30, "/do/0/a/timeout",
            "use.timeouts has no timeout 't'"),
        Bad("UndoOfNoScope",
            "do:\n  - a: {call: 'compensate:1.0.0@default', with: {scope: trp}}\n"
            "  - trip: {do: [], metadata: {saga: {scope: true}}}\n",
            7, 57, "/do/0/a/with/scope", "no scope is named 'trp'; did you mean 'trip'?"),
        Bad("UndoOfNoTask",
            "do:\n  - b: {call: x}\n  - a: {call: 'compensate:1.0.0@default', with: {task: b}}\n",
            8, 56, "/do/1/a/with/task", "no task with a compensation is named 'b'")),
    BadCaseName());

TEST(Tasks, NearMissesOfFunctionsAreWarned) {
  const CompileResult result = Compile(absl::StrCat(
      kHeader, "use: {functions: {releaseStock: {call: x}}}\ndo: [{a: {call: relaseStock}}]\n"));
  EXPECT_TRUE(result.ok());
  ASSERT_EQ(result.diagnostics.size(), 1u);
  EXPECT_EQ(result.diagnostics[0].severity, Diagnostic::Severity::kWarning);
  EXPECT_EQ(result.diagnostics[0].message,
            "use.functions has no 'relaseStock', so it is a worker function; did you mean "
            "'releaseStock'?");
}

}  // namespace
}  // namespace skald::definition
