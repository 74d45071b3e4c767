#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "dataplane/device.h"
#include "dataplane/engine.h"
#include "dataplane/packet_path.h"

namespace hawser {

// Worker runs one engine and one packet path until stopped. Run run() on a thread of its own;
// post() and stop() may be called from any thread.
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
  void run_posted();

  PacketPath& path_;
  Engine& engine_;
  Clock& clock_;
  InBatch in_;
  OutBatch out_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> has_posted_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

// HandshakeLoop runs Device::run_handshakes on a thread of its own. `engine` only sends (it has no
// sockets to receive from); its wait() is the loop's sleep.
class HandshakeLoop {
 public:
  HandshakeLoop(Device& device, Engine& engine, Clock& clock)
      : device_(device), engine_(engine), clock_(clock) {}

  void run();
  void stop();
  void post(std::function<void()> task);

 private:
  void run_posted();

  Device& device_;
  Engine& engine_;
  Clock& clock_;
  InBatch in_;
  OutBatch out_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace hawser
