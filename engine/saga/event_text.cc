#include "engine/saga/event_text.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace skald::saga {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

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
  std::string name;
  std::string key;  // the name with quotes and colon
  Form form = Form::kPlain;
  std::vector<std::string> enum_names;  // by number
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
  plan.name = LowerCamel(name);
  plan.key = absl::StrCat("\"", plan.name, "\":");
  if (const EnumDescriptor* type = field.enum_type()) {
    const std::string prefix = ValuePrefix(*type);
    for (int i = 0; i < type->value_count(); ++i) {
      const EnumValueDescriptor& value = *type->value(i);
      plan.enum_names.resize(static_cast<size_t>(value.number()) + 1);
      plan.enum_names[static_cast<size_t>(value.number())] =
          LowerCamel(absl::AsciiStrToLower(absl::StripPrefix(value.name(), prefix)));
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
      // The task an event is about stands beside the data.
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

Json Unsigned(uint64_t value) {
  const auto number = static_cast<int64_t>(value);
  return number >= 0 ? Json::Int(number) : Json::Number(absl::StrCat(value));
}

Json EnumValue(const FieldPlan& plan, int number) {
  const auto index = static_cast<size_t>(number);
  if (number >= 0 && index < plan.enum_names.size() && !plan.enum_names[index].empty()) {
    return Json::String(plan.enum_names[index]);
  }
  return Json::Int(number);
}

// Without trailing zeros of its fraction.
Json ShortTime(int64_t micros) {
  return Json::String(
      absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(micros), absl::UTCTimeZone()));
}

Json TextValue(const FieldPlan& plan, const Message& message) {
  std::string scratch;
  const std::string& value =
      message.GetReflection()->GetStringReference(message, plan.field, &scratch);
  const bool is_bytes = plan.field->type() == FieldDescriptor::TYPE_BYTES;
  return Json::String(is_bytes ? absl::BytesToHexString(value) : value);
}

// Of a field that is neither a slot nor a message.
Json ScalarValue(const FieldPlan& plan, const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor* field = plan.field;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Json::Int(reflection.GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64: {
      const int64_t value = reflection.GetInt64(message, field);
      return plan.form == FieldPlan::Form::kTime ? ShortTime(value) : Json::Int(value);
    }
    case FieldDescriptor::CPPTYPE_UINT32:
      return Json::Int(reflection.GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return Unsigned(reflection.GetUInt64(message, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return Json::Bool(reflection.GetBool(message, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumValue(plan, reflection.GetEnumValue(message, field));
    case FieldDescriptor::CPPTYPE_STRING:
      return TextValue(plan, message);
    case FieldDescriptor::CPPTYPE_MESSAGE:
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      // The log has no floating-point fields: they do not survive as they are written.
      return Json();
  }
  return Json();
}

// The log repeats only numbers (entries that are due).
Json RepeatedValue(const FieldPlan& plan, const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  Json::ArrayBuilder array;
  for (int i = 0; i < reflection.FieldSize(message, plan.field); ++i) {
    array.Add(plan.field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32
                  ? Json::Int(reflection.GetRepeatedUInt32(message, plan.field, i))
                  : Json());
  }
  return std::move(array).Build();
}

bool IsSet(const FieldPlan& plan, const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  return plan.field->is_repeated() ? reflection.FieldSize(message, plan.field) > 0
                                   : reflection.HasField(message, plan.field);
}

// From 0; past the end when the body says nonsense.
size_t SlotIndex(const FieldPlan& plan, const Message& message) {
  return size_t{message.GetReflection()->GetUInt32(message, plan.field)} - 1;
}

void AppendBody(const Message& message, absl::Span<const absl::string_view> slots,
                std::string& out) {
  out.push_back('{');
  const size_t begin = out.size();
  for (const FieldPlan& plan : GetPlans().messages.at(message.GetDescriptor())) {
    if (!IsSet(plan, message)) continue;
    if (out.size() > begin) out.push_back(',');
    out.append(plan.key);
    if (plan.field->is_repeated()) {
      RepeatedValue(plan, message).AppendTo(out);
    } else if (plan.form == FieldPlan::Form::kSlot) {
      const size_t index = SlotIndex(plan, message);
      const absl::string_view text = index < slots.size() ? slots[index] : "";
      absl::StrAppend(&out, text.empty() ? absl::string_view("null") : text);
    } else if (plan.field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      AppendBody(message.GetReflection()->GetMessage(message, plan.field), slots, out);
    } else {
      ScalarValue(plan, message).AppendTo(out);
    }
  }
  out.push_back('}');
}

Json BodyValue(const Message& message, absl::Span<const Json> slots) {
  Json::ObjectBuilder object;
  for (const FieldPlan& plan : GetPlans().messages.at(message.GetDescriptor())) {
    if (!IsSet(plan, message)) continue;
    if (plan.field->is_repeated()) {
      object.Add(plan.name, RepeatedValue(plan, message));
    } else if (plan.form == FieldPlan::Form::kSlot) {
      const size_t index = SlotIndex(plan, message);
      object.Add(plan.name, index < slots.size() ? slots[index] : Json());
    } else if (plan.field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      object.Add(plan.name,
                 BodyValue(message.GetReflection()->GetMessage(message, plan.field), slots));
    } else {
      object.Add(plan.name, ScalarValue(plan, message));
    }
  }
  return std::move(object).Build();
}

// The message of the kind that is set; null for a kind that is newer than this program.
const Message* BodyOf(const log::v1::Event& event) {
  const FieldDescriptor* field =
      event.kind_case() == log::v1::Event::KIND_NOT_SET
          ? nullptr
          : log::v1::Event::descriptor()->FindFieldByNumber(event.kind_case());
  return field == nullptr ? nullptr : &event.GetReflection()->GetMessage(event, field);
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json() : Json::String(text); }

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

bool IsOfSaga(log::v1::Event::KindCase kind) {
  // The kinds of a partition's own stream have numbers of their own, without any between.
  return kind != log::v1::Event::KIND_NOT_SET &&
         (kind < log::v1::Event::kDefinitionDeployed || kind > log::v1::Event::kAuditKeyRotated);
}

std::string TaskOf(const log::v1::Event& event) {
  const Message* body = BodyOf(event);
  if (body == nullptr) return {};
  const FieldDescriptor* task = body->GetDescriptor()->FindFieldByName("task");
  return task == nullptr ? std::string() : body->GetReflection()->GetString(*body, task);
}

void AppendEventData(const log::v1::Event& event, absl::Span<const absl::string_view> slots,
                     std::string& out) {
  const Message* body = BodyOf(event);
  if (body == nullptr) {
    out.append("{}");
  } else {
    AppendBody(*body, slots, out);
  }
}

Json EventData(const log::v1::Event& event, absl::Span<const Json> slots) {
  const Message* body = BodyOf(event);
  return body == nullptr ? Json::EmptyObject() : BodyValue(*body, slots);
}

Json EventToJson(const log::v1::Event& event, const EventContext& context, const SagaState* saga) {
  const log::v1::CommitHeader& header = context.header;
  Json definition;
  if (saga != nullptr) {
    definition = Json::Object({{"name", Json::String(saga->definition_name)},
                               {"version", Json::String(saga->definition_version)}});
  }
  Json::ObjectBuilder object;
  object.Add("type", Json::String(EventTypeName(event)))
      .Add("task", TextOrNull(TaskOf(event)))
      .Add("time", Json::String(TimeText(Timestamp(header.time_us()))))
      .Add("namespace", TextOrNull(header.namespace_()))
      .Add("sagaId", TextOrNull(header.saga_id()))
      .Add("partition", Json::Int(header.partition()))
      .Add("position", Unsigned(context.position.value()))
      .Add("revision", Unsigned(context.revision.value()))
      .Add("correlationId", Json::String(header.correlation_id()))
      .Add("actor", Json::String(header.actor()))
      .Add("definition", std::move(definition))
      .Add("data", EventData(event, context.slots));
  return std::move(object).Build();
}

std::string TimeText(Timestamp time) {
  // Times asked for one after the other mostly lie in one second, and putting that into words is most
  // of the work.
  struct Second {
    int64_t value = -1;
    std::string text;
  };
  thread_local Second last;
  const int64_t second = time.value() / kSecond;
  if (second != last.value) {
    last.value = second;
    last.text = absl::FormatTime("%Y-%m-%dT%H:%M:%S", absl::FromUnixSeconds(second),
                                 absl::UTCTimeZone());
  }
  char fraction[] = ".000000Z";
  int64_t micros = time.value() % kSecond;
  for (int i = 6; i > 0; --i, micros /= 10) fraction[i] = static_cast<char>('0' + micros % 10);
  std::string text;
  text.reserve(last.text.size() + sizeof(fraction));
  return text.append(last.text).append(fraction);
}

}  // namespace skald::saga
