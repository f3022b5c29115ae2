#include "engine/audit/ed25519.h"

#include <memory>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/check.h"
#include "engine/audit/note.h"

namespace skald::audit {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Key PrivateKey(absl::string_view seed) {
  SKALD_CHECK(seed.size() == kEd25519KeyBytes);
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Bytes(seed), seed.size()),
          &EVP_PKEY_free);
  SKALD_CHECK(key != nullptr);
  return key;
}

Context NewContext() {
  Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  SKALD_CHECK(context != nullptr);
  return context;
}

}  // namespace

std::string RandomSeed() {
  std::string seed(kEd25519KeyBytes, '\0');
  SKALD_CHECK(RAND_priv_bytes(reinterpret_cast<unsigned char*>(seed.data()),
                              static_cast<int>(seed.size())) == 1);
  return seed;
}

std::string PublicKeyOf(absl::string_view seed) {
  const Key key = PrivateKey(seed);
  std::string public_key(kEd25519KeyBytes, '\0');
  size_t size = public_key.size();
  SKALD_CHECK(EVP_PKEY_get_raw_public_key(
                  key.get(), reinterpret_cast<unsigned char*>(public_key.data()), &size) == 1);
  SKALD_CHECK(size == kEd25519KeyBytes);
  return public_key;
}

std::string SignEd25519(absl::string_view seed, absl::string_view text) {
  const Key key = PrivateKey(seed);
  const Context context = NewContext();
  std::string signature(kEd25519SignatureBytes, '\0');
  size_t size = signature.size();
  SKALD_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  SKALD_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                             &size, Bytes(text), text.size()) == 1);
  SKALD_CHECK(size == kEd25519SignatureBytes);
  return signature;
}

bool VerifyEd25519(absl::string_view public_key, absl::string_view text,
                   absl::string_view signature) {
  if (public_key.size() != kEd25519KeyBytes || signature.size() != kEd25519SignatureBytes) {
    return false;
  }
  const Key key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(public_key), public_key.size()),
      &EVP_PKEY_free);
  if (key == nullptr) return false;
  const Context context = NewContext();
  if (EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1) return false;
  return EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(text),
                          text.size()) == 1;
}

}  // namespace skald::audit
