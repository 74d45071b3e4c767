#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <span>

namespace hawser {

struct HeldConnection {
  uid_t user = 0;
  std::chrono::steady_clock::time_point last_progress;
};

// Which of the connections, all that there may be, gives way to one more of `newcomer`: of the user
// who has the most then, the newcomer's among them where several have as many, the one that has
// been silent for longest. So nobody who connects again and again takes another's place. `held` is
// not empty. Pure.
std::size_t who_gives_way(std::span<const HeldConnection> held, uid_t newcomer);

}  // namespace hawser
