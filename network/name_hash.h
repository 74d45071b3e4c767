#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace hawser {

// SHA-256 of the UTF-8 bytes of a name (FIPS 180-4). The address plans cut it up; "the first 8 hex
// digits of H(s)" are the first 4 bytes.
std::array<std::uint8_t, 32> name_hash(std::string_view name);

}  // namespace hawser
