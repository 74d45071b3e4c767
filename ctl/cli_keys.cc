#include "ctl/cli_keys.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "ctl/key_file.h"
#include "noise/keys.h"

namespace hawser {

namespace {

// A key has 44 characters; more than a line of it is no key.
constexpr std::size_t kMaxKeyLine = 128;

}  // namespace

CliOutput make_key(const CliArguments& arguments, RandomSource& random) {
  if (arguments.preshared) {
    PresharedKey shared;
    random.fill(shared.mutable_bytes());
    const Status written = write_preshared_key_file(arguments.key_file, shared);
    return written ? CliOutput{} : CliOutput::failure(written.error().message);
  }
  PrivateKey key;
  random.fill(key.mutable_bytes());
  key.clamp();
  if (const Status written = write_private_key_file(arguments.key_file, key); !written) {
    return CliOutput::failure(written.error().message);
  }
  return {key.derive_public().to_base64() + "\n", {}};
}

CliOutput derive_public_key(std::istream& input) {
  std::array<char, kMaxKeyLine> line{};
  input.getline(line.data(), line.size());
  const std::optional<PrivateKey> key = parse_private_key(std::string_view(line.data()));
  wipe({reinterpret_cast<std::uint8_t*>(line.data()), line.size()});
  if (!key) {
    return CliOutput::failure(
        "standard input is not a private key; 44 characters of base64 are wanted");
  }
  return {key->derive_public().to_base64() + "\n", {}};
}

}  // namespace hawser
