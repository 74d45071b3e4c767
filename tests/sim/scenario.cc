#include "tests/sim/scenario.h"

#include <sstream>

#include "dataplane/device_state.h"
#include "tests/sim/world.h"

namespace hawser::testing {
namespace {

// After the faults: both sides may have to notice that the other has forgotten the session (15 s),
// wait for the 5 s between initiations, and lose to each other's initiation once or twice.
constexpr Duration kRecovery = 60s;
// Long enough for two rekeys.
constexpr Duration kFairWeather = 280s;
// A passive keepalive (10 s) and what it may entail.
constexpr Duration kLastWords = 30s;

class Scenario {
 public:
  explicit Scenario(std::uint64_t seed) : world_(seed, options_for(seed)) {}

  ScenarioResult run() {
    storm();
    if (!world_.failed()) fair_weather();
    if (!world_.failed()) silence();
    return result();
  }

 private:
  static World::Options options_for(std::uint64_t seed) {
    SeededRandom random(seed ^ 0x746f706f);
    World::Options options;
    options.num_nodes = random.percent(50) ? 2 : 3;
    options.controller_has_tun = random.percent(60);
    return options;
  }

  std::int64_t below(std::int64_t bound) { return world_.random.between(0, bound - 1); }
  bool percent(double p) { return world_.random.percent(p); }
  int any_host() { return static_cast<int>(below(world_.num_hosts())); }

  void storm();
  void change_weather();
  void change_traffic();
  void fault();
  void fair_weather();
  void silence();
  void check_delivery(std::size_t first, const char* when);
  ScenarioResult result();

  World world_;
  Duration storm_ends_{};
};

void Scenario::storm() {
  storm_ends_ = std::chrono::minutes(world_.random.between(10, 50));
  change_weather();
  change_traffic();
  while (!world_.failed() && world_.now() < storm_ends_) {
    const auto pause = std::chrono::milliseconds(world_.random.between(0, 60'000));
    world_.run_until(std::min(storm_ends_, world_.now() + pause));
    if (world_.failed()) return;
    if (percent(30)) change_weather();
    if (percent(30)) change_traffic();
    if (percent(80)) fault();
  }
}

void Scenario::change_weather() {
  Weather& weather = world_.weather;
  weather = {};
  weather.delay = std::chrono::milliseconds(world_.random.between(0, 300));
  if (percent(25)) return;
  if (percent(60)) weather.loss = static_cast<double>(world_.random.between(0, 50));
  if (percent(60)) weather.jitter = std::chrono::milliseconds(world_.random.between(0, 2000));
  if (percent(40)) weather.duplication = static_cast<double>(world_.random.between(0, 30));
  if (percent(40)) weather.corruption = static_cast<double>(world_.random.between(0, 30));
  if (percent(30)) weather.late = static_cast<double>(world_.random.between(0, 5));
  if (percent(40)) weather.replay = static_cast<double>(world_.random.between(0, 20));
}

void Scenario::change_traffic() {
  for (std::size_t i = 0; i < world_.flows.size(); ++i) {
    World::Flow& flow = world_.flows[i];
    flow.running = false;
    flow.burst = percent(20) ? static_cast<int>(world_.random.between(2, 40)) : 1;
    flow.interval = std::chrono::milliseconds(world_.random.between(300, 20'000)) * flow.burst;
    if (percent(40)) world_.start_flow(i);
  }
}

void Scenario::fault() {
  const int host = any_host();
  const std::vector<int> peers = world_.peers_of(host);
  const int peer =
      peers.empty()
          ? -1
          : peers[static_cast<std::size_t>(below(static_cast<std::int64_t>(peers.size())))];
  const Duration a_while = std::chrono::milliseconds(world_.random.between(1, 120'000));
  const auto forward = std::chrono::seconds(world_.random.between(1, 2'000'000));
  switch (below(16)) {
    case 0:
      world_.blackout(a_while);
      return;
    case 1:
    case 2:
      if (host != 0) world_.roam(host);
      return;
    case 3:
      world_.restart(host);
      return;
    case 4:
      world_.sleep(host, a_while * below(6));
      return;
    case 5:
      world_.jump_wall(host, percent(50) ? forward : -forward);
      return;
    case 6:
      if (peer >= 0) world_.change_psk(host, peer);
      return;
    case 7:
      world_.change_private_key(host);
      return;
    case 8:
      if (peer < 0) return;
      world_.remove_peer(host, peer);
      world_.events.after(a_while, [this, host, peer] { world_.add_peer(host, peer); });
      return;
    case 9:
      world_.set_up(host, false);
      world_.events.after(a_while, [this, host] { world_.set_up(host, true); });
      return;
    case 10:
      world_.set_keepalive(host, percent(50) ? 0 : static_cast<std::uint16_t>(1 + below(60)));
      return;
    case 11:
      world_.start_counters_at(host, kRekeyAfterMessages - static_cast<std::uint64_t>(below(50)));
      return;
    case 12:
      world_.start_counters_at(host,
                               kRejectAfterMessages - static_cast<std::uint64_t>(below(9000)));
      return;
    case 13:
      world_.flood_with_garbage(host, 600, static_cast<int>(1 + below(20)));
      return;
    case 14: {
      // Everybody wants a handshake at the same moment.
      for (int i = 0; i < world_.num_hosts(); ++i) world_.restart(i);
      for (const World::Flow& flow : world_.all_flows()) world_.send(flow, 1);
      return;
    }
    case 15: {
      const auto flows = world_.all_flows();
      const World::Flow flow =
          flows[static_cast<std::size_t>(below(static_cast<std::int64_t>(flows.size())))];
      if (percent(15)) world_.overtake(flow.from, flow.to);
      if (flow.from != 0) world_.ping(flow.from, 0);
      return;
    }
    default:
      return;
  }
}

void Scenario::fair_weather() {
  // What was begun in the storm ends: sleepers wake, links come up, peers are added again.
  world_.run_until(world_.now() + 601s);
  world_.weather = {};
  for (std::size_t i = 0; i < world_.flows.size(); ++i) {
    World::Flow& flow = world_.flows[i];
    flow.interval = 1s;
    flow.burst = 1;
    world_.start_flow(i);
  }
  const std::size_t before = world_.observer.packets().size();
  world_.run_until(world_.now() + kRecovery);
  if (world_.failed()) return;
  check_delivery(before, "within 60 s after the faults ended");

  world_.observer.expect_order(true);
  const std::size_t first = world_.observer.packets().size();
  world_.run_until(world_.now() + kFairWeather);
  for (World::Flow& flow : world_.flows) flow.running = false;
  world_.run_until(world_.now() + 1s);
  if (world_.failed()) return;
  const auto& packets = world_.observer.packets();
  for (std::size_t i = first; i < packets.size(); ++i) {
    if (!packets[i].arrived && !packets[i].forged && !packets[i].dies) {
      world_.observer.violated("packet " + std::to_string(i) + " was lost in fair weather");
      return;
    }
  }
}

// One packet of each pair has arrived.
void Scenario::check_delivery(std::size_t first, const char* when) {
  const auto& packets = world_.observer.packets();
  for (const World::Flow& flow : world_.flows) {
    bool arrived = false;
    for (std::size_t i = first; i < packets.size(); ++i) {
      arrived |= packets[i].from == flow.from && packets[i].to == flow.to && packets[i].arrived;
    }
    if (!arrived) {
      world_.observer.violated("nothing came from node " + std::to_string(flow.from) + " to node " +
                               std::to_string(flow.to) + " " + when);
    }
  }
}

void Scenario::silence() {
  for (int i = 0; i < world_.num_hosts(); ++i) world_.set_keepalive(i, 0);
  world_.run_until(world_.now() + kLastWords);
  if (world_.failed()) return;
  const std::uint64_t emitted = world_.observer.num_emitted();
  world_.run_until(world_.now() + kZeroKeyMaterialTime + kRekeyAfterTime);
  if (world_.failed()) return;
  if (world_.observer.num_emitted() != emitted) {
    world_.observer.violated("idle peers do not go silent");
  }
  for (int i = 0; i < world_.num_hosts(); ++i) {
    DeviceState& state = DeviceInspector::state(world_.host(i).node->device());
    if (state.sessions.size() != 0) world_.observer.violated("keys outlive their 540 s");
    if (!state.pending_indices.empty()) world_.observer.violated("a handshake is never forgotten");
    if (!state.timers.empty()) world_.observer.violated("a timer runs for nothing");
    if (state.staged_pool.num_free() != kStagedChunks) {
      world_.observer.violated("staged packets are never given back");
    }
    world_.replay_everything_recent(i);
  }
}

ScenarioResult Scenario::result() {
  ScenarioResult result;
  std::ostringstream failure;
  for (const std::string& violation : world_.observer.violations()) {
    failure << "at " << std::chrono::duration<double>(world_.now()).count() << " s: " << violation
            << "\n";
  }
  result.failure = failure.str();
  result.trace_hash = world_.trace_hash();
  result.num_datagrams = world_.observer.num_emitted();
  result.num_initiations = world_.observer.num_initiations();
  result.num_cookie_replies = world_.observer.num_cookie_replies();
  result.num_packets = world_.observer.packets().size();
  result.num_arrived = world_.observer.num_arrived();
  result.simulated_hours = std::chrono::duration<double, std::ratio<3600>>(world_.now()).count();
  return result;
}

}  // namespace

ScenarioResult run_scenario(std::uint64_t seed) { return Scenario(seed).run(); }

}  // namespace hawser::testing
