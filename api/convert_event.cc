#include "api/convert_event.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "api/convert_common.h"
#include "base/bytes.h"
#include "base/json.h"

namespace skald::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

using Slots = absl::Span<const absl::string_view>;

// "attempt_deadline" -> "attemptDeadline"
std::string LowerCamel(absl::string_view snake) {
  std::string result;
  bool upper = false;
  for (char c : snake) {
    if (c == '_') {
      upper = true;
      continue;
    }
    result.push_back(upper ? absl::ascii_toupper(c) : c);
    upper = false;
  }
  return result;
}

// "FrameKind" -> "FRAME_KIND_", the prefix of its values.
std::string ValuePrefix(const EnumDescriptor& type) {
  std::string result;
  for (char c : type.name()) {
    if (absl::ascii_isupper(c) && !result.empty()) result.push_back('_');
    result.push_back(absl::ascii_toupper(c));
  }
  return result + "_";
}

// How one field of a body is written.
struct FieldPlan {
  enum class Form { kPlain, kSlot, kTime };
  const FieldDescriptor* field = nullptr;
  std::string key;  // with quotes and colon
  Form form = Form::kPlain;
  std::vector<std::string> enum_names;  // quoted, by number
};

// The fields of each message that can stand in a body, and the names of the kinds. Made once.
struct Plans {
  absl::flat_hash_map<const Descriptor*, std::vector<FieldPlan>> messages;
  absl::flat_hash_map<std::string, log::v1::Event::KindCase> kinds;
  std::vector<std::string> names;
};

FieldPlan MakeFieldPlan(const FieldDescriptor& field) {
  FieldPlan plan;
  plan.field = &field;
  absl::string_view name = field.name();
  if (absl::ConsumeSuffix(&name, "_slot")) {
    plan.form = FieldPlan::Form::kSlot;
  } else if (absl::ConsumeSuffix(&name, "_us")) {
    plan.form = FieldPlan::Form::kTime;
  }
  plan.key = absl::StrCat("\"", LowerCamel(name), "\":");
  if (const EnumDescriptor* type = field.enum_type()) {
    const std::string prefix = ValuePrefix(*type);
    for (int i = 0; i < type->value_count(); ++i) {
      const EnumValueDescriptor& value = *type->value(i);
      plan.enum_names.resize(static_cast<size_t>(value.number()) + 1);
      plan.enum_names[static_cast<size_t>(value.number())] = absl::StrCat(
          "\"", LowerCamel(absl::AsciiStrToLower(absl::StripPrefix(value.name(), prefix))), "\"");
    }
  }
  return plan;
}

void AddPlan(const Descriptor& message, Plans& plans) {
  if (plans.messages.contains(&message)) return;
  std::vector<FieldPlan> fields;
  for (int i = 0; i < message.field_count(); ++i)
    fields.push_back(MakeFieldPlan(*message.field(i)));
  plans.messages.emplace(&message, std::move(fields));
  for (int i = 0; i < message.field_count(); ++i) {
    if (message.field(i)->message_type() != nullptr) {
      AddPlan(*message.field(i)->message_type(), plans);
    }
  }
}

const Plans& GetPlans() {
  // Never destroyed: events may be converted while the process ends.
  static const Plans* const plans = [] {
    auto* made = new Plans;
    const Descriptor& event = *log::v1::Event::descriptor();
    for (int i = 0; i < event.field_count(); ++i) {
      const Descriptor& body = *event.field(i)->message_type();
      AddPlan(body, *made);
      // The task an event is about is a field of its message.
      std::vector<FieldPlan>& fields = made->messages[&body];
      fields.erase(
          std::remove_if(fields.begin(), fields.end(),
                         [](const FieldPlan& plan) { return plan.field->name() == "task"; }),
          fields.end());
      made->kinds.emplace(body.name(),
                          static_cast<log::v1::Event::KindCase>(event.field(i)->number()));
      made->names.push_back(body.name());
    }
    return made;
  }();
  return *plans;
}

void AppendTime(int64_t micros, std::string& out) {
  absl::StrAppend(
      &out, "\"",
      absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(micros), absl::UTCTimeZone()),
      "\"");
}

void AppendBody(const Message& message, Slots slots, std::string& out);

void AppendEnum(const FieldPlan& plan, int number, std::string& out) {
  const auto index = static_cast<size_t>(number);
  if (number >= 0 && index < plan.enum_names.size() && !plan.enum_names[index].empty()) {
    out.append(plan.enum_names[index]);
  } else {
    absl::StrAppend(&out, number);
  }
}

void AppendSingular(const FieldPlan& plan, const Message& message, Slots slots, std::string& out) {
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor* field = plan.field;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      absl::StrAppend(&out, reflection.GetInt32(message, field));
      break;
    case FieldDescriptor::CPPTYPE_INT64: {
      const int64_t value = reflection.GetInt64(message, field);
      plan.form == FieldPlan::Form::kTime ? AppendTime(value, out) : absl::StrAppend(&out, value);
      break;
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      const uint32_t value = reflection.GetUInt32(message, field);
      if (plan.form != FieldPlan::Form::kSlot) {
        absl::StrAppend(&out, value);
      } else {
        // An erased slot has no text.
        const absl::string_view text = value <= slots.size() ? slots[value - 1] : "";
        absl::StrAppend(&out, text.empty() ? absl::string_view("null") : text);
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_UINT64:
      absl::StrAppend(&out, reflection.GetUInt64(message, field));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      out.append(reflection.GetBool(message, field) ? "true" : "false");
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      AppendEnum(plan, reflection.GetEnumValue(message, field), out);
      break;
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      const std::string& value = reflection.GetStringReference(message, field, &scratch);
      if (field->type() == FieldDescriptor::TYPE_BYTES) {
        absl::StrAppend(&out, "\"", absl::BytesToHexString(value), "\"");
      } else {
        Json::String(value).AppendTo(out);
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      AppendBody(reflection.GetMessage(message, field), slots, out);
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      // The log has no floating-point fields: they do not survive as they are written.
      out.append("null");
      break;
  }
}

// The log repeats only numbers (entries that are due).
void AppendRepeated(const FieldPlan& plan, const Message& message, std::string& out) {
  const Reflection& reflection = *message.GetReflection();
  out.push_back('[');
  for (int i = 0; i < reflection.FieldSize(message, plan.field); ++i) {
    if (i > 0) out.push_back(',');
    if (plan.field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
      absl::StrAppend(&out, reflection.GetRepeatedUInt32(message, plan.field, i));
    } else {
      out.append("null");
    }
  }
  out.push_back(']');
}

void AppendBody(const Message& message, Slots slots, std::string& out) {
  const Reflection& reflection = *message.GetReflection();
  out.push_back('{');
  const size_t begin = out.size();
  for (const FieldPlan& plan : GetPlans().messages.at(message.GetDescriptor())) {
    const bool is_set = plan.field->is_repeated() ? reflection.FieldSize(message, plan.field) > 0
                                                  : reflection.HasField(message, plan.field);
    if (!is_set) continue;
    if (out.size() > begin) out.push_back(',');
    out.append(plan.key);
    if (plan.field->is_repeated()) {
      AppendRepeated(plan, message, out);
    } else {
      AppendSingular(plan, message, slots, out);
    }
  }
  out.push_back('}');
}

// The message of the kind that is set; null for a kind that is newer than this program.
const Message* BodyOf(const log::v1::Event& event) {
  const FieldDescriptor* field =
      event.kind_case() == log::v1::Event::KIND_NOT_SET
          ? nullptr
          : log::v1::Event::descriptor()->FindFieldByNumber(event.kind_case());
  return field == nullptr ? nullptr : &event.GetReflection()->GetMessage(event, field);
}

}  // namespace

absl::string_view EventTypeName(const log::v1::Event& event) {
  const Message* body = BodyOf(event);
  return body == nullptr ? absl::string_view("Unknown")
                         : absl::string_view(body->GetDescriptor()->name());
}

log::v1::Event::KindCase FindEventType(absl::string_view name) {
  const Plans& plans = GetPlans();
  const auto found = plans.kinds.find(name);
  return found == plans.kinds.end() ? log::v1::Event::KIND_NOT_SET : found->second;
}

std::vector<std::string> EventTypeNames() { return GetPlans().names; }

void SetEvent(const runtime::RecordedEvent& event, v1::RecordedEvent& proto) {
  const log::v1::CommitHeader& header = *event.header;
  SetPosition({event.partition, event.position}, *proto.mutable_position());
  proto.set_revision(event.revision.value());
  proto.set_commit_position(event.commit_first.value());
  SetTimestamp(Timestamp(header.time_us()), *proto.mutable_time());
  proto.set_namespace_(header.namespace_());
  proto.set_saga_id(header.saga_id());
  if (header.has_cause()) {
    proto.mutable_causation()->set_command(header.cause().command());
    proto.mutable_causation()->set_position(header.cause().position());
  }
  proto.set_actor(header.actor());
  proto.set_request_id(header.request_id());
  proto.set_correlation_id(header.correlation_id());
  proto.set_definition_hash(header.definition_hash());

  const Message* body = BodyOf(*event.event);
  if (body == nullptr) {
    proto.set_type("Unknown");
    proto.set_data("{}");
    return;
  }
  proto.set_type(body->GetDescriptor()->name());
  if (const FieldDescriptor* task = body->GetDescriptor()->FindFieldByName("task")) {
    proto.set_task(body->GetReflection()->GetString(*body, task));
  }
  AppendBody(*body, event.slots, *proto.mutable_data());
}

}  // namespace skald::api
