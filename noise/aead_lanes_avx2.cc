#include "noise/aead_lanes.h"

#ifdef __x86_64__
#include <immintrin.h>

#define HAWSER_LANES_TARGET __attribute__((target("avx2")))
#include "noise/aead_lanes_chacha.h"
#include "noise/aead_lanes_poly26.h"
#include "noise/aead_lanes_tile.h"

namespace hawser::noise_internal {
namespace {

// The vector type: one register is a word of 8 blocks, a limb of 4 packets, or half a block.
struct Avx2 {
  static constexpr std::size_t kWordLanes = 8;
  static constexpr std::size_t kLimbLanes = 4;
  static constexpr std::size_t kSets = 1;  // 16 state registers are all there are
  template <class V>
  using Poly = Poly26<V>;

  using Words = __m256i;
  using Limbs = __m256i;
  struct Block {
    __m256i low;
    __m256i high;
  };

  static HAWSER_LANES_INLINE __m256i load_any(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }
  static HAWSER_LANES_INLINE void store_any(void* to, __m256i a) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), a);
  }

  static HAWSER_LANES_INLINE Words broadcast(std::uint32_t word) {
    return _mm256_set1_epi32(static_cast<int>(word));
  }
  static HAWSER_LANES_INLINE Words load(const std::uint32_t* from) { return load_any(from); }
  static HAWSER_LANES_INLINE Words add(Words a, Words b) { return _mm256_add_epi32(a, b); }
  static HAWSER_LANES_INLINE Words exclusive_or(Words a, Words b) { return _mm256_xor_si256(a, b); }
  template <int kBits>
  static HAWSER_LANES_INLINE Words rotate(Words a) {
    if constexpr (kBits == 16) {
      return _mm256_shuffle_epi8(
          a, _mm256_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2, 13, 12, 15, 14,
                             9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2));
    } else if constexpr (kBits == 8) {
      return _mm256_shuffle_epi8(
          a, _mm256_set_epi8(14, 13, 12, 15, 10, 9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3, 14, 13, 12, 15,
                             10, 9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3));
    } else {
      return _mm256_or_si256(_mm256_slli_epi32(a, kBits), _mm256_srli_epi32(a, 32 - kBits));
    }
  }

  // Four words of 8 blocks: out[k] has those of block k, then those of block 4 + k.
  static HAWSER_LANES_INLINE void transpose_words(__m256i (&out)[4], __m256i x0, __m256i x1,
                                                  __m256i x2, __m256i x3) {
    const __m256i low01 = _mm256_unpacklo_epi32(x0, x1);
    const __m256i high01 = _mm256_unpackhi_epi32(x0, x1);
    const __m256i low23 = _mm256_unpacklo_epi32(x2, x3);
    const __m256i high23 = _mm256_unpackhi_epi32(x2, x3);
    out[0] = _mm256_unpacklo_epi64(low01, low23);
    out[1] = _mm256_unpackhi_epi64(low01, low23);
    out[2] = _mm256_unpacklo_epi64(high01, high23);
    out[3] = _mm256_unpackhi_epi64(high01, high23);
  }

  static HAWSER_LANES_INLINE void transpose(Block (&out)[8], const Words* x) {
    __m256i a[4];
    __m256i b[4];
    __m256i c[4];
    __m256i d[4];
    transpose_words(a, x[0], x[1], x[2], x[3]);
    transpose_words(b, x[4], x[5], x[6], x[7]);
    transpose_words(c, x[8], x[9], x[10], x[11]);
    transpose_words(d, x[12], x[13], x[14], x[15]);
    HAWSER_LANES_UNROLL
    for (int i = 0; i < 4; ++i) {
      out[i].low = _mm256_permute2x128_si256(a[i], b[i], 0x20);
      out[i].high = _mm256_permute2x128_si256(c[i], d[i], 0x20);
      out[4 + i].low = _mm256_permute2x128_si256(a[i], b[i], 0x31);
      out[4 + i].high = _mm256_permute2x128_si256(c[i], d[i], 0x31);
    }
  }

  static HAWSER_LANES_INLINE void xor_into(std::uint8_t* at, const Block& block) {
    store_any(at, _mm256_xor_si256(load_any(at), block.low));
    store_any(at + 32, _mm256_xor_si256(load_any(at + 32), block.high));
  }
  static HAWSER_LANES_INLINE void xor_into(std::uint8_t* at, const Block& block,
                                           std::uint32_t len) {
    alignas(32) std::uint8_t text[kChachaBlockLen];
    __builtin_memcpy(text, at, len);
    xor_into(text, block);
    __builtin_memcpy(at, text, len);
  }
  static HAWSER_LANES_INLINE void copy_unit(std::uint8_t* to, const std::uint8_t* from,
                                            std::uint32_t len) {
    if (len == kPolyUnitLen) {
      store_any(to, load_any(from));
      store_any(to + 32, load_any(from + 32));
    } else {
      __builtin_memcpy(to, from, len);
    }
  }

  static HAWSER_LANES_INLINE Limbs limbs(std::uint64_t limb) {
    return _mm256_set1_epi64x(static_cast<long long>(limb));
  }
  static HAWSER_LANES_INLINE Limbs load_limbs(const std::uint64_t* from) { return load_any(from); }
  static HAWSER_LANES_INLINE void store_limbs(std::uint64_t* to, Limbs a) { store_any(to, a); }
  static HAWSER_LANES_INLINE void load_units(Limbs (&words)[8],
                                             const std::uint8_t* const (&at)[4]) {
    HAWSER_LANES_UNROLL
    for (std::size_t half = 0; half < 2; ++half) {
      const __m256i a = load_any(at[0] + 32 * half);
      const __m256i b = load_any(at[1] + 32 * half);
      const __m256i c = load_any(at[2] + 32 * half);
      const __m256i d = load_any(at[3] + 32 * half);
      const __m256i low_ab = _mm256_unpacklo_epi64(a, b);
      const __m256i high_ab = _mm256_unpackhi_epi64(a, b);
      const __m256i low_cd = _mm256_unpacklo_epi64(c, d);
      const __m256i high_cd = _mm256_unpackhi_epi64(c, d);
      words[4 * half + 0] = _mm256_permute2x128_si256(low_ab, low_cd, 0x20);
      words[4 * half + 1] = _mm256_permute2x128_si256(high_ab, high_cd, 0x20);
      words[4 * half + 2] = _mm256_permute2x128_si256(low_ab, low_cd, 0x31);
      words[4 * half + 3] = _mm256_permute2x128_si256(high_ab, high_cd, 0x31);
    }
  }
  static HAWSER_LANES_INLINE Limbs plus(Limbs a, Limbs b) { return _mm256_add_epi64(a, b); }
  static HAWSER_LANES_INLINE Limbs minus(Limbs a, Limbs b) { return _mm256_sub_epi64(a, b); }
  static HAWSER_LANES_INLINE Limbs both(Limbs a, Limbs b) { return _mm256_and_si256(a, b); }
  static HAWSER_LANES_INLINE Limbs either(Limbs a, Limbs b) { return _mm256_or_si256(a, b); }
  static HAWSER_LANES_INLINE Limbs without(Limbs a, Limbs b) { return _mm256_andnot_si256(b, a); }
  static HAWSER_LANES_INLINE Limbs choose(Limbs mask, Limbs a, Limbs b) {
    return _mm256_or_si256(_mm256_and_si256(mask, a), _mm256_andnot_si256(mask, b));
  }
  template <int kBits>
  static HAWSER_LANES_INLINE Limbs left(Limbs a) {
    return _mm256_slli_epi64(a, kBits);
  }
  template <int kBits>
  static HAWSER_LANES_INLINE Limbs right(Limbs a) {
    return _mm256_srli_epi64(a, kBits);
  }
  static HAWSER_LANES_INLINE Limbs product_32(Limbs a, Limbs b) { return _mm256_mul_epu32(a, b); }
};

HAWSER_LANES_TARGET __attribute__((noinline)) void seal_avx2(LanesScratch& scratch,
                                                             const std::uint8_t* key,
                                                             LanesJobs jobs) {
  seal_tile<Avx2>(scratch, key, jobs);
}

HAWSER_LANES_TARGET __attribute__((noinline)) void open_avx2(LanesScratch& scratch,
                                                             const std::uint8_t* key,
                                                             LanesJobs jobs) {
  open_tile<Avx2>(scratch, key, jobs);
}

HAWSER_LANES_TARGET void clear_avx2() {
  __asm__ __volatile__("vzeroall"
                       :
                       :
                       : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                         "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

}  // namespace

const LanesForm* avx2_lanes() {
  static constexpr LanesForm kForm{"avx2", seal_avx2, open_avx2, authenticate_tile<Avx2>,
                                   clear_avx2};
  return __builtin_cpu_supports("avx2") ? &kForm : nullptr;
}

}  // namespace hawser::noise_internal

#else

namespace hawser::noise_internal {
const LanesForm* avx2_lanes() { return nullptr; }
}  // namespace hawser::noise_internal

#endif
