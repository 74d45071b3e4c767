#include "ctl/wg_quick_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <span>
#include <utility>

#include "ctl/hidden_key.h"
#include "ctl/options.h"
#include "ctl/uapi_value.h"
#include "network/name_rules.h"
#include "network/nearest_name.h"

namespace hawser {

namespace {

// A screenful; a file that is no such file at all has one on each line.
constexpr std::size_t kMaxFaults = 20;
constexpr std::uint16_t kMaxPort = std::numeric_limits<std::uint16_t>::max();

constexpr std::array<std::string_view, 12> kInterfaceKeys{
    "PrivateKey", "ListenPort", "FwMark", "Address", "DNS",      "MTU",
    "Table",      "PreUp",      "PostUp", "PreDown", "PostDown", "SaveConfig"};
constexpr std::array<std::string_view, 5> kPeerKeys{"PublicKey", "PresharedKey", "AllowedIPs",
                                                    "Endpoint", "PersistentKeepalive"};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\v\f";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// What a message may show of text that somebody wrote: it could be a key on the wrong line.
std::string shown(std::string_view word) {
  constexpr std::size_t kMost = 24;
  if (has_key_inside(word)) return hide_key(word);
  std::string text(word.substr(0, kMost));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text + (word.size() > kMost ? "…" : "");
}

std::optional<InterfaceAddress> parse_address(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  std::uint64_t length = address->bits();
  if (slash != std::string_view::npos) {
    const auto given = uapi::parse_number(text.substr(slash + 1), address->bits());
    if (!given) return std::nullopt;
    length = *given;
  }
  InterfaceAddress out;
  out.address = *address;
  out.prefix_len = static_cast<decltype(out.prefix_len)>(length);
  return out;
}

class WgQuickParser {
 public:
  explicit WgQuickParser(std::string_view name) : name_(name) {}

  Result<WgQuickFile> parse(std::string_view text) {
    while (!text.empty()) {
      ++line_;
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      read_line(line);
    }
    if (!has_interface_) fault("there is no [Interface] section; is it a wg-quick file?");
    for (const WgQuickPeer& peer : file_.peers) {
      if (peer.public_key.is_zero()) fault_at(peer.line, "this [Peer] has no PublicKey");
    }
    if (num_faults_ == 0) return std::move(file_);
    if (num_faults_ > kMaxFaults) faults_ += fmt::format("and {} more\n", num_faults_ - kMaxFaults);
    faults_.pop_back();
    return Error{faults_, EINVAL};
  }

 private:
  enum class Section : std::uint8_t { kNone, kInterface, kPeer, kUnknown };

  void fault_at(std::size_t line, std::string_view what) {
    if (++num_faults_ > kMaxFaults) return;
    faults_ += fmt::format("{}:{}: {}\n", name_, line, what);
  }
  void fault(std::string_view what) { fault_at(std::max<std::size_t>(line_, 1), what); }

  void read_line(std::string_view line) {
    const std::size_t hash = line.find('#');
    const std::string_view rest = trim(line.substr(0, hash));
    if (rest.empty()) {
      comment_ =
          hash == std::string_view::npos ? std::string() : shown(trim(line.substr(hash + 1)));
      return;
    }
    if (rest.starts_with('[')) {
      read_section(rest);
    } else {
      read_setting(rest);
    }
    comment_.clear();
  }

  void read_section(std::string_view header) {
    if (same_word(header, "[Interface]")) {
      if (std::exchange(has_interface_, true)) fault("a second [Interface] section");
      section_ = Section::kInterface;
    } else if (same_word(header, "[Peer]")) {
      section_ = Section::kPeer;
      WgQuickPeer& peer = file_.peers.emplace_back();
      peer.line = line_;
      peer.comment = comment_;
    } else {
      section_ = Section::kUnknown;
      fault(fmt::format("unknown section {}; [Interface] and [Peer] are known", shown(header)));
    }
  }

  void read_setting(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return fault("KEY = VALUE is wanted");
    const std::string_view key = trim(text.substr(0, equals));
    const std::string_view value = trim(text.substr(equals + 1));
    switch (section_) {
      case Section::kInterface:
        return read_interface(find_key(key, kInterfaceKeys), value);
      case Section::kPeer:
        return read_peer(find_key(key, kPeerKeys), value);
      case Section::kNone:
        return fault(fmt::format("{} stands before the first section", shown(key)));
      case Section::kUnknown:
        return;
    }
  }

  // As it is spelled; empty, and said, when there is no such key.
  std::string_view find_key(std::string_view key, std::span<const std::string_view> known) {
    for (const std::string_view name : known) {
      if (same_word(key, name)) return name;
    }
    if (num_faults_ >= kMaxFaults) {
      fault({});  // the nearest name costs more than all else of a line
    } else {
      const std::string typed = shown(key);
      fault(fmt::format("unknown key {}; {}", typed, suggest_name(typed, known)));
    }
    return {};
  }

  void read_interface(std::string_view key, std::string_view value) {
    if (key == "PrivateKey") {
      if (!key_from_base64(file_.private_key.mutable_bytes(), value))
        fault("PrivateKey is no key in base64");
    } else if (key == "ListenPort") {
      file_.listen_port = number<std::uint16_t>(key, value, 0, kMaxPort);
    } else if (key == "FwMark") {
      file_.fwmark = parse_mark(value);
      if (!file_.fwmark) fault(fmt::format("FwMark {}: a number, 0x…, or off", shown(value)));
    } else if (key == "Address") {
      for_each_item(value, [this](std::string_view item) {
        const auto address = parse_address(item);
        if (!address)
          return fault(fmt::format("Address {}: ADDRESS/LENGTH is wanted", shown(item)));
        file_.addresses.push_back(*address);
      });
    } else if (key == "MTU") {
      file_.mtu = number<std::uint32_t>(key, value, kMinMtu, kMaxMtu);
    } else if (key == "Table") {
      read_table(value);
    } else if (key == "DNS") {
      file_.dns.push_back({line_, std::string(key), std::string(value)});
    } else if (key == "SaveConfig") {
      if (value == "true") file_.save_config = {line_, std::string(key), std::string(value)};
    } else if (!key.empty()) {
      file_.hooks.push_back({line_, std::string(key), std::string(value)});
    }
  }

  void read_table(std::string_view value) {
    file_.table.reset();
    if (value == "auto") return;
    const auto number = uapi::parse_number(value, std::numeric_limits<std::uint32_t>::max());
    if (value != "off" && number.value_or(0) == 0) {
      return fault(fmt::format("Table {}: a number, off, or auto", shown(value)));
    }
    file_.table = {line_, static_cast<std::uint32_t>(number.value_or(0))};
  }

  void read_peer(std::string_view key, std::string_view value) {
    WgQuickPeer& peer = file_.peers.back();
    if (key == "PublicKey") {
      const auto parsed = PublicKey::from_base64(value);
      if (!parsed) return fault("PublicKey is no key in base64");
      const auto same = [&](const WgQuickPeer& one) { return one.public_key == *parsed; };
      if (std::any_of(file_.peers.begin(), file_.peers.end() - 1, same)) {
        return fault("another [Peer] has this PublicKey already");
      }
      peer.public_key = *parsed;
    } else if (key == "PresharedKey") {
      if (!key_from_base64(peer.preshared_key.emplace().mutable_bytes(), value))
        fault("PresharedKey is no key in base64");
    } else if (key == "AllowedIPs") {
      for_each_item(value, [&](std::string_view item) {
        const auto prefix = Prefix::parse(item);
        if (!prefix) return fault(fmt::format("AllowedIPs {}: ADDRESS/LENGTH", shown(item)));
        peer.allowed_ips.push_back(*prefix);
      });
    } else if (key == "Endpoint") {
      std::string why;
      peer.endpoint = parse_endpoint_name(value, why);
      if (!peer.endpoint) fault(fmt::format("Endpoint {}: {}", shown(value), why));
    } else if (key == "PersistentKeepalive") {
      peer.persistent_keepalive =
          number<std::uint16_t>(key, value == "off" ? "0" : value, 0, kMaxPort);
    }
  }

  template <class Number>
  std::optional<Number> number(std::string_view key, std::string_view value, std::uint64_t least,
                               std::uint64_t most) {
    const auto parsed = uapi::parse_number(value, most);
    if (parsed && *parsed >= least) return static_cast<Number>(*parsed);
    fault(fmt::format("{} {}: a number from {} to {}", key, shown(value), least, most));
    return std::nullopt;
  }

  template <class Visit>
  static void for_each_item(std::string_view list, Visit visit) {
    while (!list.empty()) {
      const std::string_view item = list.substr(0, list.find(','));
      list.remove_prefix(std::min(item.size() + 1, list.size()));
      if (!trim(item).empty()) visit(trim(item));
    }
  }

  std::string_view name_;
  std::size_t line_ = 0;
  Section section_ = Section::kNone;
  bool has_interface_ = false;
  std::string comment_;
  WgQuickFile file_;
  std::size_t num_faults_ = 0;
  std::string faults_;
};

}  // namespace

void WgQuickFile::forget_keys() {
  private_key.clear();
  for (WgQuickPeer& peer : peers) peer.preshared_key.reset();
}

Result<WgQuickFile> parse_wg_quick(std::string_view text, std::string_view name) {
  return WgQuickParser(name).parse(text);
}

Result<WgQuickName> wg_quick_name(const std::string& typed) {
  constexpr std::string_view kSuffix = ".conf";
  const bool is_file = typed.find('/') != std::string::npos || typed.ends_with(kSuffix);
  WgQuickName name;
  name.path = is_file ? typed : fmt::format("/etc/wireguard/{}.conf", typed);
  name.interface = typed.substr(typed.rfind('/') + 1);
  if (is_file && !name.interface.ends_with(kSuffix)) {
    return Error{fmt::format("{}: a file NAME.conf is wanted; NAME becomes the interface's", typed),
                 EINVAL};
  }
  if (is_file) name.interface.resize(name.interface.size() - kSuffix.size());
  if (const std::string fault = interface_name_fault(name.interface); !fault.empty()) {
    return Error{fmt::format("{}: the interface's name {} {}", typed, name.interface, fault),
                 EINVAL};
  }
  return name;
}

}  // namespace hawser
