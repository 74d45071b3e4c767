#include "dataplane/receiver.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "noise/messages.h"
#include "routing/icmp_request.h"

namespace hawser {

void Receiver::receive(std::span<const ReceivedTrain> trains, const Batch& batch) {
  for (const ReceivedTrain& train : trains) receive_train(train, batch);
  open_run(batch);
  const std::uint32_t dropped = coalescer_.flush(batch.out);
  if (dropped > 0) state_.drops.add(DropReason::kBatchFull, dropped);
}

// Whole, and as one train when it leaves again: a train that came full goes on as it came.
bool Receiver::Run::takes(const ReceivedTrain& train) const {
  return num + train.num_datagrams() <= datagrams.size() && len + train.len <= kMaxUdpPayload;
}

bool Receiver::Run::is_of(const ReceivedTrain& train, std::uint32_t index) const {
  return receiver_index == index && remote == train.remote && traffic_class == train.traffic_class;
}

// A GRO train may hold what does not belong together: the kernel merges by addresses and length
// alone. It is cut into runs of transport data with one receiver index.
void Receiver::receive_train(const ReceivedTrain& train, const Batch& batch) {
  const std::uint32_t segment_len = std::max<std::uint32_t>(1, train.segment_len);
  if (!state_.up.load(std::memory_order_relaxed)) {
    state_.drops.add(DropReason::kInterfaceDown, train.num_datagrams());
    return;
  }
  counters_.received_datagrams.add(train.num_datagrams());
  if (!run_.takes(train)) open_run(batch);
  for (std::uint32_t at = 0; at < train.len; at += segment_len) {
    const std::span datagram(train.data + at, std::min(segment_len, train.len - at));
    const auto type = classify_message(datagram);
    if (type == MessageType::kTransportData) {
      add_to_run(train, datagram, batch);
    } else if (type) {
      take_handshake(*type, datagram, train.remote);
    } else {
      state_.drops.add(DropReason::kMalformed);
    }
  }
  if (train.len == 0) state_.drops.add(DropReason::kMalformed);
}

void Receiver::add_to_run(const ReceivedTrain& train, std::span<std::uint8_t> datagram,
                          const Batch& batch) {
  const std::uint32_t index = transport_receiver(datagram.data());
  if (run_.num > 0 && (run_.num == run_.datagrams.size() || !run_.is_of(train, index))) {
    open_run(batch);
  }
  if (run_.num == 0) {
    run_.receiver_index = index;
    run_.remote = train.remote;
    run_.traffic_class = train.traffic_class;
    run_.len = 0;
  }
  run_.len += datagram.size();
  run_.datagrams[run_.num++] = datagram;
}

void Receiver::take_handshake(MessageType type, std::span<const std::uint8_t> message,
                              const Endpoint& from) {
  switch (state_.handshake_queue.push(type, message, from)) {
    case HandshakeQueue::Pushed::kFull:
      state_.drops.add(DropReason::kHandshakeQueueFull);
      return;
    case HandshakeQueue::Pushed::kFirst:
      sealer_.request_wake();
      return;
    case HandshakeQueue::Pushed::kBehind:
      return;  // a wake for each of a flood would cost the workers more than the messages do
  }
}

void Receiver::open_run(const Batch& batch) {
  if (run_.num == 0) return;
  Keypair* const keypair = state_.sessions.lookup(run_.receiver_index);
  if (keypair == nullptr) {
    state_.drops.add(DropReason::kNoSession, std::exchange(run_.num, 0));
    return;
  }
  Peer& peer = *static_cast<Peer*>(keypair->owner);
  if (keypair->expired(batch.now.boot)) {
    peer.drops.add(DropReason::kSessionExpired, std::exchange(run_.num, 0));
    return;
  }
  const std::size_t num = run_.num;
  const bool any = open_and_check(*keypair, peer);
  run_.num = 0;
  if (!any) return;
  authenticated(*keypair, peer, num, batch);

  last_source_.reset();
  last_destination_.reset();
  for (std::size_t i = 0; i < num; ++i) {
    if (!jobs_[i].ok || jobs_[i].len == 0) continue;  // dropped, or a keepalive
    std::uint8_t* const datagram = run_.datagrams[i].data();
    const std::span<std::uint8_t> plain(jobs_[i].data, jobs_[i].len);
    const auto header = parse_ip(plain);
    if (!header) {
      peer.drops.add(DropReason::kInnerMalformed);
      continue;
    }
    OpenedPacket packet{datagram, jobs_[i].len, *header, &peer};
    if ((run_.traffic_class & kEcnMask) != kEcnNotEct) {
      packet.header.traffic_class = decapsulate_ecn(packet.packet(), run_.traffic_class);
    }
    deliver(packet, batch);
  }
  relay_.flush(batch);
}

// Decrypts the run in place and takes each counter once. False: nothing in it was authentic and
// new. jobs_[i].ok says of each.
bool Receiver::open_and_check(Keypair& keypair, Peer& peer) {
  const std::size_t num = run_.num;
  for (std::size_t i = 0; i < num; ++i) {
    const std::span<std::uint8_t> datagram = run_.datagrams[i];
    jobs_[i] = {datagram.data() + sizeof(TransportHeader),
                static_cast<std::uint32_t>(datagram.size() - kTransportOverhead), false,
                transport_counter(datagram.data()), &keypair.receive_key()};
  }
  aead_.open(std::span(jobs_).first(num));
  std::uint64_t bad_tags = 0;
  std::uint64_t replayed = 0;
  std::uint64_t bytes = 0;
  {
    const std::lock_guard lock(keypair.replay_mutex());
    for (std::size_t i = 0; i < num; ++i) {
      if (!jobs_[i].ok) {
        ++bad_tags;
      } else if (!keypair.replay_window().accept(jobs_[i].counter)) {
        jobs_[i].ok = false;
        ++replayed;
      } else {
        bytes += run_.datagrams[i].size();
      }
    }
  }
  if (bad_tags > 0) peer.drops.add(DropReason::kBadTag, bad_tags);
  if (replayed > 0) peer.drops.add(DropReason::kReplayed, replayed);
  peer.rx_bytes.fetch_add(bytes, std::memory_order_relaxed);
  return bytes > 0;
}

void Receiver::authenticated(Keypair& keypair, Peer& peer, std::size_t num, const Batch& batch) {
  peer.endpoint.roam(run_.remote);
  peer.timers.any_authenticated_packet_received(batch.now.boot);

  // The first packet on it confirms the responder's new keypair.
  Sessions::Removed removed;
  if (peer.sessions.confirm(&keypair, removed)) {
    state_.retire(removed);
    sealer_.ask_attention(peer, kSessionConfirmed);
    sealer_.flush_staged(peer, batch);
  }
  if (keypair.wants_rekey_on_receive(batch.now.boot) && peer.sessions.current() == &keypair &&
      !keypair.rekey_on_receive_done.exchange(true)) {
    sealer_.want_handshake(peer);
  }
  const auto run = std::span(jobs_).first(num);
  const bool data =
      std::any_of(run.begin(), run.end(), [](const AeadJob& job) { return job.ok && job.len > 0; });
  if (data && peer.timers.data_received(batch.now.boot)) sealer_.ask_attention(peer, kCheckTimers);
}

Router::Source Receiver::judge_source(const OpenedPacket& packet) {
  if (last_source_ != packet.header.source) {
    last_source_ = packet.header.source;
    last_judgement_ = router_.judge_source(*packet.from, packet.header.source);
  }
  return last_judgement_;
}

// May a packet from a source of this link go where it is bound for?
bool Receiver::ends_on_this_link(const OpenedPacket& packet) const {
  // In kernel mode everything is ours to hand over, and the kernel would pass it on.
  const IpAddress& destination = packet.header.destination;
  return last_decision_.where == Router::Where::kLocal &&
         (stays_on_link(destination) ||
          (!packet.header.source.is_unspecified() && router_.is_own(destination)));
}

void Receiver::deliver(const OpenedPacket& packet, const Batch& batch) {
  Peer& from = *packet.from;
  const Router::Source source = judge_source(packet);
  if (source == Router::Source::kNotAllowed) {
    from.drops.add(DropReason::kSourceNotAllowed);
    return;
  }
  if (last_destination_ != packet.header.destination) {
    last_destination_ = packet.header.destination;
    last_decision_ = router_.decide(packet.header.destination, *packet.from, batch.now.boot);
  }
  if (source != Router::Source::kGood &&
      (source == Router::Source::kImpossible || !ends_on_this_link(packet))) {
    from.drops.add(DropReason::kImpossibleSource);
    return;
  }
  switch (last_decision_.where) {
    case Router::Where::kLocal:
      if (packet.from->is_controller.load(std::memory_order_relaxed) &&
          is_goodbye(packet.packet(), packet.header)) {
        sealer_.ask_attention(*packet.from, kGoodbye);
        return;
      }
      deliver_local(packet, batch);
      return;
    case Router::Where::kPeer:
      relay_.forward(packet, *last_decision_.peer, batch);
      return;
    case Router::Where::kNotForUs:
      from.drops.add(DropReason::kNotForUs);
      return;
    case Router::Where::kNoRoute:
      from.drops.add(DropReason::kNoRoute);
      router_.send_error(packet.packet(), packet.header, IcmpError::kNoRoute, &from, batch);
      return;
  }
}

void Receiver::deliver_local(const OpenedPacket& packet, const Batch& batch) {
  if (!state_.options.has_tun) {
    // Without a TUN device we are a host that answers echo requests, and nothing else.
    if (!echo_reply_in_place(packet.packet(), packet.header)) {
      packet.from->drops.add(DropReason::kNotForUs);
      return;
    }
    relay_.send_own(packet, *packet.from, batch);
    return;
  }
  counters_.tun_written_packets.add(1);
  const std::uint32_t dropped = coalescer_.add(batch.out, packet.packet(), packet.header);
  if (dropped > 0) state_.drops.add(DropReason::kBatchFull, dropped);
}

}  // namespace hawser
