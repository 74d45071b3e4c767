#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "base/quiescent.h"

namespace hawser {
namespace {

TEST(Quiescent, WhatIsRetiredWaitsForTheReadersThatMayHoldIt) {
  QuiescentDomain domain;
  QuiescentDomain::Reader early(domain);
  QuiescentDomain::Reader late(domain);
  int freed = 0;
  early.online();
  domain.retire([&] { ++freed; });
  late.online();  // came afterwards: cannot hold it
  EXPECT_EQ(domain.reclaim(), 1U);
  EXPECT_EQ(freed, 0);
  early.offline();
  EXPECT_EQ(domain.reclaim(), 0U);
  EXPECT_EQ(freed, 1);
  late.offline();
}

TEST(Quiescent, AReaderThatComesOnlineAgainHoldsNothingOld) {
  QuiescentDomain domain;
  QuiescentDomain::Reader reader(domain);
  int freed = 0;
  reader.online();
  domain.retire([&] { ++freed; });
  reader.online();
  EXPECT_EQ(domain.reclaim(), 0U);
  EXPECT_EQ(freed, 1);
  reader.offline();
}

TEST(Quiescent, DeletersRunInOrderAndMayRetireMore) {
  std::vector<int> order;
  {
    QuiescentDomain domain;
    domain.retire([&] {
      order.push_back(1);
      domain.retire([&] { order.push_back(3); });
    });
    domain.retire([&] { order.push_back(2); });
    domain.reclaim();
    domain.reclaim();
  }
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(Quiescent, TheDomainsEndFreesWhatIsLeft) {
  int freed = 0;
  {
    QuiescentDomain domain;
    domain.retire([&] { ++freed; });
  }
  EXPECT_EQ(freed, 1);
}

TEST(Quiescent, ReadersNeverSeeFreedMemory) {
  struct Item {
    explicit Item(std::uint64_t v) : value(v), again(v) {}
    ~Item() { value = 0; }
    std::uint64_t value;
    std::uint64_t again;
  };
  QuiescentDomain domain;
  std::atomic<Item*> shared{new Item(1)};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> torn{0};
  std::array<std::atomic<std::uint64_t>, 2> rounds{};
  std::vector<std::thread> readers;
  for (std::size_t r = 0; r < rounds.size(); ++r) {
    readers.emplace_back([&, r] {
      QuiescentDomain::Reader reader(domain);
      while (!stop.load()) {
        reader.online();
        const Item* const item = shared.load(std::memory_order_acquire);
        if (item->value != item->again) ++torn;
        reader.offline();
        ++rounds[r];
      }
    });
  }
  for (std::uint64_t i = 2; i < 5000 || rounds[0].load() < 500 || rounds[1].load() < 500; ++i) {
    Item* const old = shared.exchange(new Item(i), std::memory_order_acq_rel);
    domain.retire_object(old);
    domain.reclaim();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn.load(), 0U);
  EXPECT_EQ(domain.reclaim(), 0U);
  delete shared.load();
}

}  // namespace
}  // namespace hawser
