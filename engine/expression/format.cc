#include "engine/expression/format.h"

#include <array>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/types/span.h"
#include "base/utf8.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

constexpr absl::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

std::string ToUri(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool FromUri(absl::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const absl::string_view digits = text.substr(i + 1, 2);
    if (digits.size() < 2 || !absl::ascii_isxdigit(digits[0]) || !absl::ascii_isxdigit(digits[1])) {
      return false;
    }
    out += absl::HexStringToBytes(digits);
    i += 2;
  }
  return true;
}

std::string ToBase32(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i += 5) {
    const size_t count = std::min<size_t>(5, text.size() - i);
    uint64_t bits = 0;
    for (size_t k = 0; k < 5; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(text[i + k]) : 0u);
    }
    const size_t digits = (count * 8 + 4) / 5;
    for (size_t k = 0; k < 8; ++k) {
      out += k < digits ? kBase32[bits >> (35 - 5 * k) & 31] : '=';
    }
  }
  return out;
}

// The bytes of base64 or base32 text, of `bits` bits a digit. False when no digit fits, as jq has
// it: padding and what is left over at the end are ignored.
bool DecodeDigits(absl::string_view text, absl::string_view alphabet, uint32_t bits,
                  std::string& out) {
  std::array<int8_t, 256> values;
  values.fill(-1);
  for (size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
  }
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  uint32_t pending = 0;
  uint32_t pending_bits = 0;
  for (const char c : text) {
    const int8_t value = values[static_cast<unsigned char>(c)];
    if (value < 0) return false;
    pending = pending << bits | static_cast<uint32_t>(value);
    pending_bits += bits;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      out += static_cast<char>(pending >> pending_bits & 0xFF);
    }
  }
  return text.empty() || !out.empty();
}

bool CsvField(Machine& machine, const Json& field, Json::Kind, std::string& out) {
  if (field.is_string()) {
    absl::StrAppend(&out, "\"", absl::StrReplaceAll(field.AsString(), {{"\"", "\"\""}}), "\"");
  } else if (field.is_array() || field.is_object()) {
    return machine.Raise(absl::StrCat(Describe(field), " is not valid in a csv row"));
  } else if (!field.is_null()) {
    field.AppendTo(out);
  }
  return true;
}

bool TsvField(Machine& machine, const Json& field, Json::Kind, std::string& out) {
  if (field.is_string()) {
    absl::StrAppend(
        &out, absl::StrReplaceAll(field.AsString(),
                                  {{"\\", "\\\\"}, {"\t", "\\t"}, {"\n", "\\n"}, {"\r", "\\r"}}));
  } else if (field.is_array() || field.is_object()) {
    return machine.Raise(absl::StrCat(Describe(field), " is not valid in a csv row"));
  } else if (!field.is_null()) {
    field.AppendTo(out);
  }
  return true;
}

bool ShellWord(Machine& machine, const Json& word, Json::Kind, std::string& out) {
  if (word.is_string()) {
    absl::StrAppend(&out, "'", absl::StrReplaceAll(word.AsString(), {{"'", "'\\''"}}), "'");
  } else if (word.is_array() || word.is_object()) {
    return machine.Raise(absl::StrCat(Describe(word), " can not be escaped for shell"));
  } else {
    word.AppendTo(out);
  }
  return true;
}

// Writes the fields of a row, and accounts for their text.
template <typename WriteField>
bool Row(Machine& machine, absl::Span<const Json> row, absl::string_view separator,
         WriteField write, std::string& out) {
  absl::string_view between;
  for (const Json& field : row) {
    // A row may hold one large text many times: what would be too much must not be written first.
    const size_t text_size = field.is_string() ? field.AsString().size() : 0;
    if (!machine.Spend(1) || !machine.Charge(text_size)) return false;
    const size_t before = out.size();
    absl::StrAppend(&out, between);
    if (!write(machine, field, field.kind(), out)) return false;
    if (!machine.Charge(out.size() - before - text_size)) return false;
    between = separator;
  }
  return true;
}

// Formats of what `tostring` makes of the value.
bool OfText(Machine& machine, Format format, absl::string_view text, const Json& value,
            std::string& out) {
  switch (format) {
    case Format::kHtml:
      out = absl::StrReplaceAll(
          text, {{"<", "&lt;"}, {">", "&gt;"}, {"&", "&amp;"}, {"'", "&apos;"}, {"\"", "&quot;"}});
      return true;
    case Format::kUri:
      out = ToUri(text);
      return true;
    case Format::kUriDecode:
      if (FromUri(text, out)) return true;
      return machine.Raise(absl::StrCat(Describe(value), " is not a valid uri encoding"));
    case Format::kBase64:
      out = absl::Base64Escape(text);
      return true;
    case Format::kBase64Decode:
      if (DecodeDigits(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6,
                       out)) {
        return true;
      }
      return machine.Raise(absl::StrCat(Describe(value), " is not valid base64 data"));
    case Format::kBase32:
      out = ToBase32(text);
      return true;
    case Format::kBase32Decode:
      if (DecodeDigits(text, kBase32, 5, out)) return true;
      return machine.Raise(absl::StrCat(Describe(value), " is not valid base32 data"));
    case Format::kText:
    case Format::kJson:
    case Format::kCsv:
    case Format::kTsv:
    case Format::kSh:
      break;
  }
  out = std::string(text);
  return true;
}

bool OfRow(Machine& machine, Format format, const Json& value, std::string& out) {
  if (format == Format::kSh) {
    return Row(machine, value.is_array() ? value.AsArray() : absl::MakeConstSpan(&value, 1), " ",
               ShellWord, out);
  }
  const bool csv = format == Format::kCsv;
  if (!value.is_array()) {
    return machine.Raise(absl::StrCat(Describe(value), " cannot be ", csv ? "csv" : "tsv",
                                      "-formatted, only array"));
  }
  return csv ? Row(machine, value.AsArray(), ",", CsvField, out)
             : Row(machine, value.AsArray(), "\t", TsvField, out);
}

}  // namespace

std::optional<Format> FindFormat(absl::string_view name) {
  constexpr std::pair<absl::string_view, Format> kFormats[] = {
      {"text", Format::kText},      {"json", Format::kJson},
      {"csv", Format::kCsv},        {"tsv", Format::kTsv},
      {"html", Format::kHtml},      {"uri", Format::kUri},
      {"urid", Format::kUriDecode}, {"sh", Format::kSh},
      {"base64", Format::kBase64},  {"base64d", Format::kBase64Decode},
      {"base32", Format::kBase32},  {"base32d", Format::kBase32Decode}};
  for (const auto& [known, format] : kFormats) {
    if (known == name) return format;
  }
  return std::nullopt;
}

bool ApplyFormat(Machine& machine, Format format, const Json& value, Json& out) {
  if (format == Format::kText) return ToString(machine, value, out);
  std::string text;
  if (format == Format::kJson) {
    if (!ToText(machine, value, text) || !machine.Charge(text.size())) return false;
  } else if (format == Format::kCsv || format == Format::kTsv || format == Format::kSh) {
    if (!OfRow(machine, format, value, text)) return false;
  } else {
    Json plain;
    if (!ToString(machine, value, plain)) return false;
    if (!OfText(machine, format, plain.AsString(), value, text)) return false;
    if (!machine.Charge(text.size())) return false;
  }
  out = Json::String(ToValidUtf8(text));
  return true;
}

}  // namespace skald::expression
