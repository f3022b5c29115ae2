// `emit`, `listen` and the event strategies that `schedule.on` shares with it.
#include "engine/definition/grammar.h"

namespace skald::definition::grammar {
namespace {

constexpr Field kEventProperties[] = {{"id", Text},
                                      {"source", UriOrExpression},
                                      {"type", Text},
                                      {"time", Text},
                                      {"subject", Text},
                                      {"datacontenttype", Text},
                                      {"dataschema", UriOrExpression},
                                      {"data", Any}};

void EventProperties(Shape& shape, const Value& value) {
  shape.Object(value, "the attributes of an event", kEventProperties, OtherKeys::kAllowed);
}

void EmittedProperties(Shape& shape, const Value& value) {
  EventProperties(shape, value);
  if (value.is_object() && !value.Has("type")) {
    shape.Error(value, "'type' is missing in the attributes of an event");
  }
}

void EmittedEvent(Shape& shape, const Value& value) {
  shape.Object(value, "an event", {{"with", EmittedProperties}}, OtherKeys::kAllowed);
}

void FilterProperties(Shape& shape, const Value& value) {
  EventProperties(shape, value);
  if (value.is_object() && value.members().empty()) {
    shape.Error(value, "an event filter needs at least one attribute");
  }
}

void Correlation(Shape& shape, const Value& value) {
  shape.Object(value, "a correlation", {{"from", ExpressionText, kRequired}, {"expect", Text}},
               OtherKeys::kWarned);
}

void EventFilter(Shape& shape, const Value& value) {
  shape.Object(value, "an event filter",
               {{"with", FilterProperties, kRequired}, {"correlate", [](Shape& s, const Value& v) {
                                                          s.MapOf(v, "correlations", Correlation);
                                                        }}});
}

void EventFilters(Shape& shape, const Value& value) {
  shape.ListOf(value, "event filters", EventFilter);
}

void Until(Shape& shape, const Value& value) {
  if (value.is_string()) return;
  EventStrategy(shape, value);
  if (value.Has("until")) {
    shape.Error(value.Get("until"), "the strategy of an 'until' has no 'until' of its own");
  }
}

void ReadMode(Shape& shape, const Value& value) {
  shape.OneOf(value, "how events are read", {"data", "envelope", "raw"});
}

}  // namespace

void EventStrategy(Shape& shape, const Value& value) {
  constexpr absl::string_view kWhat = "an event strategy";
  if (!shape.Object(
          value, kWhat,
          {{"all", EventFilters}, {"any", EventFilters}, {"one", EventFilter}, {"until", Until}})) {
    return;
  }
  shape.ExactlyOneOf(value, kWhat, {"all", "any", "one"});
  if (value.Has("until") && !value.Has("any")) {
    shape.Error(value.Get("until"), "'until' has a meaning only beside 'any'");
  }
}

void Emit(Shape& shape, const Value& value) {
  shape.Object(value, "'emit'", {{"event", EmittedEvent, kRequired}});
}

void Listen(Shape& shape, const Value& value) {
  shape.Object(value, "'listen'", {{"to", EventStrategy, kRequired}, {"read", ReadMode}});
}

void SubscriptionIterator(Shape& shape, const Value& value) {
  shape.Object(
      value, "'foreach'",
      {{"item", Text}, {"at", Text}, {"do", TaskList}, {"output", Output}, {"export", Export}});
}

}  // namespace skald::definition::grammar
