#pragma once
#include <nlohmann/json.hpp>

#include <string>

#include "bench/load/measurement.h"

namespace hawser::load {

// One measurement as JSON. Throughput counts inner bits: IP packets as they enter the tunnel.
nlohmann::ordered_json to_json(const Tally& tally, const PacketPool& pool, bool has_target);

// The same in a few lines for people.
std::string to_text(const nlohmann::ordered_json& result);

}  // namespace hawser::load
