// Signed notes and their Ed25519 keys, as C2SP's signed-note describes them: a text, an empty line,
// and a line for each signature.
//
//   skald/00112233445566778899aabbccddeeff/3
//   20852163
//   CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//   — skald/00112233445566778899aabbccddeeff Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOo...=
//
// Keys are written as one line: NAME+ID+BASE64 for verifying, PRIVATE+KEY+NAME+ID+BASE64 for
// signing. Other programs for such notes read both.
//
// Thread rule: values; signing and verifying from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace skald::audit {

inline constexpr size_t kEd25519KeyBytes = 32;
inline constexpr size_t kEd25519SignatureBytes = 64;
// Of a note that is read, and its signatures.
inline constexpr size_t kNoteBytesMax = 64 << 10;
inline constexpr size_t kNoteSignaturesMax = 64;

// What checks signatures: may be given to anybody.
class VerifierKey {
 public:
  // INVALID_ARGUMENT says what is wrong with the line.
  static absl::StatusOr<VerifierKey> Parse(absl::string_view line);
  // Precondition: `name` is a key name, `public_key` has 32 bytes.
  VerifierKey(std::string name, std::string public_key);

  std::string ToText() const;
  bool Verify(absl::string_view text, absl::string_view signature) const;

  const std::string& name() const { return name_; }
  // The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), big endian.
  uint32_t id() const { return id_; }

  friend bool operator==(const VerifierKey&, const VerifierKey&) = default;

 private:
  std::string name_;
  std::string public_key_;
  uint32_t id_ = 0;
};

// What signs: a secret.
class SigningKey {
 public:
  // A new key of 32 random bytes. Precondition: `name` is a key name.
  static SigningKey Generate(std::string name);
  // INVALID_ARGUMENT says what is wrong, without showing the key.
  static absl::StatusOr<SigningKey> Parse(absl::string_view line);

  std::string ToText() const;
  std::string Sign(absl::string_view text) const;
  const VerifierKey& verifier() const { return verifier_; }

 private:
  SigningKey(std::string name, std::string seed);

  std::string seed_;
  VerifierKey verifier_;
};

// Whether `name` may name a key: not empty, UTF-8 without white space, control characters or plus.
bool IsKeyName(absl::string_view name);

struct NoteSignature {
  std::string key_name;
  uint32_t key_id = 0;
  std::string signature;
};

struct Note {
  std::string text;  // ends with a newline
  std::vector<NoteSignature> signatures;
};

// Signs `text` with each key. Precondition: `text` ends with a newline and holds no empty line at
// its end; at least one key.
std::string SignNote(absl::string_view text, absl::Span<const SigningKey> keys);

// INVALID_ARGUMENT when it is no signed note. Says nothing about who signed it.
absl::StatusOr<Note> ParseNote(absl::string_view note);

// The text of a note that at least one of `keys` signed; signatures of other keys are ignored.
// INVALID_ARGUMENT when it is no note. PERMISSION_DENIED when none of the keys signed it, or one of
// them did not sign this text.
absl::StatusOr<std::string> OpenNote(absl::string_view note, absl::Span<const VerifierKey> keys);

// Several notes in one text, an empty line between them, one by one. What is no note is given as it
// is, for ParseNote to refuse.
std::vector<std::string> SplitNotes(absl::string_view text);

}  // namespace skald::audit
