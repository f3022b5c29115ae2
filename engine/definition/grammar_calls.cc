// Arguments of calls: the standard's own, the explicit undo and named functions; endpoints and
// authentication.
#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/definition/grammar.h"

namespace skald::definition {
namespace {

constexpr absl::string_view kBuiltIn[] = {"asyncapi", "grpc", "http", "openapi", "a2a", "mcp"};

}  // namespace

bool IsBuiltInCall(absl::string_view callee) { return absl::c_linear_search(kBuiltIn, callee); }

namespace grammar {
namespace {

void OutputFormat(Shape& shape, const Value& value) {
  shape.OneOf(value, "an output format", {"raw", "content", "response"});
}

// Strings by name, or one expression that gives them.
void StringMapOrExpression(Shape& shape, const Value& value) {
  if (value.is_string()) return WholeExpression(shape, value);
  StringMap(shape, value);
}

void HttpArguments(Shape& shape, const Value& value) {
  shape.Object(value, "the arguments of 'http'",
               {{"method", Text, kRequired},
                {"endpoint", Endpoint, kRequired},
                {"headers", StringMapOrExpression},
                {"body", Any},
                {"query", StringMapOrExpression},
                {"output", OutputFormat},
                {"redirect", Flag}});
}

void GrpcHost(Shape& shape, const Value& value) {
  shape.StringThat(value, "the name of a host", IsHost);
}

void GrpcPort(Shape& shape, const Value& value) { shape.Integer(value, "a port", 0, 65535); }

void GrpcService(Shape& shape, const Value& value) {
  shape.Object(value, "a gRPC service",
               {{"name", Text, kRequired},
                {"host", GrpcHost, kRequired},
                {"port", GrpcPort},
                {"authentication", AuthenticationOrName}});
}

void GrpcArguments(Shape& shape, const Value& value) {
  shape.Object(value, "the arguments of 'grpc'",
               {{"proto", ExternalResource, kRequired},
                {"service", GrpcService, kRequired},
                {"method", Text, kRequired},
                {"arguments", AnyObject}});
}

void OpenApiArguments(Shape& shape, const Value& value) {
  shape.Object(value, "the arguments of 'openapi'",
               {{"document", ExternalResource, kRequired},
                {"operationId", Text, kRequired},
                {"parameters", AnyObject},
                {"authentication", AuthenticationOrName},
                {"output", OutputFormat},
                {"redirect", Flag}});
}

void AsyncApiProtocol(Shape& shape, const Value& value) {
  shape.OneOf(
      value, "a protocol",
      {"amqp", "amqp1", "anypointmq", "googlepubsub", "http", "ibmmq", "jms", "kafka", "mercure",
       "mqtt", "mqtt5", "nats", "pulsar", "redis", "sns", "solace", "sqs", "stomp", "ws"});
}

void AsyncApiServer(Shape& shape, const Value& value) {
  shape.Object(value, "a server", {{"name", Text, kRequired}, {"variables", AnyObject}});
}

void AsyncApiMessage(Shape& shape, const Value& value) {
  shape.Object(value, "a message", {{"payload", AnyObject}, {"headers", AnyObject}});
}

void AsyncApiConsume(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "'consume'";
  if (!shape.Object(value, kWhat,
                    {{"for", Duration},
                     {"amount", Whole},
                     {"while", WholeExpression},
                     {"until", WholeExpression}})) {
    return;
  }
  shape.ExactlyOneOf(value, kWhat, {"amount", "while", "until"});
}

void AsyncApiSubscription(Shape& shape, const Value& value) {
  shape.Object(value, "a subscription",
               {{"filter", WholeExpression},
                {"consume", AsyncApiConsume, kRequired},
                {"foreach", SubscriptionIterator}});
}

void AsyncApiArguments(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "the arguments of 'asyncapi'";
  if (!shape.Object(value, kWhat,
                    {{"document", ExternalResource, kRequired},
                     {"channel", Text},
                     {"operation", Text},
                     {"server", AsyncApiServer},
                     {"protocol", AsyncApiProtocol},
                     {"message", AsyncApiMessage},
                     {"subscription", AsyncApiSubscription},
                     {"authentication", AuthenticationOrName}})) {
    return;
  }
  shape.ExactlyOneOf(value, kWhat, {"operation", "channel"});
  shape.ExactlyOneOf(value, kWhat, {"message", "subscription"});
}

void A2aMethod(Shape& shape, const Value& value) {
  shape.OneOf(value, "a method",
              {"message/send", "message/stream", "tasks/get", "tasks/list", "tasks/cancel",
               "tasks/resubscribe", "tasks/pushNotificationConfig/set",
               "tasks/pushNotificationConfig/get", "tasks/pushNotificationConfig/list",
               "tasks/pushNotificationConfig/delete", "agent/getAuthenticatedExtendedCard"});
}

void Parameters(Shape& shape, const Value& value) {
  if (!value.is_string()) AnyObject(shape, value);
}

void A2aParameters(Shape& shape, const Value& value) {
  if (value.is_object() && value.members().empty()) {
    shape.Error(value, "'parameters' needs at least one member");
  }
  Parameters(shape, value);
}

void A2aArguments(Shape& shape, const Value& value) {
  shape.Object(value, "the arguments of 'a2a'",
               {{"agentCard", ExternalResource},
                {"server", Endpoint},
                {"method", A2aMethod, kRequired},
                {"parameters", A2aParameters}});
}

void McpMethod(Shape& shape, const Value& value) {
  shape.OneOf(value, "a method",
              {"tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list",
               "resources/read", "resources/templates/list"});
}

void McpHttp(Shape& shape, const Value& value) {
  shape.Object(value, "an HTTP transport",
               {{"endpoint", Endpoint, kRequired}, {"headers", StringMap}}, OtherKeys::kAllowed);
}

void McpStdio(Shape& shape, const Value& value) {
  shape.Object(
      value, "a stdio transport",
      {{"command", Text, kRequired}, {"arguments", StringList}, {"environment", StringMap}},
      OtherKeys::kAllowed);
}

void McpTransport(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "a transport";
  if (!shape.Object(value, kWhat, {{"http", McpHttp}, {"stdio", McpStdio}, {"options", StringMap}},
                    OtherKeys::kAllowed)) {
    return;
  }
  shape.ExactlyOneOf(value, kWhat, {"http", "stdio"});
}

void McpClient(Shape& shape, const Value& value) {
  shape.Object(value, "a client", {{"name", Text, kRequired}, {"version", Text, kRequired}},
               OtherKeys::kAllowed);
}

void McpArguments(Shape& shape, const Value& value) {
  shape.Object(value, "the arguments of 'mcp'",
               {{"protocolVersion", Text},
                {"method", McpMethod, kRequired},
                {"parameters", Parameters},
                {"timeout", Duration},
                {"transport", McpTransport, kRequired},
                {"client", McpClient}},
               OtherKeys::kAllowed);
}

// A name, which cannot be computed.
void ConstantName(Shape& shape, const Value& value) {
  if (!shape.String(value, "a name")) return;
  if (value.text().empty() || absl::StrContains(value.text(), "${")) {
    shape.Expected(value, "the name itself (it cannot be an expression)");
  }
}

void CompensateArguments(Shape& shape, const Value& value) {
  if (shape.Object(value, absl::StrCat("the arguments of '", kCompensateCall, "'"),
                   {{"scope", ConstantName}, {"task", ConstantName}}) &&
      value.Has("scope") && value.Has("task")) {
    shape.Error(value, "an explicit undo takes 'scope' or 'task', not both");
  }
}

void Credentials(Shape& shape, const Value& value, absl::string_view what,
                 std::initializer_list<Field> fields) {
  if (value.Has("use")) {
    shape.Object(value, what, {{"use", [](Shape& s, const Value& v) {
                                  s.StringThat(
                                      v, "the name of a secret",
                                      [](absl::string_view text) { return !text.empty(); });
                                }}});
    return;
  }
  shape.Object(value, what, fields);
}

void Basic(Shape& shape, const Value& value) {
  Credentials(shape, value, "basic authentication",
              {{"username", Text, kRequired}, {"password", Text, kRequired}});
}

void Digest(Shape& shape, const Value& value) {
  Credentials(shape, value, "digest authentication",
              {{"username", Text, kRequired}, {"password", Text, kRequired}});
}

void Bearer(Shape& shape, const Value& value) {
  Credentials(shape, value, "bearer authentication", {{"token", Text, kRequired}});
}

void Grant(Shape& shape, const Value& value) {
  shape.OneOf(value, "a grant",
              {"authorization_code", "client_credentials", "password", "refresh_token",
               "urn:ietf:params:oauth:grant-type:token-exchange"});
}

void OAuth2Client(Shape& shape, const Value& value) {
  shape.Object(value, "a client",
               {{"id", Text},
                {"secret", Text},
                {"assertion", Text},
                {"authentication", [](Shape& s, const Value& v) {
                   s.OneOf(v, "a client authentication",
                           {"client_secret_basic", "client_secret_post", "client_secret_jwt",
                            "private_key_jwt", "none"});
                 }}});
}

void OAuth2Request(Shape& shape, const Value& value) {
  shape.Object(
      value, "a request",
      {{"encoding",
        [](Shape& s, const Value& v) {
          s.OneOf(v, "an encoding", {"application/x-www-form-urlencoded", "application/json"});
        }}},
      OtherKeys::kAllowed);
}

void OAuth2Token(Shape& shape, const Value& value) {
  shape.Object(value, "a token", {{"token", Text, kRequired}, {"type", Text, kRequired}});
}

void OAuth2Endpoints(Shape& shape, const Value& value) {
  shape.Object(value, "endpoints", {{"token", Text}, {"revocation", Text}, {"introspection", Text}},
               OtherKeys::kAllowed);
}

void Oidc(Shape& shape, const Value& value) {
  Credentials(shape, value, "oidc authentication",
              {{"authority", UriTemplate, kRequired},
               {"grant", Grant, kRequired},
               {"client", OAuth2Client},
               {"request", OAuth2Request},
               {"issuers", StringList},
               {"scopes", StringList},
               {"audiences", StringList},
               {"username", Text},
               {"password", Text},
               {"subject", OAuth2Token},
               {"actor", OAuth2Token}});
}

void OAuth2(Shape& shape, const Value& value) {
  Credentials(shape, value, "oauth2 authentication",
              {{"authority", UriTemplate, kRequired},
               {"grant", Grant, kRequired},
               {"client", OAuth2Client},
               {"request", OAuth2Request},
               {"issuers", StringList},
               {"scopes", StringList},
               {"audiences", StringList},
               {"username", Text},
               {"password", Text},
               {"subject", OAuth2Token},
               {"actor", OAuth2Token},
               {"endpoints", OAuth2Endpoints}});
}

void Policy(Shape& shape, const Value& value, OtherKeys others) {
  constexpr absl::string_view kWhat = "an authentication";
  if (!shape.Object(value, kWhat,
                    {{"basic", Basic},
                     {"bearer", Bearer},
                     {"digest", Digest},
                     {"oauth2", OAuth2},
                     {"oidc", Oidc}},
                    others)) {
    return;
  }
  shape.ExactlyOneOf(value, kWhat, {"basic", "bearer", "digest", "oauth2", "oidc"});
}

}  // namespace

void Endpoint(Shape& shape, const Value& value) {
  if (value.is_string()) return UriOrExpression(shape, value);
  shape.Object(value, "an endpoint",
               {{"uri", UriOrExpression, kRequired}, {"authentication", AuthenticationOrName}});
}

void ExternalResource(Shape& shape, const Value& value) {
  shape.Object(value, "an external resource", {{"name", Text}, {"endpoint", Endpoint, kRequired}});
}

void AuthenticationPolicy(Shape& shape, const Value& value) {
  Policy(shape, value, OtherKeys::kWarned);
}

void AuthenticationOrName(Shape& shape, const Value& value) {
  if (!value.Has("use")) return Policy(shape, value, OtherKeys::kRefused);
  shape.Object(value, "a reference to an authentication", {{"use", Text, kRequired}});
}

void CallArguments(Shape& shape, const Value& task) {
  const absl::string_view callee = task.Get("call").text();
  const Value with = task.Get("with");
  if (!with) {
    if (IsBuiltInCall(callee)) {
      shape.Error(task, absl::StrCat("'with' is missing: '", callee, "' needs arguments"));
    }
    return;
  }
  if (callee == "http") return HttpArguments(shape, with);
  if (callee == "grpc") return GrpcArguments(shape, with);
  if (callee == "openapi") return OpenApiArguments(shape, with);
  if (callee == "asyncapi") return AsyncApiArguments(shape, with);
  if (callee == "a2a") return A2aArguments(shape, with);
  if (callee == "mcp") return McpArguments(shape, with);
  if (callee == kCompensateCall) return CompensateArguments(shape, with);
  AnyObject(shape, with);
}

}  // namespace grammar
}  // namespace skald::definition
