// Writing values as text.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/json_node.h"
#include "base/json_number.h"

namespace skald {
namespace {

// For each byte: 0 when it is written as it is, 'u' when as \u00XX, else the letter after the
// backslash. Delete is escaped as jq does.
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> escapes = {};
  for (size_t i = 0; i < 0x20; ++i) escapes[i] = 'u';
  escapes['"'] = '"';
  escapes['\\'] = '\\';
  escapes['\b'] = 'b';
  escapes['\f'] = 'f';
  escapes['\n'] = 'n';
  escapes['\r'] = 'r';
  escapes['\t'] = 't';
  escapes[0x7F] = 'u';
  return escapes;
}();

// Whether any of the eight bytes must be escaped.
bool NeedsEscape(const char* text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  uint64_t word;
  std::memcpy(&word, text, sizeof(word));
  // A byte below what is subtracted gets its high bit; bytes that had it are not ASCII, and need no
  // escape. Borrows may mark later bytes too, which costs a closer look.
  const uint64_t marks = ((word ^ kOnes * '"') - kOnes) | ((word ^ kOnes * '\\') - kOnes) |
                         ((word ^ kOnes * 0x7F) - kOnes) | (word - kOnes * 0x20);
  return (marks & ~word & kOnes * 0x80) != 0;
}

// Collects small pieces before they reach the string, whose every append costs a check and a
// terminator.
class Sink {
 public:
  explicit Sink(std::string& out) : out_(out) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() { Flush(); }

  void Put(char byte) { *Room(1) = byte, ++used_; }
  void Put(absl::string_view text) {
    if (text.size() > sizeof(buffer_)) {
      Flush();
      out_.append(text.data(), text.size());
      return;
    }
    std::memcpy(Room(text.size()), text.data(), text.size());
    used_ += text.size();
  }
  // A place for up to `size` bytes; Advance says where what was written there ends.
  char* Room(size_t size) {
    if (sizeof(buffer_) - used_ < size) [[unlikely]] {
      Flush();
    }
    return buffer_ + used_;
  }
  void Advance(const char* end) { used_ = static_cast<size_t>(end - buffer_); }
  void Flush() {
    out_.append(buffer_, used_);
    used_ = 0;
  }

 private:
  std::string& out_;
  size_t used_ = 0;
  char buffer_[1024];
};

void WriteEscaped(unsigned char byte, Sink& out) {
  const char escape = kEscapes[byte];
  out.Put('\\');
  out.Put(escape);
  if (escape != 'u') return;
  constexpr char kHex[] = "0123456789abcdef";
  out.Put("00");
  out.Put(kHex[byte >> 4]);
  out.Put(kHex[byte & 0xF]);
}

void WriteString(absl::string_view text, Sink& out) {
  out.Put('"');
  const char* run = text.data();
  const char* const end = run + text.size();
  const auto put_run = [&](const char* run_end) {
    out.Put({run, static_cast<size_t>(run_end - run)});
  };
  for (const char* place = run; place != end;) {
    if (end - place >= 8 && !NeedsEscape(place)) {
      place += 8;
      continue;
    }
    // A word that may need one, or the rest.
    const char* const stop = place + std::min<ptrdiff_t>(8, end - place);
    for (; place != stop; ++place) {
      const auto byte = static_cast<unsigned char>(*place);
      if (kEscapes[byte] != 0) {
        put_run(place);
        WriteEscaped(byte, out);
        run = place + 1;
      }
    }
  }
  put_run(end);
  out.Put('"');
}

void WriteReal(double value, Sink& out) {
  if (std::isnan(value)) {
    out.Put("null");
    return;
  }
  if (std::isinf(value)) {
    value = std::copysign(std::numeric_limits<double>::max(), value);
  }
  out.Advance(WriteDouble(value, out.Room(kDoubleTextMax)));
}

}  // namespace

// Walks a value with the containers on the way in frames: values may be of any depth.
template <bool kPretty>
class Json::Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void Run(const Json& value) {
    Step(value);
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next == frame.size) {
        const char bracket = frame.elements != nullptr ? ']' : '}';
        frames_.pop_back();
        BreakLine();
        out_.Put(bracket);
        continue;
      }
      if (frame.next > 0) out_.Put(',');
      BreakLine();
      const size_t next = frame.next++;
      if (frame.elements != nullptr) {
        Step(frame.elements[next]);
      } else {
        const Member& member = frame.members[next];
        WriteString(member.key(), out_);
        out_.Put(kPretty ? absl::string_view(": ") : ":");
        Step(member.value);
      }
    }
  }

 private:
  struct Frame {
    const Json* elements = nullptr;   // Of an array,
    const Member* members = nullptr;  // or of an object.
    size_t size = 0;
    size_t next = 0;
  };

  // Writes a scalar or an empty container; opens any other.
  void Step(const Json& value) {
    switch (value.kind()) {
      case Kind::kNull:
        out_.Put("null");
        break;
      case Kind::kFalse:
        out_.Put("false");
        break;
      case Kind::kTrue:
        out_.Put("true");
        break;
      case Kind::kNumber:
        WriteNumber(value);
        break;
      case Kind::kString:
        WriteString(value.AsString(), out_);
        break;
      case Kind::kArray:
        if (value.payload_ == 0 || value.node()->size == 0) {
          out_.Put("[]");
        } else {
          out_.Put('[');
          frames_.push_back({.elements = value.AsArray().data(), .size = value.node()->size});
        }
        break;
      case Kind::kObject:
        if (value.payload_ == 0 || value.node()->size == 0) {
          out_.Put("{}");
        } else {
          out_.Put('{');
          frames_.push_back({.members = value.AsObject().data(), .size = value.node()->size});
        }
        break;
    }
  }

  void WriteNumber(const Json& value) {
    if (value.tag() == kIntTag) {
      constexpr size_t kIntTextMax = 20;
      char* const room = out_.Room(kIntTextMax);
      out_.Advance(std::to_chars(room, room + kIntTextMax, value.AsInt()).ptr);
    } else if (value.tag() == kDoubleTag) {
      WriteReal(value.AsDouble(), out_);
    } else {
      out_.Put(static_cast<LiteralNode*>(value.node())->view());
    }
  }

  void BreakLine() {
    if constexpr (kPretty) {
      out_.Put('\n');
      for (size_t i = 0; i < frames_.size(); ++i) out_.Put("  ");
    }
  }

  Sink out_;
  std::vector<Frame> frames_;
};

std::string Json::ToText() const {
  std::string out;
  AppendTo(out);
  return out;
}

void Json::AppendTo(std::string& out) const { Writer<false>(out).Run(*this); }

std::string Json::ToPrettyText() const {
  std::string out;
  Writer<true>(out).Run(*this);
  return out;
}

}  // namespace skald
