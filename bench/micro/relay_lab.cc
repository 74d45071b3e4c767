#include "bench/micro/relay_lab.h"

#include <cstring>
#include <optional>

#include "base/wire.h"
#include "bench/load/peer_plan.h"
#include "noise/cookie.h"
#include "noise/handshake.h"
#include "noise/messages.h"

namespace hawser::bench {
namespace {

using load::PeerPlan;
using load::Side;

const Now kNow{Instant(std::chrono::seconds(1000)), {1'700'000'000, 0}};

DeviceOptions controller_options() {
  DeviceOptions options;
  options.forward = ForwardMode::kDirect;
  options.has_tun = false;
  return options;
}

Side side_of(std::size_t i) { return i == 0 ? Side::kA : Side::kB; }

DeviceChange controller_change(const PeerPlan& plan) {
  DeviceChange change;
  change.private_key = plan.controller_key();
  for (std::size_t i = 0; i < 2; ++i) {
    PeerChange peer;
    peer.public_key = plan.peer(side_of(i), 0).public_key();
    for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
      const IpAddress address = PeerPlan::address(side_of(i), 0, family);
      peer.allowed_ips.push_back({Prefix(address, address.bits()), false});
    }
    change.peers.push_back(std::move(peer));
  }
  return change;
}

template <class Message>
std::span<std::uint8_t> bytes_of(Message& message) {
  return {reinterpret_cast<std::uint8_t*>(&message), sizeof message};
}

void write_header(std::uint8_t* at, const Keypair& keypair, std::uint64_t counter) {
  store_le32(at, static_cast<std::uint32_t>(MessageType::kTransportData));
  store_le32(at + 4, keypair.remote_index);
  store_le64(at + 8, counter);
}

}  // namespace

RelayLab::RelayLab(AeadKind kind, IpFamily family, std::size_t inner_len,
                   std::uint32_t segments_per_train, std::size_t trains_per_turn,
                   std::size_t num_turns)
    : inner_len_(inner_len),
      segments_(segments_per_train),
      trains_per_turn_(trains_per_turn),
      inner_(0, family, inner_len),
      device_(controller_options(), random_),
      aead_(make_aead(kind)),
      path_(device_, make_aead(kind), TunFeatures{}) {
  if (!device_.apply(controller_change(PeerPlan(1)), kNow)) return;
  receiver_ = connect(1);
  sender_ = connect(0);
  const std::size_t train_len = segments_ * (inner_len_ + kTransportOverhead);
  for (std::size_t i = 0; i < trains_per_turn * num_turns; ++i) {
    buffers_.emplace_back(train_len);
    trains_.push_back(arrival(buffers_.back(), 0));
  }
  for (ReceivedTrain& train : trains_) train.segment_len = train.len / segments_;
}

ReceivedTrain RelayLab::arrival(std::span<std::uint8_t> bytes, std::size_t peer) const {
  ReceivedTrain train;
  train.data = bytes.data();
  train.len = train.segment_len = static_cast<std::uint32_t>(bytes.size());
  train.remote.address = PeerPlan::address(side_of(peer), 1, IpFamily::kV4);
  train.remote.port = 1000;
  return train;
}

// The peer calls, the controller answers, an empty packet confirms.
std::unique_ptr<Keypair> RelayLab::connect(std::size_t i) {
  const PeerPlan plan(1);
  const Identity identity = plan.peer(side_of(i), 0);
  const PublicKey controller = plan.controller_key().derive_public();
  Handshake handshake(controller);
  CookieMaker macs(controller);
  InitiationMessage initiation{};
  handshake.create_initiation(initiation, identity, static_cast<std::uint32_t>(i + 1),
                              to_tai64n(kNow.wall), random_);
  macs.add_macs(bytes_of(initiation), kNow.boot);
  const auto deliver = [&](std::span<std::uint8_t> bytes) {
    const ReceivedTrain train = arrival(bytes, i);
    out_.clear();
    path_.begin();
    path_.receive({&train, 1}, {kNow, out_});
    path_.end(out_);
  };
  deliver(bytes_of(initiation));
  out_.clear();
  device_.run_handshakes({kNow, out_});
  std::optional<SessionKeys> keys;
  for (const UdpSend& send : out_.udp()) {
    if (send.len != sizeof(ResponseMessage)) continue;
    ResponseMessage response{};
    std::memcpy(&response, out_.slices(send)[0].iov_base, sizeof response);
    if (handshake.consume_response(response, identity) == HandshakeVerdict::kOk) {
      keys = handshake.derive_session();
    }
  }
  device_.end_turn(out_);
  if (!keys) return nullptr;
  auto keypair = std::make_unique<Keypair>(std::move(*keys), kNow.boot, nullptr);
  std::array<std::uint8_t, kTransportOverhead> keepalive{};
  const std::uint64_t counter = *keypair->reserve_counters(1, kNow.boot);
  write_header(keepalive.data(), *keypair, counter);
  AeadJob job{keepalive.data() + sizeof(TransportHeader), 0, false, counter, &keypair->send_key()};
  aead_->seal({&job, 1});
  deliver(keepalive);
  return keypair;
}

void RelayLab::seal() {
  std::vector<AeadJob> jobs(segments_);
  for (std::vector<std::uint8_t>& buffer : buffers_) {
    const std::uint64_t counter = *sender_->reserve_counters(segments_, kNow.boot);
    for (std::uint32_t i = 0; i < segments_; ++i) {
      std::uint8_t* const at = buffer.data() + i * (inner_len_ + kTransportOverhead);
      write_header(at, *sender_, counter + i);
      inner_.write(at + sizeof(TransportHeader), counter + i);
      jobs[i] = {at + sizeof(TransportHeader), static_cast<std::uint32_t>(inner_len_), false,
                 counter + i, &sender_->send_key()};
    }
    aead_->seal(jobs);
  }
}

void RelayLab::relay() {
  for (std::size_t at = 0; at < trains_.size(); at += trains_per_turn_) {
    out_.clear();
    path_.begin();
    path_.receive(std::span(trains_).subspan(at, trains_per_turn_), {kNow, out_});
    path_.end(out_);
  }
}

bool RelayLab::check() {
  // Full trains leave as they came, short ones together.
  std::size_t len = 0;
  for (const UdpSend& each : out_.udp()) len += each.len;
  if (out_.udp().empty() || out_.udp().size() > trains_per_turn_) return false;
  if (len < trains_per_turn_ * segments_ * (inner_len_ + kTransportOverhead)) return false;
  const UdpSend& send = out_.udp().front();
  const iovec& slice = out_.slices(send)[0];
  if (slice.iov_len < send.segment_len) return false;
  const auto* const data = static_cast<const std::uint8_t*>(slice.iov_base);
  std::vector<std::uint8_t> packet(data, data + send.segment_len);
  AeadJob job{packet.data() + sizeof(TransportHeader),
              static_cast<std::uint32_t>(packet.size() - kTransportOverhead), false,
              load_le64(packet.data() + 8), &receiver_->receive_key()};
  aead_->open({&job, 1});
  return job.ok && inner_.check({job.data, job.len}) == load::InnerFault::kNone;
}

}  // namespace hawser::bench
