// Functions over strings, regular expressions among them.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/utf8.h"
#include "engine/expression/builtins.h"
#include "engine/expression/machine.h"
#include "engine/expression/regex.h"
#include "engine/expression/values.h"

namespace skald::expression {
namespace {

bool Utf8ByteLength(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_string()) {
    return machine.Raise(absl::StrCat(Describe(in), " only strings have UTF-8 byte length"));
  }
  out = Json::Int(static_cast<int64_t>(in.AsString().size()));
  return true;
}

bool StartsWithOf(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!in.is_string() || !arguments[0].is_string()) {
    return machine.Raise("startswith() requires string inputs");
  }
  out = Json::Bool(absl::StartsWith(in.AsString(), arguments[0].AsString()));
  return machine.SpendWalk(arguments[0]);
}

bool EndsWithOf(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!in.is_string() || !arguments[0].is_string()) {
    return machine.Raise("endswith() requires string inputs");
  }
  out = Json::Bool(absl::EndsWith(in.AsString(), arguments[0].AsString()));
  return machine.SpendWalk(arguments[0]);
}

bool Part(Machine& machine, absl::string_view part, Json& out) {
  if (!machine.Charge(part.size())) return false;
  out = Json::String(part);
  return true;
}

bool LeftTrimString(Machine& machine, const Json& in, Json* arguments, Json& out) {
  out = in;
  if (!in.is_string() || !arguments[0].is_string()) return true;
  if (!machine.SpendWalk(arguments[0])) return false;
  absl::string_view text = in.AsString();
  return !absl::ConsumePrefix(&text, arguments[0].AsString()) || Part(machine, text, out);
}

bool RightTrimString(Machine& machine, const Json& in, Json* arguments, Json& out) {
  out = in;
  if (!in.is_string() || !arguments[0].is_string()) return true;
  if (!machine.SpendWalk(arguments[0])) return false;
  absl::string_view text = in.AsString();
  return !absl::ConsumeSuffix(&text, arguments[0].AsString()) || Part(machine, text, out);
}

bool TrimString(Machine& machine, const Json& in, Json* arguments, Json& out) {
  Json left;
  return LeftTrimString(machine, in, arguments, left) &&
         RightTrimString(machine, left, arguments, out);
}

bool TrimBlanks(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_string()) return machine.Raise("trim input must be a string");
  return Part(machine, absl::StripAsciiWhitespace(in.AsString()), out);
}

bool LeftTrimBlanks(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_string()) return machine.Raise("trim input must be a string");
  return Part(machine, absl::StripLeadingAsciiWhitespace(in.AsString()), out);
}

bool RightTrimBlanks(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_string()) return machine.Raise("trim input must be a string");
  return Part(machine, absl::StripTrailingAsciiWhitespace(in.AsString()), out);
}

bool AsciiDowncase(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_string()) return machine.Raise("ascii_downcase input must be a string");
  return Part(machine, absl::AsciiStrToLower(in.AsString()), out);
}

bool AsciiUpcase(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_string()) return machine.Raise("ascii_upcase input must be a string");
  return Part(machine, absl::AsciiStrToUpper(in.AsString()), out);
}

bool Explode(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_string()) return machine.Raise("explode input must be a string");
  if (!machine.ChargeElements(in.AsString().size())) return false;
  Json::ArrayBuilder points;
  for (size_t place = 0; place < in.AsString().size();) {
    points.Add(Json::Int(static_cast<int64_t>(NextCodePoint(in.AsString(), place))));
  }
  out = std::move(points).Build();
  return true;
}

bool Implode(Machine& machine, const Json& in, Json*, Json& out) {
  if (!in.is_array()) return machine.Raise("implode input must be an array");
  if (!machine.Charge(4 * in.Size()) || !machine.Spend(in.Size() / 4)) return false;
  std::string text;
  for (const Json& point : in.AsArray()) {
    const double number = point.is_number() ? point.AsDouble() : std::nan("");
    if (std::isnan(number)) {
      return machine.Raise(absl::StrCat(
          Describe(point), " can't be imploded, unicode codepoint needs to be numeric"));
    }
    const bool valid = number >= 0 && number <= 0x10FFFF;
    AppendUtf8(valid ? static_cast<char32_t>(number) : kReplacementCharacter, text);
  }
  out = Json::String(text);
  return true;
}

bool SplitOf(Machine& machine, const Json& in, Json* arguments, Json& out) {
  if (!in.is_string() || !arguments[0].is_string()) {
    return machine.Raise("split input and separator must be strings");
  }
  return Arithmetic(machine, BinaryOp::kDiv, in, arguments[0], out);
}

bool SplitByRegex(Machine& machine, const Json& in, Json* arguments, Json& out) {
  RegexMatches found;
  if (!FindMatches(machine, in, arguments[0], arguments[1], RegexScope::kAll, found)) return false;
  if (!machine.Charge(in.AsString().size())) return false;
  Json::ArrayBuilder pieces;
  size_t begin = 0;
  for (const RegexMatch& match : found.matches) {
    const RegexSpan& span = match.groups[0];
    pieces.Add(Json::String(in.AsString().substr(begin, span.begin - begin)));
    begin = span.end;
  }
  pieces.Add(Json::String(in.AsString().substr(begin)));
  if (!machine.ChargeElements(pieces.size())) return false;
  out = std::move(pieces).Build();
  return true;
}

// `match("a")`, `match(["a"])` and `match(["a", "g"])` are one.
bool Find(Machine& machine, const Json& in, Json* arguments, RegexScope scope, RegexMatches& out) {
  if (arguments[0].is_array() && arguments[0].Size() > 0) {
    const Json both = arguments[0];
    if (both.Size() > 1) arguments[1] = both.At(1);
    arguments[0] = both.At(0);
  } else if (!arguments[0].is_string()) {
    return machine.Raise(
        absl::StrCat(Describe(arguments[0]), " cannot be matched, as it is not a string"));
  }
  return FindMatches(machine, in, arguments[0], arguments[1], scope, out);
}

bool TestWith(Machine& machine, const Json& in, Json* arguments, Json& out) {
  RegexMatches found;
  if (!Find(machine, in, arguments, RegexScope::kFirst, found)) return false;
  out = Json::Bool(!found.matches.empty());
  return true;
}

bool Test(Machine& machine, const Json& in, Json* arguments, Json& out) {
  Json both[] = {std::move(arguments[0]), Json()};
  return TestWith(machine, in, both, out);
}

bool Match(Machine& machine, const Json& in, Json* arguments, Json& out) {
  RegexMatches found;
  return Find(machine, in, arguments, RegexScope::kAsFlagsSay, found) &&
         MatchObjects(machine, in, found, out);
}

bool Capture(Machine& machine, const Json& in, Json* arguments, Json& out) {
  RegexMatches found;
  if (!Find(machine, in, arguments, RegexScope::kAsFlagsSay, found)) return false;
  Json::ArrayBuilder objects;
  for (const RegexMatch& match : found.matches) {
    Json captures;
    if (!machine.ChargeElements(match.groups.size()) ||
        !CaptureObject(machine, in, found, match, captures)) {
      return false;
    }
    objects.Add(std::move(captures));
  }
  out = std::move(objects).Build();
  return true;
}

// Places of a string in another, in code points, overlapping ones too; of an array's elements
// otherwise.
bool Indices(Machine& machine, const Json& in, Json* arguments, Json& out) {
  const Json& part = arguments[0];
  if (in.is_array() && !part.is_array()) {
    return Index(machine, in, Json::Array({part}), out);
  }
  if (!in.is_string() || !part.is_string()) return Index(machine, in, part, out);
  Json::ArrayBuilder places;
  const absl::string_view text = in.AsString();
  if (!machine.Spend(text.size() / 16)) return false;
  size_t counted = 0;
  size_t points = 0;
  const uint64_t search = 1 + part.AsString().size() / kSearchedPerStep;
  size_t place =
      part.AsString().empty() ? absl::string_view::npos : FindText(text, part.AsString());
  while (place != absl::string_view::npos) {
    if (!machine.Spend(search)) return false;
    points += CountCodePoints(text.substr(counted, place - counted));
    counted = place;
    places.Add(Json::Int(static_cast<int64_t>(points)));
    place = FindText(text, part.AsString(), place + 1);
  }
  if (!machine.ChargeElements(places.size())) return false;
  out = std::move(places).Build();
  return true;
}

constexpr NativeEntry kNatives[] = {
    {"utf8bytelength", 0, Utf8ByteLength},
    {"startswith", 1, StartsWithOf},
    {"endswith", 1, EndsWithOf},
    {"ltrimstr", 1, LeftTrimString},
    {"rtrimstr", 1, RightTrimString},
    {"trimstr", 1, TrimString},
    {"trim", 0, TrimBlanks},
    {"ltrim", 0, LeftTrimBlanks},
    {"rtrim", 0, RightTrimBlanks},
    {"ascii_downcase", 0, AsciiDowncase},
    {"ascii_upcase", 0, AsciiUpcase},
    {"explode", 0, Explode},
    {"implode", 0, Implode},
    {"split", 1, SplitOf},
    {"split", 2, SplitByRegex},
    {"test", 1, Test},
    {"test", 2, TestWith},
    {"_match", 2, Match},
    {"_capture", 2, Capture},
    {"indices", 1, Indices},
};

}  // namespace

absl::Span<const NativeEntry> StringNatives() { return kNatives; }

// sub and gsub. The replacement is evaluated with the named groups as its input; when it has
// several results, each gives a result of its own.
Flow Machine::RunSubstitute(const Node* node, const FrameRef& frame, const Json& in,
                            Out<Json> out) {
  Json arguments[2];
  return ForEachInOrder(node, frame, in, 0, arguments, [&] {
    RegexMatches found;
    if (!FindMatches(*this, in, arguments[0], arguments[1], RegexScope::kAsFlagsSay, found)) {
      return Failed();
    }
    std::vector<Json> results;
    size_t begin = 0;
    for (const RegexMatch& match : found.matches) {
      const RegexSpan& span = match.groups[0];
      const Json gap = Json::String(in.AsString().substr(begin, span.begin - begin));
      begin = span.end;
      size_t index = 0;
      Json captures;
      if (!CaptureObject(*this, in, found, match, captures)) return Failed();
      const auto insert = [&](Json&& text) {
        if (index == results.size()) results.emplace_back();
        Json& result = results[index++];
        Json piece;
        if (!Arithmetic(*this, BinaryOp::kAdd, gap, text, piece) ||
            !Arithmetic(*this, BinaryOp::kAdd, std::move(result), piece, result)) {
          return Failed();
        }
        return Flow::kNext;
      };
      const Flow flow = RunClosure<Json>(node->closures[0], frame, captures, insert);
      if (flow != Flow::kNext) return flow;
    }
    if (results.empty()) return out(Json(in));
    const Json rest = Json::String(in.AsString().substr(begin));
    for (Json& result : results) {
      Json whole;
      if (!Arithmetic(*this, BinaryOp::kAdd, std::move(result), rest, whole)) return Failed();
      const Flow flow = out(std::move(whole));
      if (flow != Flow::kNext) return flow;
    }
    return Flow::kNext;
  });
}

}  // namespace skald::expression
