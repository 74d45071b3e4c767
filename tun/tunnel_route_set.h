#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "tun/route_table.h"
#include "tun/tunnel_state.h"

namespace hawser {

// TunnelRouteSet follows the routes into one interface one by one. A change costs the same whatever
// their number, but for forget_source(), which goes through ours. One thread's.
class TunnelRouteSet final : public TunnelRoutes {
 public:
  // Of an RTM_NEWROUTE for any route. `replaces`: NLM_F_REPLACE, it takes the place of one alike in
  // table, prefix and metric. True: something differs.
  bool add(const HostRoute& route, bool replaces);
  // Of an RTM_DELROUTE.
  bool remove(const HostRoute& route);
  // An IPv6 address has left the interface: the kernel takes it out of the routes that preferred
  // it, and does not say so.
  bool forget_source(const IpAddress& source);

  bool has_way(const TunnelRoute& way) const override;
  bool has(const TunnelRoute& route) const override;
  std::size_t size() const { return ours_.size() + others_.size(); }

 private:
  using Way = std::tuple<std::uint32_t, Prefix>;  // table, prefix
  struct HashWay {
    std::size_t operator()(const Way& way) const noexcept;
  };
  using OwnKey = std::tuple<std::uint32_t, Prefix, std::uint32_t>;  // and metric

  bool remove_other(const HostRoute& route);

  std::map<OwnKey, std::optional<IpAddress>> ours_;              // their sources
  std::unordered_multimap<Way, std::uint32_t, HashWay> others_;  // their metrics
};

}  // namespace hawser
