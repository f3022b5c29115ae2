#include "api/convert_common.h"

#include <algorithm>
#include <string>

namespace skald::api {
namespace {

// Before year 1 or after year 9999 no event can be.
constexpr int64_t kSecondsMax = 253'402'300'799;

// The standard says these are strings; a definition's own error may hold anything.
std::string TextOf(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return std::string(value.AsString());
  return value.ToText();
}

}  // namespace

void SetTimestamp(Timestamp time, google::protobuf::Timestamp& proto) {
  int64_t seconds = time.value() / kSecond;
  int64_t micros = time.value() % kSecond;
  if (micros < 0) {
    micros += kSecond;
    --seconds;
  }
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(micros * 1'000));
}

std::optional<Timestamp> ToTime(const google::protobuf::Timestamp& proto) {
  if (proto.seconds() < 0 || proto.seconds() > kSecondsMax || proto.nanos() < 0 ||
      proto.nanos() > 999'999'999) {
    return std::nullopt;
  }
  return Timestamp(proto.seconds() * kSecond + proto.nanos() / 1'000);
}

void SetDuration(Micros span, google::protobuf::Duration& proto) {
  proto.set_seconds(span / kSecond);
  proto.set_nanos(static_cast<int32_t>(span % kSecond * 1'000));
}

Micros ToMicros(const google::protobuf::Duration& proto, Micros max) {
  if (proto.seconds() < 0 || proto.nanos() < 0) return 0;
  if (proto.seconds() > max / kSecond) return max;
  return std::min(max, proto.seconds() * kSecond + proto.nanos() / 1'000);
}

void SetPosition(const runtime::LogPosition& position, v1::LogPosition& proto) {
  proto.set_partition(position.partition.value());
  proto.set_position(position.position.value());
}

void SetProblem(const Json& error, v1::Problem& proto) {
  proto.set_type(TextOf(error.Get("type")));
  const Json& status = error.Get("status");
  if (status.IsInt()) proto.set_status(static_cast<int32_t>(status.AsInt()));
  proto.set_title(TextOf(error.Get("title")));
  proto.set_detail(TextOf(error.Get("detail")));
  proto.set_instance(TextOf(error.Get("instance")));
}

Json ProblemToJson(const v1::Problem& problem) {
  Json::ObjectBuilder builder;
  if (!problem.type().empty()) builder.Add("type", Json::String(problem.type()));
  if (problem.status() != 0) builder.Add("status", Json::Int(problem.status()));
  if (!problem.title().empty()) builder.Add("title", Json::String(problem.title()));
  if (!problem.detail().empty()) builder.Add("detail", Json::String(problem.detail()));
  return std::move(builder).Build();
}

}  // namespace skald::api
