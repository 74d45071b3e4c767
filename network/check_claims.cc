#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "network/check_parts.h"
#include "network/claims.h"
#include "network/nearest_name.h"
#include "network/sites.h"

namespace hawser::network_internal {
namespace {

constexpr std::size_t kMaxNamesShown = 3;

struct Extra {
  const NetworkHost* host;
  unsigned line;
};
using Sites = std::map<Prefix, Site>;
using ExtraClaims = std::map<Prefix, Extra>;
using Endpoints = std::multimap<IpAddress, const NetworkHost*>;  // those given by address

void report_at(CheckReport& report, Severity severity, const NetworkHost& host,
               const LinedPrefix& extra, std::string message, std::string remedy) {
  report.add({severity, extra.line, host.path("allowed_ips"),
              extra.prefix.to_string() + ' ' + std::move(message), std::move(remedy)});
}

// The longest claimed prefix that holds all of `prefix`, or end(): at most 129 steps.
template <class Claims>
typename Claims::const_iterator closest_cover(const Claims& claims, const Prefix& prefix) {
  for (unsigned len = prefix.length() + 1; len-- > 0;) {
    const auto found = claims.find(Prefix(prefix.address(), len));
    if (found != claims.end()) return found;
  }
  return claims.end();
}

// "server1, laptop1, laptop2 and 7 more": whose addresses by plan lie inside `prefix`.
std::string hosts_inside(const DerivedClaims& claims, const Prefix& prefix,
                         const NetworkHost& except) {
  std::vector<std::string_view> names;
  std::map<const NetworkHost*, bool> seen;
  for (auto claim = claims.lower_bound(prefix);
       claim != claims.end() && prefix.contains(claim->first); ++claim) {
    if (claim->second == &except || !seen.try_emplace(claim->second, true).second) continue;
    names.push_back(claim->second->name);
  }
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMaxNamesShown); ++i) {
    text += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  if (names.size() > kMaxNamesShown) {
    text += " and " + std::to_string(names.size() - kMaxNamesShown) + " more";
  }
  return text;
}

void check_against_plan(CheckReport& report, const Network& network, const DerivedClaims& claims,
                        const NetworkHost& host, const LinedPrefix& extra) {
  const auto cover = closest_cover(claims, extra.prefix);
  if (cover != claims.end()) {
    const auto& [prefix, owner] = *cover;
    if (owner == &host) return;  // says what the plan says
    report_at(report, Severity::kError, host, extra,
              "takes addresses that the plan gives to " + host_and_line(*owner) + ", " +
                  prefix.to_string(),
              "remove it: the plan routes all of the network's own addresses");
    return;
  }
  if (network.ipv4 && network.ipv4->contains(extra.prefix)) {
    report_at(report, Severity::kError, host, extra,
              "lies in the network's own IPv4 addresses, " + network.ipv4->to_string(),
              "choose another ipv4 for the network, one that no network behind a host has");
    return;
  }
  const std::string inside = hosts_inside(claims, extra.prefix, host);
  if (inside.empty()) return;
  report_at(report, Severity::kWarning, host, extra,
            "is broader than the plan gives: " + host.name +
                " may also send as, and gets what nobody else claims near, " + inside,
            "list only the networks behind " + host.name);
}

// Endpoints given by address inside what is routed into the tunnel: the tunnel's own packets would
// go into the tunnel.
void check_against_endpoints(CheckReport& report, const Endpoints& endpoints,
                             const NetworkHost& host, const LinedPrefix& extra) {
  for (auto endpoint = endpoints.lower_bound(extra.prefix.address());
       endpoint != endpoints.end() && extra.prefix.contains(endpoint->first); ++endpoint) {
    const NetworkHost& other = *endpoint->second;
    report_at(report, Severity::kWarning, host, extra,
              "holds the endpoint of " + host_and_line(other) + ", " + other.endpoint->to_string() +
                  ": its tunnel would run through itself",
              "leave that address out of allowed_ips");
  }
}

// "a before b"
std::string order_text(const Sites& sites, const Prefix& prefix) {
  std::string text;
  for (const NetworkHost* const host : sites.at(prefix).hosts) {
    text += (text.empty() ? "" : " before ") + host->name;
  }
  return text;
}

// Exactly equal: one network behind several. Nested: the longer wins.
void check_against_extras(CheckReport& report, ExtraClaims& extras, const Sites& sites,
                          const NetworkHost& host, const LinedPrefix& extra) {
  const auto cover = closest_cover(extras, extra.prefix);
  if (cover != extras.end() && cover->second.host != &host) {
    const auto& [prefix, other] = *cover;
    const std::string whose = other.host->name + " (line " + std::to_string(other.line) + ")";
    if (prefix == extra.prefix) {
      report_at(report, Severity::kWarning, host, extra,
                "is an allowed IP of " + whose + " too: the first that is alive carries it, " +
                    order_text(sites, prefix) + "; stock WireGuard hosts know the first only",
                "say another order with site_order in [network], or leave it at one of them");
    } else {
      report_at(report, Severity::kWarning, host, extra,
                "lies inside " + prefix.to_string() + " of " + whose + " and takes precedence",
                "make the two disjoint unless that is wanted");
    }
  }
  extras.try_emplace(extra.prefix, Extra{&host, extra.line});
}

void check_site_sizes(CheckReport& report, const Sites& sites) {
  for (const auto& [prefix, site] : sites) {
    if (site.is_exit() || site.hosts.size() <= kMaxSiteHosts) continue;
    const NetworkHost& host = *site.hosts.back();
    report.error(host, "allowed_ips",
                 prefix.to_string() + " is at " + std::to_string(site.hosts.size()) +
                     " hosts, the limit is " + std::to_string(kMaxSiteHosts),
                 "leave it at those that are meant to carry it");
  }
}

void check_site_order(CheckReport& report, const Network& network) {
  std::set<std::string_view> seen;
  const auto complain = [&](std::string message, std::string remedy) {
    report.add({Severity::kError, network.line_of("site_order"), "network.site_order",
                std::move(message), std::move(remedy)});
  };
  for (const std::string& name : network.site_order) {
    if (!seen.insert(name).second) {
      complain("names " + name + " twice", "leave it in one place");
    } else if (network.find(name) == nullptr) {
      complain("\"" + name + "\" is not a host of this network",
               suggest_name(name, network.host_names()));
    }
  }
}

}  // namespace

void check_claims(CheckReport& report, const Network& network) {
  const DerivedClaims claims = derived_claims(network);
  // Shorter prefixes first, so that a nested one finds what it is nested in; then by line.
  std::multimap<std::pair<unsigned, unsigned>, std::pair<const NetworkHost*, const LinedPrefix*>>
      ordered;
  for (const NetworkHost& host : network.hosts) {
    for (const LinedPrefix& extra : host.allowed_ips) {
      ordered.insert({{extra.prefix.length(), extra.line}, {&host, &extra}});
    }
  }
  Endpoints endpoints;
  for (const NetworkHost& host : network.hosts) {
    const auto address = host.endpoint ? host.endpoint->address() : std::nullopt;
    if (address) endpoints.insert({*address, &host});
  }
  Sites sites;
  for (Site& site : sites_of(network)) sites.try_emplace(site.prefix, std::move(site));
  check_site_sizes(report, sites);
  ExtraClaims extras;
  for (const auto& [order, entry] : ordered) {
    const auto& [host, extra] = entry;
    if (extra->is_exit()) continue;  // check_exits()
    check_against_plan(report, network, claims, *host, *extra);
    check_against_endpoints(report, endpoints, *host, *extra);
    check_against_extras(report, extras, sites, *host, *extra);
  }
  check_site_order(report, network);
}

}  // namespace hawser::network_internal
