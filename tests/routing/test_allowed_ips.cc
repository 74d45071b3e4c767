#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/quiescent.h"
#include "packets.h"
#include "routing/allowed_ips.h"
#include "routing/trie_node.h"

namespace hawser {
namespace {

using test::address;
using test::prefix;

// One thread at work has nothing for the thread sanitizer to find, only its slowness; and what the
// address sanitizer would find, it finds in a part of the lookups.
#if defined(__SANITIZE_THREAD__)
constexpr unsigned kSlowness = 40;
#elif defined(__SANITIZE_ADDRESS__)
constexpr unsigned kSlowness = 8;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr unsigned kSlowness = 40;
#elif __has_feature(address_sanitizer)
constexpr unsigned kSlowness = 8;
#else
constexpr unsigned kSlowness = 1;
#endif
#else
constexpr unsigned kSlowness = 1;
#endif

struct Owner {
  unsigned number = 0;
};
using Table = PrefixMap<Owner>;

// A table that cannot be wrong: one map for each length, tried from the longest on.
class NaiveTable {
 public:
  Owner* insert(const Prefix& at, Owner* owner) {
    Owner*& slot = map_for(at)[at.address()];
    return std::exchange(slot, owner);
  }
  Owner* remove(const Prefix& at) {
    auto& map = map_for(at);
    const auto found = map.find(at.address());
    if (found == map.end()) return nullptr;
    Owner* const owner = found->second;
    map.erase(found);
    return owner;
  }
  Table::Match lookup(const IpAddress& address) const {
    const auto& maps = address.family == IpFamily::kV4 ? v4_ : v6_;
    for (unsigned length = address.bits() + 1; length-- > 0;) {
      if (maps[length].empty()) continue;
      const auto found = maps[length].find(Prefix(address, length).address());
      if (found != maps[length].end()) return {found->second, length};
    }
    return {};
  }
  std::map<Prefix, Owner*> sorted() const {
    std::map<Prefix, Owner*> all;
    for (const auto* maps : {&v4_, &v6_}) {
      for (unsigned length = 0; length < maps->size(); ++length) {
        for (const auto& [network, owner] : (*maps)[length]) all[Prefix(network, length)] = owner;
      }
    }
    return all;
  }
  std::size_t size() const {
    std::size_t num = 0;
    for (const auto* maps : {&v4_, &v6_}) {
      for (const auto& map : *maps) num += map.size();
    }
    return num;
  }

 private:
  using Map = std::unordered_map<IpAddress, Owner*>;
  Map& map_for(const Prefix& at) {
    return (at.address().family == IpFamily::kV4 ? v4_ : v6_)[at.length()];
  }
  std::array<Map, 129> v4_;
  std::array<Map, 129> v6_;
};

// Addresses with few distinct leading bytes, so that prefixes nest and lookups hit.
IpAddress crowded_address(test::Random& random, IpFamily family) {
  IpAddress made = test::random_address(random, family);
  const std::size_t crowded = random() % (made.size() + 1);
  for (std::size_t i = 0; i < crowded; ++i) made.bytes[i] &= 0x81;
  return made;
}

Prefix crowded_prefix(test::Random& random) {
  const IpFamily family = random() % 2 == 0 ? IpFamily::kV4 : IpFamily::kV6;
  const IpAddress base = crowded_address(random, family);
  const bool is_host = random() % 4 == 0;
  return {base, is_host ? base.bits() : static_cast<unsigned>(random() % (base.bits() + 1))};
}

void expect_same_contents(const Table& table, const NaiveTable& naive) {
  ASSERT_EQ(table.size(), naive.size());
  const std::map<Prefix, Owner*> expected = naive.sorted();
  auto next = expected.begin();
  std::size_t num = 0;
  table.for_each([&](const Prefix& at, Owner* owner) {
    ++num;
    ASSERT_NE(next, expected.end());
    ASSERT_EQ(at, next->first) << at.to_string() << " for " << next->first.to_string();
    ASSERT_EQ(owner, next->second);
    ++next;
  });
  ASSERT_EQ(num, expected.size());
}

void expect_same_lookups(const Table& table, const NaiveTable& naive, test::Random& random,
                         unsigned num) {
  for (unsigned i = 0; i < num; ++i) {
    const IpAddress at = crowded_address(random, i % 2 == 0 ? IpFamily::kV4 : IpFamily::kV6);
    const Table::Match match = table.lookup(at);
    const Table::Match expected = naive.lookup(at);
    ASSERT_EQ(match.value, expected.value) << at.to_string();
    ASSERT_EQ(match.length, expected.length) << at.to_string();
  }
}

class AllowedIps : public ::testing::Test {
 protected:
  void insert(std::string_view text, Owner* owner) {
    Table::Edit edit(table_);
    edit.insert(prefix(text), owner);
    edit.commit();
  }
  void remove(std::string_view text) {
    Table::Edit edit(table_);
    edit.remove(prefix(text));
    edit.commit();
  }
  Owner* lookup(std::string_view text) { return table_.lookup(address(text)).value; }

  QuiescentDomain domain_;
  Table table_{domain_};
  std::vector<Owner> owners_ = std::vector<Owner>(2000);
  Owner* const a_ = &owners_[0];
  Owner* const b_ = &owners_[1];
  Owner* const c_ = &owners_[2];
};

TEST_F(AllowedIps, EmptyTableMatchesNothing) {
  EXPECT_EQ(lookup("10.0.0.1"), nullptr);
  EXPECT_EQ(lookup("::1"), nullptr);
  EXPECT_EQ(table_.size(), 0U);
  remove("10.0.0.0/8");
  EXPECT_EQ(table_.get(prefix("::/0")), nullptr);
}

TEST_F(AllowedIps, LongestPrefixWins) {
  insert("0.0.0.0/0", a_);
  insert("10.0.0.0/8", b_);
  insert("10.1.2.3/32", c_);
  EXPECT_EQ(lookup("192.0.2.1"), a_);
  EXPECT_EQ(lookup("10.1.2.2"), b_);
  EXPECT_EQ(lookup("10.1.2.3"), c_);
  EXPECT_EQ(table_.lookup(address("192.0.2.1")).length, 0U);
  EXPECT_EQ(table_.lookup(address("10.1.2.2")).length, 8U);
  EXPECT_EQ(table_.lookup(address("10.1.2.3")).length, 32U);
  remove("10.0.0.0/8");
  EXPECT_EQ(lookup("10.1.2.2"), a_);
  EXPECT_EQ(lookup("10.1.2.3"), c_);
}

TEST_F(AllowedIps, FamiliesDoNotMix) {
  insert("0.0.0.0/0", a_);
  EXPECT_EQ(lookup("::"), nullptr);
  insert("::/0", b_);
  EXPECT_EQ(lookup("::ffff:10.0.0.1"), b_);
  EXPECT_EQ(lookup("10.0.0.1"), a_);
  EXPECT_EQ(table_.size(), 2U);
}

TEST_F(AllowedIps, EveryLengthOfBothFamiliesHasItsPlace) {
  for (const char* text :
       {"255.255.255.255", "0.0.0.0", "170.85.170.85", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "::", "aaaa:5555:aaaa:5555:aaaa:5555:aaaa:5555"}) {
    const IpAddress base = address(text);
    {
      Table::Edit edit(table_);
      for (unsigned length = 0; length <= base.bits(); ++length) {
        EXPECT_EQ(edit.insert(Prefix(base, length), &owners_[length]), nullptr);
      }
      edit.commit();
    }
    for (unsigned length = base.bits() + 1; length-- > 0;) {
      ASSERT_EQ(table_.lookup(base).value, &owners_[length]);
      ASSERT_EQ(table_.lookup(base).length, length);
      ASSERT_EQ(table_.get(Prefix(base, length)), &owners_[length]);
      Table::Edit removal(table_);
      ASSERT_EQ(removal.remove(Prefix(base, length)), &owners_[length]);
      removal.commit();
    }
    EXPECT_EQ(table_.size(), 0U);
  }
}

TEST_F(AllowedIps, InsertTakesAPrefixFromItsOwnerAndSaysSo) {
  insert("10.0.0.0/8", a_);
  Table::Edit edit(table_);
  EXPECT_EQ(edit.insert(prefix("10.0.0.0/8"), b_), a_);
  EXPECT_EQ(edit.insert(prefix("10.0.0.0/8"), b_), b_);
  EXPECT_EQ(edit.get(prefix("10.0.0.0/8")), b_);
  EXPECT_EQ(edit.get(prefix("10.0.0.0/9")), nullptr);
  EXPECT_EQ(edit.remove(prefix("10.0.0.0/9")), nullptr);
  EXPECT_EQ(lookup("10.0.0.1"), a_) << "seen before the commit";
  edit.commit();
  EXPECT_EQ(lookup("10.0.0.1"), b_);
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(AllowedIps, AnEditGoesOnAfterItsCommit) {
  Table::Edit edit(table_);
  edit.insert(prefix("10.0.0.0/8"), a_);
  edit.commit();
  edit.insert(prefix("10.0.0.0/8"), b_);
  edit.insert(prefix("10.1.0.0/16"), c_);
  EXPECT_EQ(lookup("10.1.0.1"), a_);
  edit.commit();
  EXPECT_EQ(lookup("10.0.0.1"), b_);
  EXPECT_EQ(lookup("10.1.0.1"), c_);
}

TEST_F(AllowedIps, OneCommitRetiresOnce) {
  {
    Table::Edit edit(table_);
    for (unsigned i = 0; i < 2000; ++i) {
      IpAddress host = address("10.0.0.0");
      store_be16(&host.bytes[2], static_cast<std::uint16_t>(i));
      edit.insert(Prefix(host, 32), &owners_[i]);
    }
    edit.commit();
  }
  QuiescentDomain::Reader reader(domain_);
  reader.online();
  {
    Table::Edit edit(table_);
    for (unsigned i = 0; i < 2000; i += 3) {
      IpAddress host = address("10.0.0.0");
      store_be16(&host.bytes[2], static_cast<std::uint16_t>(i));
      edit.remove(Prefix(host, 32));
    }
    edit.commit();
  }
  EXPECT_EQ(domain_.reclaim(), 1U);
  reader.offline();
  EXPECT_EQ(domain_.reclaim(), 0U);
}

TEST_F(AllowedIps, AnUnchangedPrefixReplacesNothing) {
  insert("10.0.0.0/8", a_);
  QuiescentDomain::Reader reader(domain_);
  reader.online();
  insert("10.0.0.0/8", a_);
  remove("10.0.0.0/9");
  EXPECT_EQ(domain_.reclaim(), 0U);
}

TEST_F(AllowedIps, AbandonedEditsLeaveEverythingAsItWas) {
  test::Random random(20);
  NaiveTable naive;
  std::vector<Prefix> present;
  for (unsigned round = 0; round < 60; ++round) {
    {
      Table::Edit abandoned(table_);
      for (unsigned i = 0; i < 200; ++i) {
        abandoned.insert(crowded_prefix(random), &owners_[random() % 2000]);
        if (!present.empty()) abandoned.remove(present[random() % present.size()]);
      }
    }
    expect_same_contents(table_, naive);
    expect_same_lookups(table_, naive, random, 200);
    Table::Edit kept(table_);
    for (unsigned i = 0; i < 50; ++i) {
      const Prefix at = crowded_prefix(random);
      Owner* const owner = &owners_[random() % 2000];
      ASSERT_EQ(kept.insert(at, owner), naive.insert(at, owner));
      present.push_back(at);
    }
    kept.commit();
    domain_.reclaim();
  }
}

TEST_F(AllowedIps, AgreesWithANaiveTableThroughAllChanges) {
  test::Random random(21);
  NaiveTable naive;
  std::vector<Prefix> inserted;
  while (naive.size() < 80000) {
    Table::Edit edit(table_);
    const unsigned num = static_cast<unsigned>(1 + random() % 3000);
    for (unsigned i = 0; i < num; ++i) {
      if (random() % 8 == 0 && !inserted.empty()) {
        const Prefix at = inserted[random() % inserted.size()];
        ASSERT_EQ(edit.remove(at), naive.remove(at));
      } else {
        const Prefix at = crowded_prefix(random);
        Owner* const owner = &owners_[random() % owners_.size()];
        ASSERT_EQ(edit.insert(at, owner), naive.insert(at, owner));
        inserted.push_back(at);
      }
    }
    edit.commit();
    domain_.reclaim();
    expect_same_lookups(table_, naive, random, 1000 / kSlowness);
  }
  expect_same_contents(table_, naive);
  expect_same_lookups(table_, naive, random, 2400000 / kSlowness);

  // Every other owner leaves, one transaction each.
  std::map<Owner*, std::vector<Prefix>> by_owner;
  table_.for_each([&](const Prefix& at, Owner* owner) { by_owner[owner].push_back(at); });
  EXPECT_EQ(by_owner.size(), owners_.size());
  for (std::size_t i = 0; i < owners_.size(); i += 2) {
    Table::Edit edit(table_);
    for (const Prefix& at : by_owner[&owners_[i]]) {
      ASSERT_EQ(edit.remove(at), &owners_[i]);
      naive.remove(at);
    }
    edit.commit();
  }
  expect_same_contents(table_, naive);
  expect_same_lookups(table_, naive, random, 100000 / kSlowness);

  Table::Edit rest(table_);
  for (const auto& [at, owner] : naive.sorted()) ASSERT_EQ(rest.remove(at), owner);
  rest.commit();
  EXPECT_EQ(table_.size(), 0U);
  EXPECT_EQ(lookup("10.0.0.1"), nullptr);
}

template <class Key>
std::size_t count_nodes(const void* link) {
  const trie::Node<Key>* const node = trie::as_node<Key>(link);
  if (node == nullptr) return 0;
  std::size_t num = 1;
  for (unsigned i = 0; i < trie::popcount(node->children); ++i) {
    num += count_nodes<Key>(node->slots()[i]);
  }
  return num;
}

TEST(TrieNodes, OnlyAsManyAreLeftAsTheRemainingPrefixesNeed) {
  using Key = trie::KeyV6;
  test::Random random(23);
  int owner = 0;
  void* root = nullptr;
  std::vector<void*> replaced;
  std::map<std::pair<Key, unsigned>, bool> present;
  for (std::uint64_t edit = 1; edit <= 400; ++edit) {
    trie::Editor<Key> editor(edit, root, replaced);
    for (unsigned i = 0; i < 20; ++i) {
      const unsigned length = static_cast<unsigned>(random() % 129);
      Key key = Key{random() & 0x8100000000000081} << 64 | (random() & 0x81);
      if (length < 128) key &= ~trie::low_mask<Key>(length);
      if (random() % 5 < 2 + edit % 2) {
        editor.insert(key, length, &owner);
        present[{key, length}] = true;
      } else {
        editor.remove(key, length);
        present.erase({key, length});
      }
    }
    void* fresh = nullptr;
    trie::Editor<Key> builder(edit, fresh, replaced);
    for (const auto& [at, unused] : present) builder.insert(at.first, at.second, &owner);
    ASSERT_EQ(count_nodes<Key>(root), count_nodes<Key>(fresh));
    trie::free_all<Key>(fresh);
    for (void* node : std::exchange(replaced, {})) trie::free_node(node);
  }
  trie::free_all<Key>(root);
}

TEST_F(AllowedIps, ReadersAlwaysSeeACommittedTable) {
  // The default routes never change, so that every lookup finds an owner. Freed nodes that a reader
  // still uses show as strange owners, or to a sanitizer.
  constexpr unsigned kNetworks = 200;
  constexpr unsigned kCommits = 3000;
  const auto network = [](unsigned i) {
    IpAddress base = address("fd00::");
    base.bytes[1] = static_cast<std::uint8_t>(i);
    base.bytes[5] = static_cast<std::uint8_t>(i * 7);
    return base;
  };
  insert("::/0", a_);
  insert("0.0.0.0/0", a_);
  std::atomic<bool> done{false};
  std::atomic<unsigned> num_wrong{0};
  std::atomic<unsigned> num_read{0};
  const auto read = [&](std::uint64_t seed) {
    QuiescentDomain::Reader reader(domain_);
    test::Random random(seed);
    while (!done.load(std::memory_order_relaxed)) {
      reader.online();
      for (unsigned i = 0; i < 50; ++i) {
        const IpAddress at = network(static_cast<unsigned>(random() % kNetworks));
        const Table::Match match = table_.lookup(at);
        if (match.value < a_ || match.value > &owners_.back()) ++num_wrong;
        const Table::Match v4 = table_.lookup(address("10.0.0.1"));
        if (v4.value != a_ && v4.value != b_) ++num_wrong;
      }
      reader.offline();
      ++num_read;
    }
  };
  std::vector<std::thread> readers;
  for (std::uint64_t i = 0; i < 3; ++i) readers.emplace_back(read, i);
  test::Random random(22);
  for (unsigned commit = 0; commit < kCommits; ++commit) {
    Table::Edit edit(table_);
    for (unsigned i = 0; i < 4; ++i) {
      const IpAddress at = network(static_cast<unsigned>(random() % kNetworks));
      const unsigned length = static_cast<unsigned>(16 + random() % 113);
      if (random() % 2 == 0) {
        edit.insert(Prefix(at, length), &owners_[random() % 2000]);
      } else {
        edit.remove(Prefix(at, length));
      }
    }
    IpAddress host = address("10.0.0.0");
    host.bytes[3] = static_cast<std::uint8_t>(random());
    if (random() % 2 == 0) {
      edit.insert(Prefix(host, 32), b_);
    } else {
      edit.remove(Prefix(host, 32));
    }
    if (random() % 8 != 0) edit.commit();  // else it is abandoned
    if (commit % 3 == 0) domain_.reclaim();
  }
  while (num_read < 10) std::this_thread::yield();
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(num_wrong, 0U);
  EXPECT_EQ(domain_.reclaim(), 0U);
}

}  // namespace
}  // namespace hawser
