#pragma once
// Lanes: ChaCha20-Poly1305 (RFC 8439) for a train, whose packets share one key and differ in their
// counters. One vector register holds the same state word of 8 or 16 ChaCha20 blocks, whichever
// packets they are of, and Poly1305 runs for 4 or 8 packets side by side. Internal to noise/.
//
// The arithmetic is one source over a vector type (aead_lanes_chacha.h, aead_lanes_poly44.h,
// aead_lanes_poly26.h, aead_lanes_tile.h), compiled once for each form below. No branch and no
// address in it depends on a key, a text or a tag: only on the lengths and on the final verdict.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "noise/aead.h"

namespace hawser::noise_internal {

// Packets that are worked on together. Sixteen full ones are 23 KB, so that what the first pass
// over them read or wrote is still in the first-level cache for the second.
inline constexpr std::size_t kLanesTile = 16;

inline constexpr std::uint32_t kChachaBlockLen = 64;
inline constexpr std::uint32_t kPolyUnitLen = 64;  // four blocks of Poly1305

// What a tile needs in memory; all of it is secret and wiped after each batch.
struct alignas(64) LanesScratch {
  std::array<std::uint8_t, kPolyUnitLen> zeros;  // the unit of a lane that has nothing to do
  std::array<std::array<std::uint8_t, kChachaBlockLen>, kLanesTile> one_time;  // r, s, unused
  std::array<std::array<std::uint8_t, kPolyUnitLen>, kLanesTile> first_unit;
  std::array<std::array<std::uint8_t, kPolyUnitLen>, kLanesTile> last_unit;
  std::array<std::array<std::uint8_t, kAeadTagLen>, kLanesTile> tags;
};

// 1 to kLanesTile jobs under one key, none longer than the one before it.
using LanesJobs = std::span<AeadJob* const>;

// One way of compiling it. `key` has 32 bytes. Opening verifies all tags of the tile before it
// decrypts, and leaves what does not verify as it is.
struct LanesForm {
  std::string_view name;
  void (*seal)(LanesScratch& scratch, const std::uint8_t* key, LanesJobs jobs);
  void (*open)(LanesScratch& scratch, const std::uint8_t* key, LanesJobs jobs);
  // The part between: the tags of the jobs' texts, as they are, under the one-time keys in
  // `scratch` (whose zeros are zero), into its tags.
  void (*authenticate)(LanesScratch& scratch, LanesJobs jobs);
  // Zeroes every vector register that the form uses. (vzeroupper leaves zmm16 to zmm31.)
  void (*clear_registers)();
};

// In plain C++, for the tests: what the others compute, with 16 and 8 lanes in radix 2^44, and with
// 8 and 4 in radix 2^26.
const LanesForm& portable_lanes_16();
const LanesForm& portable_lanes_8();
// Null where the processor (or the architecture) lacks it.
const LanesForm* avx2_lanes();
const LanesForm* avx512_lanes();  // with IFMA
const LanesForm* best_lanes();

// Null for a null form. The scratch memory is a part of it, so it is one thread's.
std::unique_ptr<Aead> make_lanes_aead(const LanesForm* form);

}  // namespace hawser::noise_internal
