#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hawser {

// Lower-case hexadecimal. Not for secrets that must not reach logs: it prints whatever it is given.
std::string to_hex(std::span<const std::uint8_t> bytes);

// Decodes exactly out.size() bytes from either case. False (and `out` unspecified) when `text` has
// another length or another character. Runs in time that depends on the length alone.
[[nodiscard]] bool from_hex(std::span<std::uint8_t> out, std::string_view text);

}  // namespace hawser
