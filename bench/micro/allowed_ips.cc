// The allowed-IPs table: lookups that hit and miss, in a table that is in the cache ("warm": the
// same few addresses) and one that is not ("cold": addresses all over it), changes, and loading.
#include "routing/allowed_ips.h"

#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace hawser::bench {
namespace {

constexpr std::size_t kFewAddresses = 16;
constexpr std::size_t kColdAddresses = std::size_t{1} << 20;

// What the trie keeps is opaque to it.
int g_owner = 0;

IpFamily family_of(std::int64_t number) { return number == 4 ? IpFamily::kV4 : IpFamily::kV6; }

// Lengths as in a routing table: few short, most in the middle, some hosts.
unsigned random_length(IpFamily family, std::mt19937_64& random) {
  static constexpr unsigned kV4[] = {16, 20, 22, 24, 24, 24, 24, 28, 32, 32};
  static constexpr unsigned kV6[] = {32, 36, 40, 48, 48, 48, 56, 64, 64, 128};
  return (family == IpFamily::kV4 ? kV4 : kV6)[random() % 10];
}

IpAddress random_address(IpFamily family, std::mt19937_64& random) {
  IpAddress address;
  address.family = family;
  for (std::size_t i = 0; i < address.size(); ++i) {
    address.bytes[i] = static_cast<std::uint8_t>(random());
  }
  if (family == IpFamily::kV6) address.bytes[0] = 0xfd;
  return address;
}

std::vector<Prefix> make_prefixes(IpFamily family, std::size_t num) {
  std::mt19937_64 random(num);
  std::set<Prefix> prefixes;
  while (prefixes.size() < num) {
    prefixes.emplace(random_address(family, random), random_length(family, random));
  }
  std::vector<Prefix> shuffled(prefixes.begin(), prefixes.end());
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  return shuffled;
}

struct Table {
  Table(IpFamily family, std::size_t num) : prefixes(make_prefixes(family, num)) {
    PrefixMap<int>::Edit edit(map);
    for (const Prefix& prefix : prefixes) edit.insert(prefix, &g_owner);
    edit.commit();
  }

  // An address within a random prefix; or, to miss, beside one: it differs in the prefix's last
  // bit.
  IpAddress pick(bool hit, std::mt19937_64& random) const {
    for (;;) {
      const Prefix& prefix = prefixes[random() % prefixes.size()];
      IpAddress address = prefix.address();
      const unsigned last = prefix.length() - 1;
      if (!hit) address.bytes[last / 8] ^= static_cast<std::uint8_t>(0x80 >> last % 8);
      if ((map.lookup(address).value != nullptr) == hit) return address;
    }
  }

  QuiescentDomain domain;
  PrefixMap<int> map{domain};
  std::vector<Prefix> prefixes;
};

// Made once: a million prefixes take a second.
Table& table(IpFamily family, std::size_t num) {
  static std::map<std::pair<IpFamily, std::size_t>, std::unique_ptr<Table>> tables;
  std::unique_ptr<Table>& made = tables[{family, num}];
  if (!made) made = std::make_unique<Table>(family, num);
  return *made;
}

void lookup(benchmark::State& state, bool hit, std::size_t num_addresses) {
  const Table& in = table(family_of(state.range(1)), static_cast<std::size_t>(state.range(0)));
  std::mt19937_64 random(7);
  std::vector<IpAddress> addresses;
  for (std::size_t i = 0; i < num_addresses; ++i) addresses.push_back(in.pick(hit, random));
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(in.map.lookup(addresses[next]));
    next = (next + 1) % num_addresses;
  }
  state.SetItemsProcessed(state.iterations());
}

void update(benchmark::State& state) {
  const IpFamily family = family_of(state.range(1));
  Table& in = table(family, static_cast<std::size_t>(state.range(0)));
  std::mt19937_64 random(9);
  for (auto _ : state) {
    const Prefix& prefix = in.prefixes[random() % in.prefixes.size()];
    {
      PrefixMap<int>::Edit edit(in.map);
      edit.remove(prefix);
      edit.commit();
    }
    {
      PrefixMap<int>::Edit edit(in.map);
      edit.insert(prefix, &g_owner);
      edit.commit();
    }
    in.domain.reclaim();
  }
  state.SetItemsProcessed(2 * state.iterations());  // changes
}

void load_all(benchmark::State& state) {
  const std::vector<Prefix> prefixes =
      make_prefixes(family_of(state.range(1)), static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    QuiescentDomain domain;
    PrefixMap<int> map(domain);
    PrefixMap<int>::Edit edit(map);
    for (const Prefix& prefix : prefixes) edit.insert(prefix, &g_owner);
    edit.commit();
    benchmark::DoNotOptimize(map.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void trie_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"prefixes", "ip"})->ArgsProduct({{10, 10'000, 1'000'000}, {4, 6}});
}

BENCHMARK_CAPTURE(lookup, hit_warm, true, kFewAddresses)
    ->Apply(trie_shapes)
    ->Name("allowed_ips_hit_warm");
BENCHMARK_CAPTURE(lookup, hit_cold, true, kColdAddresses)
    ->Apply(trie_shapes)
    ->Name("allowed_ips_hit_cold");
BENCHMARK_CAPTURE(lookup, miss_warm, false, kFewAddresses)
    ->Apply(trie_shapes)
    ->Name("allowed_ips_miss_warm");
BENCHMARK_CAPTURE(lookup, miss_cold, false, kColdAddresses)
    ->Apply(trie_shapes)
    ->Name("allowed_ips_miss_cold");
BENCHMARK(update)->Apply(trie_shapes)->Name("allowed_ips_update");
BENCHMARK(load_all)->Apply(trie_shapes)->Name("allowed_ips_load")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace hawser::bench
