#include "ctl/connection_share.h"

#include <algorithm>
#include <cassert>
#include <map>

namespace hawser {

std::size_t who_gives_way(std::span<const HeldConnection> held, uid_t newcomer) {
  assert(!held.empty());
  std::map<uid_t, std::size_t> num_of;
  for (const HeldConnection& one : held) ++num_of[one.user];
  if (num_of.contains(newcomer)) ++num_of[newcomer];
  std::size_t most = 0;
  for (const auto& [user, num] : num_of) most = std::max(most, num);
  const bool is_newcomers = num_of.contains(newcomer) && num_of[newcomer] == most;

  std::size_t chosen = held.size();
  for (std::size_t i = 0; i < held.size(); ++i) {
    const uid_t user = held[i].user;
    if (is_newcomers ? user != newcomer : num_of[user] != most) continue;
    if (chosen == held.size() || held[i].last_progress < held[chosen].last_progress) chosen = i;
  }
  return chosen;
}

}  // namespace hawser
