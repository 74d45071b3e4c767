#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "ctl/cli_arguments.h"
#include "ctl/cli_output.h"
#include "ctl/wg_quick_file.h"

namespace hawser {

// A wg-quick file as a network file of the plan full-mesh, where every host has one address that
// the file gives and an endpoint.
struct ImportedNetwork {
  std::string text;                                             // the network file
  std::vector<std::pair<std::string, PresharedKey>> preshared;  // file name, key
  std::vector<std::string> left_out;                            // "FILE:LINE: …"
};

// `host`: this host's name; `endpoint`: where others reach it. The Error has a line for each thing
// that cannot be said in a network file. Pure.
Result<ImportedNetwork> import_as_full_mesh(const WgQuickFile& file, const WgQuickName& name,
                                            const std::string& host, const std::string& endpoint);

// `hawser import`: writes NAME.toml, NAME.key (0600) and NAME-PEER.psk (0600) where needed, none of
// which may exist; what was not taken over is said.
CliOutput import_wg_quick(const CliArguments& arguments);

}  // namespace hawser
