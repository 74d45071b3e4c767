#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"
#include "base/result.h"
#include "dataplane/device.h"
#include "dataplane/packet_path.h"
#include "dataplane/worker.h"
#include "noise/aead.h"
#include "tun/kernel_engine.h"
#include "tun/tun_device.h"
#include "tun/udp_sockets.h"

namespace hawser {

// WorkerPool is the daemon's threads on the packet side: N workers, each with an engine and a
// packet path of its own, and the handshake thread with the same for what is not transport data.
// Control thread.
class WorkerPool {
 public:
  struct Parts {
    Device& device;  // outlives the pool, as the clock, the sockets and the TUN device
    Clock& clock;
    const UdpSocketGroup& sockets;   // one pair for each worker
    const TunDevice* tun = nullptr;  // a queue for each worker; null: no TUN
    EngineKind engine = EngineKind::kAuto;
    AeadKind aead = AeadKind::kAuto;
  };

  // Makes everything; no thread runs yet.
  static Result<std::unique_ptr<WorkerPool>> make(const Parts& parts, const LogSink& log);
  ~WorkerPool();  // stops
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void start();
  // Ends and joins all threads. Again is harmless.
  void stop();

  // Every engine takes the sockets of `fresh`; returns when all have (the daemon's answer to a set
  // then means that the old port is free), or after a while, `old` staying alive until they have.
  void exchange_sockets(const UdpSocketGroup& fresh, std::shared_ptr<const UdpSocketGroup> old);

  std::size_t num_workers() const { return workers_.size(); }
  const std::string& engine_name() const { return engine_name_; }
  const std::string& engine_reason() const { return engine_reason_; }
  const std::string& aead_name() const { return aead_name_; }
  const std::string& aead_reason() const { return aead_reason_; }

 private:
  struct Packets {
    std::unique_ptr<PacketPath> path;
    std::unique_ptr<KernelEngine> engine;
    std::unique_ptr<Worker> worker;
    std::thread thread;
  };

  WorkerPool() = default;
  Status make_worker(const Parts& parts, std::size_t i, std::unique_ptr<Aead> aead);
  Status make_handshake_loop(const Parts& parts, std::unique_ptr<Aead> aead);
  Result<std::unique_ptr<KernelEngine>> make_engine(EngineKind kind, const EngineParts& parts);

  Device* device_ = nullptr;
  std::vector<Packets> workers_;
  std::unique_ptr<KernelEngine> handshake_engine_;
  std::unique_ptr<PacketPath> handshake_path_;
  std::unique_ptr<HandshakeLoop> handshake_loop_;
  std::thread handshake_thread_;
  std::string engine_name_;
  std::string engine_reason_;
  std::string aead_name_;
  std::string aead_reason_;
};

}  // namespace hawser
