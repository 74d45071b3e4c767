#pragma once
#include <string>
#include <string_view>

namespace hawser {

// Could this be a WireGuard key, or most of one? Pure.
bool looks_like_key(std::string_view word);
// Could one stand in this, with other characters before or behind it? Pure.
bool has_key_inside(std::string_view text);

// What a message may show of a word that somebody typed: it could be a key in the wrong place.
// Pure.
std::string hide_key(std::string_view word);

}  // namespace hawser
