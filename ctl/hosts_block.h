#pragma once
// The text of a hosts file (hosts(5)) with a block in it that is ours. Pure.
#include <string>
#include <string_view>
#include <vector>

#include "network/plan.h"

namespace hawser {

// `text` with the block of `network` in place of one that was there, or at the end:
//   # BEGIN hawser NETWORK
//   ADDRESS<tab>NAME SHORT
//   # END hawser NETWORK
// SHORT is the name up to its first dot. It is left out where it would change what a name means on
// this host: localhost, this host's own name (`own_name`, as gethostname(2) has it), a name that
// another line of the file gives, one that several hosts would share.
// The other lines stay as they are, byte by byte, but for a newline that the last one lacked.
std::string with_hosts_block(std::string_view text, std::string_view network,
                             const std::vector<PlanHostName>& hosts,
                             std::string_view own_name = {});

// `text` without the block. Of one that was cut off (no END), only lines that can be ours go with
// it: an address that is not loopback, a name, and perhaps the same shortened.
std::string without_hosts_block(std::string_view text, std::string_view network);

}  // namespace hawser
