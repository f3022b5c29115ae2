// Parsing: one pass over the text, an explicit stack in place of recursion. Finished values wait on
// a stack until their container closes; it then takes its share as one block of the exact size.
#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/json_node.h"
#include "base/json_number.h"
#include "base/utf8.h"

namespace skald {

using json_internal::NewNode;

namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighBits = 0x8080808080808080;

uint64_t LoadWord(const char* text) {
  uint64_t word;
  std::memcpy(&word, text, sizeof(word));
  return word;
}

// Marks the high bit of each byte that ends a plain run inside a string: quotes, backslashes,
// control characters and what is not ASCII. Borrows may mark bytes after (above) the first wrongly,
// never before it.
uint64_t MarkSpecial(uint64_t word) {
  const uint64_t quote = word ^ kOnes * '"';
  const uint64_t backslash = word ^ kOnes * '\\';
  return ((quote - kOnes) | (backslash - kOnes) | (word - kOnes * 0x20) | word) & kHighBits;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The powers of ten that are exact doubles.
constexpr double kExactPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

}  // namespace

class Json::Parser {
 public:
  Parser(absl::string_view text, const JsonLimits& limits)
      : begin_(text.data()),
        place_(begin_),
        end_(begin_ + text.size()),
        depth_max_(limits.depth_max),
        scratch_(SharedScratch()) {}

  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // Gives back what was built before an error.
  ~Parser() {
    PopDiscarding(0);
    scratch_.frames.clear();
    if (scratch_.values.capacity() > kScratchMax) scratch_.values = {};
    if (scratch_.frames.capacity() > kScratchMax) scratch_.frames = {};
    if (scratch_.text.capacity() > kScratchMax) scratch_.text = {};
  }

  absl::StatusOr<Json> Run() {
    do {
      if (!ReadValue()) return Error();
    } while (is_inside_);
    SkipSpace();
    if (place_ != end_) {
      Fail("unexpected text after the value");
      return Error();
    }
    const Words words = scratch_.values.back();
    scratch_.values.pop_back();
    return Json(words.head, words.payload);
  }

 private:
  // A Json without its destructor, so that the stack can hand blocks of them over.
  struct Words {
    uint64_t head;
    uint64_t payload;
  };
  struct Frame {
    uint32_t first;  // Where its values begin on the stack; keys and values alternate in objects.
    bool is_object;
  };
  // The buffers of a thread, kept from one text to the next up to kScratchMax entries each.
  struct Scratch {
    std::vector<Words> values;
    std::vector<Frame> frames;
    std::string text;
  };
  static constexpr size_t kScratchMax = 1 << 16;

  static Scratch& SharedScratch() {
    static thread_local Scratch scratch;
    return scratch;
  }

  bool Fail(absl::string_view what) {
    error_ = what;
    return false;
  }

  // The status of the error at place_.
  absl::Status Error() const {
    size_t line = 1;
    const char* line_begin = begin_;
    for (const char* p = begin_; p != place_; ++p) {
      if (*p != '\n') continue;
      ++line;
      line_begin = p + 1;
    }
    const size_t column =
        1 + CountCodePoints({line_begin, static_cast<size_t>(place_ - line_begin)});
    return absl::InvalidArgumentError(
        absl::StrCat("JSON at line ", line, ", column ", column, ": ", error_));
  }

  void SkipSpace() {
    while (place_ != end_ &&
           (*place_ == ' ' || *place_ == '\n' || *place_ == '\r' || *place_ == '\t')) {
      ++place_;
    }
  }

  void Push(Json&& value) {
    const Words words = {value.head_, value.payload_};
    value.Forget();
    scratch_.values.push_back(words);
  }

  // Destroys the values above the first `count`.
  void PopDiscarding(size_t count) {
    for (size_t i = count; i < scratch_.values.size(); ++i) {
      const Json discarded(scratch_.values[i].head, scratch_.values[i].payload);
    }
    scratch_.values.resize(count);
  }

  // Reads a scalar or opens a container; after a scalar or an empty container, goes on to where
  // the next value begins.
  bool ReadValue() {
    SkipSpace();
    if (place_ == end_) return Fail("unexpected end of the text");
    switch (*place_) {
      case '{':
      case '[':
        return Open();
      case '"':
        if (!ReadString()) return false;
        break;
      case 't':
        if (!ReadWord("true", Bool(true))) return false;
        break;
      case 'f':
        if (!ReadWord("false", Bool(false))) return false;
        break;
      case 'n':
        if (!ReadWord("null", Null())) return false;
        break;
      default:
        if (*place_ != '-' && !IsDigit(*place_)) return Fail("expected a value");
        if (!ReadNumber()) return false;
    }
    return AfterValue();
  }

  bool ReadWord(absl::string_view word, Json value) {
    if (absl::string_view(place_, static_cast<size_t>(end_ - place_)).substr(0, word.size()) !=
        word) {
      return Fail("expected a value");
    }
    place_ += word.size();
    Push(std::move(value));
    return true;
  }

  bool Open() {
    const bool is_object = *place_ == '{';
    if (scratch_.frames.size() >= static_cast<size_t>(std::max(depth_max_, 0))) {
      error_text_ = absl::StrCat("deeper than the limit of ", depth_max_);
      return Fail(error_text_);
    }
    ++place_;
    SkipSpace();
    if (place_ != end_ && *place_ == (is_object ? '}' : ']')) {
      ++place_;
      Push(is_object ? EmptyObject() : EmptyArray());
      return AfterValue();
    }
    scratch_.frames.push_back({static_cast<uint32_t>(scratch_.values.size()), is_object});
    is_inside_ = true;
    return is_object ? ReadKey() : true;
  }

  bool ReadKey() {
    SkipSpace();
    if (place_ == end_) return Fail("unexpected end of the text");
    if (*place_ != '"') return Fail("expected a key in quotes");
    if (!ReadString()) return false;
    SkipSpace();
    if (place_ == end_) return Fail("unexpected end of the text");
    if (*place_ != ':') return Fail("expected ':' after a key");
    ++place_;
    return true;
  }

  // Closes the containers that end here. Leaves is_inside_ set when another value must follow.
  bool AfterValue() {
    while (!scratch_.frames.empty()) {
      SkipSpace();
      if (place_ == end_) return Fail("unexpected end of the text");
      const Frame frame = scratch_.frames.back();
      if (*place_ == ',') {
        ++place_;
        return frame.is_object ? ReadKey() : true;
      }
      if (*place_ != (frame.is_object ? '}' : ']')) {
        return Fail(frame.is_object ? "expected ',' or '}' after a member"
                                    : "expected ',' or ']' after an element");
      }
      if (!(frame.is_object ? CloseObject(frame.first) : CloseArray(frame.first))) return false;
      ++place_;
      scratch_.frames.pop_back();
    }
    is_inside_ = false;
    return true;
  }

  bool CloseArray(uint32_t first) {
    const size_t count = scratch_.values.size() - first;
    if (count > kElementsMax) return Fail("more elements than an array can hold");
    auto* const array = NewNode<ArrayNode, Json>(count);
    std::memcpy(static_cast<void*>(array->elements()), &scratch_.values[first],
                count * sizeof(Json));
    array->size = static_cast<uint32_t>(count);
    scratch_.values.resize(first);
    Push(OfNode(kArrayTag, array));
    return true;
  }

  bool CloseObject(uint32_t first) {
    const size_t count = (scratch_.values.size() - first) / 2;
    if (count > kElementsMax) return Fail("more members than an object can hold");
    auto* const object = NewNode<ObjectNode, Member>(count);
    std::memcpy(static_cast<void*>(object->members()), &scratch_.values[first],
                count * sizeof(Member));
    object->size = static_cast<uint32_t>(count);
    object->index = nullptr;
    scratch_.values.resize(first);
    Push(OfNode(kObjectTag, object));
    if (!object->HasDuplicate()) return true;
    error_text_ =
        absl::StrCat("duplicate key in the object that ends here: ", DuplicateOf(*object));
    return Fail(error_text_);
  }

  static std::string DuplicateOf(ObjectNode& object) {
    std::vector<absl::string_view> keys;
    for (uint32_t i = 0; i < object.size; ++i) keys.push_back(object.members()[i].key());
    std::sort(keys.begin(), keys.end());
    const auto duplicate = std::adjacent_find(keys.begin(), keys.end());
    return duplicate == keys.end() ? "" : String(*duplicate).ToText();
  }

  bool ReadNumber();
  bool ReadString();
  bool ReadEscapedString(const char* begin);
  bool ReadEscape();
  bool ReadHex(char32_t& unit);
  // Moves place_ to the next quote or backslash. Fails at what a string must not hold.
  bool SkipPlain();
  Words StringWords(const char* text, size_t size) const;

  const char* const begin_;
  const char* place_;
  const char* const end_;
  const int depth_max_;
  bool is_inside_ = false;
  Scratch& scratch_;
  absl::string_view error_;
  std::string error_text_;
};

// --- Numbers -------------------------------------------------------------------------------------

bool Json::Parser::ReadNumber() {
  const char* const begin = place_;
  const bool negative = *place_ == '-';
  if (negative) ++place_;
  uint64_t digits = 0;  // All digits as one integer; meaningless past 19 of them.
  const auto read_digits = [&] {
    const char* const first = place_;
    for (; place_ != end_ && IsDigit(*place_); ++place_) {
      digits = digits * 10 + static_cast<uint64_t>(*place_ - '0');
    }
    return place_ - first;
  };
  const bool zero = place_ != end_ && *place_ == '0';
  auto count = read_digits();
  if (count == 0) return Fail("expected a digit");
  if (zero && count > 1) {
    place_ = begin + (negative ? 2 : 1);
    return Fail("a number must not have leading zeros");
  }
  const bool has_more = place_ != end_ && (*place_ == '.' || *place_ == 'e' || *place_ == 'E');
  // Up to 18 digits are within int64.
  if (!has_more && count <= 18 && !(negative && zero)) {
    Push(Int(negative ? -static_cast<int64_t>(digits) : static_cast<int64_t>(digits)));
    return true;
  }
  ptrdiff_t decimals = 0;
  if (has_more && *place_ == '.') {
    ++place_;
    decimals = read_digits();
    if (decimals == 0) return Fail("expected a digit");
    count += decimals;
  }
  const bool has_exponent = place_ != end_ && (*place_ == 'e' || *place_ == 'E');
  if (has_exponent) {
    ++place_;
    if (place_ != end_ && (*place_ == '+' || *place_ == '-')) ++place_;
    const char* const first = place_;
    while (place_ != end_ && IsDigit(*place_)) ++place_;
    if (place_ == first) return Fail("expected a digit");
  }
  // Up to 15 digits survive the way to a double and back, and both the digits and the power of ten
  // are exact doubles, so one division gives the nearest double.
  if (!has_exponent && count <= 15 && decimals > 0) {
    const double value = static_cast<double>(digits) / kExactPowers[decimals];
    Push(Double(negative ? -value : value));
  } else {
    Push(Number({begin, static_cast<size_t>(place_ - begin)}));
  }
  return true;
}

// --- Strings -------------------------------------------------------------------------------------

bool Json::Parser::SkipPlain() {
  while (true) {
    while (end_ - place_ >= 8) {
      const uint64_t special = MarkSpecial(LoadWord(place_));
      if (special == 0) {
        place_ += 8;
        continue;
      }
      place_ += std::countr_zero(special) / 8;
      break;
    }
    if (place_ == end_) return Fail("unexpected end of the text in a string");
    const auto byte = static_cast<unsigned char>(*place_);
    if (byte == '"' || byte == '\\') return true;
    if (byte < 0x20) return Fail("control characters in a string must be escaped");
    const size_t length = Utf8SequenceLength(place_, end_);
    if (length == 0) return Fail("invalid UTF-8");
    place_ += length;
  }
}

Json::Parser::Words Json::Parser::StringWords(const char* text, size_t size) const {
  // Loading whole words and masking what lies behind the string is faster than copying its bytes,
  // where the text goes on far enough to be read.
  if (size <= kSmallMax && text >= begin_ && end_ - text >= static_cast<ptrdiff_t>(kSmallMax)) {
    uint64_t head = LoadWord(text) << 8;
    uint64_t payload = LoadWord(text + 7);
    if (size < 7) {
      head &= (uint64_t{1} << (8 * (size + 1))) - 1;
      payload = 0;
    } else if (size < kSmallMax) {
      payload &= (uint64_t{1} << (8 * (size - 7))) - 1;
    }
    return {head | (kSmallTag + size), payload};
  }
  Json string = String({text, size});
  const Words words = {string.head_, string.payload_};
  string.Forget();
  return words;
}

bool Json::Parser::ReadString() {
  const char* const begin = ++place_;
  if (!SkipPlain()) return false;
  if (*place_ == '\\') return ReadEscapedString(begin);
  scratch_.values.push_back(StringWords(begin, static_cast<size_t>(place_ - begin)));
  ++place_;
  return true;
}

bool Json::Parser::ReadEscapedString(const char* begin) {
  std::string& text = scratch_.text;
  text.assign(begin, place_);
  while (*place_ == '\\') {
    ++place_;
    if (place_ == end_) return Fail("unexpected end of the text in a string");
    if (!ReadEscape()) return false;
    const char* const plain = place_;
    if (!SkipPlain()) return false;
    text.append(plain, place_);
  }
  ++place_;
  Push(String(text));
  return true;
}

bool Json::Parser::ReadHex(char32_t& unit) {
  if (end_ - place_ < 4) return Fail("expected four hexadecimal digits");
  uint32_t value = 0;
  const auto result = std::from_chars(place_, place_ + 4, value, 16);
  if (result.ptr != place_ + 4) return Fail("expected four hexadecimal digits");
  unit = value;
  place_ += 4;
  return true;
}

// Precondition: place_ is behind a backslash and not at the end.
bool Json::Parser::ReadEscape() {
  constexpr absl::string_view kLetters = "\"\\/bfnrt";
  constexpr absl::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const char* const backslash = place_ - 1;
  const char letter = *place_++;
  if (letter != 'u') {
    const size_t i = kLetters.find(letter);
    if (i == absl::string_view::npos) {
      place_ = backslash;
      return Fail("unknown escape");
    }
    scratch_.text.push_back(kMeanings[i]);
    return true;
  }
  char32_t code_point = 0;
  if (!ReadHex(code_point)) return false;
  if (code_point >= 0xD800 && code_point < 0xE000) {
    // UTF-8 has no surrogates, so a lone one cannot be kept.
    char32_t low = 0;
    const bool paired = code_point < 0xDC00 && end_ - place_ >= 6 && place_[0] == '\\' &&
                        place_[1] == 'u' && (place_ += 2, ReadHex(low)) && low >= 0xDC00 &&
                        low < 0xE000;
    if (!paired) {
      place_ = backslash;
      return Fail("a surrogate without its pair");
    }
    code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
  }
  AppendUtf8(code_point, scratch_.text);
  return true;
}

absl::StatusOr<Json> Json::Parse(absl::string_view text, const JsonLimits& limits) {
  // Places on the parser's stack and sizes of strings are 32-bit.
  const size_t bytes_max = std::min<size_t>(limits.bytes_max, UINT32_MAX);
  if (text.size() > bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("JSON of ", text.size(), " bytes is longer than the limit of ", bytes_max));
  }
  return Parser(text, limits).Run();
}

}  // namespace skald
