#pragma once
#include <cstdint>
#include <string>

namespace hawser::testing {

// One run of the simulation: what a seed makes of it.
struct ScenarioResult {
  std::string failure;  // empty: every invariant held
  std::uint64_t trace_hash = 0;
  std::uint64_t num_datagrams = 0;
  std::uint64_t num_initiations = 0;
  std::uint64_t num_cookie_replies = 0;
  std::uint64_t num_packets = 0;
  std::uint64_t num_arrived = 0;
  double simulated_hours = 0;
};

// A stormy time in which everything goes wrong; then the faults end, and everything must work
// again; then silence, and everything must be forgotten.
ScenarioResult run_scenario(std::uint64_t seed);

}  // namespace hawser::testing
