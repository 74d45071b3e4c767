#include "routing/allowed_ips.h"

#include <array>
#include <atomic>
#include <cassert>
#include <utility>
#include <vector>

#include "base/wire.h"
#include "routing/trie_node.h"

namespace hawser {
namespace {

trie::KeyV4 key_v4(const IpAddress& address) {
  return trie::KeyV4{load_be32(address.bytes.data())} << 32;
}
trie::KeyV6 key_v6(const IpAddress& address) {
  return trie::KeyV6{load_be64(address.bytes.data())} << 64 | load_be64(address.bytes.data() + 8);
}

Prefix prefix_v4(trie::KeyV4 key, unsigned length) {
  std::array<std::uint8_t, 4> raw;
  store_be32(raw.data(), static_cast<std::uint32_t>(key >> 32));
  return Prefix(IpAddress::v4(raw), length);
}
Prefix prefix_v6(trie::KeyV6 key, unsigned length) {
  std::array<std::uint8_t, 16> raw;
  store_be64(raw.data(), static_cast<std::uint64_t>(key >> 64));
  store_be64(raw.data() + 8, static_cast<std::uint64_t>(key));
  return Prefix(IpAddress::v6(raw), length);
}

bool is_v4(const Prefix& prefix) { return prefix.address().family == IpFamily::kV4; }

void* get_exact(const void* root_v4, const void* root_v6, const Prefix& prefix) {
  if (is_v4(prefix)) return trie::find_exact(root_v4, key_v4(prefix.address()), prefix.length());
  return trie::find_exact(root_v6, key_v6(prefix.address()), prefix.length());
}

trie::Found find(const void* root, bool v4, const IpAddress& address) {
  return v4 ? trie::find_longest(root, key_v4(address)) : trie::find_longest(root, key_v6(address));
}

// The search counts bits at every level. x86-64's baseline has no instruction for it, nearly every
// processor has.
#if defined(__x86_64__)
[[gnu::target("popcnt")]] trie::Found find_v4_popcnt(const void* root, trie::KeyV4 key) {
  return trie::find_longest(root, key);
}
[[gnu::target("popcnt")]] trie::Found find_v6_popcnt(const void* root, trie::KeyV6 key) {
  return trie::find_longest(root, key);
}
const bool kHasPopcnt = __builtin_cpu_supports("popcnt");
#endif

}  // namespace

struct PrefixTrie::Impl {
  explicit Impl(QuiescentDomain& readers) : domain(readers) {}

  QuiescentDomain& domain;
  std::atomic<void*> root_v4{nullptr};
  std::atomic<void*> root_v6{nullptr};
  std::atomic<std::size_t> num_prefixes{0};
  std::uint64_t last_edit = 0;
  bool is_edited = false;
};

struct PrefixTrie::Edit::Impl {
  explicit Impl(PrefixTrie::Impl& of) : trie(of) { begin(); }

  void begin() {
    number = ++trie.last_edit;
    root_v4 = trie.root_v4.load(std::memory_order_relaxed);
    root_v6 = trie.root_v6.load(std::memory_order_relaxed);
    num_prefixes = trie.num_prefixes.load(std::memory_order_relaxed);
  }
  trie::Editor<trie::KeyV4> v4() { return {number, root_v4, replaced}; }
  trie::Editor<trie::KeyV6> v6() { return {number, root_v6, replaced}; }

  PrefixTrie::Impl& trie;
  std::uint64_t number = 0;
  void* root_v4 = nullptr;
  void* root_v6 = nullptr;
  std::size_t num_prefixes = 0;
  std::vector<void*> replaced;  // nodes of the published trie that the edited one does without
};

PrefixTrie::Edit::Edit(PrefixTrie& trie) : impl_(std::make_unique<Impl>(*trie.impl_)) {
  assert(!trie.impl_->is_edited);
  trie.impl_->is_edited = true;
}

PrefixTrie::Edit::~Edit() {
  // After a commit nothing is this edit's: commit() begins a new one.
  impl_->v4().abandon();
  impl_->v6().abandon();
  impl_->trie.is_edited = false;
}

void* PrefixTrie::Edit::get(const Prefix& prefix) const {
  return get_exact(impl_->root_v4, impl_->root_v6, prefix);
}

void* PrefixTrie::Edit::insert(const Prefix& prefix, void* value) {
  assert(value != nullptr);
  // What stands there already copies no path.
  if (get(prefix) == value) return value;
  void* const before = is_v4(prefix)
                           ? impl_->v4().insert(key_v4(prefix.address()), prefix.length(), value)
                           : impl_->v6().insert(key_v6(prefix.address()), prefix.length(), value);
  if (before == nullptr) ++impl_->num_prefixes;
  return before;
}

void* PrefixTrie::Edit::remove(const Prefix& prefix) {
  void* const before = is_v4(prefix)
                           ? impl_->v4().remove(key_v4(prefix.address()), prefix.length())
                           : impl_->v6().remove(key_v6(prefix.address()), prefix.length());
  if (before != nullptr) --impl_->num_prefixes;
  return before;
}

void PrefixTrie::Edit::commit() {
  PrefixTrie::Impl& trie = impl_->trie;
  trie.root_v4.store(impl_->root_v4, std::memory_order_release);
  trie.root_v6.store(impl_->root_v6, std::memory_order_release);
  trie.num_prefixes.store(impl_->num_prefixes, std::memory_order_relaxed);
  if (!impl_->replaced.empty()) {
    trie.domain.retire([nodes = std::exchange(impl_->replaced, {})] {
      for (void* node : nodes) trie::free_node(node);
    });
  }
  impl_->begin();
}

PrefixTrie::PrefixTrie(QuiescentDomain& domain) : impl_(std::make_unique<Impl>(domain)) {}

PrefixTrie::~PrefixTrie() {
  assert(!impl_->is_edited);
  trie::free_all<trie::KeyV4>(impl_->root_v4.load(std::memory_order_relaxed));
  trie::free_all<trie::KeyV6>(impl_->root_v6.load(std::memory_order_relaxed));
}

PrefixTrie::Match PrefixTrie::lookup(const IpAddress& address) const {
  const bool v4 = address.family == IpFamily::kV4;
  const void* const root = (v4 ? impl_->root_v4 : impl_->root_v6).load(std::memory_order_acquire);
#if defined(__x86_64__)
  if (kHasPopcnt) {
    const trie::Found found =
        v4 ? find_v4_popcnt(root, key_v4(address)) : find_v6_popcnt(root, key_v6(address));
    return {found.value, found.length};
  }
#endif
  const trie::Found found = find(root, v4, address);
  return {found.value, found.length};
}

void* PrefixTrie::get(const Prefix& prefix) const {
  return get_exact(impl_->root_v4.load(std::memory_order_acquire),
                   impl_->root_v6.load(std::memory_order_acquire), prefix);
}

std::size_t PrefixTrie::size() const { return impl_->num_prefixes.load(std::memory_order_relaxed); }

void PrefixTrie::for_each(const std::function<void(const Prefix&, void*)>& visit) const {
  trie::walk<trie::KeyV4>(
      impl_->root_v4.load(std::memory_order_acquire),
      [&](trie::KeyV4 key, unsigned length, void* value) { visit(prefix_v4(key, length), value); });
  trie::walk<trie::KeyV6>(
      impl_->root_v6.load(std::memory_order_acquire),
      [&](trie::KeyV6 key, unsigned length, void* value) { visit(prefix_v6(key, length), value); });
}

}  // namespace hawser
