#include "network/check.h"

#include <map>

#include "network/check_parts.h"
#include "network/name_rules.h"
#include "network/nearest_name.h"

namespace hawser {
namespace network_internal {

std::string host_and_line(const NetworkHost& host) {
  return host.name + " (line " + std::to_string(host.line) + ")";
}

std::pair<const NetworkHost*, const NetworkHost*> later_and_earlier(const NetworkHost& a,
                                                                    const NetworkHost& b) {
  return a.line < b.line ? std::pair(&b, &a) : std::pair(&a, &b);
}

}  // namespace network_internal

namespace {

using network_internal::CheckReport;
using network_internal::host_and_line;
using network_internal::later_and_earlier;

void report_same_name(CheckReport& report, const NetworkHost& a, const NetworkHost& b) {
  const auto [later, earlier] = later_and_earlier(a, b);
  if (a.role != b.role) {
    report.error(*later, "",
                 later->name + " is a " + std::string(host_role_name(later->role)) + " and " +
                     host_and_line(*earlier) + " is a " +
                     std::string(host_role_name(earlier->role)) + "; a host cannot be both",
                 "rename or remove one of the two");
  } else if (a.name != b.name) {
    report.error(*later, "",
                 later->name + " and " + host_and_line(*earlier) +
                     " are one name: host names have no upper and lower case",
                 "rename one of the two");
  }
  // The very same name twice in one section has been reported as a key that stands twice.
}

void check_names(CheckReport& report, const Network& network) {
  std::map<std::string, const NetworkHost*> seen;
  for (const NetworkHost& host : network.hosts) {
    const auto [other, is_new] = seen.try_emplace(lower_case(host.name), &host);
    if (!is_new) report_same_name(report, host, *other->second);
    const std::string full_name = network.full_name(host);
    if (full_name.size() > kMaxDomainNameLen) {
      report.error(host, "",
                   "its full name would have " + std::to_string(full_name.size()) +
                       " characters, the limit is " + std::to_string(kMaxDomainNameLen),
                   "shorten the domain or the name");
    }
  }
}

void check_keys(CheckReport& report, const Network& network) {
  std::map<PublicKey, const NetworkHost*> seen;
  for (const NetworkHost& host : network.hosts) {
    if (!host.public_key) continue;
    const auto [other, is_new] = seen.try_emplace(*host.public_key, &host);
    if (is_new) continue;
    const auto [later, earlier] = later_and_earlier(host, *other->second);
    report.error(*later, "public_key", "is the key of " + host_and_line(*earlier) + " too",
                 "every host needs its own: run hawser keygen on " + later->name);
  }
  // Whoever has such a key presently is not at fault.
  for (const NetworkHost& host : network.hosts) {
    if (!host.public_key_next) continue;
    const auto [other, is_new] = seen.try_emplace(*host.public_key_next, &host);
    if (is_new) continue;
    const bool is_own = other->second == &host;
    report.error(
        host, "public_key_next",
        is_own ? "is the present key" : "is a key of " + host_and_line(*other->second) + " too",
        is_own ? "put another key here, or remove it when the host has no other"
               : "every host needs its own: run hawser keygen on " + host.name);
  }
}

void check_has_hosts(CheckReport& report, const Network& network) {
  const bool has_controllers = network.plan == AddressPlan::kControllersAndPeers;
  if (has_controllers && network.hosts_of(HostRole::kController).empty()) {
    report.add({Severity::kError, 0, "controllers", "there is no controller",
                "write [controllers.NAME] for the host that all peers can reach"});
  }
  const std::size_t num_controllers = network.hosts_of(HostRole::kController).size();
  if (num_controllers > kMaxControllers) {
    report.add({Severity::kError, 0, "controllers",
                "there are " + std::to_string(num_controllers) + " controllers, the limit is " +
                    std::to_string(kMaxControllers),
                "make some of them peers"});
  }
  if (!has_controllers && network.hosts.empty()) {
    report.add({Severity::kError, 0, "members", "there is no member", "write [members.NAME]"});
  }
}

void check_private_key(CheckReport& report, const Network& network, const NetworkHost& self,
                       const PrivateKey& private_key) {
  const PublicKey derived = private_key.derive_public();
  if (!self.public_key || self.has_key(derived)) return;
  std::string message =
      "does not match " + self.name + "'s private key, which belongs to " + derived.to_base64();
  for (const NetworkHost& host : network.hosts) {
    if (host.has_key(derived)) message += ", the key of " + host_and_line(host);
  }
  report.error(self, "public_key", std::move(message),
               "give the key file of " + self.name + ", or put the other public key here");
}

// Does it hold a key of this host? It need not be there as long as the other file's key is right.
bool check_next_key_file(CheckReport& report, const NetworkHost& self, KeyFiles& key_files) {
  const Result<PrivateKey> key = key_files.private_key(self.private_key_next_file);
  if (!key.ok()) {
    report.warning(self, "private_key_next_file", key.error().message, "");
    return false;
  }
  if (self.has_key(key->derive_public())) return true;
  report.warning(self, "private_key_next_file",
                 "holds a key that is neither public_key nor public_key_next: " +
                     key->derive_public().to_base64(),
                 "put that in public_key_next, or name another file");
  return false;
}

void check_preshared_keys(CheckReport& report, const Network& network, const NetworkHost& self,
                          KeyFiles& key_files) {
  std::map<std::string, const NetworkHost*> needed;  // file → the host whose entry names it
  for (const NetworkHost& other : network.hosts) {
    if (&other == &self || (self.role == HostRole::kPeer && other.role == HostRole::kPeer))
      continue;
    const std::string& file = Network::preshared_key_file_between(self, other);
    if (!file.empty()) needed[file] = &file == &self.preshared_key_file ? &self : &other;
  }
  for (const auto& [file, host] : needed) {
    const Result<PresharedKey> key = key_files.preshared_key(file);
    if (!key.ok()) {
      report.error(*host, "preshared_key_file", key.error().message, "");
    } else if (key->is_zero()) {
      report.error(*host, "preshared_key_file", file + " holds a key of zeros",
                   "write 32 random bytes in base64 into it, the same on both hosts");
    }
  }
}

void check_this_host(CheckReport& report, const Network& network, const CheckContext& context) {
  if (context.host.empty()) return;
  const NetworkHost* const self = network.find(context.host);
  if (self == nullptr) {
    report.add({Severity::kError, 0, "--host " + context.host, "is not a host of this network",
                suggest_name(context.host, network.host_names())});
    return;
  }
  const bool has_next_file = !self->private_key_next_file.empty() && context.key_files != nullptr &&
                             check_next_key_file(report, *self, *context.key_files);
  // With the next file's key, the host can do without the other's.
  if (context.private_key != nullptr && !has_next_file) {
    check_private_key(report, network, *self, *context.private_key);
  }
  if (context.key_files != nullptr) {
    check_preshared_keys(report, network, *self, *context.key_files);
  }
}

}  // namespace

std::vector<Problem> check_network(const Network& network, const CheckContext& context) {
  std::vector<Problem> problems;
  CheckReport report(problems);
  check_has_hosts(report, network);
  check_names(report, network);
  check_keys(report, network);
  network_internal::check_addresses(report, network);
  network_internal::check_claims(report, network);
  network_internal::check_exits(report, network);
  network_internal::check_endpoints(report, network, context);
  check_this_host(report, network, context);
  sort_problems(problems);
  return problems;
}

}  // namespace hawser
