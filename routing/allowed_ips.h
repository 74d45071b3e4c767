#pragma once
// The allowed-IPs table (cryptokey routing, WireGuard paper §2): longest-prefix match from an
// address to the peer that owns it.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/quiescent.h"
#include "routing/ip_address.h"

namespace hawser {

// PrefixTrie maps prefixes of both families to opaque non-null pointers. Readers see an immutable,
// path-copied trie: a change copies the path from the root, publishes the new root with one atomic
// store and retires the old nodes to the QuiescentDomain. Changing one prefix costs microseconds,
// whatever the table's size; within one Edit nodes that the edit itself made are changed in place,
// so a bulk load of n prefixes costs n node allocations, not n paths.
//
// Threading: lookup() from any thread that is an online Reader of the domain, or that excludes
// writers. Edits from one thread at a time. Lookups do not allocate, lock or wait.
class PrefixTrie {
 public:
  struct Match {
    void* value = nullptr;  // null: nothing matches
    unsigned length = 0;    // of the matching prefix
  };

  // Edit gathers changes. Nothing is seen by readers before commit(); destroyed without commit,
  // it leaves the trie as it was. One at a time. The edit's own get() sees its changes.
  class Edit {
   public:
    explicit Edit(PrefixTrie& trie);
    ~Edit();
    Edit(const Edit&) = delete;
    Edit& operator=(const Edit&) = delete;
    // Returns the value that stood there, or null.
    void* insert(const Prefix& prefix, void* value);
    void* remove(const Prefix& prefix);
    void* get(const Prefix& prefix) const;  // exact prefix
    void commit();

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
  };

  explicit PrefixTrie(QuiescentDomain& domain);
  ~PrefixTrie();
  PrefixTrie(const PrefixTrie&) = delete;
  PrefixTrie& operator=(const PrefixTrie&) = delete;

  Match lookup(const IpAddress& address) const;
  void* get(const Prefix& prefix) const;  // exact prefix
  std::size_t size() const;               // number of prefixes, both families
  // In address order, shorter prefixes first; v4 before v6. Excludes writers.
  void for_each(const std::function<void(const Prefix&, void*)>& visit) const;

 private:
  friend class Edit;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// PrefixMap<T> is PrefixTrie with its values' type.
template <class T>
class PrefixMap {
 public:
  struct Match {
    T* value = nullptr;
    unsigned length = 0;
  };
  class Edit {
   public:
    explicit Edit(PrefixMap& map) : edit_(map.trie_) {}
    T* insert(const Prefix& prefix, T* value) {
      return static_cast<T*>(edit_.insert(prefix, value));
    }
    T* remove(const Prefix& prefix) { return static_cast<T*>(edit_.remove(prefix)); }
    T* get(const Prefix& prefix) const { return static_cast<T*>(edit_.get(prefix)); }
    void commit() { edit_.commit(); }

   private:
    PrefixTrie::Edit edit_;
  };

  explicit PrefixMap(QuiescentDomain& domain) : trie_(domain) {}
  Match lookup(const IpAddress& address) const {
    const PrefixTrie::Match match = trie_.lookup(address);
    return {static_cast<T*>(match.value), match.length};
  }
  T* get(const Prefix& prefix) const { return static_cast<T*>(trie_.get(prefix)); }
  std::size_t size() const { return trie_.size(); }
  void for_each(const std::function<void(const Prefix&, T*)>& visit) const {
    trie_.for_each(
        [&](const Prefix& prefix, void* value) { visit(prefix, static_cast<T*>(value)); });
  }

 private:
  friend class Edit;
  PrefixTrie trie_;
};

}  // namespace hawser
