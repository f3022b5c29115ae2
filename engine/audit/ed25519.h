// Ed25519 (RFC 8032) by OpenSSL. Keys and signatures are bytes.
//
// Thread rule: pure functions, from any thread.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace skald::audit {

// 32 bytes from the system's generator.
std::string RandomSeed();
// The public key of a private one. Precondition: 32 bytes.
std::string PublicKeyOf(absl::string_view seed);
// Precondition: `seed` has 32 bytes.
std::string SignEd25519(absl::string_view seed, absl::string_view text);
// False, too, when key or signature have another length or are no points of the curve.
bool VerifyEd25519(absl::string_view public_key, absl::string_view text,
                   absl::string_view signature);

}  // namespace skald::audit
