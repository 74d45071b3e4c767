#pragma once
#include <string>
#include <string_view>

#include "noise/keys.h"

namespace hawser {

// What is wrong with the text of a public key, for a message: a placeholder that nobody filled in,
// malformed base64, zero, or a point of small order (RFC 7748 §6.1), with which no handshake can
// succeed. Empty when `out` holds a key that can be used.
std::string parse_public_key(PublicKey& out, std::string_view text);

}  // namespace hawser
