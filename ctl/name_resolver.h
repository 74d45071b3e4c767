#pragma once
#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "routing/ip_address.h"

namespace hawser {

// NameResolver finds the addresses of host names without making anybody wait. Tests have their own.
class NameResolver {
 public:
  // IPv4 and IPv6 addresses in the system's order of preference, at least one; or why not.
  using Done = std::function<void(Result<std::vector<IpAddress>>)>;

  virtual ~NameResolver() = default;
  // `done` is called later, on the thread that resolve() is called on; never once the resolver is
  // gone.
  virtual void resolve(const std::string& name, Done done) = 0;
  // Does this host have a route to the address? Without one there is no use in trying it.
  virtual bool has_route(const IpAddress& address) = 0;
};

// What the host itself does, getaddrinfo(3): files, DNS, and whatever else is configured. Each
// lookup blocks a thread of its own (a few at a time, the others wait), because it cannot be
// cancelled: Asio's resolver, which has one such thread, waits for it at the end, and a daemon that
// is to stop would hang on a name server that does not answer. Ours are left behind instead.
// `io` outlives the resolver; its thread is where `done` is called.
std::unique_ptr<NameResolver> make_system_resolver(boost::asio::io_context& io);

}  // namespace hawser
