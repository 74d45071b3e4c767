#include "network/name_hash.h"

#include <openssl/sha.h>

namespace hawser {

std::array<std::uint8_t, 32> name_hash(std::string_view name) {
  std::array<std::uint8_t, 32> digest{};
  static_assert(SHA256_DIGEST_LENGTH == sizeof digest);
  SHA256(reinterpret_cast<const std::uint8_t*>(name.data()), name.size(), digest.data());
  return digest;
}

}  // namespace hawser
