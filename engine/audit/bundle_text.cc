// The text of bundles: written piece by piece, read whole.
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "engine/audit/bundle.h"
#include "engine/audit/commit_leaf.h"

namespace skald::audit {
namespace {

constexpr char kFormat[] = "skald-audit-bundle/1";

Json Number(uint64_t value) { return Json::Int(static_cast<int64_t>(value)); }

Json ToJson(const Hash& hash) { return Json::String(hash.ToBase64()); }

Json ToJson(const std::vector<Hash>& path) {
  Json::ArrayBuilder hashes;
  for (const Hash& hash : path) hashes.Add(ToJson(hash));
  return std::move(hashes).Build();
}

Json ToJson(const BundlePart& part) {
  Json::ObjectBuilder object;
  object.Add("sha256", ToJson(part.digest))
      .Add("data", part.data ? Json::String(absl::Base64Escape(*part.data)) : Json::Null());
  return std::move(object).Build();
}

Json ToJson(const BundleCommit& commit) {
  Json::ArrayBuilder slots;
  for (const BundlePart& slot : commit.slots) slots.Add(ToJson(slot));
  Json::ObjectBuilder object;
  object.Add("index", Number(commit.index))
      .Add("leaf", ToJson(commit.leaf))
      .Add("path", ToJson(commit.path))
      .Add("header", Json::String(absl::Base64Escape(commit.header)))
      .Add("bodies", ToJson(commit.bodies))
      .Add("slots", std::move(slots).Build());
  return std::move(object).Build();
}

Json ToJson(const std::optional<BundleConsistency>& consistency) {
  if (!consistency) return Json::Null();
  Json::ObjectBuilder object;
  object.Add("old_size", Number(consistency->old_tree.size))
      .Add("old_root", ToJson(consistency->old_tree.root))
      .Add("path", ToJson(consistency->path));
  return std::move(object).Build();
}

std::string EndText(uint64_t commits, uint64_t events) {
  return absl::StrCat("\n],\"end\":{\"commits\":", commits, ",\"events\":", events, "}}\n");
}

// Reads members of one object; remembers the first that is not as it should be.
class Reader {
 public:
  Reader(const Json& object, std::string place) : object_(object), place_(std::move(place)) {
    if (!object.is_object()) Fail("", "is not an object");
  }

  std::string Text(absl::string_view name) {
    const Json& member = object_.Get(name);
    if (member.is_string()) return std::string(member.AsString());
    Fail(name, "is not a string");
    return {};
  }
  uint64_t Number(absl::string_view name) {
    const Json& member = object_.Get(name);
    if (member.IsInt() && member.AsInt() >= 0) return static_cast<uint64_t>(member.AsInt());
    Fail(name, "is not a number from 0 to 2^63 - 1");
    return 0;
  }
  std::string Bytes(absl::string_view name) {
    std::optional<std::string> bytes = DecodeBase64(Text(name));
    if (bytes) return *std::move(bytes);
    Fail(name, "is not base64");
    return {};
  }
  Hash Digest(absl::string_view name) { return ToHash(object_.Get(name), name); }
  std::vector<Hash> Path(absl::string_view name) {
    std::vector<Hash> path;
    for (const Json& hash : List(name, kProofHashesMax)) path.push_back(ToHash(hash, name));
    return path;
  }
  absl::Span<const Json> List(absl::string_view name, size_t size_max) {
    const Json& member = object_.Get(name);
    if (!member.is_array()) {
      Fail(name, "is not an array");
      return {};
    }
    if (member.Size() > size_max) {
      Fail(name, absl::StrCat("has more than ", size_max, " elements"));
      return {};
    }
    return member.AsArray();
  }
  const Json& Member(absl::string_view name) const { return object_.Get(name); }
  std::string PlaceOf(absl::string_view name) const {
    return absl::StrCat(place_, place_.empty() || name.empty() ? "" : ".", name);
  }
  void Fail(absl::string_view name, absl::string_view problem) {
    if (!status_.ok()) return;
    const std::string place = PlaceOf(name);
    status_ = absl::InvalidArgumentError(
        absl::StrCat(place.empty() ? "the bundle" : place, " ", problem));
  }
  void Keep(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  const absl::Status& status() const { return status_; }

 private:
  Hash ToHash(const Json& value, absl::string_view name) {
    const std::optional<Hash> hash =
        value.is_string() ? Hash::FromBase64(value.AsString()) : std::nullopt;
    if (hash) return *hash;
    Fail(name, "does not hold a SHA-256 in base64");
    return {};
  }

  const Json& object_;
  const std::string place_;
  absl::Status status_;
};

absl::StatusOr<BundlePart> ReadPart(const Json& json, std::string place) {
  Reader reader(json, std::move(place));
  BundlePart part{.digest = reader.Digest("sha256"), .data = std::nullopt};
  if (!reader.Member("data").is_null()) part.data = reader.Bytes("data");
  SKALD_RETURN_IF_ERROR(reader.status());
  return part;
}

absl::StatusOr<BundleCommit> ReadCommit(const Json& json, const std::string& place) {
  Reader reader(json, place);
  BundleCommit commit;
  commit.index = reader.Number("index");
  commit.leaf = reader.Digest("leaf");
  commit.path = reader.Path("path");
  commit.header = reader.Bytes("header");
  SKALD_RETURN_IF_ERROR(reader.status());
  SKALD_ASSIGN_OR_RETURN(commit.bodies,
                         ReadPart(reader.Member("bodies"), reader.PlaceOf("bodies")));
  if (!commit.bodies.data) reader.Fail("bodies.data", "is missing");
  for (const Json& slot : reader.List("slots", storage::kCommitBytesMax)) {
    const std::string name = absl::StrCat("slots[", commit.slots.size(), "]");
    SKALD_ASSIGN_OR_RETURN(BundlePart part, ReadPart(slot, reader.PlaceOf(name)));
    commit.slots.push_back(std::move(part));
  }
  SKALD_RETURN_IF_ERROR(reader.status());
  return commit;
}

absl::StatusOr<BundleHead> ReadHead(Reader& reader) {
  if (reader.Text("format") != kFormat) {
    reader.Fail("format", absl::StrCat("is not \"", kFormat, "\""));
  }
  SKALD_RETURN_IF_ERROR(reader.status());
  BundleHead head;
  Reader saga(reader.Member("saga"), "saga");
  head.saga = {.namespace_name = saga.Text("namespace"), .saga_id = saga.Text("saga_id")};
  SKALD_RETURN_IF_ERROR(saga.status());
  head.checkpoint = reader.Text("checkpoint");
  if (!reader.Member("consistency").is_null()) {
    Reader consistency(reader.Member("consistency"), "consistency");
    head.consistency = {.old_tree = {.size = consistency.Number("old_size"),
                                     .root = consistency.Digest("old_root")},
                        .path = consistency.Path("path")};
    SKALD_RETURN_IF_ERROR(consistency.status());
  }
  SKALD_RETURN_IF_ERROR(reader.status());
  return head;
}

// Compares a text with what is written piece by piece.
class Comparer {
 public:
  explicit Comparer(absl::string_view text) : rest_(text) {}

  void Take(absl::string_view piece) {
    if (differs_) return;
    size_t same = 0;
    while (same < piece.size() && same < rest_.size() && piece[same] == rest_[same]) ++same;
    at_ += same;
    rest_.remove_prefix(same);
    differs_ = same < piece.size();
  }
  absl::Status status() const {
    if (!differs_ && rest_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "byte ", at_, " is not as a bundle is written: it was reformatted or altered there"));
  }

 private:
  absl::string_view rest_;
  size_t at_ = 0;
  bool differs_ = false;
};

template <typename Sink>
void WriteTo(const Bundle& bundle, Sink sink) {
  BundleWriter writer;
  sink(writer.Begin(bundle.head));
  for (const BundleCommit& commit : bundle.commits) sink(writer.Add(commit, 0));
  sink(EndText(bundle.commit_count, bundle.event_count));
}

}  // namespace

BundleCommit MakeBundleCommit(const storage::CommitView& commit, uint64_t index,
                              std::vector<Hash> path, SlotData slots) {
  BundleCommit result{
      .index = index,
      .leaf = CommitLeaf(commit),
      .path = std::move(path),
      .header = std::string(commit.header_bytes),
      .bodies = {.digest = Digest(commit.bodies), .data = std::string(commit.bodies)},
      .slots = {}};
  for (const absl::string_view slot : commit.slots) {
    BundlePart part{.digest = Digest(slot), .data = std::nullopt};
    if (slots == SlotData::kIncluded) part.data = std::string(slot);
    result.slots.push_back(std::move(part));
  }
  return result;
}

std::string BundleWriter::Begin(const BundleHead& head) {
  Json::ObjectBuilder saga;
  saga.Add("namespace", Json::String(head.saga.namespace_name))
      .Add("saga_id", Json::String(head.saga.saga_id));
  Json::ObjectBuilder object;
  object.Add("format", Json::String(kFormat))
      .Add("saga", std::move(saga).Build())
      .Add("checkpoint", Json::String(head.checkpoint))
      .Add("consistency", ToJson(head.consistency));
  std::string text = std::move(object).Build().ToText();
  text.pop_back();
  return text + ",\"commits\":[\n";
}

std::string BundleWriter::Add(const BundleCommit& commit, uint64_t events) {
  events_ += events;
  std::string text = commits_++ == 0 ? "" : ",\n";
  ToJson(commit).AppendTo(text);
  return text;
}

std::string BundleWriter::End() { return EndText(commits_, events_); }

std::string WriteBundle(const Bundle& bundle) {
  std::string text;
  WriteTo(bundle, [&text](const std::string& piece) { text += piece; });
  return text;
}

absl::StatusOr<Bundle> ParseBundle(absl::string_view text) {
  SKALD_ASSIGN_OR_RETURN(const Json json,
                         Json::Parse(text, {.bytes_max = kBundleBytesMax, .depth_max = 8}));
  Reader reader(json, "");
  Bundle bundle;
  SKALD_ASSIGN_OR_RETURN(bundle.head, ReadHead(reader));
  for (const Json& commit : reader.List("commits", kBundleCommitsMax)) {
    SKALD_ASSIGN_OR_RETURN(
        BundleCommit read,
        ReadCommit(commit, absl::StrCat("commits[", bundle.commits.size(), "]")));
    bundle.commits.push_back(std::move(read));
  }
  Reader end(reader.Member("end"), "end");
  bundle.commit_count = end.Number("commits");
  bundle.event_count = end.Number("events");
  reader.Keep(end.status());
  SKALD_RETURN_IF_ERROR(reader.status());
  Comparer comparer(text);
  WriteTo(bundle, [&comparer](const std::string& piece) { comparer.Take(piece); });
  SKALD_RETURN_IF_ERROR(comparer.status());
  return bundle;
}

}  // namespace skald::audit
