#include "network/load.h"

#include <iterator>

#include "network/network_parse.h"

namespace hawser {

LoadedNetwork load_network(std::string_view text, const CheckContext& context) {
  LoadedNetwork loaded;
  loaded.problems = parse_network(loaded.network, text);
  // Without a name there was nothing to be read, and every further complaint would mislead.
  if (loaded.network.name.empty() && loaded.network.hosts.empty()) return loaded;
  std::vector<Problem> found = check_network(loaded.network, context);
  loaded.problems.insert(loaded.problems.end(), std::make_move_iterator(found.begin()),
                         std::make_move_iterator(found.end()));
  sort_problems(loaded.problems);
  return loaded;
}

}  // namespace hawser
