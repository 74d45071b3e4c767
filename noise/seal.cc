#include "noise/seal.h"

#include <array>
#include <cassert>

#include "noise/boringssl_key.h"

namespace hawser::noise_internal {
namespace {
constexpr std::array<std::uint8_t, BoringSslKey::kNonceLen> kZeroNonce{};
}  // namespace

void seal_once(MutableBytes out, const Secret<kHashLen>& key, Bytes plaintext, Bytes associated) {
  assert(out.size() == plaintext.size() + kAeadTagLen);
  const BoringSslKey context(key.bytes());
  std::size_t out_len = 0;
  [[maybe_unused]] const int ok = EVP_AEAD_CTX_seal(
      context.get(), out.data(), &out_len, out.size(), kZeroNonce.data(), kZeroNonce.size(),
      plaintext.data(), plaintext.size(), associated.data(), associated.size());
  assert(ok == 1 && out_len == out.size());
}

bool open_once(MutableBytes out, const Secret<kHashLen>& key, Bytes ciphertext, Bytes associated) {
  assert(out.size() + kAeadTagLen == ciphertext.size());
  const BoringSslKey context(key.bytes());
  const Bytes tag = ciphertext.last(kAeadTagLen);
  const int ok = EVP_AEAD_CTX_open_gather(
      context.get(), out.data(), kZeroNonce.data(), kZeroNonce.size(), ciphertext.data(),
      out.size(), tag.data(), tag.size(), associated.data(), associated.size());
  return ok == 1;
}

}  // namespace hawser::noise_internal
