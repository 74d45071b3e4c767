#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "network/key_files.h"
#include "network/plan.h"
#include "noise/keys.h"
#include "routing/ip_address.h"

namespace hawser {

// Which network file a host runs, and as whom. Paths are absolute: in the background the working
// directory is "/".
struct NetworkSource {
  std::string file;
  std::string host;
  std::string private_key_file;
};

// Keys by the path that the network file has for them.
using PresharedKeys = std::map<std::string, PresharedKey>;

// PresharedKeyFiles reads keys that the network file names under the rules of ctl/key_file.h, each
// file once, and keeps them. A relative path is relative to the network file's directory.
class PresharedKeyFiles : public KeyFiles {
 public:
  explicit PresharedKeyFiles(const std::string& network_file);
  Result<PresharedKey> preshared_key(const std::string& path) override;
  Result<PrivateKey> private_key(const std::string& path) override;
  PresharedKeys take() { return std::move(keys_); }

 private:
  std::string in_directory(const std::string& path) const;

  std::string directory_;
  PresharedKeys keys_;
};

// LoadedPlan is all that a host needs to run its share of a network, read and checked.
struct LoadedPlan {
  HostPlan plan;
  // Of the host's key files: the one whose key is public_key, else the one with the next.
  PrivateKey private_key;
  PresharedKeys preshared_keys;
  std::vector<std::string> warnings;  // "FILE:LINE: warning: …"
};

// Reads the network file and the key files, checks all of it (network/check.h), and derives the
// host's plan. An Error has everything that is wrong: its first line says what is refused, each
// further one is a problem, "FILE:LINE: error: THING: MESSAGE; REMEDY". A file that is missing is
// an error, never an empty network. `local_addresses`: this machine's.
Result<LoadedPlan> load_plan(const NetworkSource& source,
                             std::span<const IpAddress> local_addresses);

// The whole of a text file, up to a bound that no network comes near; the message names the file,
// for read_network_file() as what it is.
Result<std::string> read_text_file(const std::string& path);
Result<std::string> read_network_file(const std::string& path);

// The addresses of all interfaces of this network namespace, except `interface`.
std::vector<IpAddress> read_local_addresses(const std::string& except_interface = {});

}  // namespace hawser
