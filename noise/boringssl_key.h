#pragma once
#include <openssl/aead.h>

#include <cassert>
#include <cstdint>
#include <span>

#include "base/secret.h"
#include "noise/constants.h"

namespace hawser::noise_internal {

// BoringSslKey is ChaCha20-Poly1305 keyed with one key, on the stack: setting it up is a copy of
// the key, no allocation. Wipes its copy. Internal to noise/.
class BoringSslKey {
 public:
  static constexpr std::size_t kNonceLen = 12;

  explicit BoringSslKey(std::span<const std::uint8_t, kKeyLen> key) {
    [[maybe_unused]] const int ok = EVP_AEAD_CTX_init(&context_, EVP_aead_chacha20_poly1305(),
                                                      key.data(), key.size(), kAeadTagLen, nullptr);
    assert(ok == 1);
  }
  ~BoringSslKey() {
    EVP_AEAD_CTX_cleanup(&context_);
    wipe({reinterpret_cast<std::uint8_t*>(&context_), sizeof context_});
  }
  BoringSslKey(const BoringSslKey&) = delete;
  BoringSslKey& operator=(const BoringSslKey&) = delete;

  const EVP_AEAD_CTX* get() const { return &context_; }

 private:
  EVP_AEAD_CTX context_;
};

}  // namespace hawser::noise_internal
