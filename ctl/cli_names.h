#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ctl/interface_status.h"
#include "routing/ip_address.h"

namespace hawser {

// Where a name that is to be probed may be known. Borrowed for the call.
struct NameSources {
  const InterfaceStatus* status = nullptr;  // null: no daemon answers
  std::string_view hosts_file;              // the text of /etc/hosts
  // The rest of the system, name servers too; nothing: not known.
  std::function<std::optional<IpAddress>(const std::string&)> look_up;
};

// The address that `name` stands for. In this order: an address as it is; a host name, in full or
// up to its first dot, of the daemon's block in the hosts file; a peer by its one address, or a
// controller by its subnet, as the daemon's status has them; the rest of the hosts file and name
// servers, also with ".NETWORK" after it. The Error names the remedy.
Result<IpAddress> find_address(const std::string& name, const NameSources& sources);

// The same from a network file. The Error says what is wrong with the file, or that there is no
// such host.
Result<IpAddress> find_address_in_network(const std::string& name, const std::string& file);

// getaddrinfo(3).
std::optional<IpAddress> look_up_name(const std::string& name);

}  // namespace hawser
