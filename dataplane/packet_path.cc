#include "dataplane/packet_path.h"

#include <utility>

#include "dataplane/receiver.h"
#include "dataplane/router.h"
#include "dataplane/sender.h"
#include "dataplane/train_sealer.h"
#include "dataplane/worker_state.h"

namespace hawser {

struct PacketPath::Impl {
  Impl(WorkerState& worker_state, std::unique_ptr<Aead> path_aead, TunFeatures tun_features)
      : state(worker_state),
        reader(state.domain),
        counters(state.new_counters()),
        aead(std::move(path_aead)),
        sealer(state, *aead, *counters),
        router(state, sealer, *counters),
        receiver(state, *aead, sealer, router, *counters, tun_features),
        sender(state, sealer, router, *counters) {}

  WorkerState& state;
  QuiescentDomain::Reader reader;
  std::shared_ptr<PathCounters> counters;
  std::unique_ptr<Aead> aead;
  TrainSealer sealer;
  Router router;
  Receiver receiver;
  Sender sender;
};

PacketPath::PacketPath(Device& device, std::unique_ptr<Aead> aead, TunFeatures tun_features)
    : impl_(std::make_unique<Impl>(device.worker_state(), std::move(aead), tun_features)) {}

PacketPath::~PacketPath() = default;

void PacketPath::begin() { impl_->reader.online(); }

void PacketPath::receive(std::span<const ReceivedTrain> trains, const Batch& batch) {
  impl_->receiver.receive(trains, batch);
}

void PacketPath::send(std::span<const TunPacket> packets, const Batch& batch) {
  impl_->sender.send(packets, batch);
}

void PacketPath::end(const OutBatch& submitted) {
  if (finish(submitted)) impl_->state.wake_handshakes();
}

void PacketPath::end_before_handshakes(const OutBatch& submitted) { (void)finish(submitted); }

// True: the handshake thread is to be woken.
bool PacketPath::finish(const OutBatch& submitted) {
  impl_->sealer.note_outcomes(submitted);
  impl_->reader.offline();
  return impl_->sealer.take_wake();
}

}  // namespace hawser
