#include "engine/definition/shape.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/definition/suggest.h"

namespace skald::definition {
namespace {

constexpr size_t kShown = 40;

std::string Shortened(absl::string_view text) {
  if (text.size() <= kShown) return std::string(text);
  size_t end = kShown;  // not inside a character
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), "...");
}

std::string UnknownKeyMessage(const std::string& key, absl::string_view what,
                              absl::Span<const std::string> allowed) {
  std::string hint = DidYouMean(key, allowed);
  if (hint.empty() && !allowed.empty()) {
    hint = absl::StrCat("; known are ", absl::StrJoin(allowed, ", "));
  }
  return absl::StrCat("'", Shortened(key), "' is no key of ", what, hint);
}

}  // namespace

std::string DescribeValue(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      return "nothing (null)";
    case Json::Kind::kFalse:
    case Json::Kind::kTrue:
      return absl::StrCat("the boolean ", value.ToText());
    case Json::Kind::kNumber:
      return absl::StrCat("the number ", Shortened(value.ToText()));
    case Json::Kind::kString:
      return absl::StrCat("the string '", Shortened(value.AsString()), "'");
    case Json::Kind::kArray:
      return value.Size() == 0 ? "an empty list" : "a list";
    case Json::Kind::kObject:
      return value.Size() == 0 ? "an empty object" : "an object";
  }
  return "";
}

std::string ListWords(absl::Span<const absl::string_view> words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    absl::StrAppend(&text, "'", words[i], "'");
  }
  return text;
}

bool Shape::Expected(const Value& value, absl::string_view what) {
  Error(value, absl::StrCat("expected ", what, ", found ", DescribeValue(value.json())));
  return false;
}

bool Shape::Object(const Value& value, absl::string_view what, absl::Span<const Field> fields,
                   OtherKeys others) {
  if (!value.is_object()) return Expected(value, absl::StrCat(what, ", an object"));
  for (const Field& field : fields) {
    if (field.need == kRequired && !value.Has(field.key)) {
      Error(value, absl::StrCat("'", field.key, "' is missing in ", what));
    }
  }
  for (const DocumentMember& member : value.members()) {
    const Field* known = nullptr;
    for (const Field& field : fields) {
      if (field.key == member.key) known = &field;
    }
    if (known != nullptr) {
      known->check(*this, value.Of(member));
      continue;
    }
    if (others == OtherKeys::kAllowed) continue;
    std::vector<std::string> keys;
    for (const Field& field : fields) keys.emplace_back(field.key);
    if (others == OtherKeys::kRefused) {
      UnknownKey(value, member, what, keys);
    } else {
      const Value found = value.Of(member);
      diagnostics_.Warning(
          found.key_place(), found.pointer(),
          absl::StrCat(UnknownKeyMessage(member.key, what, keys), " (it is ignored)"));
    }
  }
  return true;
}

void Shape::UnknownKey(const Value& value, const DocumentMember& key, absl::string_view what,
                       absl::Span<const std::string> allowed) {
  const Value found = value.Of(key);
  diagnostics_.Error(found.key_place(), found.pointer(), UnknownKeyMessage(key.key, what, allowed));
}

bool Shape::ExactlyOneOf(const Value& value, absl::string_view what,
                         std::initializer_list<absl::string_view> keys) {
  size_t count = 0;
  for (const absl::string_view key : keys) {
    if (value.Has(key)) ++count;
  }
  if (count == 1) return true;
  const std::string words = ListWords(absl::MakeConstSpan(keys.begin(), keys.size()));
  Error(value, absl::StrCat(what, count == 0 ? " needs " : " takes only one of ", words));
  return false;
}

bool Shape::MapOf(const Value& value, absl::string_view what, ShapeCheck check, size_t size_min) {
  if (!value.is_object()) return Expected(value, absl::StrCat(what, ", an object"));
  if (value.members().size() < size_min) {
    Error(value, absl::StrCat(what, " needs at least one member"));
  }
  for (const DocumentMember& member : value.members()) check(*this, value.Of(member));
  return true;
}

bool Shape::ListOf(const Value& value, absl::string_view what, ShapeCheck check, size_t size_min) {
  if (!value.is_array()) return Expected(value, absl::StrCat(what, ", a list"));
  if (value.size() < size_min) Error(value, absl::StrCat(what, " needs at least one element"));
  for (size_t i = 0; i < value.size(); ++i) check(*this, value.At(i));
  return true;
}

bool Shape::NamedList(const Value& value, absl::string_view what, ShapeCheck check,
                      size_t size_min) {
  if (!value.is_array()) {
    return Expected(value, absl::StrCat(what, ", a list of '- name: {...}'"));
  }
  if (value.size() < size_min) Error(value, absl::StrCat(what, " needs at least one element"));
  for (size_t i = 0; i < value.size(); ++i) {
    const Value item = value.At(i);
    if (!item.is_object()) {
      Expected(item, "'name: {...}'");
    } else if (item.members().size() != 1) {
      Error(item, absl::StrCat("expected one name with its value, found ", item.members().size(),
                               " keys (is the indentation right?)"));
    } else {
      check(*this, item.Of(item.members()[0]));
    }
  }
  return true;
}

bool Shape::String(const Value& value, absl::string_view what) {
  if (value.is_string()) return true;
  const bool scalar = !value.is_object() && !value.is_array() && !value.json().is_null();
  const std::string hint =
      scalar ? absl::StrCat("; put it in quotes: '", Shortened(value.json().ToText()), "'") : "";
  Error(value,
        absl::StrCat("expected ", what, ", a string, found ", DescribeValue(value.json()), hint));
  return false;
}

bool Shape::StringThat(const Value& value, absl::string_view what,
                       bool (*holds)(absl::string_view)) {
  if (!String(value, what)) return false;
  return holds(value.text()) || Expected(value, what);
}

bool Shape::Bool(const Value& value, absl::string_view what) {
  return value.json().is_bool() || Expected(value, absl::StrCat(what, ", true or false"));
}

bool Shape::Integer(const Value& value, absl::string_view what, int64_t min, int64_t max) {
  if (!value.json().is_number() || !value.json().IsInt()) {
    return Expected(value, absl::StrCat(what, ", a whole number"));
  }
  if (value.json().AsInt() >= min && value.json().AsInt() <= max) return true;
  return Expected(value, absl::StrCat(what, ", from ", min, " to ", max));
}

bool Shape::OneOf(const Value& value, absl::string_view what,
                  std::initializer_list<absl::string_view> words) {
  const std::string expected =
      absl::StrCat(what, ": ", ListWords(absl::MakeConstSpan(words.begin(), words.size())));
  if (!value.is_string()) return Expected(value, expected);
  std::vector<std::string> candidates;
  for (const absl::string_view word : words) {
    if (value.text() == word) return true;
    candidates.emplace_back(word);
  }
  Error(value, absl::StrCat("expected ", expected, ", found ", DescribeValue(value.json()),
                            DidYouMean(value.text(), candidates)));
  return false;
}

}  // namespace skald::definition
