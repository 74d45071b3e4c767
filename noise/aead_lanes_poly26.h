#pragma once
// Poly1305 (RFC 8439 §2.5) in radix 2^26 for V::kLimbLanes packets side by side: as
// noise/aead_lanes_poly44.h, for processors that multiply 32 by 32 bits. Part of
// noise/aead_lanes.h: see there for the rules.
//
// Bounds: limbs of h before a multiplication are below 2^28, those of r below 2^27, those of 5 r
// below 2^30; a sum has at most 20 products, so it stays below 2^63.
#include <cstdint>

#include "noise/aead_lanes_chacha.h"

namespace hawser::noise_internal {

template <class V>
class Poly26 {
 public:
  using Limbs = typename V::Limbs;

  static constexpr std::uint64_t kBlockBit = std::uint64_t{1} << (128 - 104);

  HAWSER_LANES_INLINE void begin(const Limbs& r_low, const Limbs& r_high) {
    const Limbs low = V::both(r_low, V::limbs(0x0ffffffc0fffffff));
    const Limbs high = V::both(r_high, V::limbs(0x0ffffffc0ffffffc));
    Limbs r[5];
    split(r, low, high);
    set_power(powers_[3], r);
    multiply_power(powers_[2], powers_[3], powers_[3]);
    multiply_power(powers_[1], powers_[2], powers_[3]);
    multiply_power(powers_[0], powers_[2], powers_[2]);
    HAWSER_LANES_UNROLL
    for (Limbs& limb : h_) limb = V::limbs(0);
  }

  HAWSER_LANES_INLINE void add_unit(const Limbs (&words)[8], const Limbs (&block_bits)[4]) {
    Limbs sums[5];
    Limbs m[5];
    HAWSER_LANES_UNROLL
    for (Limbs& sum : sums) sum = V::limbs(0);
    add_block<1>(sums, words, block_bits);
    add_block<2>(sums, words, block_bits);
    add_block<3>(sums, words, block_bits);
    split(m, words[0], words[1]);
    m[4] = V::plus(m[4], block_bits[0]);
    HAWSER_LANES_UNROLL
    for (int i = 0; i < 5; ++i) m[i] = V::plus(m[i], h_[i]);
    multiply_add(sums, m, powers_[0]);
    carry(h_, sums);
  }

  HAWSER_LANES_INLINE void finish(Limbs& tag_low, Limbs& tag_high, const Limbs& s_low,
                                  const Limbs& s_high) {
    carry_whole();
    carry_whole();
    Limbs g[5];
    g[0] = V::plus(h_[0], V::limbs(5));
    HAWSER_LANES_UNROLL
    for (int i = 1; i < 5; ++i) g[i] = V::plus(h_[i], V::template right<26>(g[i - 1]));
    g[4] = V::minus(g[4], V::limbs(std::uint64_t{1} << 26));
    const Limbs keep = V::minus(V::limbs(0), V::template right<63>(g[4]));  // all ones: h < p
    Limbs h[5];
    HAWSER_LANES_UNROLL
    for (int i = 0; i < 5; ++i) h[i] = V::choose(keep, h_[i], V::both(g[i], V::limbs(kMask26)));

    // 26 + 26 + 12 bits, then 14 + 26 + 24.
    const Limbs low =
        V::either(V::either(h[0], V::template left<26>(h[1])), V::template left<52>(h[2]));
    const Limbs high = V::either(V::either(V::template right<12>(h[2]), V::template left<14>(h[3])),
                                 V::template left<40>(h[4]));
    tag_low = V::plus(low, s_low);
    const Limbs carried = V::template right<63>(
        V::either(V::both(low, s_low), V::without(V::either(low, s_low), tag_low)));
    tag_high = V::plus(V::plus(high, s_high), carried);
  }

 private:
  static constexpr std::uint64_t kMask26 = (std::uint64_t{1} << 26) - 1;

  // r^k, and its upper limbs times 5.
  struct Power {
    Limbs r[5];
    Limbs r_5[5];  // [0] is not used
  };

  static HAWSER_LANES_INLINE void split(Limbs (&out)[5], const Limbs& low, const Limbs& high) {
    const Limbs mask = V::limbs(kMask26);
    out[0] = V::both(low, mask);
    out[1] = V::both(V::template right<26>(low), mask);
    out[2] = V::both(V::either(V::template right<52>(low), V::template left<12>(high)), mask);
    out[3] = V::both(V::template right<14>(high), mask);
    out[4] = V::template right<40>(high);
  }

  static HAWSER_LANES_INLINE void set_power(Power& out, const Limbs (&r)[5]) {
    HAWSER_LANES_UNROLL
    for (int i = 0; i < 5; ++i) {
      out.r[i] = r[i];
      out.r_5[i] = V::plus(r[i], V::template left<2>(r[i]));
    }
  }

  static HAWSER_LANES_INLINE void multiply_power(Power& out, const Power& a, const Power& b) {
    Limbs sums[5];
    HAWSER_LANES_UNROLL
    for (Limbs& sum : sums) sum = V::limbs(0);
    multiply_add(sums, a.r, b);
    Limbs product[5];
    carry(product, sums);
    set_power(out, product);
  }

  template <int kBlock>
  HAWSER_LANES_INLINE void add_block(Limbs (&sums)[5], const Limbs (&words)[8],
                                     const Limbs (&block_bits)[4]) {
    Limbs m[5];
    split(m, words[2 * kBlock], words[2 * kBlock + 1]);
    m[4] = V::plus(m[4], block_bits[kBlock]);
    multiply_add(sums, m, powers_[kBlock]);
  }

  static HAWSER_LANES_INLINE void row(Limbs (&sums)[5], const Limbs& m, const Limbs& to0,
                                      const Limbs& to1, const Limbs& to2, const Limbs& to3,
                                      const Limbs& to4) {
    sums[0] = V::plus(sums[0], V::product_32(m, to0));
    sums[1] = V::plus(sums[1], V::product_32(m, to1));
    sums[2] = V::plus(sums[2], V::product_32(m, to2));
    sums[3] = V::plus(sums[3], V::product_32(m, to3));
    sums[4] = V::plus(sums[4], V::product_32(m, to4));
  }

  static HAWSER_LANES_INLINE void multiply_add(Limbs (&sums)[5], const Limbs (&m)[5],
                                               const Power& by) {
    row(sums, m[0], by.r[0], by.r[1], by.r[2], by.r[3], by.r[4]);
    row(sums, m[1], by.r_5[4], by.r[0], by.r[1], by.r[2], by.r[3]);
    row(sums, m[2], by.r_5[3], by.r_5[4], by.r[0], by.r[1], by.r[2]);
    row(sums, m[3], by.r_5[2], by.r_5[3], by.r_5[4], by.r[0], by.r[1]);
    row(sums, m[4], by.r_5[1], by.r_5[2], by.r_5[3], by.r_5[4], by.r[0]);
  }

  // Two chains side by side, from limb 0 and from limb 3; limbs 1 and 4 are left a little too
  // large.
  static HAWSER_LANES_INLINE void carry(Limbs (&out)[5], const Limbs (&sums)[5]) {
    const Limbs mask = V::limbs(kMask26);
    Limbs d0 = sums[0];
    Limbs d1 = sums[1];
    Limbs d2 = sums[2];
    Limbs d3 = sums[3];
    Limbs d4 = sums[4];
    d1 = V::plus(d1, V::template right<26>(d0));
    d4 = V::plus(d4, V::template right<26>(d3));
    d0 = V::both(d0, mask);
    d3 = V::both(d3, mask);
    const Limbs round = V::template right<26>(d4);
    d2 = V::plus(d2, V::template right<26>(d1));
    d0 = V::plus(d0, V::plus(round, V::template left<2>(round)));
    d4 = V::both(d4, mask);
    d1 = V::both(d1, mask);
    d3 = V::plus(d3, V::template right<26>(d2));
    d1 = V::plus(d1, V::template right<26>(d0));
    out[2] = V::both(d2, mask);
    out[0] = V::both(d0, mask);
    out[4] = V::plus(d4, V::template right<26>(d3));
    out[3] = V::both(d3, mask);
    out[1] = d1;
  }

  HAWSER_LANES_INLINE void carry_whole() {
    const Limbs mask = V::limbs(kMask26);
    HAWSER_LANES_UNROLL
    for (int i = 0; i < 4; ++i) {
      h_[i + 1] = V::plus(h_[i + 1], V::template right<26>(h_[i]));
      h_[i] = V::both(h_[i], mask);
    }
    const Limbs round = V::template right<26>(h_[4]);
    h_[4] = V::both(h_[4], mask);
    h_[0] = V::plus(h_[0], V::plus(round, V::template left<2>(round)));
    h_[1] = V::plus(h_[1], V::template right<26>(h_[0]));
    h_[0] = V::both(h_[0], mask);
  }

  Limbs h_[5];
  Power powers_[4];  // of r: the fourth, third, second and first
};

}  // namespace hawser::noise_internal
