#pragma once
#include <memory>
#include <span>

#include "dataplane/coalescer.h"
#include "dataplane/device.h"
#include "dataplane/train.h"
#include "noise/aead.h"

namespace hawser {

// PacketPath is one worker's way through the device: receive → open → route → seal → send, run to
// completion on one thread. Nothing here allocates after construction.
//
//   path.begin();                               // tables may be read from here on
//   path.receive(in.trains, {now, out});        // UDP → UDP, UDP → TUN
//   path.send(in.tun_packets, {now, out});      // TUN → UDP
//   engine.submit(out);
//   path.end(out);
class PacketPath {
 public:
  PacketPath(Device& device, std::unique_ptr<Aead> aead, TunFeatures tun_features);
  ~PacketPath();
  PacketPath(const PacketPath&) = delete;
  PacketPath& operator=(const PacketPath&) = delete;

  void begin();
  // Trains are opened, rewritten and sealed in place: their memory belongs to the batch until that
  // is submitted.
  void receive(std::span<const ReceivedTrain> trains, const Batch& batch);
  void send(std::span<const TunPacket> packets, const Batch& batch);
  // Takes note of what became of the batch, and wakes the handshake thread if there is something
  // for it.
  void end(const OutBatch& submitted);
  // end() on the handshake thread, which looks next at what it would be woken for.
  void end_before_handshakes(const OutBatch& submitted);

 private:
  bool finish(const OutBatch& submitted);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hawser
