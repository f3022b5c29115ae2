#include "tests/engine/definition/corpus.h"

namespace skald::definition {
namespace {

constexpr const char* kOrder = R"(document:
  dsl: '1.0.3'
  namespace: shop
  name: fulfil-order
  version: '1.2.0'
  title: Order
  tags: {team: a}
  metadata: {saga: {order: reverse, onCancel: compensate, forward: undo}}
input: {schema: {format: json, document: {type: object}}, from: .order}
output: {as: '${ . }'}
timeout: {after: {hours: 1}}
use:
  retries:
    undo: {when: $error.status >= 500, delay: {seconds: 2}, backoff: {exponential: {}}, limit: {attempt: {count: 8, duration: PT1S}, duration: PT1H}, jitter: {from: PT0S, to: PT1S}}
  timeouts: {short: {after: PT5S}}
  errors: {refused: {type: https://x/refused, status: 402, title: t, detail: '${ .d }', instance: /do/0}}
  secrets: [s]
  functions:
    releaseStock: {call: release, with: {id: '${ .id }'}}
    refund: {do: [{a: {call: refund}}, {b: {set: {x: 1}}}]}
do:
  - reserveStock:
      if: .ready
      call: reserve
      with: {body: '${ . }', list: [1, 2.5, null, {a: 'b ${ .c }'}]}
      timeout: short
      then: charge
      metadata: {saga: {compensate: releaseStock}}
  - charge:
      call: charge
      input: {from: .x}
      output: {as: {y: '${ .y }'}}
      export: {as: '$context + {z: .}', schema: {document: {type: object}}}
      metadata:
        saga:
          register: attempt
          compensate: {use: refund, retry: undo, onExhausted: park, with: {a: 1}, if: .b, timeout: {after: PT1M}}
  - guarded:
      try:
        - ship: {call: ship, metadata: {saga: {compensate: {do: [{u: {call: unship}}]}}}}
        - pause: {wait: {days: 1, hours: 2, minutes: 3, seconds: 4, milliseconds: 5}}
      catch:
        errors: {with: {type: https://x/e, status: 404, title: t, detail: d, instance: /x}}
        as: err
        when: $err.status == 404
        exceptWhen: .skip
        retry: {delay: PT1S, backoff: {linear: {}}}
        do: [{s: {set: {e: '${ $err }'}}}, {undo: {call: 'compensate:1.0.0@default', with: {task: ship}}}]
        then: choose
      metadata: {saga: {scope: {name: g, order: parallel, onFault: none, onCancel: abandon, onTimeout: none, onRetry: keep, timeout: short}}}
  - choose:
      switch: [{red: {when: .c == "red", then: confirm}}, {other: {then: continue}}]
      then: end
  - group: {do: [{one: {raise: {error: refused}}}, {two: {raise: {error: {type: '${ .t }', status: 500}}}}]}
  - confirm: {set: '${ {a: 1} }', metadata: {saga: {pivot: true}}}
  - notify: {call: notify, metadata: {saga: {forward: {delay: PT1S}}}}
)";

constexpr const char* kFlow =
    R"({"document": {"dsl": "1.0.3", "namespace": "a", "name": "b", "version": "1.0.0"},
 "evaluate": {"mode": "strict", "language": "jq"},
 "do": [{"a": {"set": {"x": 1}, "then": "c"}}, {"b": {"wait": "PT1S", "then": "exit"}},
        {"c": {"do": [{"d": {"call": "f", "with": {}}}], "then": "b", "metadata": {"saga": {"scope": true}}}}]}
)";

constexpr const char* kAliases = R"(document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}
use:
  functions:
    base: &base {call: f, timeout: {after: PT1S}, metadata: {saga: {compensate: g}}}
do:
  - a: *base
  - b: {<<: *base, call: h}
  - c: {do: &list [{x: {wait: PT1S}}, {y: {set: {z: '${ $context.q }'}}}]}
  - d: {do: *list}
)";

constexpr const char* kEvents = R"(document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}
schedule: {on: {any: [{with: {type: t, source: 'https://s'}}]}, read: envelope}
use:
  extensions: [{log: {extend: all, when: .x, before: [{p: {wait: PT1S}}], after: []}}]
  catalogs: {c: {endpoint: {uri: https://x}}}
do:
  - one: {listen: {to: {one: {with: {type: x, data: '${ .y }'}, correlate: {k: {from: .id, expect: '${ .id }'}}}}, read: data}}
  - all: {listen: {to: {all: [{with: {subject: s}}]}}, foreach: {item: i, at: n, do: [{b: {wait: PT1S}}], output: {as: .x}, export: {as: .y}}}
  - any: {listen: {to: {any: [], until: {one: {with: {type: stop}}}}}}
  - emit: {emit: {event: {with: {type: x, source: https://s, time: '2026-01-01T00:00:00Z', extra: 1}}}}
  - loop: {for: {each: x, in: .xs, at: i}, while: .ok, do: [{b: {set: {y: '${ $x }'}}}]}
  - list: {for: {in: [{a: 1}]}, do: []}
  - fork: {fork: {compete: true, branches: [{l: {wait: PT1S}}, {r: {wait: PT2S}}]}}
)";

constexpr const char* kCalls = R"(document: {dsl: 1.0.3, namespace: a, name: b, version: 1.0.0}
schedule: {every: PT1M}
use:
  authentications:
    basic: {basic: {username: u, password: p}}
    bearer: {bearer: {use: s}}
    digest: {digest: {username: u, password: p}}
    oauth: {oauth2: {authority: https://a, grant: client_credentials, client: {id: i, secret: s, authentication: none}, request: {encoding: application/json}, endpoints: {token: /t}, scopes: [a], audiences: [b], issuers: [c], subject: {token: t, type: u}}}
    oidc: {oidc: {authority: https://a, grant: password, username: u, password: p}}
do:
  - http: {call: http, with: {method: get, endpoint: {uri: 'https://x/{id}', authentication: {use: basic}}, headers: {a: b}, query: '${ .q }', body: {a: 1}, output: response, redirect: true}}
  - short: {call: http, with: {method: get, endpoint: '${ .url }'}}
  - grpc: {call: grpc, with: {proto: {name: n, endpoint: file:///x}, service: {name: s, host: h.x, port: 50051, authentication: {bearer: {token: t}}}, method: m, arguments: {a: 1}}}
  - openapi: {call: openapi, with: {document: {endpoint: https://x}, operationId: o, parameters: {a: 1}, output: raw, redirect: false}}
  - asyncapi: {call: asyncapi, with: {document: {endpoint: https://x}, channel: c, server: {name: s, variables: {}}, protocol: kafka, subscription: {filter: '${ .f }', consume: {for: PT1S, amount: 5}, foreach: {item: i}}}}
  - publish: {call: asyncapi, with: {document: {endpoint: https://x}, operation: c, message: {payload: {a: 1}, headers: {}}}}
  - a2a: {call: a2a, with: {method: message/send, server: https://x, parameters: {a: 1}}}
  - mcp: {call: mcp, with: {method: tools/call, transport: {http: {endpoint: https://x, headers: {a: b}}, options: {a: b}}, client: {name: a, version: b}, timeout: PT1S, parameters: '${ .p }'}}
  - container: {run: {container: {image: i, name: n, command: c, ports: {}, volumes: {}, environment: {}, stdin: s, arguments: [a], lifetime: {cleanup: eventually, after: PT1S}, pullPolicy: always}, await: false, return: none}}
  - script: {run: {script: {language: js, code: c, arguments: [a], environment: {a: b}, stdin: s}}}
  - source: {run: {script: {language: python, source: {endpoint: https://x}}}}
  - shell: {run: {shell: {command: c, arguments: [a], environment: {a: 1}, stdin: s}, return: all}}
  - child: {run: {workflow: {namespace: n, name: m, version: latest, input: {a: 1}}}}
  - catalog: {call: 'log:1.0.0@x', with: {a: 1}}
)";

}  // namespace

const std::vector<std::string>& Corpus() {
  static const auto* const kCorpus =
      new std::vector<std::string>{kOrder, kFlow, kAliases, kEvents, kCalls};
  return *kCorpus;
}

}  // namespace skald::definition
