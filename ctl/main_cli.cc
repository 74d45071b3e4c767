// hawser: the command that people type.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "base/secret.h"
#include "ctl/control_socket.h"
#include "ctl/key_file.h"
#include "ctl/status_client.h"
#include "ctl/version.h"
#include "noise/crypto_init.h"
#include "tun/system_random.h"

namespace hawser {
namespace {

struct Arguments {
  std::string interface;
  std::string control_dir = kDefaultControlDir;
  std::string key_file;
  bool json = false;
};

int fail(const std::string& why) {
  fmt::print(stderr, "hawser: {}\n", why);
  return EXIT_FAILURE;
}

std::int64_t unix_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

int show_status(const Arguments& arguments) {
  std::vector<std::string> interfaces{arguments.interface};
  if (arguments.interface.empty()) interfaces = list_interfaces(arguments.control_dir);
  int exit_code = EXIT_SUCCESS;
  std::vector<StatusAnswer> answers;
  for (const std::string& interface : interfaces) {
    Result<StatusAnswer> answer = query_status(arguments.control_dir, interface);
    if (answer) {
      answers.push_back(std::move(*answer));
    } else {
      exit_code = fail(answer.error().message);
    }
  }
  if (arguments.json) {
    fmt::print("{}", status_to_json(answers));
    return exit_code;
  }
  if (interfaces.empty()) fmt::print("no daemon listens in {}\n", arguments.control_dir);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    fmt::print("{}{}", i == 0 ? "" : "\n", format_status(answers[i], unix_now()));
  }
  return exit_code;
}

int make_key(const Arguments& arguments) {
  PrivateKey key;
  SystemRandom random;
  random.fill(key.mutable_bytes());
  key.clamp();
  if (const Status written = write_private_key_file(arguments.key_file, key); !written) {
    return fail(written.error().message);
  }
  fmt::print("{}\n", key.derive_public().to_base64());
  return EXIT_SUCCESS;
}

int print_public_key() {
  std::string line;
  std::getline(std::cin, line);
  const std::optional<PrivateKey> key = parse_private_key(line);
  wipe({reinterpret_cast<std::uint8_t*>(line.data()), line.size()});
  if (!key) return fail("standard input is not a private key; 44 characters of base64 are wanted");
  fmt::print("{}\n", key->derive_public().to_base64());
  return EXIT_SUCCESS;
}

int run(int argc, char** argv) {
  CLI::App app{"Hawser's command", "hawser"};
  Arguments arguments;
  app.set_version_flag("-V,--version", fmt::format("hawser {}", kVersion));
  app.require_subcommand(1);
  CLI::App* const status = app.add_subcommand("status", "What hawserd does, one interface or all");
  status->add_option("INTERFACE", arguments.interface, "Only this one");
  status->add_flag("--json", arguments.json, "For programs");
  status->add_option("--control-dir", arguments.control_dir, "Where the control sockets are")
      ->envname("HAWSER_CONTROL_DIR");
  CLI::App* const keygen =
      app.add_subcommand("keygen", "Write a new private key to a file, print its public key");
  keygen->add_option("FILE", arguments.key_file, "Must not exist yet")->required();
  CLI::App* const pubkey =
      app.add_subcommand("pubkey", "Read a private key from standard input, print its public key");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // help or version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    const std::string what = error.what();
    return fail(what.substr(0, what.find('\n')) + "; see hawser --help");
  }
  if (!init_crypto()) return fail("a cryptographic library does not work on this processor");
  if (status->parsed()) return show_status(arguments);
  if (keygen->parsed()) return make_key(arguments);
  if (pubkey->parsed()) return print_public_key();
  return EXIT_FAILURE;
}

}  // namespace
}  // namespace hawser

int main(int argc, char** argv) {
  try {
    return hawser::run(argc, argv);
  } catch (const std::exception& error) {
    return hawser::fail(error.what());
  }
}
