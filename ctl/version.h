#pragma once
#include <string_view>

namespace hawser {

// The project's version, as CMake has it.
inline constexpr std::string_view kVersion = HAWSER_VERSION;

}  // namespace hawser
