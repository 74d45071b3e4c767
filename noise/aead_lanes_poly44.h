#pragma once
// Poly1305 (RFC 8439 §2.5) in radix 2^44 for V::kLimbLanes packets side by side: limb k of all
// packets is one vector of 64-bit lanes. Made for multiplications of 52 by 52 bits (IFMA), whose
// low and high halves are added up apart. Part of noise/aead_lanes.h: see there for the rules.
//
// Bounds: limbs of h before a multiplication are below 2^46, those of r below 2^45, those of 20 r
// below 2^50; a sum has at most 12 products, so it stays below 2^56, and its high half below 2^48.
#include <cstdint>

#include "noise/aead_lanes_chacha.h"

namespace hawser::noise_internal {

template <class V>
class Poly44 {
 public:
  using Limbs = typename V::Limbs;

  // What is added to a block's top limb: the bit 2^128.
  static constexpr std::uint64_t kBlockBit = std::uint64_t{1} << (128 - 88);

  // words: r low, r high, as in the one-time key. h becomes 0.
  HAWSER_LANES_INLINE void begin(const Limbs& r_low, const Limbs& r_high) {
    const Limbs low = V::both(r_low, V::limbs(0x0ffffffc0fffffff));
    const Limbs high = V::both(r_high, V::limbs(0x0ffffffc0ffffffc));
    Limbs r[3];
    split(r, low, high);
    set_power(powers_[3], r);
    multiply_power(powers_[2], powers_[3], powers_[3]);
    multiply_power(powers_[1], powers_[2], powers_[3]);
    multiply_power(powers_[0], powers_[2], powers_[2]);
    HAWSER_LANES_UNROLL
    for (Limbs& limb : h_) limb = V::limbs(0);
  }

  // h = (h + m0) r^4 + m1 r^3 + m2 r^2 + m3 r. words: the four blocks of each packet, low and high
  // halves in turn; block_bits: kBlockBit for a block that is there, else 0 for it.
  HAWSER_LANES_INLINE void add_unit(const Limbs (&words)[8], const Limbs (&block_bits)[4]) {
    Sums sums;
    Limbs m[3];
    clear(sums);
    // What does not wait for the unit before comes first.
    add_block<1>(sums, words, block_bits);
    add_block<2>(sums, words, block_bits);
    add_block<3>(sums, words, block_bits);
    split(m, words[0], words[1]);
    m[0] = V::plus(m[0], h_[0]);
    m[1] = V::plus(m[1], h_[1]);
    m[2] = V::plus(V::plus(m[2], block_bits[0]), h_[2]);
    multiply_add(sums, m, powers_[0]);
    carry(h_, sums);
  }

  // The tags: (h mod 2^130 - 5) + s mod 2^128.
  HAWSER_LANES_INLINE void finish(Limbs& tag_low, Limbs& tag_high, const Limbs& s_low,
                                  const Limbs& s_high) {
    carry_whole();
    carry_whole();
    // h - p = h + 5 - 2^130; taken where it is not negative.
    const Limbs g0 = V::plus(h_[0], V::limbs(5));
    const Limbs g1 = V::plus(h_[1], V::template right<44>(g0));
    const Limbs g2 = V::minus(V::plus(h_[2], V::template right<44>(g1)), V::limbs(kTopBit));
    const Limbs keep = V::minus(V::limbs(0), V::template right<63>(g2));  // all ones: h < p
    const Limbs h0 = V::choose(keep, h_[0], V::both(g0, V::limbs(kMask44)));
    const Limbs h1 = V::choose(keep, h_[1], V::both(g1, V::limbs(kMask44)));
    const Limbs h2 = V::choose(keep, h_[2], V::both(g2, V::limbs(kMask42)));

    const Limbs low = V::either(h0, V::template left<44>(h1));
    const Limbs high = V::either(V::template right<20>(h1), V::template left<24>(h2));
    tag_low = V::plus(low, s_low);
    const Limbs carried = V::template right<63>(
        V::either(V::both(low, s_low), V::without(V::either(low, s_low), tag_low)));
    tag_high = V::plus(V::plus(high, s_high), carried);
  }

 private:
  static constexpr std::uint64_t kMask44 = (std::uint64_t{1} << 44) - 1;
  static constexpr std::uint64_t kTopBit = std::uint64_t{1} << 42;
  static constexpr std::uint64_t kMask42 = kTopBit - 1;

  // r^k, and its upper limbs times 20: 2^132 = 4 * 2^130 = 20 modulo p.
  struct Power {
    Limbs r[3];
    Limbs r1_20;
    Limbs r2_20;
  };
  struct Sums {
    Limbs low[3];
    Limbs high[3];
  };

  static HAWSER_LANES_INLINE void split(Limbs (&out)[3], const Limbs& low, const Limbs& high) {
    const Limbs mask = V::limbs(kMask44);
    out[0] = V::both(low, mask);
    out[1] = V::both(V::either(V::template right<44>(low), V::template left<20>(high)), mask);
    out[2] = V::template right<24>(high);
  }

  static HAWSER_LANES_INLINE Limbs times_20(const Limbs& limb) {
    return V::plus(V::template left<4>(limb), V::template left<2>(limb));
  }

  static HAWSER_LANES_INLINE void set_power(Power& out, const Limbs (&r)[3]) {
    out.r[0] = r[0];
    out.r[1] = r[1];
    out.r[2] = r[2];
    out.r1_20 = times_20(r[1]);
    out.r2_20 = times_20(r[2]);
  }

  static HAWSER_LANES_INLINE void multiply_power(Power& out, const Power& a, const Power& b) {
    Sums sums;
    clear(sums);
    multiply_add(sums, a.r, b);
    Limbs product[3];
    carry(product, sums);
    set_power(out, product);
  }

  template <int kBlock>
  HAWSER_LANES_INLINE void add_block(Sums& sums, const Limbs (&words)[8],
                                     const Limbs (&block_bits)[4]) {
    Limbs m[3];
    split(m, words[2 * kBlock], words[2 * kBlock + 1]);
    m[2] = V::plus(m[2], block_bits[kBlock]);
    multiply_add(sums, m, powers_[kBlock]);
  }

  static HAWSER_LANES_INLINE void clear(Sums& sums) {
    HAWSER_LANES_UNROLL
    for (int i = 0; i < 3; ++i) sums.low[i] = sums.high[i] = V::limbs(0);
  }

  static HAWSER_LANES_INLINE void product(Sums& sums, int at, const Limbs& a, const Limbs& b) {
    sums.low[at] = V::add_low_product(sums.low[at], a, b);
    sums.high[at] = V::add_high_product(sums.high[at], a, b);
  }

  static HAWSER_LANES_INLINE void multiply_add(Sums& sums, const Limbs (&m)[3], const Power& by) {
    product(sums, 2, m[0], by.r[2]);
    product(sums, 0, m[0], by.r[0]);
    product(sums, 1, m[0], by.r[1]);
    product(sums, 2, m[1], by.r[1]);
    product(sums, 0, m[1], by.r2_20);
    product(sums, 1, m[1], by.r[0]);
    product(sums, 2, m[2], by.r[0]);
    product(sums, 0, m[2], by.r1_20);
    product(sums, 1, m[2], by.r2_20);
  }

  // The high halves stand 2^52 above, that is 2^8 above the next limb. Begins with the top limb,
  // whose carry is the one that goes round (2^130 = 5); the second limb is left 2^16 too large at
  // most.
  static HAWSER_LANES_INLINE void carry(Limbs (&out)[3], const Sums& sums) {
    const Limbs d2 = V::plus(sums.low[2], V::template left<8>(sums.high[1]));
    const Limbs round = V::plus(V::template right<42>(d2), V::template left<10>(sums.high[2]));
    const Limbs d0 = V::plus(sums.low[0], V::plus(round, V::template left<2>(round)));
    const Limbs d1 =
        V::plus(V::plus(sums.low[1], V::template left<8>(sums.high[0])), V::template right<44>(d0));
    out[0] = V::both(d0, V::limbs(kMask44));
    out[1] = V::both(d1, V::limbs(kMask44));
    out[2] = V::plus(V::both(d2, V::limbs(kMask42)), V::template right<44>(d1));
  }

  HAWSER_LANES_INLINE void carry_whole() {
    h_[1] = V::plus(h_[1], V::template right<44>(h_[0]));
    h_[0] = V::both(h_[0], V::limbs(kMask44));
    h_[2] = V::plus(h_[2], V::template right<44>(h_[1]));
    h_[1] = V::both(h_[1], V::limbs(kMask44));
    const Limbs round = V::template right<42>(h_[2]);
    h_[2] = V::both(h_[2], V::limbs(kMask42));
    h_[0] = V::plus(h_[0], V::plus(round, V::template left<2>(round)));
    h_[1] = V::plus(h_[1], V::template right<44>(h_[0]));
    h_[0] = V::both(h_[0], V::limbs(kMask44));
  }

  Limbs h_[3];
  Power powers_[4];  // of r: the fourth, third, second and first
};

}  // namespace hawser::noise_internal
