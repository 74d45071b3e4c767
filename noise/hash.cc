#include "noise/hash.h"

#include <blake2.h>

#include <array>
#include <cassert>
#include <cstring>

namespace hawser::noise_internal {
namespace {

constexpr std::size_t kBlockLen = BLAKE2S_BLOCKBYTES;

// A hash under way whose state, which may hold key bytes, is wiped at the end.
class Blake2s {
 public:
  Blake2s(std::size_t out_len, Bytes key) {
    assert(out_len >= 1 && out_len <= BLAKE2S_OUTBYTES && key.size() <= BLAKE2S_KEYBYTES);
    [[maybe_unused]] const int failed =
        key.empty() ? blake2s_init(&state_, out_len)
                    : blake2s_init_key(&state_, out_len, key.data(), key.size());
    assert(failed == 0);
  }
  ~Blake2s() { wipe({reinterpret_cast<std::uint8_t*>(&state_), sizeof state_}); }
  Blake2s(const Blake2s&) = delete;
  Blake2s& operator=(const Blake2s&) = delete;

  void update(Bytes part) {
    if (!part.empty()) blake2s_update(&state_, part.data(), part.size());
  }
  void finish(MutableBytes out) { blake2s_final(&state_, out.data(), out.size()); }

 private:
  blake2s_state state_;
};

}  // namespace

void blake2s_keyed(MutableBytes out, Bytes key, std::initializer_list<Bytes> parts) {
  Blake2s hash(out.size(), key);
  for (const Bytes part : parts) hash.update(part);
  hash.finish(out);
}

void hmac_blake2s(std::span<std::uint8_t, kHashLen> out, Bytes key,
                  std::initializer_list<Bytes> parts) {
  constexpr std::uint8_t kInnerPad = 0x36;
  constexpr std::uint8_t kOuterPad = 0x5c;
  Secret<kBlockLen> padded_key;
  if (key.size() > kBlockLen) {
    blake2s_hash(padded_key.mutable_bytes().first<kHashLen>(), {key});
  } else if (!key.empty()) {
    std::memcpy(padded_key.data(), key.data(), key.size());
  }

  Secret<kHashLen> inner_digest;
  for (std::uint8_t& byte : padded_key.mutable_bytes()) byte ^= kInnerPad;
  Blake2s inner(kHashLen, {});
  inner.update(padded_key.bytes());
  for (const Bytes part : parts) inner.update(part);
  inner.finish(inner_digest.mutable_bytes());

  for (std::uint8_t& byte : padded_key.mutable_bytes()) byte ^= kInnerPad ^ kOuterPad;
  blake2s_hash(out, {padded_key.bytes(), inner_digest.bytes()});
}

namespace {

// HKDF-Expand, one output: HMAC(prk, previous || index).
void expand(Secret<kHashLen>& out, const Secret<kHashLen>& prk, Bytes previous,
            std::uint8_t index) {
  hmac_blake2s(out.mutable_bytes(), prk.bytes(), {previous, Bytes(&index, 1)});
}

Secret<kHashLen> extract(const Secret<kHashLen>& chaining_key, Bytes input) {
  Secret<kHashLen> prk;
  hmac_blake2s(prk.mutable_bytes(), chaining_key.bytes(), {input});
  return prk;
}

}  // namespace

void kdf1(Secret<kHashLen>& out1, const Secret<kHashLen>& chaining_key, Bytes input) {
  const Secret<kHashLen> prk = extract(chaining_key, input);
  expand(out1, prk, {}, 1);
}

void kdf2(Secret<kHashLen>& out1, Secret<kHashLen>& out2, const Secret<kHashLen>& chaining_key,
          Bytes input) {
  const Secret<kHashLen> prk = extract(chaining_key, input);
  expand(out1, prk, {}, 1);
  expand(out2, prk, out1.bytes(), 2);
}

void kdf3(Secret<kHashLen>& out1, Secret<kHashLen>& out2, Secret<kHashLen>& out3,
          const Secret<kHashLen>& chaining_key, Bytes input) {
  const Secret<kHashLen> prk = extract(chaining_key, input);
  expand(out1, prk, {}, 1);
  expand(out2, prk, out1.bytes(), 2);
  expand(out3, prk, out2.bytes(), 3);
}

}  // namespace hawser::noise_internal
