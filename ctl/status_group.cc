#include "ctl/status_group.h"

#include <grp.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string_view>
#include <vector>

namespace hawser {

std::optional<gid_t> find_status_group() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/etc/group", "re"),
                                                             &std::fclose);
  if (!file) return std::nullopt;
  // A group with some thousand members; a longer line ends the search.
  std::vector<char> buffer(std::size_t{256} << 10);
  group entry{};
  group* found = nullptr;
  while (::fgetgrent_r(file.get(), &entry, buffer.data(), buffer.size(), &found) == 0) {
    if (std::string_view(entry.gr_name) == kStatusGroup) return entry.gr_gid;
  }
  return std::nullopt;
}

}  // namespace hawser
