// What makes the AEAD cheap is that packets of one key come to it together: each way of a packet
// hands over runs of one key as one batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/dataplane/hub.h"

namespace hawser::testing {
namespace {

// What the AEAD was given: the number of packets of each call, which must all have one key.
struct Batches {
  std::vector<std::size_t> sealed;
  std::vector<std::size_t> opened;
};

class RecordingAead final : public Aead {
 public:
  explicit RecordingAead(Batches& batches) : batches_(batches) {}
  std::string_view name() const override { return "recording"; }
  void seal(std::span<AeadJob> jobs) override {
    record(batches_.sealed, jobs);
    boringssl_->seal(jobs);
  }
  void open(std::span<AeadJob> jobs) override {
    record(batches_.opened, jobs);
    boringssl_->open(jobs);
  }

 private:
  static void record(std::vector<std::size_t>& sizes, std::span<const AeadJob> jobs) {
    sizes.push_back(jobs.size());
    EXPECT_TRUE(std::all_of(jobs.begin(), jobs.end(),
                            [&](const AeadJob& job) { return job.key == jobs[0].key; }));
  }
  Batches& batches_;
  std::unique_ptr<Aead> boringssl_ = make_aead(AeadKind::kBoringSsl);
};

InnerPacket from_to(const char* source, const char* destination, std::uint16_t id,
                    std::uint16_t len = 100) {
  return {
      .source = address(source), .destination = address(destination), .id = id, .payload_len = len};
}

std::vector<Packet> packets(const char* source, const char* destination, std::size_t num) {
  std::vector<Packet> made;
  for (std::size_t i = 0; i < num; ++i) {
    made.push_back(make_packet(from_to(source, destination, static_cast<std::uint16_t>(i))));
  }
  return made;
}

std::vector<Datagram> at_hub(Hub& hub, Node& node) {
  std::vector<Datagram> datagrams = std::exchange(node.sent, {});
  for (Datagram& datagram : datagrams) datagram.remote = &node == &hub.a ? hub.at_a : hub.at_b;
  return datagrams;
}

constexpr std::size_t kTrain = 40;

TEST(AeadBatches, ATrainFromTunIsSealedTogether) {
  Hub hub;
  Batches batches;
  hub.a.use_aead(std::make_unique<RecordingAead>(batches));
  hub.a.send(packets("10.0.0.2", "10.0.0.1", kTrain));
  EXPECT_EQ(batches.sealed, std::vector{kTrain});
}

TEST(AeadBatches, ATrainForTunIsOpenedTogether) {
  Hub hub;
  Batches batches;
  hub.hub.use_aead(std::make_unique<RecordingAead>(batches));
  hub.a.send(packets("10.0.0.2", "10.0.0.1", kTrain));
  hub.hub.receive_trains({at_hub(hub, hub.a)});
  EXPECT_EQ(batches.opened, std::vector{kTrain});
}

TEST(AeadBatches, ARelayedTrainIsOpenedAndSealedTogether) {
  Hub hub;
  Batches batches;
  hub.hub.use_aead(std::make_unique<RecordingAead>(batches));
  hub.a.send(packets("10.0.0.2", "10.0.0.3", kTrain));
  hub.hub.receive_trains({at_hub(hub, hub.a)});
  EXPECT_EQ(batches.opened, std::vector{kTrain});
  EXPECT_EQ(batches.sealed, std::vector{kTrain});
}

TEST(AeadBatches, PacketsThatArriveAloneAreOpenedTogether) {
  Hub hub;
  Batches batches;
  hub.hub.use_aead(std::make_unique<RecordingAead>(batches));
  hub.a.send(packets("10.0.0.2", "10.0.0.3", kTrain));
  std::vector<std::vector<Datagram>> alone;
  for (const Datagram& datagram : at_hub(hub, hub.a)) alone.push_back({datagram});
  hub.hub.receive_trains(alone);
  EXPECT_EQ(batches.opened, std::vector{kTrain});
  EXPECT_EQ(batches.sealed, std::vector{kTrain});
}

TEST(AeadBatches, ARelayedTrainForSeveralPeersIsSealedPeerByPeer) {
  Hub hub;
  Batches batches;
  hub.hub.use_aead(std::make_unique<RecordingAead>(batches));
  std::vector<Packet> mixed;
  for (std::uint16_t i = 0; i < kTrain; ++i) {
    // Back to a, and to b, in turn.
    mixed.push_back(make_packet(from_to("10.0.0.2", i % 2 == 0 ? "10.0.0.3" : "10.0.0.2", i)));
  }
  hub.a.send(mixed);
  hub.hub.receive_trains({at_hub(hub, hub.a)});
  EXPECT_EQ(batches.opened, std::vector{kTrain});
  EXPECT_EQ(batches.sealed, (std::vector{kTrain / 2, kTrain / 2}));
}

TEST(AeadBatches, StagedPacketsAreSealedTogether) {
  Pair pair;
  Batches batches;
  pair.b.use_aead(std::make_unique<RecordingAead>(batches));
  // No session yet: they wait. b answers the handshake, and a's first packet lets b's go.
  pair.b.send(packets("10.0.0.2", "10.0.0.1", kTrain));
  EXPECT_TRUE(batches.sealed.empty());
  pair.a.send(make_packet(from_to("10.0.0.1", "10.0.0.2", 1)));
  // b's own initiation got lost; a's stands.
  pair.b.run_handshakes();
  pair.b.sent.clear();
  pair.deliver();
  EXPECT_EQ(batches.sealed, std::vector{kTrain});
}

}  // namespace
}  // namespace hawser::testing
