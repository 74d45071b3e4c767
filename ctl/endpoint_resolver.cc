#include "ctl/endpoint_resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hawser {

namespace {

// One initiation may be lost on a path that works; a peer that has been heard gets one more chance.
constexpr std::uint32_t kAttemptsOfUnheard = 2;
constexpr std::uint32_t kAttemptsOfHeard = 3;

bool contains(const std::vector<Endpoint>& list, const Endpoint& endpoint) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Endpoint& other) { return other.same_remote(endpoint); });
}

}  // namespace

EndpointResolver::EndpointResolver(Ports ports, Clock& clock, RandomSource& random, LogSink log)
    : ports_(std::move(ports)), clock_(clock), random_(random), log_(std::move(log)) {}

void EndpointResolver::set_plan(const HostPlan& plan) {
  std::vector<Target> targets;
  for (const PlanPeer& peer : plan.peers) {
    if (!peer.endpoint) continue;
    const auto known = std::find_if(targets_.begin(), targets_.end(), [&](const Target& target) {
      return target.key == peer.public_key;
    });
    Target& target = targets.emplace_back();
    if (known != targets_.end()) {
      const bool is_same = known->endpoint == *peer.endpoint;
      // An address is given with the reload itself.
      target.is_renamed = !is_same && !peer.endpoint->address();
      if (is_same) target = std::move(*known);
    }
    target.peer = peer.name;
    target.key = peer.public_key;
    target.endpoint = *peer.endpoint;
  }
  targets_ = std::move(targets);
}

void EndpointResolver::tick() {
  const Instant now = clock_.now().boot;
  for (Target& target : targets_) {
    const std::optional<PeerView> view = ports_.view(target.key);
    if (!view) continue;
    observe(target, *view);
    if (target.is_looking_up) continue;
    if (target.fallback_at && now >= *target.fallback_at) {
      fall_back(target, *view);
    } else if (is_wanted(target, *view) && now >= target.next_try) {
      look_up(target);
    }
  }
}

bool EndpointResolver::is_wanted(const Target& target, const PeerView& view) {
  return !view.endpoint || target.is_failing || target.is_renamed;
}

void EndpointResolver::observe(Target& target, const PeerView& view) {
  if (view.rx_bytes != target.rx_bytes) {
    target.rx_bytes = view.rx_bytes;
    target.last_live = view.endpoint;
    target.tried.clear();
    target.is_failing = false;
    target.fallback_at.reset();
    target.fell_back = false;
    if (target.is_renamed) return;  // the name server is to be asked with back-off all the same
    target.backoff = kMinResolveBackoff;
    target.next_try = Instant{};
    return;
  }
  // It stays failing when the handshake is given up, until something is heard.
  const std::uint32_t limit = target.rx_bytes == 0 ? kAttemptsOfUnheard : kAttemptsOfHeard;
  if (view.handshake_attempts >= limit) target.is_failing = true;
}

void EndpointResolver::look_up(Target& target) {
  target.is_looking_up = true;
  if (const auto address = target.endpoint.address()) {
    looked_up(target.key, target.endpoint, std::vector{*address});
    return;
  }
  ports_.names->resolve(target.endpoint.host, [this, key = target.key, endpoint = target.endpoint](
                                                  Result<std::vector<IpAddress>> result) {
    looked_up(key, endpoint, std::move(result));
  });
}

void EndpointResolver::looked_up(const PublicKey& key, const EndpointName& endpoint,
                                 Result<std::vector<IpAddress>> result) {
  const auto found = std::find_if(targets_.begin(), targets_.end(), [&](const Target& target) {
    return target.key == key && target.endpoint == endpoint;
  });
  if (found == targets_.end()) return;  // a reload took it away meanwhile
  Target& target = *found;
  target.is_looking_up = false;
  if (result) target.found = to_endpoints(*result, endpoint.port, target.last_live);

  const std::optional<PeerView> view = ports_.view(key);
  if (!view) return;
  observe(target, *view);
  if (!is_wanted(target, *view)) return;  // heard meanwhile
  std::optional<Endpoint> next = choose(target, *view);
  if (target.is_renamed && result) {
    target.is_renamed = false;
    // Where it is alive it is left, if that is one of the new name's addresses.
    if (view->endpoint && !target.is_failing && contains(target.found, *view->endpoint)) return;
    next = target.found.front();
  }
  if (next) {
    give(target, *view, *next);
    if (!target.fell_back && other_family(target, *next)) {
      target.fallback_at = clock_.now().boot + kFamilyFallback;
    }
  }
  const Duration delay = take_backoff(target, next ? kEndpointTrial : Duration::zero());
  target.next_try = clock_.now().boot + delay;
  if (!result && log_) {
    log_(LogLevel::kWarning,
         fmt::format("endpoint of {}: {} cannot be resolved: {}; trying again in {:.0f} s",
                     target.peer, endpoint.host, result.error().message,
                     std::chrono::duration<double>(delay).count()));
  }
}

std::optional<Endpoint> EndpointResolver::other_family(const Target& target,
                                                       const Endpoint& present) const {
  for (const Endpoint& candidate : target.found) {
    if (candidate.address.family != present.address.family && !contains(target.tried, candidate)) {
      return candidate;
    }
  }
  return std::nullopt;
}

void EndpointResolver::fall_back(Target& target, const PeerView& view) {
  const Instant now = clock_.now().boot;
  // Nothing asks it yet, so that it has nothing to answer.
  if (view.handshake_attempts == 0) {
    target.fallback_at = now + kFamilyFallback;
    return;
  }
  target.fallback_at.reset();
  target.fell_back = true;
  if (!view.endpoint) return;
  const std::optional<Endpoint> next = other_family(target, *view.endpoint);
  if (!next) return;
  give(target, view, *next);
  target.next_try = now + take_backoff(target, kEndpointTrial);
}

// Those with a route first, then those of the family that worked; else in the order that the system
// prefers.
std::vector<Endpoint> EndpointResolver::to_endpoints(const std::vector<IpAddress>& addresses,
                                                     std::uint16_t port,
                                                     const std::optional<Endpoint>& worked) {
  std::vector<Endpoint> endpoints;
  for (const IpAddress& address : addresses) {
    Endpoint endpoint;
    endpoint.address = address;
    endpoint.port = port;
    endpoints.push_back(endpoint);
  }
  std::stable_partition(endpoints.begin(), endpoints.end(), [&](const Endpoint& endpoint) {
    return worked && endpoint.address.family == worked->address.family;
  });
  std::stable_partition(endpoints.begin(), endpoints.end(), [&](const Endpoint& endpoint) {
    return ports_.names->has_route(endpoint.address);
  });
  return endpoints;
}

std::optional<Endpoint> EndpointResolver::choose(Target& target, const PeerView& view) const {
  std::vector<Endpoint> candidates = target.found;
  if (target.last_live && !contains(candidates, *target.last_live)) {
    candidates.push_back(*target.last_live);
  }
  if (view.endpoint && !contains(target.tried, *view.endpoint)) {
    target.tried.push_back(*view.endpoint);
  }
  const auto next = [&]() -> std::optional<Endpoint> {
    for (const Endpoint& candidate : candidates) {
      if (!contains(target.tried, candidate)) return candidate;
    }
    return std::nullopt;
  };
  if (const auto untried = next()) return untried;
  // All had their turn: once more round, from the one that it has now.
  target.tried.clear();
  if (view.endpoint) target.tried.push_back(*view.endpoint);
  return next();
}

void EndpointResolver::give(Target& target, const PeerView& view, const Endpoint& endpoint) {
  DeviceChange change;
  if (view.persistent_keepalive != 0) {
    // A persistent keepalive that begins is sent at once, and a handshake before it. Else nothing
    // would tell the peer that it has an endpoint now until there is something to send.
    PeerChange& pause = change.peers.emplace_back();
    pause.public_key = target.key;
    pause.update_only = true;
    pause.persistent_keepalive = 0;
  }
  PeerChange& peer = change.peers.emplace_back();
  peer.public_key = target.key;
  peer.update_only = true;
  peer.endpoint = endpoint;
  peer.endpoint->forget_source();
  peer.tries_other_endpoint = true;
  if (view.persistent_keepalive != 0) peer.persistent_keepalive = view.persistent_keepalive;
  const Status applied = ports_.apply(std::move(change));
  target.tried.push_back(endpoint);
  if (!log_) return;
  if (applied) {
    log_(LogLevel::kInfo, fmt::format("endpoint of {}: trying {} ({})", target.peer,
                                      endpoint.to_string(), target.endpoint.to_string()));
  } else {
    log_(LogLevel::kWarning,
         fmt::format("endpoint of {}: {}", target.peer, applied.error().message));
  }
}

Duration EndpointResolver::take_backoff(Target& target, Duration at_least) {
  constexpr std::uint32_t kJitterSteps = 1000;
  const Duration whole = std::max(target.backoff, at_least);
  target.backoff = std::min(target.backoff * 2, kMaxResolveBackoff);
  // Three quarters to one, so that a whole network does not ask at the same moment. A trial is not
  // cut short.
  const Duration part = whole / 4 * random_.below(kJitterSteps) / kJitterSteps;
  return at_least > Duration::zero() ? std::min(whole + part, kMaxResolveBackoff) : whole - part;
}

}  // namespace hawser
