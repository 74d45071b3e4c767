#pragma once
#include <string_view>

namespace hawser {

// Writes all of `text`, whatever interrupts or cuts single writes. 0, or the errno of what failed.
int write_whole(int fd, std::string_view text);
// The same, and waits until it is on the disk.
int write_to_disk(int fd, std::string_view text);

}  // namespace hawser
