#include "network/network_parse.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/wire.h"
#include "network/document.h"
#include "network/key_fault.h"
#include "network/name_rules.h"
#include "network/nearest_name.h"
#include "network/table_reader.h"

namespace hawser {
namespace {

using network_internal::DocumentMember;
using network_internal::DocumentNode;
using network_internal::LinedString;
using network_internal::TableReader;

constexpr std::uint32_t kMaxMtu = 65535;
constexpr unsigned kMaxNodeIdPrefixLen = 30;
// The largest block that there is for private use (RFC 1918); what is broader takes others' too.
constexpr unsigned kMinIpv4PrefixLen = 8;
constexpr std::string_view kIpv4Example = "10.60.0.0/16";
constexpr std::size_t kMaxNetworkNameLen = kMaxDomainNameLen;

constexpr std::array<AddressPlan, 3> kAddressPlans = {AddressPlan::kControllersAndPeers,
                                                      AddressPlan::kFullMesh, AddressPlan::kNodeId};
constexpr std::array<HostRole, 3> kRoles = {HostRole::kController, HostRole::kPeer,
                                            HostRole::kMember};

bool role_belongs_to(HostRole role, AddressPlan plan) {
  return (plan == AddressPlan::kControllersAndPeers) == (role != HostRole::kMember);
}

// It would end the line where names and paths are written into other files.
bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

// --- [network] ---

void read_plan(Network& network, TableReader& reader) {
  const std::optional<LinedString> text = reader.string("plan");
  if (!text) return;
  std::vector<std::string_view> names;
  for (const AddressPlan plan : kAddressPlans) {
    names.push_back(address_plan_name(plan));
    if (names.back() != text->text) continue;
    network.plan = plan;
    return;
  }
  reader.error("plan", "\"" + text->text + "\" is not an address plan",
               suggest_name(text->text, names));
  // Judge the rest by the plan that was probably meant.
  const std::string_view meant = nearest_name(text->text, names);
  for (const AddressPlan plan : kAddressPlans) {
    if (meant == address_plan_name(plan)) network.plan = plan;
  }
}

void read_network_names(Network& network, TableReader& reader) {
  const std::optional<LinedString> name = reader.string("name");
  if (!reader.has("name")) {
    reader.error("name", "is missing", "the plan derives addresses from it: name = \"vpn\"");
  } else if (name && name->text.empty()) {
    reader.error("name", "is empty", "write a name such as \"vpn\"");
  } else if (name && name->text.size() > kMaxNetworkNameLen) {
    reader.error("name", "is longer than " + std::to_string(kMaxNetworkNameLen) + " bytes",
                 "choose a shorter one");
  } else if (name && has_control_characters(name->text)) {
    reader.error("name", "holds characters that cannot be printed", "write a name such as \"vpn\"");
  }
  if (name) network.name = name->text;
  network.interface = network.name;
  network.domain = network.name;
  const std::optional<LinedString> interface = reader.string("interface");
  const std::optional<LinedString> domain = reader.string("domain");
  if (interface) network.interface = interface->text;
  if (domain) network.domain = domain->text;
  if (network.name.empty()) return;
  const std::string interface_fault = interface_name_fault(network.interface);
  if (!interface_fault.empty()) {
    reader.error(interface ? "interface" : "name",
                 "\"" + network.interface + "\" as an interface's name " + interface_fault,
                 "give another with interface = \"…\"");
  }
  const std::string domain_fault = domain_name_fault(network.domain);
  if (!domain_fault.empty()) {
    reader.error(domain ? "domain" : "name",
                 "\"" + network.domain + "\" as the domain of host names " + domain_fault,
                 "give another with domain = \"…\"");
  }
}

void check_node_id_cidr(Network& network, TableReader& reader) {
  if (network.cidr->address().family != IpFamily::kV4) {
    reader.error("cidr", "is not IPv4", "node-id gives IPv4 addresses: cidr = \"10.50.0.0/16\"");
  } else if (network.cidr->length() > kMaxNodeIdPrefixLen) {
    reader.error("cidr", network.cidr->to_string() + " leaves no room for hosts",
                 "node-id takes prefixes up to /" + std::to_string(kMaxNodeIdPrefixLen));
  } else {
    return;
  }
  network.cidr.reset();
}

// "10.42.0.0/24", with a length; bits beyond it are warned of.
std::optional<Prefix> read_prefix(TableReader& reader, std::string_view key,
                                  std::string_view example) {
  const std::optional<LinedString> text = reader.string(key);
  if (!text) return {};
  const std::optional<Prefix> prefix = Prefix::parse(text->text);
  if (!prefix || text->text.find('/') == std::string::npos) {
    reader.error(key, "\"" + text->text + "\" is not an address and a prefix length",
                 "write " + std::string(key) + " = \"" + std::string(example) + '"');
    return {};
  }
  if (IpAddress::parse(text->text.substr(0, text->text.find('/'))) != prefix->address()) {
    reader.warning(key, "\"" + text->text + "\" has bits set beyond its prefix length",
                   "write " + prefix->to_string());
  }
  return prefix;
}

void read_cidr(Network& network, TableReader& reader) {
  if (network.plan == AddressPlan::kControllersAndPeers) {
    reader.refuse("cidr",
                  "is not for plan controllers-and-peers, which derives the prefix from name",
                  "remove it, or choose plan = \"full-mesh\" or \"node-id\"");
    return;
  }
  const bool is_node_id = network.plan == AddressPlan::kNodeId;
  network.cidr = read_prefix(reader, "cidr", "10.42.0.0/24");
  if (reader.has("cidr")) {
    if (is_node_id && network.cidr) check_node_id_cidr(network, reader);
  } else if (is_node_id) {
    network.cidr = Prefix::parse("10.50.0.0/16");
  } else {
    reader.error("cidr", "is missing", "write cidr = \"10.42.0.0/24\"");
  }
}

// Beside the IPv6 addresses that the plan derives.
void read_ipv4(Network& network, TableReader& reader) {
  if (network.plan != AddressPlan::kControllersAndPeers) {
    reader.refuse("ipv4", "is only for plan controllers-and-peers",
                  "remove it; cidr gives this plan's addresses");
    return;
  }
  const std::optional<Prefix> prefix = read_prefix(reader, "ipv4", kIpv4Example);
  if (!prefix) return;
  const std::string remedy = "choose a private one: ipv4 = \"" + std::string(kIpv4Example) + '"';
  const IpAddress& address = prefix->address();
  if (address.family != IpFamily::kV4) {
    reader.error("ipv4", prefix->to_string() + " is not IPv4", remedy);
  } else if (prefix->length() > kMaxNodeIdPrefixLen) {
    reader.error("ipv4", prefix->to_string() + " leaves no room for hosts",
                 "take a prefix up to /" + std::to_string(kMaxNodeIdPrefixLen));
  } else if (prefix->length() < kMinIpv4PrefixLen || address.is_unspecified() ||
             address.is_loopback() || address.is_multicast() || address.is_link_local()) {
    reader.error("ipv4", prefix->to_string() + " is not a network's own to give out", remedy);
  } else {
    network.ipv4 = prefix;
  }
}

void read_network_numbers(Network& network, TableReader& reader) {
  const bool carries_v6 = network.plan == AddressPlan::kControllersAndPeers ||
                          (network.cidr && network.cidr->address().family == IpFamily::kV6);
  const auto mtu = reader.integer("mtu", carries_v6 ? kMinMtuV6 : kMinMtuV4, kMaxMtu);
  if (mtu) network.mtu = static_cast<std::uint32_t>(*mtu);
  const auto port = reader.integer("port", 1, 65535);
  if (port) network.port = static_cast<std::uint16_t>(*port);
}

void note_lines(std::map<std::string, unsigned, std::less<>>& lines, const DocumentNode& table) {
  lines[""] = table.line;
  for (const DocumentMember& member : table.members) lines[member.key] = member.line;
}

void read_network_section(Network& network, const DocumentNode& table,
                          std::vector<Problem>& problems) {
  TableReader reader(table, "network", problems);
  note_lines(network.key_lines, table);
  read_plan(network, reader);
  read_network_names(network, reader);
  read_cidr(network, reader);
  read_ipv4(network, reader);
  for (LinedString& host : reader.strings("site_order")) {
    network.site_order.push_back(std::move(host.text));
  }
  read_network_numbers(network, reader);
  reader.finish();
}

// --- [controllers.NAME], [peers.NAME], [members.NAME] ---

void read_public_key(NetworkHost& host, TableReader& reader) {
  const std::optional<LinedString> text = reader.string("public_key");
  if (!reader.has("public_key")) {
    reader.error("public_key", "is missing",
                 "run hawser keygen on " + host.name + " and put here what it prints");
  }
  if (!text) return;
  PublicKey key;
  const std::string fault = parse_public_key(key, text->text);
  if (fault.empty()) {
    host.public_key = key;
  } else {
    reader.error("public_key", fault,
                 "run hawser keygen on " + host.name + " and put here what it prints");
  }
}

void read_public_key_next(NetworkHost& host, TableReader& reader) {
  const std::optional<LinedString> text = reader.string("public_key_next");
  if (!text) return;
  PublicKey key;
  const std::string fault = parse_public_key(key, text->text);
  if (fault.empty()) {
    host.public_key_next = key;
  } else {
    reader.error("public_key_next", fault,
                 "run hawser keygen on " + host.name +
                     " for another file and put here what it prints, or remove it");
  }
}

void read_endpoint(NetworkHost& host, const Network& network, TableReader& reader) {
  if (host.role == HostRole::kPeer) {
    reader.refuse("endpoint", "is not for peers, which are found where they are heard from",
                  "remove it, or make the host a controller");
    return;
  }
  const std::optional<LinedString> text = reader.string("endpoint");
  if (!reader.has("endpoint") && network.plan != AddressPlan::kNodeId) {
    reader.error("endpoint", "is missing",
                 "write where others reach this host: endpoint = \"HOST:" +
                     std::to_string(network.port) + "\"");
  }
  if (!text) return;
  std::string fault;
  host.endpoint = parse_endpoint_name(text->text, fault);
  if (!host.endpoint) {
    reader.error("endpoint", "\"" + text->text + "\" " + fault,
                 "write \"HOST:PORT\" or \"[IPv6]:PORT\"");
  }
}

void read_mesh_ip(NetworkHost& host, const Network& network, TableReader& reader) {
  if (network.plan != AddressPlan::kFullMesh) {
    reader.refuse("mesh_ip",
                  "is not for plan " + std::string(address_plan_name(network.plan)) +
                      ", which derives addresses from names",
                  "remove it, or choose plan = \"full-mesh\"");
    return;
  }
  const std::optional<LinedString> text = reader.string("mesh_ip");
  const std::string example = network.cidr ? network.cidr->to_string() : "the network's cidr";
  if (!reader.has("mesh_ip")) {
    reader.error("mesh_ip", "is missing", "give the host an address of " + example);
  }
  if (!text) return;
  host.mesh_ip = IpAddress::parse(text->text);
  if (!host.mesh_ip) {
    reader.error("mesh_ip", "\"" + text->text + "\" is not an address",
                 "write an address of " + example + ", without a prefix length");
  }
}

void read_host_ipv4(NetworkHost& host, const Network& network, TableReader& reader) {
  if (!network.key_lines.contains("ipv4")) {
    const bool has_prefix = network.plan == AddressPlan::kControllersAndPeers;
    reader.refuse("ipv4",
                  has_prefix ? "needs a prefix to be in" : "is only for plan controllers-and-peers",
                  has_prefix ? "write ipv4 = \"" + std::string(kIpv4Example) + "\" in [network]"
                             : "remove it");
    return;
  }
  const std::optional<LinedString> text = reader.string("ipv4");
  if (!text) return;
  host.ipv4 = IpAddress::parse(text->text);
  if (host.ipv4 && host.ipv4->family == IpFamily::kV4) return;
  host.ipv4.reset();
  reader.error("ipv4", "\"" + text->text + "\" is not an IPv4 address",
               "write an address of the network's ipv4, without a prefix length");
}

// The last four groups of an IPv6 address.
void read_address_suffix(NetworkHost& host, TableReader& reader) {
  if (host.role != HostRole::kPeer) {
    reader.refuse("address_suffix", "is only for peers", "remove it");
    return;
  }
  const std::optional<LinedString> text = reader.string("address_suffix");
  if (!text) return;
  const bool is_plain =
      text->text.find_first_not_of("0123456789abcdefABCDEF:") == std::string::npos;
  const auto address = is_plain ? IpAddress::parse("0:0:0:0:" + text->text) : std::nullopt;
  if (!address) {
    reader.error("address_suffix", "\"" + text->text + "\" is not the lower half of an address",
                 "write four groups: address_suffix = \"bcd6:8f7f:3d6c:97\"");
    return;
  }
  host.address_suffix = load_be64(address->bytes.data() + 8);
}

void read_allowed_ips(NetworkHost& host, TableReader& reader) {
  for (const LinedString& text : reader.strings("allowed_ips")) {
    const std::optional<Prefix> prefix = Prefix::parse(text.text);
    if (!prefix) {
      reader.error_at(text.line, "allowed_ips", "\"" + text.text + "\" is not a prefix",
                      "write \"192.168.7.0/24\" or \"2001:db8:7::/64\"");
      continue;
    }
    if (IpAddress::parse(text.text.substr(0, text.text.find('/'))) != prefix->address()) {
      reader.warning_at(text.line, "allowed_ips",
                        "\"" + text.text + "\" has bits set beyond its prefix length",
                        "write " + prefix->to_string());
    }
    const bool known =
        std::any_of(host.allowed_ips.begin(), host.allowed_ips.end(),
                    [&](const LinedPrefix& other) { return other.prefix == *prefix; });
    if (!known) host.allowed_ips.push_back({*prefix, text.line});
  }
}

void read_controller(NetworkHost& host, TableReader& reader) {
  if (host.role != HostRole::kPeer) {
    reader.refuse("controller", "is only for peers", "remove it");
    return;
  }
  const std::optional<LinedString> name = reader.string("controller");
  if (!name) return;
  if (name->text.empty()) reader.error("controller", "is empty", "name a controller, or remove it");
  host.controller = name->text;
}

void read_use_exit(NetworkHost& host, TableReader& reader) {
  const std::optional<LinedString> name = reader.string("use_exit");
  if (!name) return;
  if (name->text.empty()) reader.error("use_exit", "is empty", "name a host, or remove it");
  host.use_exit = name->text;
}

// A path; empty where there is none that can be used.
std::string read_file_name(TableReader& reader, std::string_view key) {
  const std::optional<LinedString> file = reader.string(key);
  if (!file) return {};
  if (file->text.empty()) {
    reader.error(key, "is empty", "name a file, or remove it");
  } else if (has_control_characters(file->text)) {
    reader.error(key, "holds characters that cannot be printed", "write the file's path");
  } else {
    return file->text;
  }
  return {};
}

void read_host_numbers(NetworkHost& host, TableReader& reader) {
  const auto keepalive = reader.integer("persistent_keepalive", 0, 65535);
  if (keepalive) host.persistent_keepalive = static_cast<std::uint16_t>(*keepalive);
  if (host.role == HostRole::kPeer) {
    reader.refuse("port", "is not for peers, which take any free port", "remove it");
    return;
  }
  const auto port = reader.integer("port", 1, 65535);
  if (port) host.port = static_cast<std::uint16_t>(*port);
}

void read_host(Network& network, const DocumentMember& member, HostRole role,
               std::vector<Problem>& problems) {
  NetworkHost host;
  host.name = member.key;
  host.role = role;
  host.line = member.line;
  TableReader reader(member.value, host.path(), problems);
  const std::string fault = host_name_fault(host.name);
  if (!fault.empty())
    reader.error_at(host.line, "", "as a host's name " + fault, "rename the host");
  if (member.value.kind != DocumentNode::Kind::kTable) {
    reader.error_at(
        host.line, "", "is not a section",
        "write [" + std::string(host_role_section(role)) + ".NAME] with public_key = \"…\" below");
    return;
  }
  note_lines(host.key_lines, member.value);
  read_public_key(host, reader);
  read_public_key_next(host, reader);
  read_endpoint(host, network, reader);
  read_mesh_ip(host, network, reader);
  read_host_ipv4(host, network, reader);
  read_address_suffix(host, reader);
  read_controller(host, reader);
  read_allowed_ips(host, reader);
  read_use_exit(host, reader);
  host.preshared_key_file = read_file_name(reader, "preshared_key_file");
  host.private_key_next_file = read_file_name(reader, "private_key_next_file");
  read_host_numbers(host, reader);
  for (LinedString& tag : reader.strings("tags")) host.tags.push_back(std::move(tag.text));
  reader.finish();
  network.hosts.push_back(std::move(host));
}

void read_hosts(Network& network, HostRole role, TableReader& root,
                std::vector<Problem>& problems) {
  const std::string_view section = host_role_section(role);
  if (!role_belongs_to(role, network.plan)) {
    root.refuse(section, "are not for plan " + std::string(address_plan_name(network.plan)),
                role == HostRole::kMember ? "write [controllers.NAME] and [peers.NAME]"
                                          : "write [members.NAME]");
    return;
  }
  const DocumentNode* const table = root.table(section);
  if (table == nullptr) return;
  for (const DocumentMember& member : table->members) read_host(network, member, role, problems);
}

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

std::vector<Problem> parse_network(Network& network, std::string_view text) {
  network = {};
  std::vector<Problem> problems;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (text.find('\0') != std::string_view::npos || text.starts_with("\xff\xfe") ||
      text.starts_with("\xfe\xff")) {
    problems.push_back(
        {Severity::kError, 1, "", "is not text in UTF-8, perhaps in UTF-16", "save it as UTF-8"});
    return problems;
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string_view::npos && text[first] == '{';
  const std::optional<DocumentNode> document =
      is_json ? network_internal::parse_json_document(text, problems)
              : network_internal::parse_toml_document(text, problems);
  // What a file lacks that was not read to its end says nothing.
  if (!document) return problems;

  TableReader root(*document, "", problems);
  if (const DocumentNode* const table = root.table("network")) {
    read_network_section(network, *table, problems);
  } else if (!root.has("network")) {
    root.error_at(0, "network", "is missing", "write [network] and name = \"vpn\" below");
  }
  for (const HostRole role : kRoles) read_hosts(network, role, root, problems);
  root.finish();
  std::sort(network.hosts.begin(), network.hosts.end(),
            [](const NetworkHost& a, const NetworkHost& b) {
              return std::tie(a.role, a.name) < std::tie(b.role, b.name);
            });
  sort_problems(problems);
  return problems;
}

}  // namespace hawser
