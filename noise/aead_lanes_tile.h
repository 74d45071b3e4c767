#pragma once
// A tile of packets, sealed or opened: which blocks share a pass of ChaCha20, which packets stand
// side by side in Poly1305, and the verdict. Part of noise/aead_lanes.h: see there for the rules.
#include <cstddef>
#include <cstdint>

#include "base/wire.h"
#include "noise/aead_lanes_chacha.h"

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define HAWSER_LANES_DECLASSIFY(value) __msan_unpoison(&(value), sizeof(value))
#endif
#endif
#ifndef HAWSER_LANES_DECLASSIFY
#define HAWSER_LANES_DECLASSIFY(value) static_cast<void>(value)
#endif

namespace hawser::noise_internal {

// Eight streams of memory side by side are too many for the processor to foresee. So many bytes of
// each are asked for ahead: some 400 cycles of work.
inline constexpr std::uint32_t kPrefetchedLen = 512;

// The (packet, block) pairs of a tile in the order in which lanes take them.
struct LanesBlocks {
  enum class Part { kOneTimeKeys, kText };

  LanesScratch& scratch;
  LanesJobs jobs;
  Part part;
  std::size_t packet = 0;
  std::uint32_t at = 0;  // of the packet's text

  // Leaves out the packets that have no text, or none to decrypt.
  HAWSER_LANES_INLINE bool any(bool opening) {
    while (part == Part::kText && packet < jobs.size() &&
           (jobs[packet]->len <= at || (opening && !jobs[packet]->ok))) {
      ++packet;
      at = 0;
    }
    return packet < jobs.size();
  }
  HAWSER_LANES_INLINE void begin_text() {
    part = Part::kText;
    packet = 0;
    at = 0;
  }
};

template <class V>
HAWSER_LANES_INLINE void take_block(ChachaPass<V>& pass, std::size_t lane, LanesBlocks& blocks) {
  const AeadJob& job = *blocks.jobs[blocks.packet];
  pass.counter_low[lane] = static_cast<std::uint32_t>(job.counter);
  pass.counter_high[lane] = static_cast<std::uint32_t>(job.counter >> 32);
  if (blocks.part == LanesBlocks::Part::kOneTimeKeys) {
    pass.block[lane] = 0;
    pass.at[lane] = blocks.scratch.one_time[blocks.packet].data();
    pass.len[lane] = kChachaBlockLen;
    ++blocks.packet;
    return;
  }
  const std::uint32_t left = job.len - blocks.at;
  pass.block[lane] = 1 + blocks.at / kChachaBlockLen;
  pass.at[lane] = job.data + blocks.at;
  __builtin_prefetch(pass.at[lane], 1);  // needed after the rounds
  pass.len[lane] = left < kChachaBlockLen ? left : kChachaBlockLen;
  blocks.at += pass.len[lane];
}

// Fills the lanes with the next blocks. `text_follows`: after the one-time keys come texts.
template <class V>
HAWSER_LANES_INLINE std::size_t fill_pass(ChachaPass<V>& pass, LanesBlocks& blocks,
                                          bool text_follows, bool opening) {
  std::size_t lane = 0;
  for (; lane < ChachaPass<V>::kLanes; ++lane) {
    if (!blocks.any(opening)) {
      if (blocks.part == LanesBlocks::Part::kText || !text_follows) break;
      blocks.begin_text();
      if (!blocks.any(opening)) break;
    }
    take_block<V>(pass, lane, blocks);
  }
  const std::size_t used = lane;
  for (; lane < ChachaPass<V>::kLanes; ++lane) {
    pass.block[lane] = pass.counter_low[lane] = pass.counter_high[lane] = 0;
    pass.len[lane] = 0;
  }
  return used;
}

// Xors the key stream into everything that `blocks` names.
template <class V>
HAWSER_LANES_NOINLINE void run_blocks(LanesBlocks& blocks, const ChachaKey<V>& key,
                                      bool text_follows, bool opening) {
  ChachaPass<V> pass;
  for (;;) {
    const std::size_t used = fill_pass<V>(pass, blocks, text_follows, opening);
    if (used == 0) return;
    if (used <= V::kWordLanes) {
      run_chacha<V, 1>(pass, key);
    } else {
      run_chacha<V, V::kSets>(pass, key);
    }
  }
}

// Poly1305 for up to kLimbLanes packets of a tile. What is authenticated is the ciphertext, padded
// with zeros to whole blocks, and a block with its length. The units of all packets end together:
// who has fewer starts later, with units of zeros before (a zero without its 2^128 adds nothing to
// an h of zero), and the blocks that do not fill a unit stand at the end of the first.
template <class V>
class LanesAuthenticator {
 public:
  using Limbs = typename V::Limbs;
  using Poly = typename V::template Poly<V>;
  static constexpr std::size_t kLanes = V::kLimbLanes;

  HAWSER_LANES_INLINE void run(LanesScratch& scratch, LanesJobs jobs, std::size_t from) {
    num_ = jobs.size() - from < kLanes ? jobs.size() - from : kLanes;
    num_units_ = 0;
    for (std::size_t i = 0; i < num_; ++i) lay_out(scratch, *jobs[from + i], from + i, i);
    const std::uint8_t* keys[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) {
      keys[i] = i < num_ ? scratch.one_time[from + i].data() : scratch.zeros.data();
    }
    Limbs key[8];
    V::load_units(key, keys);
    Poly poly;
    poly.begin(key[0], key[1]);
    for (std::uint32_t unit = 0; unit < num_units_;) unit = run_stretch(poly, scratch, from, unit);
    Limbs low;
    Limbs high;
    poly.finish(low, high, key[2], key[3]);
    alignas(64) std::uint64_t lows[kLanes];
    alignas(64) std::uint64_t highs[kLanes];
    V::store_limbs(lows, low);
    V::store_limbs(highs, high);
    for (std::size_t i = 0; i < num_; ++i) {
      store_le64(scratch.tags[from + i].data(), lows[i]);
      store_le64(scratch.tags[from + i].data() + 8, highs[i]);
    }
  }

 private:
  // How a packet's blocks make units: `odd` blocks in the first, if any, then whole ones.
  struct Layout {
    const std::uint8_t* data;
    std::uint32_t odd;
    std::uint32_t num_units;
    bool only_one;  // unit, which is first and last
  };

  HAWSER_LANES_INLINE void lay_out(LanesScratch& scratch, const AeadJob& job, std::size_t packet,
                                   std::size_t lane) {
    Layout& layout = layouts_[lane];
    const std::uint32_t num_blocks = job.len / 16 + (job.len % 16 != 0) + 1;
    const std::uint32_t num_whole = num_blocks / 4;
    layout.odd = num_blocks % 4;
    layout.data = job.data;
    layout.only_one = num_whole == 0;
    layout.num_units = num_whole + (layout.odd != 0);
    if (layout.num_units > num_units_) num_units_ = layout.num_units;

    std::uint8_t* const last = scratch.last_unit[packet].data();
    V::copy_unit(last, scratch.zeros.data(), kPolyUnitLen);
    if (layout.only_one) {
      V::copy_unit(last + (4 - layout.odd) * 16, job.data, job.len);
    } else {
      const std::uint32_t before = (layout.odd + 4 * (num_whole - 1)) * 16;
      V::copy_unit(last, job.data + before, job.len - before);
      if (layout.odd != 0) {
        std::uint8_t* const first = scratch.first_unit[packet].data();
        V::copy_unit(first, scratch.zeros.data(), kPolyUnitLen);
        V::copy_unit(first + (4 - layout.odd) * 16, job.data, layout.odd * 16);
      }
    }
    store_le64(last + 48, 0);  // no associated data
    store_le64(last + 56, job.len);
  }

  // Units from `unit` on in which each lane does the same as in this one. Returns the next.
  HAWSER_LANES_INLINE std::uint32_t run_stretch(Poly& poly, const LanesScratch& scratch,
                                                std::size_t from, std::uint32_t unit) {
    const std::uint8_t* at[kLanes];
    std::size_t moves[kLanes];  // all ones: a unit further each time
    alignas(64) std::uint64_t bits[4][kLanes];
    std::uint32_t end = unit + 1 == num_units_ ? num_units_ : num_units_ - 1;
    for (std::size_t i = 0; i < kLanes; ++i) {
      std::uint32_t missing = 0;  // blocks of this unit
      moves[i] = 0;
      at[i] = scratch.zeros.data();
      const std::uint32_t begin = i < num_ ? num_units_ - layouts_[i].num_units : num_units_;
      if (unit < begin) {
        missing = 4;
        if (begin < end) end = begin;
      } else if (unit + 1 == num_units_) {
        at[i] = scratch.last_unit[from + i].data();
        missing = layouts_[i].only_one ? 4 - layouts_[i].odd : 0;
      } else if (unit == begin && layouts_[i].odd != 0) {
        at[i] = scratch.first_unit[from + i].data();
        missing = 4 - layouts_[i].odd;
        end = unit + 1;
      } else {
        const std::uint32_t whole = unit - begin - (layouts_[i].odd != 0);
        at[i] = layouts_[i].data + layouts_[i].odd * 16 + std::size_t{whole} * kPolyUnitLen;
        moves[i] = ~std::size_t{0};
      }
      HAWSER_LANES_UNROLL
      for (std::uint32_t block = 0; block < 4; ++block) {
        bits[block][i] = block < missing ? 0 : Poly::kBlockBit;
      }
    }
    run_units(poly, at, moves, bits, end - unit);
    return end;
  }

  static HAWSER_LANES_INLINE void run_units(Poly& poly, const std::uint8_t* const (&at)[kLanes],
                                            const std::size_t (&moves)[kLanes],
                                            const std::uint64_t (&bits)[4][kLanes],
                                            std::uint32_t num) {
    Limbs block_bits[4];
    HAWSER_LANES_UNROLL
    for (int block = 0; block < 4; ++block) block_bits[block] = V::load_limbs(bits[block]);
    for (std::size_t offset = 0; offset < std::size_t{num} * kPolyUnitLen; offset += kPolyUnitLen) {
      const std::uint8_t* units[kLanes];
      HAWSER_LANES_UNROLL
      for (std::size_t i = 0; i < kLanes; ++i) {
        units[i] = at[i] + (offset & moves[i]);
        __builtin_prefetch(units[i] + kPrefetchedLen);
      }
      Limbs words[8];
      V::load_units(words, units);
      poly.add_unit(words, block_bits);
    }
  }

  Layout layouts_[kLanes];
  std::size_t num_;
  std::uint32_t num_units_;
};

template <class V>
HAWSER_LANES_NOINLINE void authenticate_tile(LanesScratch& scratch, LanesJobs jobs) {
  LanesAuthenticator<V> authenticator;
  for (std::size_t from = 0; from < jobs.size(); from += V::kLimbLanes) {
    authenticator.run(scratch, jobs, from);
  }
}

template <class V>
HAWSER_LANES_INLINE void begin_tile(LanesScratch& scratch, LanesJobs jobs) {
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    V::copy_unit(scratch.one_time[i].data(), scratch.zeros.data(), kChachaBlockLen);
  }
}

// Opening reads the texts for Poly1305 first; what comes from another core's cache or from the
// kernel's copy is fetched while the one-time keys are made.
HAWSER_LANES_INLINE void fetch_tile(LanesJobs jobs) {
  for (const AeadJob* const job : jobs) {
    for (std::uint32_t at = 0; at < kPrefetchedLen && at < job->len; at += 64) {
      __builtin_prefetch(job->data + at);
    }
  }
}

template <class V>
HAWSER_LANES_INLINE void seal_tile(LanesScratch& scratch, const std::uint8_t* key, LanesJobs jobs) {
  begin_tile<V>(scratch, jobs);
  ChachaKey<V> words;
  spread_key<V>(words, key);
  LanesBlocks blocks{scratch, jobs, LanesBlocks::Part::kOneTimeKeys};
  run_blocks<V>(blocks, words, true, false);
  authenticate_tile<V>(scratch, jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    __builtin_memcpy(jobs[i]->data + jobs[i]->len, scratch.tags[i].data(), kAeadTagLen);
    jobs[i]->ok = true;
  }
}

template <class V>
HAWSER_LANES_INLINE void open_tile(LanesScratch& scratch, const std::uint8_t* key, LanesJobs jobs) {
  fetch_tile(jobs);
  begin_tile<V>(scratch, jobs);
  ChachaKey<V> words;
  spread_key<V>(words, key);
  LanesBlocks blocks{scratch, jobs, LanesBlocks::Part::kOneTimeKeys};
  run_blocks<V>(blocks, words, false, true);
  authenticate_tile<V>(scratch, jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::uint8_t* const tag = jobs[i]->data + jobs[i]->len;
    const std::uint8_t* const computed = scratch.tags[i].data();
    std::uint64_t difference =
        (load_le64(computed) ^ load_le64(tag)) | (load_le64(computed + 8) ^ load_le64(tag + 8));
    bool same = difference == 0;
    HAWSER_LANES_DECLASSIFY(same);
    jobs[i]->ok = same;
  }
  blocks.begin_text();
  run_blocks<V>(blocks, words, false, true);
}

}  // namespace hawser::noise_internal
