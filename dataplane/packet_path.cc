#include "dataplane/packet_path.h"

#include <utility>

#include "dataplane/packet_path_impl.h"

namespace hawser {

PacketPath::PacketPath(Device& device, std::unique_ptr<Aead> aead, TunFeatures tun_features)
    : impl_(std::make_unique<Impl>(device.state(), std::move(aead), tun_features)) {}

PacketPath::~PacketPath() = default;

void PacketPath::begin() { impl_->reader.online(); }

void PacketPath::end() {
  impl_->reader.offline();
  if (impl_->sealer.take_wake()) impl_->state.wake_handshakes();
}

void PacketPath::end_before_handshakes() {
  impl_->reader.offline();
  (void)impl_->sealer.take_wake();
}

void PacketPath::receive(std::span<const ReceivedTrain> trains, const Now& now, OutBatch& out) {
  impl_->receiver.receive(trains, now, out);
}

void PacketPath::send(std::span<const TunPacket> packets, const Now& now, OutBatch& out) {
  impl_->sender.send(packets, now, out);
}

SendObserver& PacketPath::observer() { return *impl_; }

void PacketPath::Impl::udp_outcome(const UdpSend& send, const UdpOutcome& outcome) {
  note_udp_outcome(state, sealer, send, outcome);
}

void PacketPath::Impl::tun_write_failed(const TunWrite& write, int) {
  const std::uint32_t payload = write.offload.segment_payload;
  const std::uint32_t num =
      payload == 0 ? 1 : (write.len - write.offload.header_len + payload - 1) / payload;
  state.drops.add(DropReason::kTunFailed, num);
}

}  // namespace hawser
