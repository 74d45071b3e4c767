#pragma once
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "ctl/interface_status.h"
#include "routing/ip_address.h"

namespace hawser {

// CarrierWatch asks the daemon again and again who carries packets to an address, on a thread of
// its own: a daemon that answers slowly does not delay probes.
class CarrierWatch {
 public:
  using Query = std::function<Result<InterfaceStatus>()>;  // called on that thread

  CarrierWatch(const IpAddress& address, const InterfaceStatus& first, Query query);
  ~CarrierWatch();
  CarrierWatch(const CarrierWatch&) = delete;
  CarrierWatch& operator=(const CarrierWatch&) = delete;

  // The peer's label, kNobody, or kUnknown when the daemon does not answer.
  std::string carrier() const;

  static constexpr const char* kNobody = "nobody";
  static constexpr const char* kUnknown = "unknown (the daemon does not answer)";

 private:
  static std::string name_carrier(const Result<InterfaceStatus>& status, const IpAddress& address);
  void run(const std::stop_token& stop);

  IpAddress address_;
  Query query_;
  mutable std::mutex mutex_;
  std::string carrier_;  // under mutex_
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace hawser
