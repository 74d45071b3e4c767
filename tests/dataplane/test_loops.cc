// The worker's and the handshake thread's loops over an engine of the test's, in virtual time.
#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "base/wire.h"
#include "dataplane/worker.h"
#include "noise/aead.h"
#include "tests/dataplane/pair.h"

namespace hawser::testing {
namespace {

class TestClock : public Clock {
 public:
  Now now() override { return now_; }
  void sleep(Duration by) { now_ = later(now_, by); }

 private:
  Now now_ = kStart;
};

// Delivers what was put there, at most a batch a wait. Time passes in rests alone.
class ScriptedEngine : public Engine {
 public:
  explicit ScriptedEngine(TestClock& clock) : clock_(clock) {}

  void wait(InBatch& in, Duration) override {
    in.clear();
    lent_.clear();
    while (!arrived_.empty() && lent_.size() < kMaxTrainsPerBatch) {
      lent_.push_back(std::move(arrived_.front()));
      arrived_.pop_front();
      Packet& bytes = lent_.back().bytes;
      const auto len = static_cast<std::uint32_t>(bytes.size());
      in.trains.push_back({bytes.data(), len, len / lent_.back().num_segments, from_, 0});
    }
  }
  void submit(OutBatch& out) override {
    for (const UdpSend& send : out.udp()) {
      Packet bytes;
      for (const iovec& slice : out.slices(send)) {
        const auto* const data = static_cast<const std::uint8_t*>(slice.iov_base);
        bytes.insert(bytes.end(), data, data + slice.iov_len);
      }
      sent.push_back(std::move(bytes));
    }
    num_tun_writes += out.tun().size();
  }
  void rest(Duration duration) override {
    rests.push_back(duration);
    clock_.sleep(duration);
  }
  void wake() override {}

  void arrive(Packet bytes) { arrived_.push_back({std::move(bytes), 1}); }
  // `num` times the same as one train.
  void arrive_train(const Packet& bytes, std::uint32_t num) {
    Train train{{}, num};
    for (std::uint32_t i = 0; i < num; ++i) {
      train.bytes.insert(train.bytes.end(), bytes.begin(), bytes.end());
    }
    arrived_.push_back(std::move(train));
  }
  std::size_t num_left() const { return arrived_.size(); }

  std::vector<Packet> sent;
  std::vector<Duration> rests;
  std::size_t num_tun_writes = 0;

 private:
  struct Train {
    Packet bytes;
    std::uint32_t num_segments = 1;
  };
  TestClock& clock_;
  const Endpoint from_ = endpoint("192.0.2.1", 1001);
  std::deque<Train> arrived_;
  std::deque<Train> lent_;
};

Packet garbage() { return Packet(60, 0xff); }

// Transport data for nobody.
Packet stray() {
  Packet packet(100, 0);
  store_le32(packet.data(), static_cast<std::uint32_t>(MessageType::kTransportData));
  store_le32(packet.data() + 4, 77);
  return packet;
}

// b of a Pair, with loops over scripted engines instead of the test bed's own calls.
struct Loops {
  Loops()
      : path(pair.b.device(), make_aead(AeadKind::kBoringSsl), TunFeatures{}),
        worker(path, engine, clock),
        handshakes(pair.b.device(), path, engine, clock) {}

  // Transport data of a session that a has with b: it may be opened once.
  Packet data() {
    if (!connected_) {
      pair.a.send(pair.from_a(1));
      pair.deliver();
      connected_ = true;
    }
    pair.a.send(pair.from_a(++id_));
    Packet bytes = std::move(pair.a.sent.front().bytes);
    pair.a.sent.clear();
    return bytes;
  }
  std::uint64_t drops(DropReason reason) { return total_drops(pair.b.device(), reason); }

  Pair pair;
  TestClock clock;
  ScriptedEngine engine{clock};
  PacketPath path;
  Worker worker;
  HandshakeLoop handshakes;

 private:
  std::uint64_t id_ = 1;
  bool connected_ = false;
};

TEST(HandshakeLoop, TakesAllThatHasArrivedBeforeATurnSoThatLoadIsSeen) {
  Loops loops;
  for (std::size_t i = 0; i < kUnderLoadQueueLen + kMaxTrainsPerBatch; ++i) {
    Packet message(sizeof(InitiationMessage), 0);
    message[0] = static_cast<std::uint8_t>(MessageType::kInitiation);
    loops.engine.arrive(std::move(message));
  }
  loops.handshakes.run_once(1s);
  EXPECT_EQ(loops.engine.num_left(), 0U);
  EXPECT_TRUE(loops.pair.b.device().counters().under_load);
}

TEST(HandshakeLoop, LeavesInTheSocketWhatItCouldOnlyDrop) {
  Loops loops;
  for (std::size_t i = 0; i < 3 * kHandshakeQueueLen; ++i) {
    Packet message(sizeof(InitiationMessage), 0);
    message[0] = static_cast<std::uint8_t>(MessageType::kInitiation);
    loops.engine.arrive(std::move(message));
  }
  while (loops.engine.num_left() > 0) loops.handshakes.run_once(1s);
  EXPECT_EQ(loops.drops(DropReason::kHandshakeQueueFull), 0U);
}

TEST(HandshakeLoop, ReadsNoMoreThanItsShareBeforeATurn) {
  Loops loops;
  for (std::size_t i = 0; i < kReceivedPerTurn + kMaxTrainsPerBatch; ++i) {
    loops.engine.arrive(garbage());
  }
  loops.handshakes.run_once(1s);
  EXPECT_EQ(loops.engine.num_left(), kMaxTrainsPerBatch);
}

TEST(HandshakeLoop, CountsTheMessagesOfATrainOneByOne) {
  Loops loops;
  for (std::size_t i = 0; i < 3 * kMaxTrainsPerBatch; ++i) {
    loops.engine.arrive_train(garbage(), kMaxTrainSegments);
  }
  static_assert(kMaxTrainsPerBatch * kMaxTrainSegments >= kReceivedPerTurn);
  loops.handshakes.run_once(1s);
  EXPECT_EQ(loops.engine.num_left(), 2 * kMaxTrainsPerBatch) << "one batch is more than its share";
  EXPECT_EQ(loops.drops(DropReason::kMalformed), kMaxTrainsPerBatch * kMaxTrainSegments);
}

TEST(HandshakeLoop, RestsBetweenTurnsInAFloodAndNotOtherwise) {
  Loops loops;
  for (int i = 0; i < 3; ++i) {
    loops.engine.arrive(garbage());
    loops.handshakes.run_once(1s);
    loops.clock.sleep(kOftenReceived);
  }
  EXPECT_TRUE(loops.engine.rests.empty()) << "now and then";
  loops.clock.sleep(1s);
  for (int i = 0; i < 3; ++i) {
    loops.engine.arrive(garbage());
    loops.handshakes.run_once(1s);
  }
  EXPECT_EQ(loops.engine.rests, std::vector<Duration>(2, kHandshakeRest));
  loops.handshakes.run_once(1s);
  EXPECT_EQ(loops.engine.rests.size(), 2U) << "nothing came";
  EXPECT_EQ(loops.drops(DropReason::kMalformed), 6U);
}

TEST(HandshakeLoop, TransportDataThatStrayedThereIsDelivered) {
  Loops loops;
  loops.engine.arrive(loops.data());
  loops.handshakes.run_once(1s);
  EXPECT_EQ(loops.engine.num_tun_writes, 1U);
}

TEST(HandshakeLoop, AnswersAnInitiationInTheRoundThatBroughtIt) {
  Loops loops;
  loops.pair.a.send(loops.pair.from_a(1));
  loops.pair.a.run_handshakes();
  ASSERT_EQ(loops.pair.a.sent.size(), 1U);
  loops.engine.arrive(loops.pair.a.sent[0].bytes);
  loops.handshakes.run_once(1s);
  ASSERT_EQ(loops.engine.sent.size(), 1U);
  EXPECT_EQ(classify_message(loops.engine.sent[0]), MessageType::kResponse);
}

TEST(WorkerLoop, RestsAfterBatchesThatLedToNothing) {
  Loops loops;
  for (unsigned i = 1; i < kBarrenBatches; ++i) {
    loops.engine.arrive(stray());
    loops.worker.run_once(1s);
  }
  EXPECT_TRUE(loops.engine.rests.empty());
  for (int i = 0; i < 2; ++i) {
    loops.engine.arrive(stray());
    loops.worker.run_once(1s);
  }
  EXPECT_EQ(loops.engine.rests, std::vector<Duration>(2, kBarrenRest));
  EXPECT_EQ(loops.drops(DropReason::kNoSession), kBarrenBatches + 1);
}

TEST(WorkerLoop, DoesNotRestWhileThereIsGoodAmongTheBad) {
  Loops loops;
  for (unsigned i = 0; i < 4 * kBarrenBatches; ++i) {
    if (i % (kBarrenBatches - 1) == 0) loops.engine.arrive(loops.data());
    loops.engine.arrive(stray());
    loops.worker.run_once(1s);
  }
  EXPECT_TRUE(loops.engine.rests.empty());
}

TEST(WorkerLoop, DoesNotRestForWhatComesNowAndThen) {
  Loops loops;
  for (unsigned i = 0; i < 4 * kBarrenBatches; ++i) {
    loops.engine.arrive(stray());
    loops.worker.run_once(1s);
    loops.clock.sleep(kOftenBarren);
  }
  loops.worker.run_once(Duration::zero());  // no batch at all
  EXPECT_TRUE(loops.engine.rests.empty());
}

}  // namespace
}  // namespace hawser::testing
