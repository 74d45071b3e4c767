#include "network/plan_json.h"

#include <nlohmann/json.hpp>

namespace hawser {
namespace {

// Keys keep the order in which they are written. The last argument makes the type this room's own:
// the library's inline functions differ with and without exceptions, and a type that the rooms
// compiled with them use as well would get either at link time.
using Json = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool,
                                  std::int64_t, std::uint64_t, double, std::allocator,
                                  nlohmann::adl_serializer, std::vector<char>>;

Json interface_json(const PlanInterface& interface) {
  Json json = Json::object();
  json["name"] = interface.name;
  json["addresses"] = Json::array();
  for (const InterfaceAddress& address : interface.addresses) {
    json["addresses"].push_back(address.to_string());
  }
  json["listen_port"] = nullptr;
  if (interface.listen_port) json["listen_port"] = *interface.listen_port;
  json["mtu"] = interface.mtu;
  return json;
}

Json peer_json(const PlanPeer& peer) {
  Json json = Json::object();
  json["name"] = peer.name;
  json["public_key"] = peer.public_key.to_base64();
  json["endpoint"] = nullptr;
  if (peer.endpoint) json["endpoint"] = peer.endpoint->to_string();
  json["allowed_ips"] = Json::array();
  for (const Prefix& prefix : peer.allowed_ips) json["allowed_ips"].push_back(prefix.to_string());
  json["persistent_keepalive"] = nullptr;
  if (peer.persistent_keepalive) json["persistent_keepalive"] = *peer.persistent_keepalive;
  return json;
}

}  // namespace

std::string plan_to_json(const HostPlan& plan) {
  Json json = Json::object();
  json["host"] = plan.host;
  json["role"] = std::string(host_role_name(plan.role));
  if (!plan.exit.empty()) json["use_exit"] = plan.exit;
  json["interface"] = interface_json(plan.interface);
  json["peers"] = Json::array();
  for (const PlanPeer& peer : plan.peers) json["peers"].push_back(peer_json(peer));
  json["routes"] = Json::array();
  for (const Prefix& route : plan.routes) json["routes"].push_back(route.to_string());
  json["hosts"] = Json::array();
  for (const PlanHostName& host : plan.hosts) {
    Json entry = Json::object();
    entry["name"] = host.name;
    entry["address"] = host.address.to_string();
    json["hosts"].push_back(std::move(entry));
  }
  // Everything printed has been checked to be ASCII; replace, because the other way is to abort.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace hawser
