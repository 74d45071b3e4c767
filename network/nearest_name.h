#pragma once
#include <span>
#include <string>
#include <string_view>

namespace hawser {

// The one of `known` that was probably meant by `word`: the least edit distance (a third of the
// word at most, two at least), or a name that it abbreviates ("keepalive", "pubkey"), else empty.
std::string_view nearest_name(std::string_view word, std::span<const std::string_view> known);

// The remedy for a wrong name: `did you mean "endpoint"?`, or, when none is near, all names there
// are (the first few of many). Empty when `known` is.
std::string suggest_name(std::string_view word, std::span<const std::string_view> known);

}  // namespace hawser
