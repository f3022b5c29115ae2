#include "base/sha256.h"

#include <memory>

#include <openssl/evp.h>

#include "base/check.h"

namespace skald {
namespace {

// What OpenSSL needs for one digest after the other. Fetching an algorithm takes longer than
// hashing a short text with it.
class Digester {
 public:
  Digester() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) { SKALD_CHECK(context_ != nullptr); }

  void Digest(absl::string_view bytes, uint8_t* digest) {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    SKALD_CHECK(EVP_DigestInit_ex2(context_.get(), algorithm, nullptr) == 1);
    SKALD_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
    SKALD_CHECK(EVP_DigestFinal_ex(context_.get(), digest, nullptr) == 1);
  }

 private:
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string Sha256(absl::string_view bytes) {
  uint8_t digest[kSha256Bytes];
  Sha256(bytes, digest);
  return std::string(reinterpret_cast<const char*>(digest), sizeof(digest));
}

void Sha256(absl::string_view bytes, uint8_t (&digest)[kSha256Bytes]) {
  thread_local Digester digester;
  digester.Digest(bytes, digest);
}

}  // namespace skald
