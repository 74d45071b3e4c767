#pragma once
#include <string>
#include <string_view>

namespace hawser {

// Could this be a WireGuard key, or most of one? In base64 it has 43 characters and a '='. Pure.
bool looks_like_key(std::string_view word);

// What a message may show of a word that somebody typed: it could be a key in the wrong place.
// Pure.
std::string hide_key(std::string_view word);

}  // namespace hawser
