#include "ctl/carrier_watch.h"

#include <chrono>
#include <condition_variable>
#include <utility>

namespace hawser {

namespace {

// A fifth of the second in which a controller's liveness is asked for.
constexpr auto kCarrierPoll = std::chrono::milliseconds(200);

}  // namespace

CarrierWatch::CarrierWatch(const IpAddress& address, const InterfaceStatus& first, Query query)
    : address_(address),
      query_(std::move(query)),
      carrier_(name_carrier(first, address)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

CarrierWatch::~CarrierWatch() = default;

std::string CarrierWatch::carrier() const {
  const std::lock_guard lock(mutex_);
  return carrier_;
}

std::string CarrierWatch::name_carrier(const Result<InterfaceStatus>& status,
                                       const IpAddress& address) {
  if (!status) return kUnknown;
  const std::string carrier = status->carrier_of(address);
  return carrier.empty() ? kNobody : carrier;
}

void CarrierWatch::run(const std::stop_token& stop) {
  std::mutex waiting;
  std::condition_variable_any timer;
  while (!stop.stop_requested()) {
    const Result<InterfaceStatus> status = query_();
    std::string carrier = name_carrier(status, address_);
    {
      const std::lock_guard lock(mutex_);
      carrier_ = std::move(carrier);
    }
    std::unique_lock lock(waiting);
    timer.wait_for(lock, stop, kCarrierPoll, [] { return false; });
  }
}

}  // namespace hawser
