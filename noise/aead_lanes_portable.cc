// The lanes' arithmetic in plain C++. Nothing chooses it for packets: it lets the tests look at the
// one source of all forms without vector instructions (the memory sanitizer, other processors).
#include "noise/aead_lanes.h"

#define HAWSER_LANES_PLAIN
#include "noise/aead_lanes_chacha.h"
#include "noise/aead_lanes_poly26.h"
#include "noise/aead_lanes_poly44.h"
#include "noise/aead_lanes_tile.h"

namespace hawser::noise_internal {
namespace {

__extension__ using Wide = unsigned __int128;

// Vectors as arrays: kWords blocks' words, kLimbs packets' limbs.
template <std::size_t kWords, std::size_t kLimbs>
struct PortableVectors {
  static constexpr std::size_t kWordLanes = kWords;
  static constexpr std::size_t kLimbLanes = kLimbs;

  struct Words {
    std::uint32_t lane[kWords];
  };
  struct Limbs {
    std::uint64_t lane[kLimbs];
  };
  struct Block {
    std::uint32_t word[16];
  };

  static Words broadcast(std::uint32_t word) {
    Words out;
    for (std::uint32_t& lane : out.lane) lane = word;
    return out;
  }
  static Words load(const std::uint32_t* from) {
    Words out;
    for (std::size_t i = 0; i < kWords; ++i) out.lane[i] = from[i];
    return out;
  }
  static Words add(const Words& a, const Words& b) {
    Words out;
    for (std::size_t i = 0; i < kWords; ++i) out.lane[i] = a.lane[i] + b.lane[i];
    return out;
  }
  static Words exclusive_or(const Words& a, const Words& b) {
    Words out;
    for (std::size_t i = 0; i < kWords; ++i) out.lane[i] = a.lane[i] ^ b.lane[i];
    return out;
  }
  template <int kBits>
  static Words rotate(const Words& a) {
    Words out;
    for (std::size_t i = 0; i < kWords; ++i) {
      out.lane[i] = (a.lane[i] << kBits) | (a.lane[i] >> (32 - kBits));
    }
    return out;
  }
  static void transpose(Block (&out)[kWords], const Words* x) {
    for (std::size_t i = 0; i < kWords; ++i) {
      for (std::size_t word = 0; word < 16; ++word) out[i].word[word] = x[word].lane[i];
    }
  }
  static void xor_into(std::uint8_t* at, const Block& block) {
    xor_into(at, block, kChachaBlockLen);
  }
  static void xor_into(std::uint8_t* at, const Block& block, std::uint32_t len) {
    for (std::uint32_t i = 0; i < len; ++i) {
      at[i] = static_cast<std::uint8_t>(at[i] ^ (block.word[i / 4] >> (8 * (i % 4))));
    }
  }
  static void copy_unit(std::uint8_t* to, const std::uint8_t* from, std::uint32_t len) {
    for (std::uint32_t i = 0; i < len; ++i) to[i] = from[i];
  }

  static Limbs limbs(std::uint64_t limb) {
    Limbs out;
    for (std::uint64_t& lane : out.lane) lane = limb;
    return out;
  }
  static Limbs load_limbs(const std::uint64_t* from) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) out.lane[i] = from[i];
    return out;
  }
  static void store_limbs(std::uint64_t* to, const Limbs& a) {
    for (std::size_t i = 0; i < kLimbs; ++i) to[i] = a.lane[i];
  }
  static void load_units(Limbs (&words)[8], const std::uint8_t* const (&at)[kLimbs]) {
    for (std::size_t i = 0; i < kLimbs; ++i) {
      for (std::size_t word = 0; word < 8; ++word)
        words[word].lane[i] = load_le64(at[i] + 8 * word);
    }
  }
  static Limbs plus(const Limbs& a, const Limbs& b) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) out.lane[i] = a.lane[i] + b.lane[i];
    return out;
  }
  static Limbs minus(const Limbs& a, const Limbs& b) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) out.lane[i] = a.lane[i] - b.lane[i];
    return out;
  }
  static Limbs both(const Limbs& a, const Limbs& b) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) out.lane[i] = a.lane[i] & b.lane[i];
    return out;
  }
  static Limbs either(const Limbs& a, const Limbs& b) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) out.lane[i] = a.lane[i] | b.lane[i];
    return out;
  }
  static Limbs without(const Limbs& a, const Limbs& b) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) out.lane[i] = a.lane[i] & ~b.lane[i];
    return out;
  }
  static Limbs choose(const Limbs& mask, const Limbs& a, const Limbs& b) {
    return either(both(mask, a), without(b, mask));
  }
  template <int kBits>
  static Limbs left(const Limbs& a) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) out.lane[i] = a.lane[i] << kBits;
    return out;
  }
  template <int kBits>
  static Limbs right(const Limbs& a) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) out.lane[i] = a.lane[i] >> kBits;
    return out;
  }
  static Limbs product_32(const Limbs& a, const Limbs& b) {
    constexpr std::uint64_t kMask = 0xffffffff;
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      out.lane[i] = (a.lane[i] & kMask) * (b.lane[i] & kMask);
    }
    return out;
  }
  static Limbs add_low_product(const Limbs& sum, const Limbs& a, const Limbs& b) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      out.lane[i] = sum.lane[i] + (static_cast<std::uint64_t>(product_52(a, b, i)) & kMask52);
    }
    return out;
  }
  static Limbs add_high_product(const Limbs& sum, const Limbs& a, const Limbs& b) {
    Limbs out;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      out.lane[i] = sum.lane[i] + static_cast<std::uint64_t>(product_52(a, b, i) >> 52);
    }
    return out;
  }

 private:
  static constexpr std::uint64_t kMask52 = (std::uint64_t{1} << 52) - 1;
  static Wide product_52(const Limbs& a, const Limbs& b, std::size_t i) {
    return Wide{a.lane[i] & kMask52} * (b.lane[i] & kMask52);
  }
};

struct Portable16 : PortableVectors<16, 8> {
  static constexpr std::size_t kSets = 2;
  template <class V>
  using Poly = Poly44<V>;
};
struct Portable8 : PortableVectors<8, 4> {
  static constexpr std::size_t kSets = 1;
  template <class V>
  using Poly = Poly26<V>;
};

template <class V>
void seal_portable(LanesScratch& scratch, const std::uint8_t* key, LanesJobs jobs) {
  seal_tile<V>(scratch, key, jobs);
}

template <class V>
void open_portable(LanesScratch& scratch, const std::uint8_t* key, LanesJobs jobs) {
  open_tile<V>(scratch, key, jobs);
}

void clear_nothing() {}

template <class V>
constexpr LanesForm kForm{"portable", seal_portable<V>, open_portable<V>, authenticate_tile<V>,
                          clear_nothing};

}  // namespace

const LanesForm& portable_lanes_16() { return kForm<Portable16>; }
const LanesForm& portable_lanes_8() { return kForm<Portable8>; }

}  // namespace hawser::noise_internal
