#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "noise/keys.h"

namespace hawser {

// Reads a private key as `wg genkey` writes it: base64 on the only line. Refused are files that
// group or others may access, that belong to somebody else than this user or root, or that hold
// anything but one key that is not zero. Messages name the file and the remedy, never its contents.
Result<PrivateKey> read_private_key_file(const std::string& path);

// Reads a preshared key, as `wg genpsk` writes it, under the same rules.
Result<PresharedKey> read_preshared_key_file(const std::string& path);

// Write a new file with mode 0600; an existing one is never overwritten.
Status write_private_key_file(const std::string& path, const PrivateKey& key);
Status write_preshared_key_file(const std::string& path, const PresharedKey& key);

// Base64 of 32 bytes, perhaps with white space after it; nullopt: anything else.
std::optional<PrivateKey> parse_private_key(std::string_view text);

}  // namespace hawser
