#include "dataplane/train_sealer.h"

#include <algorithm>
#include <cassert>
#include <mutex>
#include <optional>

#include "routing/ip_packet.h"

namespace hawser {
namespace {

bool carries_data(std::span<const SealItem> items) {
  return std::any_of(items.begin(), items.end(),
                     [](const SealItem& item) { return item.packet_len > 0; });
}

}  // namespace

void TrainSealer::dispatch(Peer& peer, std::span<const SealItem> items, const Batch& batch) {
  while (!items.empty()) {
    const auto part = items.first(std::min(items.size(), kMaxTrainSegments));
    Keypair* const keypair = peer.sessions.current();
    std::optional<std::uint64_t> first;
    if (keypair != nullptr && peer.staged.empty()) {
      first = keypair->reserve_counters(static_cast<std::uint32_t>(part.size()), batch.now.boot);
    }
    if (first) {
      seal_and_send(peer, *keypair, *first, part, batch);
    } else {
      stage(peer, part);
      flush_staged(peer, batch);
    }
    items = items.subspan(part.size());
  }
}

void TrainSealer::stage(Peer& peer, std::span<const SealItem> items) {
  std::uint32_t dropped = 0;
  {
    const std::lock_guard lock(peer.staged.mutex());
    for (const SealItem& item : items) {
      dropped += peer.staged.push(state_.staged_pool, {item.packet(), item.packet_len});
    }
  }
  if (dropped > 0) peer.drops.add(DropReason::kStagedFull, dropped);
}

void TrainSealer::flush_staged(Peer& peer, const Batch& batch) {
  std::array<SealItem, kMaxTrainSegments> items;
  while (!peer.staged.empty()) {
    // Sealing under the lock: another thread that comes meanwhile queues behind us.
    const std::lock_guard lock(peer.staged.mutex());
    std::uint64_t first = 0;
    Keypair* keypair = nullptr;
    const std::uint32_t num = take_staged(peer, batch, items, first, keypair);
    if (num == 0) return;
    seal_and_send(peer, *keypair, first, std::span(items).first(num), batch);
  }
}

std::uint32_t TrainSealer::take_staged(Peer& peer, const Batch& batch,
                                       std::array<SealItem, kMaxTrainSegments>& items,
                                       std::uint64_t& first_counter, Keypair*& keypair) {
  const auto wanted =
      static_cast<std::uint32_t>(std::min<std::size_t>(peer.staged.size(), items.size()));
  if (wanted == 0) return 0;
  Endpoint endpoint;
  if (!peer.endpoint.get(endpoint)) return 0;
  keypair = peer.sessions.current();
  const auto first =
      keypair == nullptr ? std::nullopt : keypair->reserve_counters(wanted, batch.now.boot);
  if (!first) {
    want_handshake(peer);
    return 0;
  }
  first_counter = *first;
  const std::uint32_t mtu = state_.mtu.load(std::memory_order_relaxed);
  std::uint32_t num = 0;
  for (; num < wanted; ++num) {
    SealItem& item = items[num];
    item = batch.out.has_room(num + 1)
               ? SealItem::allocate(batch.out, peer.staged.front_len(state_.staged_pool), mtu)
               : SealItem{};
    if (item.datagram == nullptr) {
      // The batch is full: the handshake thread goes on with the next one.
      ask_attention(peer, kFlushStaged);
      break;
    }
    peer.staged.pop(state_.staged_pool, item.packet());
    const auto header = parse_ip({item.packet(), item.packet_len});
    if (header) item.traffic_class = outer_traffic_class(header->traffic_class);
  }
  return num;
}

bool TrainSealer::send_keepalive(Peer& peer, const Batch& batch) {
  Keypair* const keypair = peer.sessions.current();
  Endpoint endpoint;
  if (keypair == nullptr || !peer.endpoint.get(endpoint) || !batch.out.has_room(1)) return false;
  const auto counter = keypair->reserve_counters(1, batch.now.boot);
  if (!counter) return false;
  const SealItem item = SealItem::allocate(batch.out, 0, 0);
  if (item.datagram == nullptr) return false;
  seal_and_send(peer, *keypair, *counter, {&item, 1}, batch);
  return true;
}

void TrainSealer::seal_and_send(Peer& peer, const Keypair& keypair, std::uint64_t first_counter,
                                std::span<const SealItem> items, const Batch& batch) {
  Endpoint to;
  if (!peer.endpoint.get(to)) {
    peer.drops.add(DropReason::kNoEndpoint, items.size());
    return;
  }
  if (!batch.out.has_room(items.size())) {
    peer.drops.add(DropReason::kBatchFull, items.size());
    return;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    write_transport_header(items[i].datagram, keypair.remote_index, first_counter + i);
    jobs_[i] = {items[i].packet(), items[i].plain_len, false, first_counter + i,
                &keypair.send_key()};
  }
  aead_.seal(std::span(jobs_).first(items.size()));
  add_trains(peer, to, items, batch.out);
  after_sending(peer, keypair, items, batch.now.boot);
}

void TrainSealer::add_trains(Peer& peer, const Endpoint& to, std::span<const SealItem> items,
                             OutBatch& out) {
  const bool gso_refused = peer.endpoint.gso_refused();
  std::size_t i = 0;
  while (i < items.size()) {
    assert(items[i].datagram_len() <= kMaxUdpPayload);
    UdpSend send{.to = to,
                 .first_slice = out.num_slices(),
                 .segment_len = items[i].datagram_len(),
                 .traffic_class = items[i].traffic_class,
                 .gso_refused = gso_refused,
                 .peer = &peer};
    std::uint8_t* slice = items[i].datagram;
    std::uint32_t slice_len = 0;
    bool last_was_short = false;
    for (; i < items.size(); ++i) {
      const SealItem& item = items[i];
      const std::uint32_t len = item.datagram_len();
      if (last_was_short || len > send.segment_len || send.len + len > kMaxUdpPayload ||
          item.traffic_class != send.traffic_class) {
        break;
      }
      if (item.datagram != slice + slice_len) {
        out.add_slice(slice, slice_len);
        ++send.num_slices;
        slice = item.datagram;
        slice_len = 0;
      }
      slice_len += len;
      send.len += len;
      last_was_short = len < send.segment_len;
    }
    out.add_slice(slice, slice_len);
    ++send.num_slices;
    out.add_udp(send);
  }
}

void TrainSealer::after_sending(Peer& peer, const Keypair& keypair, std::span<const SealItem> items,
                                Instant now) {
  std::uint64_t bytes = 0;
  for (const SealItem& item : items) bytes += item.datagram_len();
  peer.tx_bytes.fetch_add(bytes, std::memory_order_relaxed);
  counters_.sent_datagrams.add(items.size());

  peer.timers.any_authenticated_packet_sent(now);
  if (carries_data(items) && peer.timers.data_sent(now)) ask_attention(peer, kCheckTimers);
  if (keypair.wants_rekey_on_send(now)) want_handshake(peer);
}

void TrainSealer::note_outcomes(const OutBatch& submitted) {
  for (const UdpReport& report : submitted.udp_reports()) note(*report.send, report.outcome);
  for (const TunFailure& failure : submitted.tun_failures()) {
    const TunOffload& offload = failure.write->offload;
    const std::uint32_t payload = offload.segment_payload;
    const std::uint32_t num =
        payload == 0 ? 1 : (failure.write->len - offload.header_len + payload - 1) / payload;
    state_.drops.add(DropReason::kTunFailed, num);
  }
}

void TrainSealer::note(const UdpSend& send, const UdpOutcome& outcome) {
  if (outcome.error != 0) {
    const std::uint32_t segment_len = send.segment_len == 0 ? 1 : send.segment_len;
    const std::uint32_t num = (send.len + segment_len - 1) / segment_len;
    (send.peer == nullptr ? state_.drops : send.peer->drops)
        .add(DropReason::kSendFailed, num - outcome.num_sent);
  }
  if (send.peer == nullptr) return;
  if (outcome.source_refused) send.peer->endpoint.forget_source();
  if (outcome.gso_refused) {
    state_.gso_refusals.fetch_add(1, std::memory_order_relaxed);
    if (send.peer->endpoint.refuse_gso(send.to)) ask_attention(*send.peer, kGsoRefused);
  }
}

}  // namespace hawser
