#include "dataplane/router.h"

#include <algorithm>
#include <array>

#include "dataplane/seal_item.h"

namespace hawser {
namespace {

// What a router answers from when it has no IPv4 address of its own (RFC 7600 §4.8).
constexpr std::array<std::uint8_t, 4> kIpv4DummyAddress = {192, 0, 0, 8};

}  // namespace

bool stays_on_link(const IpAddress& destination) {
  return destination.is_multicast() || destination.is_link_local() ||
         destination.is_unspecified() || destination.is_loopback();
}

bool Router::is_own(const IpAddress& address) const {
  const auto match = state_.host_routes.lookup(address);
  return match.value != nullptr && match.value->own_address;
}

// The overlay's routes and the allowed IPs together: the longer prefix, and the overlay's where
// both are equally long. Split horizon holds for both: what a controller hands over, no further one
// gets.
Router::PeerRoute Router::peer_route(const IpAddress& destination, const Peer* from,
                                     Instant now) const {
  const auto allowed = state_.allowed_ips.lookup(destination);
  if (!state_.overlay.in_use()) return {allowed.value, allowed.length};
  const auto choice = state_.overlay.choose(destination, from, now);
  if (choice.found && (allowed.value == nullptr || choice.length >= allowed.length)) {
    return {choice.peer, choice.length, choice.peer == nullptr};
  }
  if (allowed.value != nullptr && from != nullptr && from->is_controller.load() &&
      allowed.value->is_controller.load()) {
    return {nullptr, allowed.length, true};
  }
  return {allowed.value, allowed.length};
}

// As for destinations, the longest prefix decides over the allowed IPs and the accept rules
// together: a peer's default route never makes it the owner of what stands elsewhere by name.
bool Router::owns_source(const Peer& from, const IpAddress& source) const {
  const auto allowed = state_.allowed_ips.lookup(source);
  if (!state_.overlay.in_use()) return allowed.value == &from;
  const auto accept = state_.overlay.accepts(source, from);
  if (!accept.found) return allowed.value == &from;
  if (allowed.value == nullptr || accept.length > allowed.length) return accept.accepted;
  if (accept.length < allowed.length) return allowed.value == &from;
  return accept.accepted || allowed.value == &from;
}

// However broad a peer's allowed IPs are. Link-local sources are good on the link itself, where
// routing daemons speak with them, and a host without an address yet sends multicast reports from
// none (RFC 3810 §5.2.13); RFC 4291 §2.5.2 and §2.5.6 keep routers from passing on either.
Router::Source Router::judge_source(const Peer& from, const IpAddress& source) const {
  if (!owns_source(from, source)) return Source::kNotAllowed;
  // The rest of "this network" (RFC 1122 §3.2.1.3).
  const bool is_this_network =
      source.family == IpFamily::kV4 && source.bytes[0] == 0 && !source.is_unspecified();
  if (is_this_network || source.is_loopback() || source.is_multicast() || source.is_reserved() ||
      is_own(source)) {
    return Source::kImpossible;
  }
  return source.is_link_local() || source.is_unspecified() ? Source::kThisLink : Source::kGood;
}

Peer* Router::peer_for(const IpAddress& destination, Instant now) const {
  return peer_route(destination, nullptr, now).peer;
}

Router::Decision Router::decide(const IpAddress& destination, const Peer& from, Instant now) const {
  const bool has_tun = state_.options.has_tun;
  if (state_.options.forward == ForwardMode::kKernel && has_tun) return {Where::kLocal, nullptr};

  const auto host = state_.host_routes.lookup(destination);
  if (host.value != nullptr && host.value->own_address) return {Where::kLocal, nullptr};
  if (stays_on_link(destination)) return {has_tun ? Where::kLocal : Where::kNotForUs, nullptr};
  if (state_.options.forward == ForwardMode::kNone) return {Where::kNotForUs, nullptr};

  const PeerRoute route = peer_route(destination, &from, now);
  // The longer prefix wins; of equal ones the allowed IPs, or a peer's default route would lose
  // against the host's own.
  const bool host_is_longer = host.value != nullptr && host.length > route.length;
  if (route.peer != nullptr && !host_is_longer) return {Where::kPeer, route.peer};
  // Not to TUN: the host's own forwarding would send it to the very peer that is barred.
  if (route.barred && !host_is_longer) return {Where::kNoRoute, nullptr};
  return {has_tun ? Where::kLocal : Where::kNoRoute, nullptr};
}

std::optional<IpAddress> Router::error_source(IpFamily family) const {
  const Lock lock(state_.icmp_mutex);
  const IpAddress& own = state_.icmp_source[family == IpFamily::kV4 ? 0 : 1];
  if (!own.is_unspecified()) return own;
  if (family == IpFamily::kV4) return IpAddress::v4(kIpv4DummyAddress);
  return std::nullopt;
}

// The peer's own budget first: who spends it up has taken nothing from the others.
bool Router::may_spend(IcmpError error, Peer* from, Instant now) const {
  if (from == nullptr) return state_.icmp_to_host.allow(error, now);
  return from->icmp_errors.allow(error, now) && state_.icmp_to_peers.allow(error, now);
}

void Router::send_error(std::span<const std::uint8_t> offending, const IpHeader& header,
                        IcmpError error, Peer* from, const Batch& batch) {
  if (from == nullptr && !state_.options.has_tun) return;
  if (!icmp_error_allowed(offending, header, error)) return;
  // Into our own TUN it must not come from an address of this host: the kernel drops such packets
  // as impossible. The unreachable destination answers for itself.
  const auto source =
      from == nullptr ? std::optional(header.destination) : error_source(header.source.family);
  if (!source || !may_spend(error, from, batch.now.boot)) return;
  OutBatch& out = batch.out;
  if (!out.has_room(1)) return;
  std::uint8_t* const datagram = out.allocate(max_datagram_len(kMaxIcmpv6ErrorLen));
  if (datagram == nullptr) return;

  const std::uint32_t mtu =
      std::min(state_.mtu.load(std::memory_order_relaxed), kMaxInnerPacketLen);
  std::uint8_t* const packet = datagram + sizeof(TransportHeader);
  const auto len = static_cast<std::uint32_t>(
      write_icmp_error({packet, kMaxIcmpv6ErrorLen}, offending, header, error, *source, mtu));
  counters_.icmp_errors_sent.add(1);
  if (from == nullptr) {
    const std::uint32_t slice = out.num_slices();
    out.add_slice(packet, len);
    out.add_tun({.first_slice = slice, .num_slices = 1, .len = len, .offload = {}});
    return;
  }
  const SealItem item = SealItem::lay_out(datagram, len, mtu);
  sealer_.dispatch(*from, {&item, 1}, batch);
}

}  // namespace hawser
