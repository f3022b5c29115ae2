// The file that holds a store's signing keys: `<data>/audit.key`, readable by its owner only. One
// PRIVATE+KEY line a key: the present one, and after a rotation the one before it, so that whoever
// knows either can check what is signed meanwhile.
//
// A change replaces the file in one step, so a reader sees the old keys or the new ones.
//
// Thread rule: functions, from any thread; one writer at a time.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/audit/note.h"

namespace skald::audit {

// `<data>/audit.key`.
std::string KeyFilePath(absl::string_view data_dir);

// Makes the file with a new key if there is none. UNAVAILABLE when it cannot be written.
absl::Status EnsureKeyFile(const std::string& path, const std::string& store_name);

// The keys, the present one first. NOT_FOUND when there is no file. AUDIT_KEY_UNUSABLE when others
// than its owner may read it, or it is not a key file. UNAVAILABLE when it cannot be read.
absl::StatusOr<std::vector<SigningKey>> ReadKeyFile(const std::string& path);
// As ReadKeyFile, for a file that has been there: AUDIT_KEY_UNUSABLE when it is gone.
absl::StatusOr<std::vector<SigningKey>> ReadMadeKeyFile(const std::string& path);

// Puts a new key before the present one and forgets the one that was before that. Returns the new
// keys. Errors as ReadKeyFile, and UNAVAILABLE when it cannot be written.
absl::StatusOr<std::vector<SigningKey>> RotateKeyFile(const std::string& path);

// ---- A rotation that is recorded elsewhere before it counts ----
// A new key waits in `<path>.next`, unknown to all who read the keys, until it is put to use. So
// whoever records the rotation in between never names a key that a crash can lose, and nothing is
// signed by a key before it is recorded.

// Makes the next key and writes it there, in place of one that was there. UNAVAILABLE.
absl::StatusOr<SigningKey> PrepareKey(const std::string& path);
// NOT_FOUND: none waits. Else errors as ReadKeyFile.
absl::StatusOr<SigningKey> ReadPreparedKey(const std::string& path);
// Puts the next key before the present one, as RotateKeyFile does. Does nothing but clear up when
// it is the present one already. Errors as ReadPreparedKey and RotateKeyFile.
absl::Status UsePreparedKey(const std::string& path);
// UNAVAILABLE when the file cannot be removed.
absl::Status DiscardPreparedKey(const std::string& path);

}  // namespace skald::audit
