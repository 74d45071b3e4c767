#pragma once
#include <memory>
#include <span>

#include "dataplane/coalescer.h"
#include "dataplane/device.h"
#include "dataplane/engine.h"
#include "noise/aead.h"

namespace hawser {

// PacketPath is one worker's way through the device: receive → open → route → seal → send, run to
// completion on one thread. Nothing here allocates after construction.
//
//   path.begin();                                // tables may be read from here on
//   path.receive(in.trains, now, out);           // UDP → UDP, UDP → TUN
//   path.send(in.tun_packets, now, out);         // TUN → UDP
//   engine.submit(out, path.observer());
//   path.end();
class PacketPath {
 public:
  PacketPath(Device& device, std::unique_ptr<Aead> aead, TunFeatures tun_features);
  ~PacketPath();
  PacketPath(const PacketPath&) = delete;
  PacketPath& operator=(const PacketPath&) = delete;

  void begin();
  void end();
  // end() on the handshake thread, which looks next at what it would be woken for.
  void end_before_handshakes();
  // Trains are opened, rewritten and sealed in place: their memory belongs to `out` until it is
  // submitted.
  void receive(std::span<const ReceivedTrain> trains, const Now& now, OutBatch& out);
  void send(std::span<const TunPacket> packets, const Now& now, OutBatch& out);
  SendObserver& observer();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hawser
