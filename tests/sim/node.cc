#include "tests/sim/node.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/wire.h"
#include "dataplane/device_state.h"
#include "dataplane/segmentation.h"
#include "gtest/gtest.h"
#include "noise/aead.h"
#include "noise/messages.h"

namespace hawser::testing {
namespace {

// Nothing of a batch outlives a node's turn, so all nodes of a thread share one.
OutBatch& shared_batch() {
  thread_local OutBatch batch;
  batch.clear();
  return batch;
}

Packet gather(std::span<const iovec> slices) {
  Packet bytes;
  for (const iovec& slice : slices) {
    const auto* const data = static_cast<const std::uint8_t*>(slice.iov_base);
    bytes.insert(bytes.end(), data, data + slice.iov_len);
  }
  return bytes;
}

}  // namespace

std::optional<WallTime> MemoryTimestampStore::load(const PublicKey& identity) {
  const auto found = reserved_.find(identity);
  if (found == reserved_.end()) return std::nullopt;
  return found->second;
}

bool MemoryTimestampStore::reserve(const PublicKey& identity, const WallTime& until) {
  reserved_[identity] = until;
  return true;
}

Node::Node(const DeviceOptions& options, const PrivateKey& key, std::uint64_t seed,
           TunFeatures features, TimestampStore* store)
    : random_(seed), public_key_(key.derive_public()), features_(features) {
  device_ = std::make_unique<Device>(
      options, random_, [this](LogLevel, const std::string& text) { log.push_back(text); }, store);
  device_->set_handshake_waker([this] { woken_ = true; });
  path_ = std::make_unique<PacketPath>(*device_, make_aead(AeadKind::kBoringSsl), features);
  DeviceChange change;
  change.private_key = key.clone();
  apply(std::move(change));
}

void Node::use_aead(std::unique_ptr<Aead> aead) {
  path_ = std::make_unique<PacketPath>(*device_, std::move(aead), features_);
}

void Node::apply(DeviceChange change) {
  const Status status = device_->apply(std::move(change), now_);
  ASSERT_TRUE(status.ok()) << status.error().message;
}

void Node::receive_trains(const std::vector<std::vector<Datagram>>& trains) {
  std::vector<Packet> buffers;
  std::vector<ReceivedTrain> received;
  for (const auto& train : trains) {
    Packet whole;
    for (const Datagram& datagram : train) {
      whole.insert(whole.end(), datagram.bytes.begin(), datagram.bytes.end());
    }
    buffers.push_back(std::move(whole));
    received.push_back({.data = buffers.back().data(),
                        .len = static_cast<std::uint32_t>(buffers.back().size()),
                        .segment_len = static_cast<std::uint32_t>(train.front().bytes.size()),
                        .remote = train.front().remote,
                        .traffic_class = train.front().traffic_class});
  }
  receive_now(received);
}

void Node::receive_buffer(Packet bytes, std::uint32_t segment_len, const Endpoint& remote,
                          std::uint8_t traffic_class) {
  const ReceivedTrain train{.data = bytes.data(),
                            .len = static_cast<std::uint32_t>(bytes.size()),
                            .segment_len = segment_len,
                            .remote = remote,
                            .traffic_class = traffic_class};
  receive_now({&train, 1});
}

void Node::receive_now(std::span<const ReceivedTrain> trains) {
  OutBatch& out = shared_batch();
  path_->begin();
  path_->receive(trains, {now_, out});
  collect(out);
  path_->end(out);
}

void Node::send(const std::vector<Packet>& packets) {
  std::vector<Packet> buffers = packets;
  std::vector<TunPacket> read;
  for (Packet& buffer : buffers) {
    read.push_back({buffer.data(), static_cast<std::uint32_t>(buffer.size()), {}});
  }
  OutBatch& out = shared_batch();
  path_->begin();
  path_->send(read, {now_, out});
  collect(out);
  path_->end(out);
}

void Node::send_tun(const Packet& packet, const TunOffload& offload) {
  Packet buffer = packet;
  const TunPacket read{buffer.data(), static_cast<std::uint32_t>(buffer.size()), offload};
  OutBatch& out = shared_batch();
  path_->begin();
  path_->send({&read, 1}, {now_, out});
  collect(out);
  path_->end(out);
}

void Node::run_handshakes() {
  woken_ = false;
  for (int turn_no = 0;; ++turn_no) {
    ASSERT_LT(turn_no, 1000) << "the handshake thread never comes to rest";
    OutBatch& out = shared_batch();
    const HandshakeTurn turn = device_->run_handshakes({now_, out});
    collect(out);
    device_->end_turn(out);
    next_deadline_ = turn.next_deadline;
    if (!turn.more) return;
  }
}

void Node::collect(OutBatch& out) {
  collect_udp(out);
  collect_tun(out);
}

void Node::collect_udp(OutBatch& out) {
  for (const UdpSend& send : out.udp()) {
    const Packet bytes = gather(out.slices(send));
    EXPECT_EQ(bytes.size(), send.len);
    EXPECT_LE(send.len, kMaxUdpPayload);
    EXPECT_GT(send.segment_len, 0U);
    EXPECT_LE((send.len + send.segment_len - 1) / send.segment_len, kMaxTrainSegments);
    EXPECT_LE(send.num_slices, kMaxSlicesPerWrite);
    const UdpOutcome outcome = send_result ? send_result(send) : UdpOutcome{};
    if (outcome.error != 0 || outcome.gso_refused || outcome.source_refused) {
      out.report(send, outcome);
    }
    if (outcome.error != 0) continue;
    for (std::size_t at = 0; at < bytes.size(); at += send.segment_len) {
      const std::size_t len = std::min<std::size_t>(send.segment_len, bytes.size() - at);
      const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(at);
      sent.push_back(
          {Packet(first, first + static_cast<std::ptrdiff_t>(len)), send.to, send.traffic_class});
    }
  }
}

void Node::collect_tun(OutBatch& out) {
  for (const TunWrite& write : out.tun()) {
    const Packet bytes = gather(out.slices(write));
    EXPECT_EQ(bytes.size(), write.len);
    writes.push_back(write);
    const int error = tun_result ? tun_result(write) : 0;
    if (error != 0) {
      out.report_failure(write, error);
      continue;
    }
    const auto segments = Segmenter::begin(bytes, write.offload);
    if (!segments) {
      ADD_FAILURE() << "what was written to TUN cannot be cut";
      continue;
    }
    for (std::uint32_t i = 0; i < segments->num_segments(); ++i) {
      Packet packet(segments->segment_len(i));
      segments->write(i, packet.data());
      to_tun.push_back(std::move(packet));
    }
  }
}

PrivateKey make_private_key(std::uint64_t seed) {
  SeededRandom random(seed ^ 0x6b65790000000000);
  PrivateKey key;
  random.fill(key.mutable_bytes());
  key.clamp();
  return key;
}

std::uint64_t total_drops(Device& device, DropReason reason) {
  const auto at = static_cast<std::size_t>(reason);
  std::uint64_t sum = device.counters().drops[at];
  for (const PeerView& peer : device.view(Instant{}).peers) sum += peer.drops[at];
  return sum;
}

std::uint64_t total_drops(Device& device) {
  std::uint64_t sum = 0;
  for (const std::uint64_t drops : device.counters().drops) sum += drops;
  for (const PeerView& peer : device.view(Instant{}).peers) {
    for (const std::uint64_t drops : peer.drops) sum += drops;
  }
  return sum;
}

Packet seal_as(Node& sender, const Packet& plain, std::uint64_t counter) {
  const Peer& peer = *DeviceInspector::state(sender.device()).peers_in_order.begin()->second;
  const Keypair* const keypair = peer.sessions.current();
  if (keypair == nullptr) return {};
  Packet datagram(plain.size() + kTransportOverhead);
  store_le32(&datagram[0], static_cast<std::uint32_t>(MessageType::kTransportData));
  store_le32(&datagram[4], keypair->remote_index);
  store_le64(&datagram[8], counter);
  std::uint8_t* const body = datagram.data() + sizeof(TransportHeader);
  std::copy(plain.begin(), plain.end(), body);
  AeadJob job{body, static_cast<std::uint32_t>(plain.size()), false, counter, &keypair->send_key()};
  make_aead(AeadKind::kBoringSsl)->seal({&job, 1});
  return datagram;
}

Packet open_as(Node& receiver, const Packet& datagram) {
  const Keypair* const keypair =
      DeviceInspector::state(receiver.device()).sessions.lookup(load_le32(&datagram[4]));
  if (keypair == nullptr) return {};
  Packet copy = datagram;
  AeadJob job{copy.data() + sizeof(TransportHeader),
              static_cast<std::uint32_t>(copy.size() - kTransportOverhead), false,
              load_le64(&copy[8]), &keypair->receive_key()};
  make_aead(AeadKind::kBoringSsl)->open({&job, 1});
  if (!job.ok) return {};
  return Packet(job.data, job.data + job.len);
}

PeerChange peer_change(const PublicKey& key, const std::vector<Prefix>& allowed_ips,
                       const std::optional<Endpoint>& endpoint) {
  PeerChange change;
  change.public_key = key;
  change.endpoint = endpoint;
  for (const Prefix& allowed : allowed_ips) change.allowed_ips.push_back({allowed, false});
  return change;
}

Endpoint endpoint(const char* address_text, std::uint16_t port) {
  Endpoint result;
  result.address = address(address_text);
  result.port = port;
  return result;
}

}  // namespace hawser::testing
