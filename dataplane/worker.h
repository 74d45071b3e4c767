#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "dataplane/device.h"
#include "dataplane/engine.h"
#include "dataplane/packet_path.h"

namespace hawser {

// Worker runs one engine and one packet path until stopped. Run run() on a thread of its own;
// post() and stop() may be called from any thread. When batch after batch holds nothing but what is
// dropped, it lets some gather before it looks again.
class Worker {
 public:
  Worker(PacketPath& path, Engine& engine, Clock& clock)
      : path_(path), engine_(engine), clock_(clock) {}

  void run();
  void run_once(Duration timeout);
  void stop();
  // Runs `task` on the worker's thread between two batches: the way to change its engine.
  void post(std::function<void()> task);

 private:
  void note_barren(Instant now);
  void run_posted();

  PacketPath& path_;
  Engine& engine_;
  Clock& clock_;
  InBatch in_;
  OutBatch out_;
  unsigned num_barren_ = 0;  // batches in a row that led to nothing
  std::optional<Instant> last_barren_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> has_posted_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

// HandshakeLoop runs Device::run_handshakes on a thread of its own, and receives what the kernel
// keeps from the workers (tun/handshake_steering.h): handshake messages, hostile datagrams, and now
// and then transport data behind one of them in a train, which takes `path` as on any worker. While
// datagrams come often it lets them gather between two turns, so that a flood costs few wakes.
// `engine` may be one that only sends: then the workers hand over what they receive.
class HandshakeLoop {
 public:
  HandshakeLoop(Device& device, PacketPath& path, Engine& engine, Clock& clock)
      : device_(device), path_(path), engine_(engine), clock_(clock) {}

  void run();
  void stop();
  void post(std::function<void()> task);

  // One round: receives, after waiting for so long at most, and takes a turn. Returns how long the
  // next may wait.
  Duration run_once(Duration timeout);

 private:
  bool receive(Duration timeout);
  void rest_if_often(const Now& now);
  void run_posted();

  Device& device_;
  PacketPath& path_;
  Engine& engine_;
  Clock& clock_;
  InBatch in_;
  OutBatch out_;
  std::optional<Instant> last_received_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace hawser
