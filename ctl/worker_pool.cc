#include "ctl/worker_pool.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "noise/aead_choice.h"
#include "tun/system_clock.h"

namespace hawser {

namespace {

// A worker takes a posted task after its present batch: milliseconds. Longer than this means that
// something is wrong with it, and an operator's `wg set` shall not hang on it.
constexpr auto kExchangeTimeout = std::chrono::seconds(5);

// Countdown is waited for until it was counted down by everyone, or for a while.
class Countdown {
 public:
  explicit Countdown(std::size_t num) : left_(num) {}
  void count_down() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) done_.notify_all();
  }
  template <class TimeSpan>
  bool wait_for(TimeSpan timeout) {
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, timeout, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::size_t left_;
};

// The handshake thread gives way to the workers where all processors are busy: a flood of
// initiations may delay other handshakes, not transport data. A tenth of a worker's weight still
// is hundreds of handshakes a second. (At 5, a flood of spoofed initiations with valid mac1 left
// 0.75–0.92 of a TCP stream on two processors that were all in use; at 10, 0.87–1.00.)
constexpr int kHandshakeNiceness = 10;

// Signals are the control thread's.
template <class Body>
std::thread start_thread(const std::string& name, Body body) {
  sigset_t all{};
  sigset_t before{};
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread.native_handle(), name.c_str());
  return thread;
}

}  // namespace

Result<std::unique_ptr<WorkerPool>> WorkerPool::make(const Parts& parts, const LogSink& log) {
  std::unique_ptr<WorkerPool> pool(new WorkerPool());
  pool->device_ = &parts.device;
  const std::optional<AeadTable> aead =
      choose_aead(parts.aead, pool->aead_reason_, [] { return boot_now().time_since_epoch(); });
  if (!aead) {
    return Error{
        fmt::format("--aead={}: {}; try --aead=auto", to_string(parts.aead), pool->aead_reason_),
        EOPNOTSUPP};
  }
  pool->aead_name_ = aead_table_name(*aead);
  // It stands beside the name everywhere.
  if (pool->aead_reason_.starts_with(pool->aead_name_ + ": ")) {
    pool->aead_reason_.erase(0, pool->aead_name_.size() + 2);
  }
  for (std::size_t i = 0; i < parts.sockets.workers.size(); ++i) {
    if (Status made = pool->make_worker(parts, i, make_aead(*aead)); !made) return made.error();
  }
  if (Status made = pool->make_handshake_loop(parts, make_aead(*aead)); !made) return made.error();
  if (log) {
    if (!pool->engine_reason_.empty()) {
      log(LogLevel::kInfo, fmt::format("engine {}: {}", pool->engine_name_, pool->engine_reason_));
    }
    log(LogLevel::kInfo, fmt::format("AEAD {}: {}", pool->aead_name_, pool->aead_reason_));
  }
  return pool;
}

WorkerPool::~WorkerPool() { stop(); }

Result<std::unique_ptr<KernelEngine>> WorkerPool::make_engine(EngineKind kind,
                                                              const EngineParts& parts) {
  std::string reason;
  auto engine = make_kernel_engine(kind, parts, &reason);
  if (engine && engine_reason_.empty()) engine_reason_ = reason;
  return engine;
}

Status WorkerPool::make_worker(const Parts& parts, std::size_t i, std::unique_ptr<Aead> aead) {
  const UdpSocketPair& sockets = parts.sockets.workers[i];
  EngineParts edges;
  edges.udp_v4 = sockets.v4.get();
  edges.udp_v6 = sockets.v6.get();
  if (parts.tun != nullptr) {
    edges.tun = parts.tun->queue(i);
    edges.tun_has_vnet_header = parts.tun->has_vnet_header();
  }
  auto engine = make_engine(parts.engine, edges);
  if (!engine) return engine.error();
  engine_name_ = std::string((*engine)->name());

  Packets made;
  made.engine = std::move(*engine);
  made.path = std::make_unique<PacketPath>(
      parts.device, std::move(aead), parts.tun != nullptr ? parts.tun->features() : TunFeatures{});
  made.worker = std::make_unique<Worker>(*made.path, *made.engine, parts.clock);
  workers_.push_back(std::move(made));
  return {};
}

Status WorkerPool::make_handshake_loop(const Parts& parts, std::unique_ptr<Aead> aead) {
  const UdpSocketPair& sockets = parts.sockets.for_handshakes();
  EngineParts edges;
  edges.udp_v4 = sockets.v4.get();
  edges.udp_v6 = sockets.v6.get();
  if (parts.tun != nullptr) {
    edges.tun = parts.tun->queue(0);
    edges.tun_has_vnet_header = parts.tun->has_vnet_header();
  }
  edges.receive = parts.sockets.is_steered();
  edges.read_tun = false;
  auto engine = make_engine(parts.engine, edges);
  if (!engine) return engine.error();
  handshake_engine_ = std::move(*engine);
  handshake_path_ = std::make_unique<PacketPath>(
      parts.device, std::move(aead), parts.tun != nullptr ? parts.tun->features() : TunFeatures{});
  handshake_loop_ = std::make_unique<HandshakeLoop>(parts.device, *handshake_path_,
                                                    *handshake_engine_, parts.clock);
  parts.device.set_handshake_waker([waker = handshake_engine_.get()] { waker->wake(); });
  return {};
}

void WorkerPool::start() {
  handshake_thread_ = start_thread("handshake", [this] {
    [[maybe_unused]] const int niceness = ::nice(kHandshakeNiceness);  // of this thread alone
    handshake_loop_->run();
  });
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].thread =
        start_thread(fmt::format("worker-{}", i), [this, i] { workers_[i].worker->run(); });
  }
}

void WorkerPool::stop() {
  for (Packets& packets : workers_) packets.worker->stop();
  for (Packets& packets : workers_) {
    if (packets.thread.joinable()) packets.thread.join();
  }
  // Workers wake the handshake thread, so it goes last.
  if (handshake_loop_ != nullptr) handshake_loop_->stop();
  if (handshake_thread_.joinable()) handshake_thread_.join();
  // The device outlives this, and would wake an engine that is gone.
  if (device_ != nullptr) device_->set_handshake_waker([] {});
}

void WorkerPool::exchange_sockets(const UdpSocketGroup& fresh,
                                  std::shared_ptr<const UdpSocketGroup> old) {
  const auto countdown = std::make_shared<Countdown>(workers_.size() + 1);
  const auto exchange_in = [&](auto& loop, KernelEngine* engine, const UdpSocketPair& sockets) {
    loop.post([engine, v4 = sockets.v4.get(), v6 = sockets.v6.get(), old, countdown] {
      engine->set_udp_sockets(v4, v6);
      countdown->count_down();
    });
  };
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    exchange_in(*workers_[i].worker, workers_[i].engine.get(), fresh.workers[i]);
  }
  exchange_in(*handshake_loop_, handshake_engine_.get(), fresh.for_handshakes());
  (void)countdown->wait_for(kExchangeTimeout);
}

}  // namespace hawser
