#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "ctl/daemon_process.h"
#include "ctl/wg_quick_file.h"

namespace hawser {

// The name servers of a tunnel, by way of resolvconf(8), as wg-quick(8) hands them over.

// What a file's DNS lines say to resolvconf: addresses are name servers, all else is searched.
// Pure.
std::string resolvconf_text(const std::vector<WgQuickSetting>& dns);

// The name of the record. Where the host orders its records by name, `interface_order` (the text of
// /etc/resolvconf/interface-order; empty: there is none), the first "NAME*" there goes before the
// interface's: "tun.wg0", else "wg0". Pure.
std::string resolvconf_record(const std::string& interface, const std::string& interface_order);

// False: this host has no resolvconf. EINTR: a stop signal (ctl/terminal.h). A note of it is kept
// beside the control socket (INTERFACE.dns), since the file may have no name servers any more when
// the tunnel ends.
Result<bool> set_name_servers(const DaemonPlace& place, const std::string& text);
// Is there such a note?
bool has_name_servers(const DaemonPlace& place);
// That there are none is no error; nor is a host without resolvconf.
Status remove_name_servers(const DaemonPlace& place);

}  // namespace hawser
