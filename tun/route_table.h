#pragma once
#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "routing/ip_address.h"

namespace hawser {

// HostRoute is what matters of one route of the host.
struct HostRoute {
  Prefix prefix;
  std::uint32_t table = 0;
  std::uint32_t metric = 0;
  std::uint8_t tos = 0;
  bool into_tun = false;                 // every next hop is our own TUN device
  bool is_ours = false;                  // of kRouteProtocol
  std::optional<IpAddress> source = {};  // which the host itself prefers there (RTA_PREFSRC)
  std::uint64_t fingerprint = 0;  // of its type and next hops: tells apart routes alike in the rest

  // Does it say what the host itself reaches? See parse_route().
  bool is_counted() const;
};

// Reads an RTM_NEWROUTE or RTM_DELROUTE. nullopt: of a type that is not counted.
//
// Counted are the tables that every packet is looked up in without policy rules of its own: local,
// main and default. Which other table applies depends on rules over marks, sources or interfaces,
// and such a table is nobody's default: so wg-quick's own table, a VRF's, a VPN client's.
// Counted types: unicast; local (what is bound to the host without being an address of an
// interface); blackhole, unreachable and prohibit, which also are the host's word on a destination.
// Broadcast, multicast, anycast and throw are not; nor are cached clones of routes.
std::optional<HostRoute> parse_route(const nlmsghdr& message, std::uint32_t tun_ifindex);

// RouteTable holds the host's routes and follows their changes one by one: a router with a full
// table cannot be dumped, nor told whole, for each of them. Notifications do not tell everything,
// so each change says whether what is held is still certain. One thread's.
class RouteTable {
 public:
  enum class Change : std::uint8_t {
    kNone,     // nothing that prefixes() shows
    kChanged,  // prefixes() differs
    kUnclear,  // a dump has to tell
  };
  // From a dump, which lists what is: nothing about it is unclear. What is held already stays.
  void load(const HostRoute& route);
  // From a notification. `replaces`: NLM_F_REPLACE, the route takes the place of one alike in all
  // but its next hops.
  Change add(const HostRoute& route, bool replaces);
  Change remove(const HostRoute& route);
  void clear();

  std::size_t size() const { return routes_.size(); }
  // Prefixes with a route that does not lead into our own TUN device; one that stands in several
  // tables may come more than once.
  std::vector<Prefix> prefixes() const;

  // What became of prefixes() since the last time; all of it after clear(). Of a prefix that came
  // and went meanwhile what it is now, though that may be what it was.
  struct News {
    bool all = false;
    std::vector<Prefix> there;
    std::vector<Prefix> gone;
  };
  bool has_news() const { return all_is_new_ || !changed_.empty(); }
  News take_news();

 private:
  struct Key {
    Prefix prefix;
    std::uint32_t table = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct HashKey {
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Entry {
    std::uint32_t metric;
    std::uint8_t tos;
    bool into_tun;
    std::uint64_t fingerprint;
  };
  Change note_change(const Prefix& prefix);
  bool shows(const Prefix& prefix) const;

  std::unordered_multimap<Key, Entry, HashKey> routes_;
  bool all_is_new_ = true;
  std::vector<Prefix> changed_;  // unless all is new; between two reports
};

}  // namespace hawser
