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

// The keys, the present one first. NOT_FOUND when there is no file. FAILED_PRECONDITION when others
// than its owner may read it, or it is not a key file. UNAVAILABLE when it cannot be read.
absl::StatusOr<std::vector<SigningKey>> ReadKeyFile(const std::string& path);

// Puts a new key before the present one and forgets the one that was before that. Returns the new
// keys. Errors as ReadKeyFile, and UNAVAILABLE when it cannot be written.
absl::StatusOr<std::vector<SigningKey>> RotateKeyFile(const std::string& path);

}  // namespace skald::audit
