#pragma once
#include <string>
#include <string_view>

#include "network/key_files.h"
#include "network/plan.h"

namespace hawser {

// What stands for a private key that is to be filled in.
inline constexpr std::string_view kPrivateKeyPlaceholder = "REPLACE_WITH_PRIVATE_KEY";

// The host's configuration as wg-quick(8) reads it, for hosts that run stock WireGuard. Such a
// host has the stock rule: one peer for each prefix, no failover.
//
// `private_key` is written as given: base64, or kPrivateKeyPlaceholder. Preshared keys are read
// through `key_files`; without it a comment says where each belongs. Fails when a key cannot be
// read. The text may hold secrets.
Result<std::string> plan_to_wg_quick(const HostPlan& plan, std::string_view private_key,
                                     KeyFiles* key_files);

}  // namespace hawser
