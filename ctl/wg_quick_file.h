#pragma once
// The configuration files of wg-quick(8). Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/endpoint_name.h"
#include "network/plan.h"
#include "noise/keys.h"
#include "routing/ip_address.h"

namespace hawser {

struct WgQuickPeer {
  std::size_t line = 0;  // of its [Peer]
  std::string comment;   // the line before it, without '#'; often its name
  PublicKey public_key;
  std::optional<PresharedKey> preshared_key;
  std::vector<Prefix> allowed_ips;
  std::optional<EndpointName> endpoint;
  std::optional<std::uint16_t> persistent_keepalive;  // seconds
};

// One line that is not about WireGuard itself: a hook, DNS, SaveConfig.
struct WgQuickSetting {
  std::size_t line = 0;
  std::string key;  // as wg-quick(8) spells it
  std::string value;
};

struct WgQuickTable {
  std::size_t line = 0;
  std::uint32_t number = 0;  // 0: off
};

struct WgQuickFile {
  PrivateKey private_key;  // zero: the file has none
  std::optional<std::uint16_t> listen_port;
  std::optional<std::uint32_t> fwmark;
  std::vector<InterfaceAddress> addresses;
  std::optional<std::uint32_t> mtu;
  std::optional<WgQuickTable> table;  // nothing: auto
  std::vector<WgQuickSetting> hooks;  // PreUp, PostUp, PreDown, PostDown
  std::vector<WgQuickSetting> dns;
  std::optional<WgQuickSetting> save_config;  // set when it is true
  std::vector<WgQuickPeer> peers;

  // Wipes them, for whoever needs the rest for longer.
  void forget_keys();
};

// Reads the text of a file that messages call `name`. Sections and keys are of either case; '#'
// begins a comment. The Error has a line "FILE:LINE: what is wrong" for each mistake, the first
// twenty of them, and never a key.
Result<WgQuickFile> parse_wg_quick(std::string_view text, std::string_view name);

// "wg0" and "/etc/wireguard/wg0.conf" from either of them: what has a slash or ends in .conf is a
// file. The Error says why the name cannot be an interface's.
struct WgQuickName {
  std::string interface;
  std::string path;
};
Result<WgQuickName> wg_quick_name(const std::string& typed);

}  // namespace hawser
