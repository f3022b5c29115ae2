#include "engine/audit/note.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "engine/audit/ed25519.h"
#include "engine/audit/hash.h"

namespace skald::audit {
namespace {

// Signature type of signed-note's registry: Ed25519.
constexpr char kEd25519Type = 0x01;
constexpr absl::string_view kPrivatePrefix = "PRIVATE+KEY+";
// An em dash and a space.
constexpr absl::string_view kSignaturePrefix = "\xe2\x80\x94 ";
constexpr size_t kIdBytes = 4;

uint32_t ReadBigEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < kIdBytes; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string BigEndian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

uint32_t KeyId(absl::string_view name, absl::string_view public_key) {
  return ReadBigEndian(
      Digest(absl::StrCat(name, "\n", absl::string_view(&kEd25519Type, 1), public_key)).view());
}

// NAME+ID+BASE64, where the content is a type byte and 32 bytes.
struct KeyLine {
  std::string name;
  uint32_t id = 0;
  std::string key;
};

std::string FormatKeyLine(absl::string_view name, uint32_t id, absl::string_view key) {
  return absl::StrCat(name, "+", absl::Hex(id, absl::kZeroPad8), "+",
                      absl::Base64Escape(absl::StrCat(absl::string_view(&kEd25519Type, 1), key)));
}

absl::StatusOr<KeyLine> ParseKeyLine(absl::string_view line) {
  // Base64 has a plus too: only the first two divide.
  const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits('+', 2));
  if (parts.size() != 3) return absl::InvalidArgumentError("is not of the form NAME+ID+KEY");
  KeyLine result{.name = std::string(parts[0])};
  if (!IsKeyName(result.name)) return absl::InvalidArgumentError("its name cannot name a key");
  if (parts[1].size() != 2 * kIdBytes || !absl::SimpleHexAtoi(parts[1], &result.id)) {
    return absl::InvalidArgumentError("its id is not 8 hexadecimal digits");
  }
  const std::optional<std::string> key = DecodeBase64(parts[2]);
  if (!key || key->size() != 1 + kEd25519KeyBytes || key->front() != kEd25519Type) {
    return absl::InvalidArgumentError("it is not an Ed25519 key in base64");
  }
  result.key = key->substr(1);
  return result;
}

absl::StatusOr<NoteSignature> ParseSignature(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, kSignaturePrefix)) {
    return absl::InvalidArgumentError("a line after its last empty line is no signature");
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
  const std::optional<std::string> bytes =
      parts.size() == 2 ? DecodeBase64(parts[1]) : std::nullopt;
  if (!bytes || !IsKeyName(parts[0]) || bytes->size() <= kIdBytes) {
    return absl::InvalidArgumentError("a signature line is not \"\u2014 NAME BASE64\"");
  }
  return NoteSignature{.key_name = std::string(parts[0]),
                       .key_id = ReadBigEndian(*bytes),
                       .signature = bytes->substr(kIdBytes)};
}

bool HasControlCharacter(absl::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') return true;
  }
  return false;
}

}  // namespace

bool IsKeyName(absl::string_view name) {
  if (name.empty() || !IsValidUtf8(name) || HasControlCharacter(name)) return false;
  // White space outside ASCII is not told apart: our own names have none.
  return name.find_first_of(" +\n\x7f") == absl::string_view::npos;
}

VerifierKey::VerifierKey(std::string name, std::string public_key)
    : name_(std::move(name)), public_key_(std::move(public_key)), id_(KeyId(name_, public_key_)) {
  SKALD_CHECK(IsKeyName(name_) && public_key_.size() == kEd25519KeyBytes);
}

absl::StatusOr<VerifierKey> VerifierKey::Parse(absl::string_view line) {
  if (absl::StartsWith(line, kPrivatePrefix)) {
    return absl::InvalidArgumentError("it is a private key, which belongs to the store alone");
  }
  SKALD_ASSIGN_OR_RETURN(KeyLine parsed, ParseKeyLine(line));
  VerifierKey key(std::move(parsed.name), std::move(parsed.key));
  if (key.id() != parsed.id) {
    return absl::InvalidArgumentError("its id does not belong to its name and key: it was altered");
  }
  return key;
}

std::string VerifierKey::ToText() const { return FormatKeyLine(name_, id_, public_key_); }

bool VerifierKey::Verify(absl::string_view text, absl::string_view signature) const {
  return VerifyEd25519(public_key_, text, signature);
}

SigningKey::SigningKey(std::string name, std::string seed)
    : seed_(std::move(seed)), verifier_(std::move(name), PublicKeyOf(seed_)) {}

SigningKey SigningKey::Generate(std::string name) {
  return SigningKey(std::move(name), RandomSeed());
}

absl::StatusOr<SigningKey> SigningKey::Parse(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, kPrivatePrefix)) {
    return absl::InvalidArgumentError("it does not begin with PRIVATE+KEY+");
  }
  SKALD_ASSIGN_OR_RETURN(KeyLine parsed, ParseKeyLine(line));
  SigningKey key(std::move(parsed.name), std::move(parsed.key));
  if (key.verifier().id() != parsed.id) {
    return absl::InvalidArgumentError("its id does not belong to its name and key: it was altered");
  }
  return key;
}

std::string SigningKey::ToText() const {
  return absl::StrCat(kPrivatePrefix, FormatKeyLine(verifier_.name(), verifier_.id(), seed_));
}

std::string SigningKey::Sign(absl::string_view text) const { return SignEd25519(seed_, text); }

std::string SignNote(absl::string_view text, absl::Span<const SigningKey> keys) {
  SKALD_CHECK(absl::EndsWith(text, "\n") && !absl::EndsWith(text, "\n\n") && !keys.empty());
  std::string note = absl::StrCat(text, "\n");
  for (const SigningKey& key : keys) {
    absl::StrAppend(
        &note, kSignaturePrefix, key.verifier().name(), " ",
        absl::Base64Escape(absl::StrCat(BigEndian(key.verifier().id()), key.Sign(text))), "\n");
  }
  return note;
}

absl::StatusOr<Note> ParseNote(absl::string_view note) {
  if (note.size() > kNoteBytesMax) return absl::InvalidArgumentError("it is too long");
  if (!IsValidUtf8(note) || HasControlCharacter(note)) {
    return absl::InvalidArgumentError("it is not UTF-8 text without control characters");
  }
  const size_t split = note.rfind("\n\n");
  if (split == absl::string_view::npos || !absl::EndsWith(note, "\n")) {
    return absl::InvalidArgumentError("no empty line parts its text from its signatures");
  }
  Note parsed{.text = std::string(note.substr(0, split + 1))};
  absl::string_view lines = note.substr(split + 2);
  if (lines.empty()) return absl::InvalidArgumentError("it is not signed");
  absl::ConsumeSuffix(&lines, "\n");
  for (const absl::string_view line : absl::StrSplit(lines, '\n')) {
    if (parsed.signatures.size() == kNoteSignaturesMax) {
      return absl::InvalidArgumentError("it has too many signatures");
    }
    SKALD_ASSIGN_OR_RETURN(NoteSignature signature, ParseSignature(line));
    parsed.signatures.push_back(std::move(signature));
  }
  return parsed;
}

absl::StatusOr<std::string> OpenNote(absl::string_view note, absl::Span<const VerifierKey> keys) {
  SKALD_ASSIGN_OR_RETURN(Note parsed, ParseNote(note));
  bool is_signed = false;
  for (const NoteSignature& signature : parsed.signatures) {
    for (const VerifierKey& key : keys) {
      if (key.name() != signature.key_name || key.id() != signature.key_id) continue;
      if (!key.Verify(parsed.text, signature.signature)) {
        return absl::PermissionDeniedError(
            absl::StrCat("the signature of key ", key.name(), " is not for this text"));
      }
      is_signed = true;
    }
  }
  if (is_signed) return std::move(parsed.text);
  return absl::PermissionDeniedError(
      absl::StrCat("none of the given keys signed it, but ", parsed.signatures.front().key_name,
                   " with key id ", absl::Hex(parsed.signatures.front().key_id, absl::kZeroPad8)));
}

std::vector<std::string> SplitNotes(absl::string_view text) {
  std::vector<std::string> notes;
  std::string note;
  bool has_signature = false;
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    if (has_signature && line.empty()) {
      notes.push_back(std::exchange(note, {}));
      has_signature = false;
      continue;
    }
    if (absl::StartsWith(line, kSignaturePrefix)) has_signature = true;
    absl::StrAppend(&note, line, "\n");
  }
  notes.push_back(std::move(note));
  return notes;
}

}  // namespace skald::audit
