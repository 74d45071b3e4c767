#pragma once
// Nodes of the allowed-IPs trie, and how they are searched, changed and freed. Only
// routing/allowed_ips.cc includes this.
//
// A tree bitmap (Eatherton, Varghese, Dittia: "Tree Bitmap: Hardware/Software IP Lookups with
// Incremental Updates", 2004) with a stride of 6 bits and path compression. A node of level k
// decides on the key's bits [6k - 3, 6k + 3): the prefixes that end there (63 positions, numbered
// like a binary heap from 1) and the children behind them (64), each as one 64-bit map over an
// array that holds only what exists. Levels are shifted by 3 so that /32 and /128 fill their last
// node, not only 2 bits of it. A node without prefixes and with a single child is left out, so that
// the shape follows from the set of prefixes alone.
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace hawser::trie {

__extension__ typedef unsigned __int128 Uint128;

// Keys hold an address from their highest bit on, the rest zero.
using KeyV4 = std::uint64_t;
using KeyV6 = Uint128;

inline constexpr unsigned kStride = 6;
inline constexpr unsigned kShift = 3;  // bits that level 0 lacks
inline constexpr unsigned kNumChunks = 1U << kStride;

inline constexpr std::uint64_t bit(unsigned i) { return std::uint64_t{1} << i; }
inline unsigned popcount(std::uint64_t map) {
  return static_cast<unsigned>(__builtin_popcountll(map));
}

// How many leading bits of the key lie before a level.
inline constexpr unsigned bits_before(unsigned level) {
  return level == 0 ? 0 : kStride * level - kShift;
}
// Where a prefix of that length ends.
inline constexpr unsigned level_of(unsigned length) { return (length + kShift) / kStride; }

template <class Key>
inline constexpr Key low_mask(unsigned num_leading) {
  return static_cast<Key>(~Key{0}) >> num_leading;
}

// The 6 bits that a level decides on; level 0 has three zeros before the key, the last one of IPv6
// a zero behind it.
template <class Key>
inline unsigned chunk(Key key, unsigned level) {
  constexpr unsigned kTop = sizeof(Key) * 8 - kShift;
  const unsigned before = kStride * level;
  const Key shifted = before <= kTop ? key >> (kTop - before) : key << (before - kTop);
  return static_cast<unsigned>(shifted) & (kNumChunks - 1);
}

inline unsigned leading_zeros(KeyV4 key) { return static_cast<unsigned>(std::countl_zero(key)); }
inline unsigned leading_zeros(KeyV6 key) {
  const KeyV4 high = static_cast<KeyV4>(key >> 64);
  return high != 0 ? leading_zeros(high) : 64 + leading_zeros(static_cast<KeyV4>(key));
}

// Position of a prefix in the map of the node where it ends.
template <class Key>
inline unsigned value_position(Key key, unsigned length) {
  const unsigned level = level_of(length);
  const unsigned rest = length + kShift - kStride * level;
  return 1U << rest | chunk(key, level) >> (kStride - rest);
}
inline unsigned length_at(unsigned level, unsigned position) {
  const unsigned rest = static_cast<unsigned>(std::bit_width(position)) - 1;
  return kStride * level + rest - kShift;
}

// For the upper 5 bits of a chunk: the positions of all prefixes that contain it.
inline constexpr std::array<std::uint64_t, kNumChunks / 2> kContaining = [] {
  std::array<std::uint64_t, kNumChunks / 2> maps{};
  for (unsigned half = 0; half < maps.size(); ++half) {
    for (unsigned position = kNumChunks / 2 | half; position != 0; position >>= 1) {
      maps[half] |= bit(position);
    }
  }
  return maps;
}();

// A node's header; its slots follow it in memory: the children, then the values.
template <class Key>
struct Node {
  std::uint64_t values = 0;    // bit p: a prefix ends at position p
  std::uint64_t children = 0;  // bit c: a child for chunk c
  std::uint64_t stamp = 0;     // (number of the edit that made it) << 8 | level
  std::array<std::uint64_t, sizeof(Key) / 8> raw_path{};  // the key's bits before this level

  unsigned level() const { return static_cast<unsigned>(stamp & 0xff); }
  std::uint64_t edit() const { return stamp >> 8; }
  Key path() const {
    Key key;
    std::memcpy(&key, raw_path.data(), sizeof key);
    return key;
  }
  bool leads_to(Key key) const { return (key ^ path()) <= low_mask<Key>(bits_before(level())); }

  void** slots() { return reinterpret_cast<void**>(this + 1); }
  void* const* slots() const { return reinterpret_cast<void* const*>(this + 1); }
  unsigned num_slots() const { return popcount(children) + popcount(values); }
  unsigned child_slot(unsigned at_chunk) const { return popcount(children & (bit(at_chunk) - 1)); }
  unsigned value_slot(unsigned position) const {
    return popcount(children) + popcount(values & (bit(position) - 1));
  }
  bool has_child(unsigned at_chunk) const { return (children >> at_chunk & 1) != 0; }
  bool has_value(unsigned position) const { return (values >> position & 1) != 0; }
};

template <class Key>
Node<Key>* as_node(void* link) {
  return static_cast<Node<Key>*>(link);
}
template <class Key>
const Node<Key>* as_node(const void* link) {
  return static_cast<const Node<Key>*>(link);
}

// Slots that are allocated for `num`: few too many, so that filling a node moves it seldom.
inline constexpr unsigned capacity(unsigned num) {
  return num <= 8 ? (num + 1) & ~1U : (num + 7) & ~7U;
}

template <class Key>
Node<Key>* allocate_node(unsigned num_slots) {
  void* const memory = ::operator new(sizeof(Node<Key>) + capacity(num_slots) * sizeof(void*));
  return new (memory) Node<Key>();
}
inline void free_node(void* node) { ::operator delete(node); }

struct Found {
  void* value = nullptr;
  unsigned length = 0;
};

// The longest prefix that contains the key. Inlined into callers that know whether the processor
// counts bits.
template <class Key>
[[gnu::always_inline]] inline Found find_longest(const void* root, Key key) {
  const Node<Key>* best = nullptr;
  unsigned best_position = 0;
  for (const Node<Key>* node = as_node<Key>(root); node != nullptr && node->leads_to(key);) {
    const unsigned here = chunk(key, node->level());
    const std::uint64_t containing = node->values & kContaining[here >> 1];
    if (containing != 0) {
      best = node;
      best_position = 63 - static_cast<unsigned>(__builtin_clzll(containing));
    }
    if (!node->has_child(here)) break;
    node = as_node<Key>(node->slots()[node->child_slot(here)]);
  }
  if (best == nullptr) return {};
  return {best->slots()[best->value_slot(best_position)], length_at(best->level(), best_position)};
}

template <class Key>
void* find_exact(const void* root, Key key, unsigned length) {
  const unsigned level = level_of(length);
  const Node<Key>* node = as_node<Key>(root);
  while (node != nullptr && node->level() < level && node->leads_to(key)) {
    const unsigned here = chunk(key, node->level());
    node = node->has_child(here) ? as_node<Key>(node->slots()[node->child_slot(here)]) : nullptr;
  }
  if (node == nullptr || node->level() != level || !node->leads_to(key)) return nullptr;
  const unsigned position = value_position(key, length);
  return node->has_value(position) ? node->slots()[node->value_slot(position)] : nullptr;
}

// Visits (key, length, value) in the order of keys, shorter prefixes first.
template <class Key, class Visit>
void walk(const void* root, const Visit& visit) {
  const Node<Key>* const node = as_node<Key>(root);
  if (node == nullptr) return;
  // What there is, as (first chunk it covers) << 4 | rank; a child comes after all prefixes that
  // begin at its chunk.
  constexpr unsigned kChildRank = 15;
  std::array<unsigned, 2 * kNumChunks> order;
  unsigned num = 0;
  for (std::uint64_t left = node->values; left != 0; left &= left - 1) {
    const unsigned position = static_cast<unsigned>(std::countr_zero(left));
    const unsigned rest = static_cast<unsigned>(std::bit_width(position)) - 1;
    const unsigned first = (position << (kStride - rest)) & (kNumChunks - 1);
    order[num++] = first << 4 | rest;
  }
  for (std::uint64_t left = node->children; left != 0; left &= left - 1) {
    order[num++] = static_cast<unsigned>(std::countr_zero(left)) << 4 | kChildRank;
  }
  std::sort(order.begin(), order.begin() + num);
  for (unsigned i = 0; i < num; ++i) {
    const unsigned first = order[i] >> 4;
    const unsigned rest = order[i] & 15;
    if (rest == kChildRank) {
      walk<Key>(node->slots()[node->child_slot(first)], visit);
      continue;
    }
    const unsigned position = 1U << rest | first >> (kStride - rest);
    const unsigned top = sizeof(Key) * 8 - kShift;
    const unsigned before = kStride * node->level();
    const Key bits = before <= top ? Key{first} << (top - before) : Key{first} >> (before - top);
    visit(static_cast<Key>(node->path() | bits), length_at(node->level(), position),
          node->slots()[node->value_slot(position)]);
  }
}

template <class Key>
void free_all(void* root) {
  Node<Key>* const node = as_node<Key>(root);
  if (node == nullptr) return;
  for (unsigned i = 0; i < popcount(node->children); ++i) free_all<Key>(node->slots()[i]);
  free_node(node);
}

// Editor changes one family's trie for one edit: nodes that the edit made are changed in place,
// others are copied first, and the originals are gathered in `replaced`.
template <class Key>
class Editor {
 public:
  Editor(std::uint64_t edit, void*& root, std::vector<void*>& replaced)
      : edit_(edit), root_(root), replaced_(replaced) {}

  void* insert(Key key, unsigned length, void* value);
  void* remove(Key key, unsigned length);
  // Frees what the edit made. Whatever hangs below a node of somebody else is somebody else's.
  void abandon() { abandon(root_); }

 private:
  using N = Node<Key>;

  bool is_own(const N* node) const { return node->edit() == edit_; }
  N* make(Key key, unsigned level, unsigned num_slots);
  N* make_leaf(Key key, unsigned length, void* value);
  void* put_above(Key key, unsigned length, void* value, N* below);
  void* put_beside(Key key, unsigned length, void* value, N* other);
  N* own(void*& link);
  void add_slot(void*& link, unsigned slot, void* item);
  void drop_slot(N* node, unsigned slot);
  void discard(N* node);
  void abandon(void* link);

  std::uint64_t edit_;
  void*& root_;
  std::vector<void*>& replaced_;
};

template <class Key>
Node<Key>* Editor<Key>::make(Key key, unsigned level, unsigned num_slots) {
  N* const node = allocate_node<Key>(num_slots);
  node->stamp = edit_ << 8 | level;
  const Key path = key & ~low_mask<Key>(bits_before(level));
  std::memcpy(node->raw_path.data(), &path, sizeof path);
  return node;
}

template <class Key>
Node<Key>* Editor<Key>::make_leaf(Key key, unsigned length, void* value) {
  N* const node = make(key, level_of(length), 1);
  node->values = bit(value_position(key, length));
  node->slots()[0] = value;
  return node;
}

// A node for a prefix that contains everything below `below`.
template <class Key>
void* Editor<Key>::put_above(Key key, unsigned length, void* value, N* below) {
  const unsigned level = level_of(length);
  N* const node = make(key, level, 2);
  node->children = bit(chunk(below->path(), level));
  node->values = bit(value_position(key, length));
  node->slots()[0] = below;
  node->slots()[1] = value;
  return node;
}

// A node that branches where the new prefix and `other` part.
template <class Key>
void* Editor<Key>::put_beside(Key key, unsigned length, void* value, N* other) {
  const unsigned level = level_of(leading_zeros(static_cast<Key>(key ^ other->path())));
  const unsigned chunk_of_new = chunk(key, level);
  const unsigned chunk_of_other = chunk(other->path(), level);
  assert(chunk_of_new != chunk_of_other);
  N* const node = make(key, level, 2);
  node->children = bit(chunk_of_new) | bit(chunk_of_other);
  node->slots()[node->child_slot(chunk_of_new)] = make_leaf(key, length, value);
  node->slots()[node->child_slot(chunk_of_other)] = other;
  return node;
}

template <class Key>
Node<Key>* Editor<Key>::own(void*& link) {
  N* const node = as_node<Key>(link);
  if (is_own(node)) return node;
  const unsigned num = node->num_slots();
  N* const copy = allocate_node<Key>(num);
  *copy = *node;
  copy->stamp = edit_ << 8 | node->level();
  std::memcpy(copy->slots(), node->slots(), num * sizeof(void*));
  replaced_.push_back(node);
  link = copy;
  return copy;
}

// Opens a gap at `slot` of the (own) node and fills it. The caller sets the map's bit after.
template <class Key>
void Editor<Key>::add_slot(void*& link, unsigned slot, void* item) {
  N* node = as_node<Key>(link);
  const unsigned num = node->num_slots();
  if (capacity(num) == num) {
    N* const larger = allocate_node<Key>(num + 1);
    *larger = *node;
    std::memcpy(larger->slots(), node->slots(), num * sizeof(void*));
    free_node(node);
    link = node = larger;
  }
  void** const slots = node->slots();
  std::memmove(slots + slot + 1, slots + slot, (num - slot) * sizeof(void*));
  slots[slot] = item;
}

// Closes the gap. The caller clears the map's bit after.
template <class Key>
void Editor<Key>::drop_slot(N* node, unsigned slot) {
  void** const slots = node->slots();
  std::memmove(slots + slot, slots + slot + 1, (node->num_slots() - slot - 1) * sizeof(void*));
}

template <class Key>
void Editor<Key>::discard(N* node) {
  if (is_own(node)) {
    free_node(node);
  } else {
    replaced_.push_back(node);
  }
}

template <class Key>
void* Editor<Key>::insert(Key key, unsigned length, void* value) {
  const unsigned level = level_of(length);
  void** link = &root_;
  while (*link != nullptr) {
    N* node = as_node<Key>(*link);
    if (level < node->level() && (key ^ node->path()) <= low_mask<Key>(bits_before(level))) {
      *link = put_above(key, length, value, node);
      return nullptr;
    }
    if (!node->leads_to(key)) {
      *link = put_beside(key, length, value, node);
      return nullptr;
    }
    node = own(*link);
    if (node->level() == level) {
      const unsigned position = value_position(key, length);
      const unsigned slot = node->value_slot(position);
      if (node->has_value(position)) return std::exchange(node->slots()[slot], value);
      add_slot(*link, slot, value);
      as_node<Key>(*link)->values |= bit(position);
      return nullptr;
    }
    const unsigned here = chunk(key, node->level());
    const unsigned slot = node->child_slot(here);
    if (!node->has_child(here)) {
      add_slot(*link, slot, make_leaf(key, length, value));
      as_node<Key>(*link)->children |= bit(here);
      return nullptr;
    }
    link = &node->slots()[slot];
  }
  *link = make_leaf(key, length, value);
  return nullptr;
}

template <class Key>
void* Editor<Key>::remove(Key key, unsigned length) {
  // Asked first, so that nothing is copied for a prefix that is not there.
  if (find_exact(root_, key, length) == nullptr) return nullptr;
  const unsigned level = level_of(length);
  void** parent_link = nullptr;
  void** link = &root_;
  N* node = own(*link);
  while (node->level() != level) {
    parent_link = link;
    link = &node->slots()[node->child_slot(chunk(key, node->level()))];
    node = own(*link);
  }
  const unsigned position = value_position(key, length);
  void* const value = node->slots()[node->value_slot(position)];
  drop_slot(node, node->value_slot(position));
  node->values &= ~bit(position);

  if (node->values == 0 && node->children == 0) {
    discard(node);
    if (parent_link == nullptr) {
      root_ = nullptr;
      return value;
    }
    node = as_node<Key>(*parent_link);
    const unsigned here = chunk(key, node->level());
    drop_slot(node, node->child_slot(here));
    node->children &= ~bit(here);
    link = parent_link;
  }
  // What only leads to a single child is left out.
  if (node->values == 0 && std::has_single_bit(node->children)) {
    *link = node->slots()[0];
    discard(node);
  }
  return value;
}

template <class Key>
void Editor<Key>::abandon(void* link) {
  N* const node = as_node<Key>(link);
  if (node == nullptr || !is_own(node)) return;
  for (unsigned i = 0; i < popcount(node->children); ++i) abandon(node->slots()[i]);
  free_node(node);
}

}  // namespace hawser::trie
