// A network file, TOML or JSON: whatever it holds, it is refused with problems that name their
// line, or every host's plan can be made of it.
#include <string>
#include <string_view>

#include "network/load.h"
#include "network/plan.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t len) {
  using namespace hawser;
  using testing::require;
  const std::string_view text(reinterpret_cast<const char*>(data), len);
  const LoadedNetwork loaded = load_network(text);
  for (const Problem& problem : loaded.problems) {
    require(!problem_to_string(problem, "net.toml").empty(), "a problem says what it is");
  }
  if (!loaded.usable()) return 0;
  for (const NetworkHost& host : loaded.network.hosts) {
    const Result<HostPlan> plan = plan_host(loaded.network, host.name);
    require(plan.ok(), "a usable network has a plan for every host");
    require(plan->host == host.name, "a plan is for the host that it was made for");
    require(!plan->interface.addresses.empty(), "every host has an address");
  }
  return 0;
}
