#pragma once
// ChaCha20 (RFC 8439 §2.3) on V::kWordLanes blocks at once, or on twice as many: word j of all
// blocks is one vector. Blocks are (packet, block) pairs in any order, so that lanes stay full
// whatever the packets' lengths are. Part of noise/aead_lanes.h: see there for the rules.
//
// V, the vector type, has Words (kWordLanes of 32 bits) with broadcast, load, add, exclusive-or and
// rotation, Block (64 bytes), transpose() from one to the other, and xor_into() memory. Everything
// is a template over it and inlined, so that HAWSER_LANES_TARGET, an attribute that says what the
// processor has, holds for exactly this code and for nothing else of the program.
#include <array>
#include <cstddef>
#include <cstdint>

#include "noise/aead_lanes.h"

#ifndef HAWSER_LANES_TARGET
#define HAWSER_LANES_TARGET
#endif
// Sanitizers' instrumentation of one function with everything in it takes compilers minutes.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAWSER_LANES_PLAIN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define HAWSER_LANES_PLAIN
#endif
#endif

#define HAWSER_LANES_NOINLINE HAWSER_LANES_TARGET __attribute__((noinline))
#ifdef HAWSER_LANES_PLAIN
#define HAWSER_LANES_INLINE HAWSER_LANES_TARGET inline
#define HAWSER_LANES_UNROLL
#else
#define HAWSER_LANES_INLINE HAWSER_LANES_TARGET __attribute__((always_inline)) inline
// Before a loop over registers: an array that a loop runs through lies in memory.
#ifdef __clang__
#define HAWSER_LANES_UNROLL _Pragma("unroll")
#else
#define HAWSER_LANES_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

namespace hawser::noise_internal {

// The blocks of one pass, a lane each. What a lane does not use has length 0.
template <class V>
struct ChachaPass {
  static constexpr std::size_t kLanes = V::kSets * V::kWordLanes;
  alignas(64) std::uint32_t block[kLanes];
  alignas(64) std::uint32_t counter_low[kLanes];
  alignas(64) std::uint32_t counter_high[kLanes];
  std::uint8_t* at[kLanes];   // the key stream is xored into what is here,
  std::uint32_t len[kLanes];  // so many bytes of it, at most 64
};

template <class V>
struct ChachaKey {
  typename V::Words words[8];
};

template <class V>
HAWSER_LANES_INLINE void spread_key(ChachaKey<V>& out, const std::uint8_t* key) {
  HAWSER_LANES_UNROLL
  for (std::size_t i = 0; i < 8; ++i) {
    std::uint32_t word = 0;
    __builtin_memcpy(&word, key + 4 * i, sizeof word);
    out.words[i] = V::broadcast(word);
  }
}

// One of the four steps of four quarter rounds: a += b; d = (d ^ a) <<< kBits. The quarter rounds
// take their b and d from kShiftB and kShiftD columns further on.
template <class V, int kBits, int kA, int kB, int kShiftB, int kD, int kShiftD>
HAWSER_LANES_INLINE void chacha_step(typename V::Words* x) {
  x[kA + 0] = V::add(x[kA + 0], x[kB + (0 + kShiftB) % 4]);
  x[kA + 1] = V::add(x[kA + 1], x[kB + (1 + kShiftB) % 4]);
  x[kA + 2] = V::add(x[kA + 2], x[kB + (2 + kShiftB) % 4]);
  x[kA + 3] = V::add(x[kA + 3], x[kB + (3 + kShiftB) % 4]);
  x[kD + (0 + kShiftD) % 4] = V::exclusive_or(x[kD + (0 + kShiftD) % 4], x[kA + 0]);
  x[kD + (1 + kShiftD) % 4] = V::exclusive_or(x[kD + (1 + kShiftD) % 4], x[kA + 1]);
  x[kD + (2 + kShiftD) % 4] = V::exclusive_or(x[kD + (2 + kShiftD) % 4], x[kA + 2]);
  x[kD + (3 + kShiftD) % 4] = V::exclusive_or(x[kD + (3 + kShiftD) % 4], x[kA + 3]);
  x[kD + (0 + kShiftD) % 4] = V::template rotate<kBits>(x[kD + (0 + kShiftD) % 4]);
  x[kD + (1 + kShiftD) % 4] = V::template rotate<kBits>(x[kD + (1 + kShiftD) % 4]);
  x[kD + (2 + kShiftD) % 4] = V::template rotate<kBits>(x[kD + (2 + kShiftD) % 4]);
  x[kD + (3 + kShiftD) % 4] = V::template rotate<kBits>(x[kD + (3 + kShiftD) % 4]);
}

// The same with c and d, whose b follows: c += d; b = (b ^ c) <<< kBits.
template <class V, int kBits, int kShiftB, int kShiftC, int kShiftD>
HAWSER_LANES_INLINE void chacha_lower_step(typename V::Words* x) {
  x[8 + (0 + kShiftC) % 4] = V::add(x[8 + (0 + kShiftC) % 4], x[12 + (0 + kShiftD) % 4]);
  x[8 + (1 + kShiftC) % 4] = V::add(x[8 + (1 + kShiftC) % 4], x[12 + (1 + kShiftD) % 4]);
  x[8 + (2 + kShiftC) % 4] = V::add(x[8 + (2 + kShiftC) % 4], x[12 + (2 + kShiftD) % 4]);
  x[8 + (3 + kShiftC) % 4] = V::add(x[8 + (3 + kShiftC) % 4], x[12 + (3 + kShiftD) % 4]);
  x[4 + (0 + kShiftB) % 4] = V::exclusive_or(x[4 + (0 + kShiftB) % 4], x[8 + (0 + kShiftC) % 4]);
  x[4 + (1 + kShiftB) % 4] = V::exclusive_or(x[4 + (1 + kShiftB) % 4], x[8 + (1 + kShiftC) % 4]);
  x[4 + (2 + kShiftB) % 4] = V::exclusive_or(x[4 + (2 + kShiftB) % 4], x[8 + (2 + kShiftC) % 4]);
  x[4 + (3 + kShiftB) % 4] = V::exclusive_or(x[4 + (3 + kShiftB) % 4], x[8 + (3 + kShiftC) % 4]);
  x[4 + (0 + kShiftB) % 4] = V::template rotate<kBits>(x[4 + (0 + kShiftB) % 4]);
  x[4 + (1 + kShiftB) % 4] = V::template rotate<kBits>(x[4 + (1 + kShiftB) % 4]);
  x[4 + (2 + kShiftB) % 4] = V::template rotate<kBits>(x[4 + (2 + kShiftB) % 4]);
  x[4 + (3 + kShiftB) % 4] = V::template rotate<kBits>(x[4 + (3 + kShiftB) % 4]);
}

// Column round and diagonal round of one set, or of two whose instructions fill each other's gaps.
template <class V, std::size_t kSets>
HAWSER_LANES_INLINE void chacha_double_round(typename V::Words (&x)[kSets][16]) {
  constexpr std::size_t kLast = kSets - 1;
  chacha_step<V, 16, 0, 4, 0, 12, 0>(x[0]);
  if constexpr (kSets == 2) chacha_step<V, 16, 0, 4, 0, 12, 0>(x[kLast]);
  chacha_lower_step<V, 12, 0, 0, 0>(x[0]);
  if constexpr (kSets == 2) chacha_lower_step<V, 12, 0, 0, 0>(x[kLast]);
  chacha_step<V, 8, 0, 4, 0, 12, 0>(x[0]);
  if constexpr (kSets == 2) chacha_step<V, 8, 0, 4, 0, 12, 0>(x[kLast]);
  chacha_lower_step<V, 7, 0, 0, 0>(x[0]);
  if constexpr (kSets == 2) chacha_lower_step<V, 7, 0, 0, 0>(x[kLast]);

  chacha_step<V, 16, 0, 4, 1, 12, 3>(x[0]);
  if constexpr (kSets == 2) chacha_step<V, 16, 0, 4, 1, 12, 3>(x[kLast]);
  chacha_lower_step<V, 12, 1, 2, 3>(x[0]);
  if constexpr (kSets == 2) chacha_lower_step<V, 12, 1, 2, 3>(x[kLast]);
  chacha_step<V, 8, 0, 4, 1, 12, 3>(x[0]);
  if constexpr (kSets == 2) chacha_step<V, 8, 0, 4, 1, 12, 3>(x[kLast]);
  chacha_lower_step<V, 7, 1, 2, 3>(x[0]);
  if constexpr (kSets == 2) chacha_lower_step<V, 7, 1, 2, 3>(x[kLast]);
}

inline constexpr std::uint32_t kChachaConstants[4] = {0x61707865, 0x3320646e, 0x79622d32,
                                                      0x6b206574};

template <class V>
HAWSER_LANES_INLINE void chacha_begin(typename V::Words* x, const ChachaKey<V>& key,
                                      const std::uint32_t* block, const std::uint32_t* counter_low,
                                      const std::uint32_t* counter_high) {
  HAWSER_LANES_UNROLL
  for (int i = 0; i < 4; ++i) x[i] = V::broadcast(kChachaConstants[i]);
  HAWSER_LANES_UNROLL
  for (int i = 0; i < 8; ++i) x[4 + i] = key.words[i];
  x[12] = V::load(block);
  x[13] = V::broadcast(0);  // the nonce's first four bytes
  x[14] = V::load(counter_low);
  x[15] = V::load(counter_high);
}

// Adds the state that the rounds began with, and xors the key stream into the packets.
template <class V>
HAWSER_LANES_INLINE void chacha_end(typename V::Words* x, const ChachaKey<V>& key,
                                    const std::uint32_t* block, const std::uint32_t* counter_low,
                                    const std::uint32_t* counter_high, std::uint8_t* const* at,
                                    const std::uint32_t* len) {
  HAWSER_LANES_UNROLL
  for (int i = 0; i < 4; ++i) x[i] = V::add(x[i], V::broadcast(kChachaConstants[i]));
  HAWSER_LANES_UNROLL
  for (int i = 0; i < 8; ++i) x[4 + i] = V::add(x[4 + i], key.words[i]);
  x[12] = V::add(x[12], V::load(block));
  x[14] = V::add(x[14], V::load(counter_low));
  x[15] = V::add(x[15], V::load(counter_high));
  typename V::Block blocks[V::kWordLanes];
  V::transpose(blocks, x);
  HAWSER_LANES_UNROLL
  for (std::size_t lane = 0; lane < V::kWordLanes; ++lane) {
    if (len[lane] == kChachaBlockLen) {
      V::xor_into(at[lane], blocks[lane]);
    } else if (len[lane] > 0) {
      V::xor_into(at[lane], blocks[lane], len[lane]);
    }
  }
}

// The first kSets sets of a pass.
template <class V, std::size_t kSets>
HAWSER_LANES_INLINE void run_chacha(const ChachaPass<V>& pass, const ChachaKey<V>& key) {
  typename V::Words x[kSets][16];
  HAWSER_LANES_UNROLL
  for (std::size_t set = 0; set < kSets; ++set) {
    const std::size_t from = set * V::kWordLanes;
    chacha_begin<V>(x[set], key, pass.block + from, pass.counter_low + from,
                    pass.counter_high + from);
  }
  // Unrolled, so that no register is copied between two rounds.
  HAWSER_LANES_UNROLL
  for (int round = 0; round < 20; round += 2) chacha_double_round<V, kSets>(x);
  HAWSER_LANES_UNROLL
  for (std::size_t set = 0; set < kSets; ++set) {
    const std::size_t from = set * V::kWordLanes;
    chacha_end<V>(x[set], key, pass.block + from, pass.counter_low + from, pass.counter_high + from,
                  pass.at + from, pass.len + from);
  }
}

}  // namespace hawser::noise_internal
