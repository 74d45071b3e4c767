#include "ctl/device_control.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace hawser {

DeviceControl::DeviceControl(Device& device, Clock& clock,
                             std::shared_ptr<const UdpSocketGroup> sockets,
                             std::uint16_t default_port, std::uint32_t fwmark,
                             SocketExchange exchange)
    : device_(device),
      clock_(clock),
      sockets_(std::move(sockets)),
      default_port_(default_port),
      fwmark_(fwmark),
      exchange_(std::move(exchange)) {}

bool DeviceControl::port_is_as_wanted(std::uint16_t wanted) const {
  return wanted == 0 ? !port_was_set_ : wanted == sockets_->port;
}

Status DeviceControl::set(DeviceChange change) {
  const std::optional<std::uint16_t> wanted = change.listen_port;
  const std::uint32_t fwmark = change.fwmark.value_or(fwmark_);
  if (wanted && !port_is_as_wanted(*wanted)) {
    return set_with_new_sockets(std::move(change), *wanted, fwmark);
  }
  if (wanted) change.listen_port = sockets_->port;
  Status done = fwmark != fwmark_ ? set_with_new_mark(std::move(change), fwmark)
                                  : device_.apply(std::move(change), clock_.now());
  if (done && wanted) port_was_set_ = *wanted != 0;
  return done;
}

Status DeviceControl::set_with_new_sockets(DeviceChange change, std::uint16_t wanted,
                                           std::uint32_t fwmark) {
  Result<UdpSocketGroup> opened =
      open_udp_sockets(sockets_->workers.size(), wanted != 0 ? wanted : default_port_, fwmark,
                       sockets_->is_steered() ? Steering::kHandshakesApartOrFail : Steering::kNone);
  if (!opened) return opened.error();
  auto fresh = std::make_shared<const UdpSocketGroup>(std::move(*opened));

  change.listen_port = fresh->port;
  if (Status applied = device_.apply(std::move(change), clock_.now()); !applied) return applied;
  const std::shared_ptr<const UdpSocketGroup> old = std::exchange(sockets_, fresh);
  exchange_(*fresh, old);
  num_overflows_before_ += count_overflows(*old);
  fwmark_ = fwmark;
  port_was_set_ = wanted != 0;
  device_.forget_sources();
  return {};
}

Status DeviceControl::set_with_new_mark(DeviceChange change, std::uint32_t fwmark) {
  const auto restore = [this] {
    if (const Status restored = set_fwmark(*sockets_, fwmark_); !restored) {
      return " (and the old fwmark could not be set again: " + restored.error().message + ")";
    }
    return std::string();
  };
  if (Status marked = set_fwmark(*sockets_, fwmark); !marked) {
    return Error{marked.error().message + restore(), marked.error().code};
  }
  if (Status applied = device_.apply(std::move(change), clock_.now()); !applied) {
    return Error{applied.error().message + restore(), applied.error().code};
  }
  fwmark_ = fwmark;
  device_.forget_sources();
  return {};
}

std::string DeviceControl::status() {
  facts_.mtu = device_.mtu();
  return make_status_report(facts_, device_.view(clock_.now().boot), counters());
}

DeviceCounters DeviceControl::counters() const {
  DeviceCounters counters = device_.counters();
  counters.drops[static_cast<std::size_t>(DropReason::kSocketFull)] +=
      num_overflows_before_ + count_overflows(*sockets_);
  return counters;
}

}  // namespace hawser
