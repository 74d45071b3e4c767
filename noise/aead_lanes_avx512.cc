#include "noise/aead_lanes.h"

#ifdef __x86_64__
#include <immintrin.h>

#define HAWSER_LANES_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")))
#include "noise/aead_lanes_chacha.h"
#include "noise/aead_lanes_poly44.h"
#include "noise/aead_lanes_tile.h"

namespace hawser::noise_internal {
namespace {

// The vector type: one register is a word of 16 blocks, a limb of 8 packets, or one block.
struct Avx512 {
  static constexpr std::size_t kWordLanes = 16;
  static constexpr std::size_t kLimbLanes = 8;
  static constexpr std::size_t kSets =
      2;  // 32 state registers, all there are: the rounds need no other
  template <class V>
  using Poly = Poly44<V>;

  using Words = __m512i;
  using Block = __m512i;
  using Limbs = __m512i;

  static HAWSER_LANES_INLINE Words broadcast(std::uint32_t word) {
    return _mm512_set1_epi32(static_cast<int>(word));
  }
  static HAWSER_LANES_INLINE Words load(const std::uint32_t* from) {
    return _mm512_load_si512(from);
  }
  static HAWSER_LANES_INLINE Words add(Words a, Words b) { return _mm512_add_epi32(a, b); }
  static HAWSER_LANES_INLINE Words exclusive_or(Words a, Words b) { return _mm512_xor_si512(a, b); }
  template <int kBits>
  static HAWSER_LANES_INLINE Words rotate(Words a) {
    return _mm512_rol_epi32(a, kBits);
  }

  // out[4 q + k] = the q-th quarters of a[k], b[k], c[k] and d[k] one after another.
  static HAWSER_LANES_INLINE void transpose_quarters(__m512i& out0, __m512i& out1, __m512i& out2,
                                                     __m512i& out3, __m512i a, __m512i b, __m512i c,
                                                     __m512i d) {
    const __m512i ab_low = _mm512_shuffle_i32x4(a, b, 0x44);
    const __m512i cd_low = _mm512_shuffle_i32x4(c, d, 0x44);
    const __m512i ab_high = _mm512_shuffle_i32x4(a, b, 0xee);
    const __m512i cd_high = _mm512_shuffle_i32x4(c, d, 0xee);
    out0 = _mm512_shuffle_i32x4(ab_low, cd_low, 0x88);
    out1 = _mm512_shuffle_i32x4(ab_low, cd_low, 0xdd);
    out2 = _mm512_shuffle_i32x4(ab_high, cd_high, 0x88);
    out3 = _mm512_shuffle_i32x4(ab_high, cd_high, 0xdd);
  }

  // Four words of 16 blocks to quarters: out[k] has those of blocks k, 4 + k, 8 + k, 12 + k.
  static HAWSER_LANES_INLINE void transpose_words(__m512i (&out)[4], __m512i x0, __m512i x1,
                                                  __m512i x2, __m512i x3) {
    const __m512i low01 = _mm512_unpacklo_epi32(x0, x1);
    const __m512i high01 = _mm512_unpackhi_epi32(x0, x1);
    const __m512i low23 = _mm512_unpacklo_epi32(x2, x3);
    const __m512i high23 = _mm512_unpackhi_epi32(x2, x3);
    out[0] = _mm512_unpacklo_epi64(low01, low23);
    out[1] = _mm512_unpackhi_epi64(low01, low23);
    out[2] = _mm512_unpacklo_epi64(high01, high23);
    out[3] = _mm512_unpackhi_epi64(high01, high23);
  }

  static HAWSER_LANES_INLINE void transpose(Block (&out)[16], const Words* x) {
    __m512i a[4];
    __m512i b[4];
    __m512i c[4];
    __m512i d[4];
    transpose_words(a, x[0], x[1], x[2], x[3]);
    transpose_words(b, x[4], x[5], x[6], x[7]);
    transpose_words(c, x[8], x[9], x[10], x[11]);
    transpose_words(d, x[12], x[13], x[14], x[15]);
    transpose_quarters(out[0], out[4], out[8], out[12], a[0], b[0], c[0], d[0]);
    transpose_quarters(out[1], out[5], out[9], out[13], a[1], b[1], c[1], d[1]);
    transpose_quarters(out[2], out[6], out[10], out[14], a[2], b[2], c[2], d[2]);
    transpose_quarters(out[3], out[7], out[11], out[15], a[3], b[3], c[3], d[3]);
  }

  static HAWSER_LANES_INLINE __mmask64 first_bytes(std::uint32_t len) {
    return len >= 64 ? ~__mmask64{0} : (__mmask64{1} << len) - 1;
  }
  static HAWSER_LANES_INLINE void xor_into(std::uint8_t* at, Block block) {
    _mm512_storeu_si512(at, _mm512_xor_si512(_mm512_loadu_si512(at), block));
  }
  static HAWSER_LANES_INLINE void xor_into(std::uint8_t* at, Block block, std::uint32_t len) {
    const __mmask64 mask = first_bytes(len);
    const __m512i text = _mm512_maskz_loadu_epi8(mask, at);
    _mm512_mask_storeu_epi8(at, mask, _mm512_xor_si512(text, block));
  }
  static HAWSER_LANES_INLINE void copy_unit(std::uint8_t* to, const std::uint8_t* from,
                                            std::uint32_t len) {
    const __mmask64 mask = first_bytes(len);
    _mm512_mask_storeu_epi8(to, mask, _mm512_maskz_loadu_epi8(mask, from));
  }

  static HAWSER_LANES_INLINE Limbs limbs(std::uint64_t limb) {
    return _mm512_set1_epi64(static_cast<long long>(limb));
  }
  static HAWSER_LANES_INLINE Limbs load_limbs(const std::uint64_t* from) {
    return _mm512_load_si512(from);
  }
  static HAWSER_LANES_INLINE void store_limbs(std::uint64_t* to, Limbs a) {
    _mm512_store_si512(to, a);
  }
  static HAWSER_LANES_INLINE void load_units(Limbs (&words)[8],
                                             const std::uint8_t* const (&at)[8]) {
    __m512i low[4];
    __m512i high[4];
    HAWSER_LANES_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      const __m512i a = _mm512_loadu_si512(at[2 * i]);
      const __m512i b = _mm512_loadu_si512(at[2 * i + 1]);
      low[i] = _mm512_unpacklo_epi64(a, b);
      high[i] = _mm512_unpackhi_epi64(a, b);
    }
    transpose_quarters(words[0], words[2], words[4], words[6], low[0], low[1], low[2], low[3]);
    transpose_quarters(words[1], words[3], words[5], words[7], high[0], high[1], high[2], high[3]);
  }
  static HAWSER_LANES_INLINE Limbs plus(Limbs a, Limbs b) { return _mm512_add_epi64(a, b); }
  static HAWSER_LANES_INLINE Limbs minus(Limbs a, Limbs b) { return _mm512_sub_epi64(a, b); }
  static HAWSER_LANES_INLINE Limbs both(Limbs a, Limbs b) { return _mm512_and_si512(a, b); }
  static HAWSER_LANES_INLINE Limbs either(Limbs a, Limbs b) { return _mm512_or_si512(a, b); }
  static HAWSER_LANES_INLINE Limbs without(Limbs a, Limbs b) { return _mm512_andnot_si512(b, a); }
  static HAWSER_LANES_INLINE Limbs choose(Limbs mask, Limbs a, Limbs b) {
    return _mm512_ternarylogic_epi64(mask, a, b, 0xca);
  }
  template <int kBits>
  static HAWSER_LANES_INLINE Limbs left(Limbs a) {
    return _mm512_slli_epi64(a, kBits);
  }
  template <int kBits>
  static HAWSER_LANES_INLINE Limbs right(Limbs a) {
    return _mm512_srli_epi64(a, kBits);
  }
  static HAWSER_LANES_INLINE Limbs add_low_product(Limbs sum, Limbs a, Limbs b) {
    return _mm512_madd52lo_epu64(sum, a, b);
  }
  static HAWSER_LANES_INLINE Limbs add_high_product(Limbs sum, Limbs a, Limbs b) {
    return _mm512_madd52hi_epu64(sum, a, b);
  }
};

HAWSER_LANES_TARGET __attribute__((noinline)) void seal_avx512(LanesScratch& scratch,
                                                               const std::uint8_t* key,
                                                               LanesJobs jobs) {
  seal_tile<Avx512>(scratch, key, jobs);
}

HAWSER_LANES_TARGET __attribute__((noinline)) void open_avx512(LanesScratch& scratch,
                                                               const std::uint8_t* key,
                                                               LanesJobs jobs) {
  open_tile<Avx512>(scratch, key, jobs);
}

HAWSER_LANES_TARGET void clear_avx512() {
  __asm__ __volatile__(
      "vpxorq %%zmm16, %%zmm16, %%zmm16\n\tvpxorq %%zmm17, %%zmm17, %%zmm17\n\t"
      "vpxorq %%zmm18, %%zmm18, %%zmm18\n\tvpxorq %%zmm19, %%zmm19, %%zmm19\n\t"
      "vpxorq %%zmm20, %%zmm20, %%zmm20\n\tvpxorq %%zmm21, %%zmm21, %%zmm21\n\t"
      "vpxorq %%zmm22, %%zmm22, %%zmm22\n\tvpxorq %%zmm23, %%zmm23, %%zmm23\n\t"
      "vpxorq %%zmm24, %%zmm24, %%zmm24\n\tvpxorq %%zmm25, %%zmm25, %%zmm25\n\t"
      "vpxorq %%zmm26, %%zmm26, %%zmm26\n\tvpxorq %%zmm27, %%zmm27, %%zmm27\n\t"
      "vpxorq %%zmm28, %%zmm28, %%zmm28\n\tvpxorq %%zmm29, %%zmm29, %%zmm29\n\t"
      "vpxorq %%zmm30, %%zmm30, %%zmm30\n\tvpxorq %%zmm31, %%zmm31, %%zmm31\n\t"
      "vzeroall"
      :
      :
      : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
        "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19",
        "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29",
        "xmm30", "xmm31");
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512ifma");
}

}  // namespace

const LanesForm* avx512_lanes() {
  static constexpr LanesForm kForm{"avx512", seal_avx512, open_avx512, authenticate_tile<Avx512>,
                                   clear_avx512};
  return has_avx512() ? &kForm : nullptr;
}

}  // namespace hawser::noise_internal

#else

namespace hawser::noise_internal {
const LanesForm* avx512_lanes() { return nullptr; }
}  // namespace hawser::noise_internal

#endif
