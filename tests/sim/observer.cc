#include "tests/sim/observer.h"

#include <algorithm>
#include <string_view>

#include "base/wire.h"
#include "dataplane/device_state.h"
#include "noise/messages.h"

namespace hawser::testing {
namespace {

std::map<PublicKey, Endpoint> endpoints_of(Device& device) {
  std::map<PublicKey, Endpoint> endpoints;
  for (const auto& [order, peer] : DeviceInspector::state(device).peers_in_order) {
    Endpoint at;
    if (peer->endpoint.get(at)) endpoints.emplace(peer->public_key, at);
  }
  return endpoints;
}

std::uint64_t rx_bytes_of(Device& device) {
  std::uint64_t sum = 0;
  for (const auto& [order, peer] : DeviceInspector::state(device).peers_in_order)
    sum += peer->rx_bytes.load();
  return sum;
}

std::uint64_t drops_of(const DropCounters& counters) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kNumDropReasons; ++i) sum += counters.get(DropReason(i));
  return sum;
}

std::string name(const Observer::Subject& node) { return "node " + std::to_string(node.index); }

}  // namespace

std::uint64_t Observer::packet_sent(const SentPacket& packet) {
  packets_.push_back(packet);
  return packets_.size() - 1;
}

void Observer::emitted(const Subject& node, int to, const Datagram& datagram, Duration now) {
  ++num_emitted_;
  const auto type = classify_message(datagram.bytes);
  if (!type) {
    violated(name(node) + " sent something malformed");
    return;
  }
  const bool data = *type == MessageType::kTransportData;
  if (!data && datagram.traffic_class != kHandshakeDscp) {
    violated(name(node) + " sent a handshake message without its DSCP");
  }
  switch (*type) {
    case MessageType::kInitiation:
      initiation_emitted(node, to, datagram.bytes, now);
      return;
    case MessageType::kResponse:
      response_emitted(node, to, datagram.bytes, now);
      return;
    case MessageType::kCookieReply:
      ++num_cookie_replies_;
      return;
    case MessageType::kTransportData:
      transport_emitted(node, datagram.bytes);
      return;
  }
}

void Observer::transport_emitted(const Subject& node, const Packet& bytes) {
  const std::uint32_t receiver = load_le32(&bytes[4]);
  const std::uint64_t counter = load_le64(&bytes[8]);
  if (!nonces_[{{node.index, node.generation}, receiver}].insert(counter).second) {
    violated(name(node) + " used counter " + std::to_string(counter) + " twice");
  }
  if (counter >= kRejectAfterMessages) violated(name(node) + " sent past REJECT_AFTER_MESSAGES");
  const std::size_t plain_len = bytes.size() - kTransportOverhead;
  if (plain_len > 0) ++node.ledger->data_out;
  if (plain_len % kPaddingMultiple != 0 && plain_len != mtu_) {
    violated(name(node) + " padded to " + std::to_string(plain_len));
  }
}

void Observer::initiation_emitted(const Subject& node, int to, const Packet& bytes, Duration now) {
  ++num_initiations_;
  initiation_indices_.insert(load_le32(&bytes[4]));
  const std::pair<Incarnation, int> key{{node.index, node.generation}, to};
  const auto last = last_handshake_.find(key);
  if (last != last_handshake_.end() && now - last->second < kRekeyTimeout) {
    violated(name(node) + " initiates again after " +
             std::to_string((now - last->second).count() / 1000000) + " ms");
  }
  last_handshake_[key] = now;
}

void Observer::response_emitted(const Subject& node, int to, const Packet& bytes, Duration now) {
  const std::uint32_t receiver = load_le32(&bytes[8]);
  if (!initiation_indices_.contains(receiver)) {
    violated(name(node) + " responds to an initiation that nobody made");
  }
  if (!answered_indices_[{node.index, node.generation}].insert(receiver).second) {
    violated(name(node) + " responds twice to one initiation");
  }
  last_handshake_[{{node.index, node.generation}, to}] = now;
}

void Observer::forget_initiations(int node, int peer) {
  std::erase_if(last_handshake_, [&](const auto& item) {
    return item.first.first.first == node && item.first.second == peer;
  });
  std::erase_if(answered_indices_, [&](const auto& item) { return item.first.first == node; });
}

void Observer::before_train(const Subject& node) {
  endpoints_before_ = endpoints_of(node.node->device());
  rx_before_ = rx_bytes_of(node.node->device());
}

void Observer::after_train(const Subject& node, const std::vector<WireDatagram>& train) {
  check_endpoints(node, train);
  const std::uint64_t taken = rx_bytes_of(node.node->device()) - rx_before_;
  auto& accepted = accepted_[{node.index, node.generation}];
  std::uint64_t possible = 0;
  std::set<std::uint64_t> candidates;
  for (const WireDatagram& datagram : train) {
    const bool candidate = datagram.authentic && is_transport(datagram.bytes) &&
                           datagram.to == node.index && !accepted.contains(datagram.id);
    if (candidate && candidates.insert(datagram.id).second) possible += datagram.bytes.size();
  }
  if (taken > possible) {
    violated(name(node) + " took " + std::to_string(taken) + " bytes as authentic and new of " +
             std::to_string(possible));
  }
  // Which ones it took is only known when it took all of them.
  if (taken == possible) accepted.insert(candidates.begin(), candidates.end());
}

void Observer::before_turn(const Subject& node) {
  endpoints_before_ = endpoints_of(node.node->device());
  log_before_ = node.node->log.size();
}

void Observer::after_turn(const Subject& node, const std::vector<WireDatagram>& queued) {
  check_endpoints(node, queued);
  std::uint64_t taken = 0;
  const std::vector<std::string>& log = node.node->log;
  for (std::size_t i = log_before_; i < log.size(); ++i) {
    if (log[i].find("): received ") != std::string::npos) ++taken;
  }
  node.ledger->handshakes_taken += taken;
  if (taken == queued.size()) {
    for (const WireDatagram& datagram : queued) {
      accepted_[{node.index, node.generation}].insert(datagram.id);
    }
  }
  node.node->log.clear();
}

void Observer::check_endpoints(const Subject& node, const std::vector<WireDatagram>& heard) {
  for (const auto& [key, at] : endpoints_of(node.node->device())) {
    const auto before = endpoints_before_.find(key);
    if (before != endpoints_before_.end() && before->second.same_remote(at)) continue;
    const Endpoint& moved_to = at;  // clang 14 captures no structured bindings
    const bool justified = std::any_of(heard.begin(), heard.end(), [&](const WireDatagram& d) {
      return d.authentic && d.to == node.index && d.source.same_remote(moved_to) &&
             classify_message(d.bytes) != MessageType::kCookieReply && !was_accepted(node, d.id);
    });
    if (!justified) violated(name(node) + " moved a peer's endpoint to " + at.to_string());
  }
}

bool Observer::was_accepted(const Subject& node, std::uint64_t datagram_id) const {
  const auto found = accepted_.find({node.index, node.generation});
  return found != accepted_.end() && found->second.contains(datagram_id);
}

void Observer::written_to_tun(const Subject& node, const Packet& packet, Duration) {
  ++node.ledger->tun_out;
  const auto inner = read_packet(packet);
  if (!inner) {
    // ICMP errors and echo replies are the other thing that may come.
    if (!read_icmp(packet)) violated(name(node) + " wrote a damaged packet to TUN");
    return;
  }
  if (inner->id >= packets_.size()) {
    violated(name(node) + " wrote a packet that nobody sent");
    return;
  }
  SentPacket& sent = packets_[inner->id];
  const std::string which = " packet " + std::to_string(inner->id);
  if (sent.forged) violated(name(node) + " took a forged inner source," + which);
  if (sent.to != node.index) {
    // What belongs to no peer (any more) is the controller's host's.
    if (DeviceInspector::state(node.node->device()).allowed_ips.lookup(inner->destination).value !=
        nullptr) {
      violated(name(node) + " got another's" + which);
    }
    sent.hops = 0;
    sent.dies = false;
  }
  if (sent.dies) violated(name(node) + " got a packet beyond its hop limit," + which);
  if (sent.arrived) violated(name(node) + " delivered twice" + which);
  const bool hops_right = inner->hop_limit == 64 - sent.hops || inner->hop_limit == 1;
  if (!hops_right) violated(name(node) + " sees a wrong hop limit," + which);
  sent.arrived = true;
  ++num_arrived_;
  if (!order_expected_) return;
  std::uint64_t& last = last_arrived_[{sent.from, sent.to}];
  if (inner->id < last) violated(name(node) + " got out of order" + which);
  last = inner->id;
}

void Observer::check_ledger(const Subject& node, std::int64_t keepalives) {
  Device& device = node.node->device();
  const DeviceState& state = DeviceInspector::state(device);
  Ledger& ledger = *node.ledger;
  std::uint64_t waiting = state.handshake_queue.size();
  std::uint64_t drops = drops_of(state.drops);
  for (const auto& [order, peer] : state.peers_in_order) {
    waiting += peer->staged.size();
    drops += drops_of(peer->drops);
  }
  const std::uint64_t in = ledger.datagrams_in + ledger.tun_in + device.counters().icmp_errors_sent;
  const std::uint64_t out =
      ledger.data_out + ledger.tun_out + ledger.handshakes_taken + waiting + drops;
  const auto left = static_cast<std::int64_t>(in - out);
  const std::int64_t taken = left - ledger.keepalives_taken;
  if (taken < 0 || taken > keepalives) {
    violated(name(node) + " does not account for every packet: " + std::to_string(taken) +
             " left over, " + std::to_string(keepalives) + " keepalives; in " + std::to_string(in) +
             ", sent " + std::to_string(ledger.data_out) + ", to TUN " +
             std::to_string(ledger.tun_out) + ", handshakes " +
             std::to_string(ledger.handshakes_taken) + ", waiting " + std::to_string(waiting) +
             ", drops " + std::to_string(drops));
  }
  ledger.keepalives_taken = left;
}

}  // namespace hawser::testing
