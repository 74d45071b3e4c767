// The data plane's tables, queues and lists, one by one and under threads.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "base/fair_mutex.h"
#include "dataplane/attention_list.h"
#include "dataplane/handshake_queue.h"
#include "dataplane/icmp_limiter.h"
#include "dataplane/session_table.h"
#include "dataplane/sessions.h"
#include "dataplane/staged_queue.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

std::unique_ptr<Keypair> make_keypair(std::uint32_t index, void* owner = nullptr) {
  SessionKeys keys;
  keys.local_index = index;
  return std::make_unique<Keypair>(std::move(keys), kStart.boot, owner);
}

// --- session table ---

TEST(SessionTable, AgreesWithAMapThroughInsertsErasesAndRebuilds) {
  QuiescentDomain domain;
  SessionTable table(domain);
  SeededRandom random(4);
  std::map<std::uint32_t, std::unique_ptr<Keypair>> model;
  for (int i = 0; i < 20'000; ++i) {
    // Few distinct low bits: long probe sequences.
    const auto index = static_cast<std::uint32_t>(random.between(0, 300) * 1024 + 5);
    const auto found = model.find(index);
    if (random.percent(50)) {
      auto keypair = make_keypair(index);
      const bool inserted = table.insert(keypair.get());
      EXPECT_EQ(inserted, found == model.end());
      if (inserted) model.emplace(index, std::move(keypair));
    } else if (found != model.end()) {
      table.erase(found->second.get());
      model.erase(found);
    }
    const auto probe = static_cast<std::uint32_t>(random.between(0, 300) * 1024 + 5);
    const auto expected = model.find(probe);
    EXPECT_EQ(table.lookup(probe), expected == model.end() ? nullptr : expected->second.get());
    EXPECT_EQ(table.size(), model.size());
    if (i % 1000 == 0) domain.reclaim();
  }
}

TEST(SessionTable, ReadersFindWhatStaysWhileOthersComeAndGo) {
  QuiescentDomain domain;
  SessionTable table(domain);
  const auto stays = make_keypair(77);
  ASSERT_TRUE(table.insert(stays.get()));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> rounds{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      QuiescentDomain::Reader reader(domain);
      for (std::uint32_t i = 0; !stop.load(); ++i) {
        reader.online();
        if (table.lookup(77) != stays.get()) ++wrong;
        const Keypair* const other = table.lookup(1000 + i % 500);
        if (other != nullptr && other->local_index != 1000 + i % 500) ++wrong;
        reader.offline();
        ++rounds;
      }
    });
  }
  for (std::uint32_t round = 0; round < 60 || rounds.load() < 2000; ++round) {
    std::vector<Keypair*> made;
    for (std::uint32_t i = 0; i < 500; ++i) {
      made.push_back(make_keypair(1000 + i).release());
      ASSERT_TRUE(table.insert(made.back()));
    }
    for (Keypair* keypair : made) {
      table.erase(keypair);
      domain.retire_object(keypair);
    }
    domain.reclaim();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0U);
  EXPECT_EQ(table.size(), 1U);
}

// Few erasures are noted and repeated in the new table; with many it is filled again.
TEST(SessionTable, WhatIsErasedWhileTheTableIsMadeAnewStaysErased) {
  constexpr std::uint32_t kBeforeRebuild = 32'760;  // with 32,768 it is made anew
  constexpr std::uint32_t kInAll = 32'800;
  for (const std::uint32_t num_erased : {200U, 200U, 200U, 200U, 16'000U, 16'000U}) {
    QuiescentDomain domain;
    SessionTable table(domain);
    std::vector<std::unique_ptr<Keypair>> sessions;
    const auto insert_until = [&](std::uint32_t end) {
      while (sessions.size() < end) {
        sessions.push_back(make_keypair(static_cast<std::uint32_t>(sessions.size()) * 40503U + 1));
        ASSERT_TRUE(table.insert(sessions.back().get()));
      }
    };
    insert_until(kBeforeRebuild);
    std::vector<const Keypair*> doomed;
    for (std::uint32_t i = 0; i < num_erased; ++i) {
      doomed.push_back(sessions[kBeforeRebuild / num_erased * i].get());
    }
    std::atomic<bool> begun{false};
    std::thread eraser([&] {
      for (const Keypair* keypair : doomed) {
        table.erase(keypair);
        begun = true;
        // Long enough that the few spread over the time that a rebuild takes.
        for (std::uint32_t i = 0; i < 1'600'000 / num_erased; ++i) {
          asm volatile("" ::: "memory");
        }
      }
    });
    while (!begun) std::this_thread::yield();
    insert_until(kInAll);
    eraser.join();
    EXPECT_EQ(table.size(), kInAll - num_erased);
    const std::set<const Keypair*> gone(doomed.begin(), doomed.end());
    std::size_t wrong = 0;
    for (const auto& keypair : sessions) {
      const bool found = table.lookup(keypair->local_index) == keypair.get();
      if (found == gone.contains(keypair.get())) ++wrong;
    }
    EXPECT_EQ(wrong, 0U) << num_erased;
  }
}

// --- a peer's three keypairs ---

// What bench/scale measures over 10,000 peers, without them: the rest is for the tables and what
// the allocator adds.
TEST(Peer, AnIdleOneWithTwoSessionsTakesLessThanFourKibibytes) {
  constexpr std::size_t kTables = 512;
  EXPECT_LE(sizeof(Peer) + 2 * sizeof(Keypair) + kTables, 4096U);
}

TEST(Sessions, TheInitiatorsOldCurrentBecomesPrevious) {
  Sessions sessions;
  const auto first = make_keypair(1);
  const auto second = make_keypair(2);
  const auto third = make_keypair(3);
  EXPECT_EQ(sessions.install_as_initiator(first.get()).num, 0U);
  EXPECT_EQ(sessions.install_as_initiator(second.get()).num, 0U);
  EXPECT_EQ(sessions.current(), second.get());
  EXPECT_EQ(sessions.previous(), first.get());
  const Sessions::Removed removed = sessions.install_as_initiator(third.get());
  ASSERT_EQ(removed.num, 1U);
  EXPECT_EQ(removed.keypairs[0], first.get());
}

TEST(Sessions, AnUnconfirmedNextIsStillReceivedOnWhenWeInitiateToo) {
  Sessions sessions;
  const auto current = make_keypair(1);
  const auto next = make_keypair(2);
  const auto ours = make_keypair(3);
  (void)sessions.install_as_initiator(current.get());
  (void)sessions.install_as_responder(next.get());
  EXPECT_EQ(sessions.current(), current.get()) << "not before it is confirmed";
  const Sessions::Removed removed = sessions.install_as_initiator(ours.get());
  ASSERT_EQ(removed.num, 1U);
  EXPECT_EQ(removed.keypairs[0], current.get());
  EXPECT_EQ(sessions.current(), ours.get());
  EXPECT_EQ(sessions.previous(), next.get());
  EXPECT_EQ(sessions.next(), nullptr);
}

TEST(Sessions, ConfirmationMakesNextCurrentOnce) {
  Sessions sessions;
  const auto current = make_keypair(1);
  const auto next = make_keypair(2);
  (void)sessions.install_as_initiator(current.get());
  (void)sessions.install_as_responder(next.get());
  Sessions::Removed removed;
  EXPECT_FALSE(sessions.confirm(current.get(), removed));
  EXPECT_TRUE(sessions.confirm(next.get(), removed));
  EXPECT_FALSE(sessions.confirm(next.get(), removed));
  EXPECT_EQ(sessions.current(), next.get());
  EXPECT_EQ(sessions.previous(), current.get());
  EXPECT_EQ(sessions.clear().num, 2U);
  EXPECT_EQ(sessions.current(), nullptr);
}

TEST(Sessions, ANewKeyStopsSendingOnAll) {
  Sessions sessions;
  const auto current = make_keypair(1);
  const auto next = make_keypair(2);
  (void)sessions.install_as_initiator(current.get());
  (void)sessions.install_as_responder(next.get());
  sessions.stop_sending();
  EXPECT_FALSE(current->reserve_counters(1, kStart.boot));
  EXPECT_FALSE(next->reserve_counters(1, kStart.boot));
}

// --- staged packets ---

TEST(StagedPool, GivesBackWhatItTook) {
  StagedPool pool;
  SeededRandom random(8);
  std::map<std::uint32_t, Packet> held;
  for (int i = 0; i < 5000; ++i) {
    if (random.percent(55)) {
      Packet packet(static_cast<std::size_t>(random.between(0, 9000)));
      random.fill(packet);
      const std::uint32_t at = pool.store(packet);
      ASSERT_NE(at, StagedPool::kNone);
      ASSERT_TRUE(held.emplace(at, std::move(packet)).second);
    } else if (!held.empty()) {
      const auto first = held.begin();
      Packet copy(pool.chunk(first->first).packet_len);
      pool.copy_out(first->first, copy.data());
      EXPECT_EQ(copy, first->second);
      pool.release(first->first);
      held.erase(first);
    }
  }
  for (const auto& [at, packet] : held) pool.release(at);
  EXPECT_EQ(pool.num_free(), kStagedChunks);
}

TEST(StagedPool, TheBudgetIsGlobalAndAPeerMakesRoomFromItsOwnShare) {
  StagedPool pool;
  const Packet large(60'000, 7);
  const std::size_t chunks =
      (large.size() + sizeof(StagedPool::Chunk::bytes) - 1) / sizeof(StagedPool::Chunk::bytes);
  std::vector<std::unique_ptr<StagedQueue>> queues;
  std::size_t stored = 0;
  while (pool.num_free() >= chunks) {
    if (stored % 100 == 0) queues.push_back(std::make_unique<StagedQueue>());
    ASSERT_EQ(queues.back()->push(pool, large), 0U);
    ++stored;
  }
  const std::uint32_t before = queues.back()->size();
  const std::uint32_t others = queues.front()->size();
  EXPECT_EQ(queues.back()->push(pool, large), 1U) << "its own oldest goes";
  EXPECT_EQ(queues.back()->size(), before);
  EXPECT_EQ(queues.front()->size(), others);
  StagedQueue poor;
  EXPECT_EQ(poor.push(pool, large), 1U) << "who has nothing to give gets nothing";
  EXPECT_TRUE(poor.empty());
  for (const auto& queue : queues) queue->clear(pool);
  EXPECT_EQ(pool.num_free(), kStagedChunks);
}

// --- hand-over lists ---

TEST(AttentionList, EachPeerOnceAndEveryFlagIsSeenUnderThreads) {
  constexpr int kPeers = 50;
  AttentionList list;
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < kPeers; ++i) peers.push_back(std::make_unique<Peer>(PublicKey{}));
  std::atomic<int> pushers{3};
  std::vector<std::thread> threads;
  std::array<std::atomic<std::uint64_t>, kPeers> asked{};
  std::array<std::uint64_t, kPeers> seen{};
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      SeededRandom random(static_cast<std::uint64_t>(t));
      for (int i = 0; i < 20'000; ++i) {
        const auto which = static_cast<std::size_t>(random.between(0, kPeers - 1));
        ++asked[which];
        list.push(*peers[which], 1U << t);
      }
      --pushers;
    });
  }
  std::array<std::uint32_t, kPeers> flags{};
  const auto take = [&] {
    list.take_all([&](Peer& peer, std::uint32_t bits) {
      EXPECT_NE(bits, 0U);
      for (std::size_t i = 0; i < kPeers; ++i) {
        if (peers[i].get() == &peer) {
          ++seen[i];
          flags[i] |= bits;
        }
      }
    });
  };
  while (pushers.load() > 0) take();
  for (std::thread& thread : threads) thread.join();
  take();
  EXPECT_TRUE(list.empty());
  for (std::size_t i = 0; i < kPeers; ++i) {
    EXPECT_EQ(peers[i]->attention.load(), 0U);
    EXPECT_LE(seen[i], asked[i].load());
    EXPECT_EQ(flags[i], 7U);
  }
}

TEST(HandshakeQueue, IsBoundedAndFirstInFirstOut) {
  HandshakeQueue queue;
  for (std::size_t i = 0; i < kHandshakeQueueLen; ++i) {
    Packet message(sizeof(ResponseMessage), static_cast<std::uint8_t>(i));
    ASSERT_NE(queue.push(MessageType::kResponse, message,
                         endpoint("192.0.2.1", static_cast<std::uint16_t>(i))),
              HandshakeQueue::Pushed::kFull);
  }
  EXPECT_EQ(queue.push(MessageType::kCookieReply, Packet(64), {}), HandshakeQueue::Pushed::kFull);
  QueuedHandshake out;
  for (std::size_t i = 0; i < kHandshakeQueueLen; ++i) {
    ASSERT_TRUE(queue.pop(out));
    EXPECT_EQ(out.type, MessageType::kResponse);
    EXPECT_EQ(out.from.port, i);
    EXPECT_EQ(out.len, sizeof(ResponseMessage));
    EXPECT_EQ(out.message()[0], static_cast<std::uint8_t>(i));
  }
  EXPECT_FALSE(queue.pop(out));
}

TEST(HandshakeQueue, SaysWhichMessageMustWakeTheReader) {
  HandshakeQueue queue;
  QueuedHandshake out;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(queue.push(MessageType::kCookieReply, Packet(64), {}),
              HandshakeQueue::Pushed::kFirst);
    EXPECT_EQ(queue.push(MessageType::kCookieReply, Packet(64), {}),
              HandshakeQueue::Pushed::kBehind);
    ASSERT_TRUE(queue.pop(out));
    EXPECT_EQ(queue.push(MessageType::kCookieReply, Packet(64), {}),
              HandshakeQueue::Pushed::kBehind);
    while (queue.pop(out)) continue;
  }
}

TEST(IcmpBudget, AllowsABurstAndThenItsRate) {
  DeviceIcmpBudget budget;
  const auto allowed_at = [&](Duration at, int tries, IcmpError error) {
    int num = 0;
    for (int i = 0; i < tries; ++i) num += budget.allow(error, Instant(at)) ? 1 : 0;
    return num;
  };
  for (const IcmpError error : {IcmpError::kNoRoute, IcmpError::kPacketTooBig}) {
    EXPECT_EQ(allowed_at(10s, 1000, error), static_cast<int>(kIcmpErrorsBurst));
    EXPECT_EQ(allowed_at(10s + 5ms, 1000, error), 5);
    EXPECT_EQ(allowed_at(9s, 1000, error), 0) << "a clock that went back gives nothing";
  }
  EXPECT_EQ(allowed_at(100s, 1000, IcmpError::kHopLimitExceeded),
            static_cast<int>(kIcmpErrorsBurst));
}

TEST(FairMutex, AWaiterGetsInWhileAnotherKeepsComing) {
  FairMutex mutex;
  std::atomic<bool> stop{false};
  std::thread greedy([&] {
    while (!stop.load()) {
      const std::lock_guard lock(mutex);
    }
  });
  for (int i = 0; i < 200; ++i) {
    const std::lock_guard lock(mutex);
  }
  stop = true;
  greedy.join();
}

}  // namespace
}  // namespace hawser::testing
