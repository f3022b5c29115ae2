#include "engine/definition/yaml_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <yaml.h>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "engine/definition/json_escapes.h"
#include "engine/definition/yaml_scalar.h"

namespace skald::definition {
namespace {

absl::string_view FromYaml(const yaml_char_t* text) {
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

// An event of libyaml, freed when it goes.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t* get() { return &event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_{};
};

// A line by its number, from 0.
absl::string_view LineOf(absl::string_view text, size_t number) {
  for (; number > 0; --number) {
    const size_t end = text.find('\n');
    if (end == absl::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// A mapping or sequence whose end has not been read.
struct Frame {
  DocumentNode* node = nullptr;
  std::string anchor;
  bool mapping = false;
  // Of a mapping: the key whose value comes next.
  bool has_key = false;
  bool skip_value = false;  // the key was refused
  bool merge = false;       // the key is `<<`
  std::string key;
  Place key_place;
  absl::flat_hash_map<std::string, Place> keys;
  std::vector<std::pair<const DocumentNode*, Place>> merges;
};

// Turns events into nodes without recursion: what is open is in frames_.
class Reader {
 public:
  Reader(absl::string_view text, const DefinitionLimits& limits, DiagnosticSink& diagnostics,
         Document& document)
      : escapes_(text), limits_(limits), diagnostics_(diagnostics), document_(document) {
    SetUp();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { yaml_parser_delete(&parser_); }

  // False when the text cannot be read to its end.
  bool Read();

 private:
  void SetUp();
  bool ReadEvent(const Event& event);
  bool OnScalar(const Event& event);
  bool OnStart(const Event& event, bool mapping, const yaml_char_t* anchor, const yaml_char_t* tag);
  bool OnEnd();
  bool OnAlias(const Event& event);

  // Gives a finished node to the frame it belongs to.
  bool Attach(const DocumentNode* node, bool is_plain_key);
  void AttachKey(Frame& frame, const DocumentNode& node, bool plain);
  void AddMember(Frame& frame, const std::string& key, Place key_place, const DocumentNode* value);
  void MergeMembers(Frame& frame);
  void Finish(Frame& frame);
  void AddMergeSource(Frame& frame, const DocumentNode* node);
  bool CountAliased(size_t nodes, size_t bytes, Place place);

  DocumentNode* NewNode(Place place);
  Place PlaceOf(const yaml_mark_t& mark) const;
  // The JSON pointer of what is being read.
  std::string Pointer() const;
  bool Refuse(Place place, absl::string_view message);
  bool RefuseBrokenText();

  const JoinedEscapes escapes_;
  const DefinitionLimits& limits_;
  DiagnosticSink& diagnostics_;
  Document& document_;

  yaml_parser_t parser_{};
  std::vector<Frame> frames_;
  absl::flat_hash_map<std::string, const DocumentNode*> anchors_;  // null while it is open
  size_t aliased_nodes_ = 0;
  size_t aliased_bytes_ = 0;
  int documents_ = 0;
  bool done_ = false;
  bool refused_ = false;
};

void Reader::SetUp() {
  yaml_parser_initialize(&parser_);
  yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
  const absl::string_view text = escapes_.text();
  yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                               text.size());
}

bool Reader::Read() {
  while (!done_) {
    Event event;
    if (yaml_parser_parse(&parser_, event.get()) == 0) return RefuseBrokenText();
    if (!ReadEvent(event) || refused_) return false;
  }
  if (document_.root == nullptr) return Refuse({1, 1}, "the text holds no document");
  return true;
}

bool Reader::ReadEvent(const Event& event) {
  switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
      return true;
    case YAML_STREAM_END_EVENT:
      done_ = true;
      return true;
    case YAML_DOCUMENT_START_EVENT:
      if (++documents_ == 1) return true;
      return Refuse(PlaceOf(event->start_mark),
                    "a second YAML document begins here; a definition is exactly one");
    case YAML_ALIAS_EVENT:
      return OnAlias(event);
    case YAML_SCALAR_EVENT:
      return OnScalar(event);
    case YAML_SEQUENCE_START_EVENT:
      return OnStart(event, false, event->data.sequence_start.anchor,
                     event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
      return OnStart(event, true, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      return OnEnd();
  }
  return true;
}

bool Reader::OnScalar(const Event& event) {
  const auto& scalar = event->data.scalar;
  const absl::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
  DocumentNode* node = NewNode(PlaceOf(event->start_mark));
  node->bytes = text.size();
  const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.tag == nullptr;
  absl::StatusOr<Json> value = Json::String(text);
  if (scalar.tag != nullptr) {
    value = ResolveTaggedScalar(FromYaml(scalar.tag), text);
  } else if (plain) {
    value = ResolvePlainScalar(text);
  }
  if (value.ok()) {
    node->value = *std::move(value);
  } else {
    diagnostics_.Error(node->place, Pointer(), value.status().message());
  }
  if (scalar.anchor != nullptr) anchors_[FromYaml(scalar.anchor)] = node;
  return Attach(node, plain);
}

bool Reader::OnStart(const Event& event, bool mapping, const yaml_char_t* anchor,
                     const yaml_char_t* tag) {
  const Place place = PlaceOf(event->start_mark);
  if (static_cast<int>(frames_.size()) >= limits_.depth_max) {
    return Refuse(place, absl::StrCat("nested deeper than ", limits_.depth_max, " levels"));
  }
  const absl::string_view expected = mapping ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq";
  if (tag != nullptr && FromYaml(tag) != expected && FromYaml(tag) != "!") {
    diagnostics_.Error(place, Pointer(),
                       absl::StrCat("YAML tag '", FromYaml(tag).substr(0, 80), "' is not known"));
  }
  Frame frame;
  frame.node = NewNode(place);
  frame.anchor = std::string(FromYaml(anchor));
  frame.mapping = mapping;
  if (!frame.anchor.empty()) anchors_[frame.anchor] = nullptr;
  frames_.push_back(std::move(frame));
  return true;
}

bool Reader::OnEnd() {
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  Finish(frame);
  if (!frame.anchor.empty()) anchors_[frame.anchor] = frame.node;
  return Attach(frame.node, false);
}

bool Reader::OnAlias(const Event& event) {
  const Place place = PlaceOf(event->start_mark);
  const std::string name(FromYaml(event->data.alias.anchor));
  const auto it = anchors_.find(name);
  if (it == anchors_.end()) {
    return Refuse(place, absl::StrCat("alias '*", name, "' has no anchor '&", name, "' before it"));
  }
  const DocumentNode* node = it->second;
  if (node == nullptr) {
    return Refuse(place, absl::StrCat("alias '*", name, "' refers to what it stands in"));
  }
  if (!CountAliased(node->size, node->bytes, place)) return false;
  if (static_cast<int>(frames_.size()) + node->height - 1 > limits_.depth_max) {
    return Refuse(place, absl::StrCat("nested deeper than ", limits_.depth_max,
                                      " levels through alias '*", name, "'"));
  }
  return Attach(node, false);
}

// A few nodes may stand for any number of bytes: one long text may be aliased many times.
bool Reader::CountAliased(size_t nodes, size_t bytes, Place place) {
  aliased_nodes_ += nodes;
  aliased_bytes_ += bytes;
  const bool few = aliased_nodes_ <= limits_.alias_nodes_max;
  if (few && aliased_bytes_ <= limits_.bytes_max) return true;
  return Refuse(place, absl::StrCat("YAML aliases expand to more than ",
                                    few ? limits_.bytes_max : limits_.alias_nodes_max,
                                    few ? " bytes" : " nodes"));
}

bool Reader::Attach(const DocumentNode* node, bool is_plain_key) {
  if (frames_.empty()) {
    document_.root = node;
    return true;
  }
  Frame& frame = frames_.back();
  if (!frame.mapping) {
    frame.node->elements.push_back(node);
    return true;
  }
  if (!frame.has_key) {
    AttachKey(frame, *node, is_plain_key);
    return true;
  }
  frame.has_key = false;
  if (frame.merge) {
    AddMergeSource(frame, node);
  } else if (!frame.skip_value) {
    AddMember(frame, frame.key, frame.key_place, node);
  }
  return true;
}

void Reader::AttachKey(Frame& frame, const DocumentNode& node, bool plain) {
  frame.has_key = true;
  frame.skip_value = !node.value.is_string();
  frame.merge = false;
  frame.key_place = node.place;
  if (frame.skip_value) {
    frame.key.clear();
    const std::string hint =
        node.value.is_object() || node.value.is_array()
            ? ""
            : absl::StrCat("; put it in quotes: \"", node.value.ToText(), "\"");
    diagnostics_.Error(
        node.place, Pointer(),
        absl::StrCat("a key must be a string, this is a ", node.value.KindName(), hint));
    return;
  }
  frame.key = std::string(node.value.AsString());
  frame.merge = plain && frame.key == "<<";
  const auto [it, inserted] = frame.keys.try_emplace(frame.key, node.place);
  if (inserted) return;
  frame.skip_value = true;
  frame.merge = false;
  diagnostics_.Error(node.place, Pointer(),
                     absl::StrCat("key '", frame.key, "' stands twice in this object, first at ",
                                  it->second.ToString()));
}

void Reader::AddMember(Frame& frame, const std::string& key, Place key_place,
                       const DocumentNode* value) {
  frame.node->members.push_back({key, key_place, value});
}

void Reader::AddMergeSource(Frame& frame, const DocumentNode* node) {
  bool fits = node->value.is_object();
  if (fits) frame.merges.emplace_back(node, frame.key_place);
  if (node->value.is_array()) {
    fits = true;
    for (const DocumentNode* element : node->elements) {
      fits = fits && element->value.is_object();
      frame.merges.emplace_back(element, frame.key_place);
    }
  }
  if (fits) return;
  diagnostics_.Error(frame.key_place, Pointer(),
                     "a merge key (<<) takes an object or a list of objects");
}

void Reader::MergeMembers(Frame& frame) {
  for (const auto& [source, place] : frame.merges) {
    for (const DocumentMember& member : source->members) {
      if (!frame.keys.try_emplace(member.key, member.key_place).second) continue;
      const size_t bytes = member.key.size() + member.value->bytes;
      if (!CountAliased(member.value->size, bytes, place)) return;
      AddMember(frame, member.key, member.key_place, member.value);
    }
  }
}

void Reader::Finish(Frame& frame) {
  DocumentNode& node = *frame.node;
  MergeMembers(frame);
  const auto grow = [&node](const DocumentNode& child) {
    node.size += child.size;
    node.bytes += child.bytes;
    node.height = std::max(node.height, child.height + 1);
  };
  if (frame.mapping) {
    std::vector<std::pair<std::string, Json>> members;
    members.reserve(node.members.size());
    for (const DocumentMember& member : node.members) {
      members.emplace_back(member.key, member.value->value);
      grow(*member.value);
      node.bytes += member.key.size();
    }
    node.value = Json::Object(std::move(members));
    return;
  }
  std::vector<Json> elements;
  elements.reserve(node.elements.size());
  for (const DocumentNode* element : node.elements) {
    elements.push_back(element->value);
    grow(*element);
  }
  node.value = Json::Array(std::move(elements));
}

DocumentNode* Reader::NewNode(Place place) {
  DocumentNode& node = document_.nodes.emplace_back();
  node.place = place;
  return &node;
}

Place Reader::PlaceOf(const yaml_mark_t& mark) const {
  const int line = static_cast<int>(mark.line);
  return {line + 1, escapes_.OriginalColumn(line, static_cast<int>(mark.column)) + 1};
}

std::string Reader::Pointer() const {
  std::string pointer;
  for (const Frame& frame : frames_) {
    if (!frame.mapping) {
      pointer = AppendPointer(pointer, frame.node->elements.size());
    } else if (frame.has_key && !frame.key.empty()) {
      pointer = AppendPointer(pointer, frame.key);
    }
  }
  return pointer;
}

bool Reader::Refuse(Place place, absl::string_view message) {
  diagnostics_.Error(place, Pointer(), message);
  refused_ = true;
  return false;
}

bool Reader::RefuseBrokenText() {
  // The reader below the scanner gives no mark, only the byte; it is where the scanner got to.
  const yaml_mark_t mark = parser_.error == YAML_READER_ERROR ? parser_.mark : parser_.problem_mark;
  std::string message = "broken YAML";
  if (parser_.context != nullptr) absl::StrAppend(&message, ": ", parser_.context);
  if (parser_.problem != nullptr) absl::StrAppend(&message, ": ", parser_.problem);
  const absl::string_view text = escapes_.text();
  if (mark.index < text.size() && text[mark.index] == '\t') {
    message += " (a tab; YAML indents with spaces)";
  } else if (LineOf(text, mark.line).find("${") != absl::string_view::npos) {
    message += " (inside { } and [ ] an expression needs quotes: '${ ... }')";
  }
  return Refuse(PlaceOf(mark), message);
}

// The place of a byte.
Place PlaceOfByte(absl::string_view text, size_t byte) {
  Place place{1, 1};
  for (const char c : text.substr(0, byte)) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else if (!continues) {
      ++place.column;
    }
  }
  return place;
}

// The first byte that is no UTF-8 or a control character that YAML forbids.
std::optional<size_t> FirstForbiddenByte(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = Utf8SequenceLength(text.data() + i, text.data() + text.size());
    if (length == 0) return i;
    const bool blank = byte == '\t' || byte == '\n' || byte == '\r';
    if (byte == 0x7F || (byte < 0x20 && !blank)) return i;
    i += length;
  }
  return std::nullopt;
}

}  // namespace

bool ReadDocument(absl::string_view text, const DefinitionLimits& limits,
                  DiagnosticSink& diagnostics, Document& document) {
  if (text.size() > limits.bytes_max) {
    diagnostics.Error({}, "",
                      absl::StrCat("the text has ", text.size(), " bytes; at most ",
                                   limits.bytes_max, " are allowed"));
    return false;
  }
  constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  if (const std::optional<size_t> byte = FirstForbiddenByte(text)) {
    const auto value = static_cast<unsigned char>(text[*byte]);
    diagnostics.Error(
        PlaceOfByte(text, *byte), "",
        absl::StrCat(
            "byte 0x", absl::Hex(value, absl::kZeroPad2),
            value < 0x80 ? " is a control character, which YAML does not allow" : " is no UTF-8"));
    return false;
  }
  return Reader(text, limits, diagnostics, document).Read();
}

}  // namespace skald::definition
