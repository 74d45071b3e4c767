#include "bench/load/report.h"

#include <fmt/format.h>

#include <array>

namespace hawser::load {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<const char*, kNumInnerFaults> kFaultNames = {
    "good",           "not_ip",        "wrong_address", "wrong_hop_limit",
    "wrong_checksum", "wrong_payload", "late"};

double ratio(std::uint64_t a, std::uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}
double ratio(std::int64_t a, std::uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

Json sample_json(const ReceiveCounts& received) {
  Json faults = Json::object();
  for (std::size_t i = 0; i < kFaultNames.size(); ++i) {
    if (i == 0 || received.faults[i] > 0) faults[kFaultNames[i]] = received.faults[i];
  }
  return {{"opened", received.opened}, {"unopenable", received.unopenable}, {"packets", faults}};
}

Json latency_json(const std::vector<std::int64_t>& sorted) {
  Json json = {{"samples", sorted.size()}};
  if (sorted.empty()) return json;
  const auto at = [&](double part) {
    const auto index = static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1));
    return static_cast<double>(sorted[index]) / 1000;
  };
  json["p50_us"] = at(0.5);
  json["p90_us"] = at(0.9);
  json["p99_us"] = at(0.99);
  json["p999_us"] = at(0.999);
  json["max_us"] = at(1);
  return json;
}

}  // namespace

Json to_json(const Tally& tally, const PacketPool& pool, bool has_target) {
  const std::uint64_t arrived = tally.received.packets;
  Json json;
  json["seconds"] = tally.seconds();
  json["rounds"] = tally.rounds;
  json["sent"] = tally.sent;
  json["arrived"] = arrived;
  json["loss"] = tally.loss();
  json["packets_per_second"] = tally.packets_per_second();
  json["bits_per_second"] = tally.packets_per_second() * pool.mean_inner_len() * 8;
  json["stalls"] = tally.stalls;
  json["reordered"] = tally.received.reordered;
  json["foreign"] = tally.received.foreign;
  json["sample"] = sample_json(tally.received);
  json["generator"] = {{"cpu_ns_per_packet", ratio(tally.own_cpu_ns, arrived)},
                       {"packets_per_send", ratio(tally.sent, tally.sent_trains)},
                       {"sends_per_call", ratio(tally.sent_trains, tally.send_calls)},
                       {"packets_per_receive", ratio(arrived, tally.received.reads)}};
  if (has_target) {
    json["target"] = {
        {"cpu_ns_per_packet", ratio(tally.target_cpu_ns, arrived)},
        {"cpus", ratio(tally.target_cpu_ns, static_cast<std::uint64_t>(tally.elapsed_ns))},
        {"packets_per_receive", ratio(tally.sent, tally.target_udp.in)},
        {"packets_per_send", ratio(arrived, tally.target_udp.out)},
        {"receive_buffer_errors", tally.target_udp.receive_buffer_errors},
        {"send_buffer_errors", tally.target_udp.send_buffer_errors}};
  }
  json["steal"] = ratio(tally.machine.steal, tally.machine.total);
  if (!tally.latencies.empty()) json["latency"] = latency_json(tally.latencies);
  return json;
}

std::string to_text(const Json& result) {
  std::string text = fmt::format(
      "{:.3f} Gbit/s  {:.0f} packets/s  loss {:.4f} %  {} rounds of {:.0f} ms\n",
      result["bits_per_second"].get<double>() / 1e9, result["packets_per_second"].get<double>(),
      result["loss"].get<double>() * 100, result["rounds"].get<int>(),
      result["seconds"].get<double>() * 1000 / result["rounds"].get<double>());
  const Json& generator = result["generator"];
  if (result.contains("target")) {
    const Json& target = result["target"];
    text += fmt::format(
        "under test: {:.0f} ns a packet, {:.2f} processors, {:.1f} packets a receive, {:.1f} a "
        "send\n",
        target["cpu_ns_per_packet"].get<double>(), target["cpus"].get<double>(),
        target["packets_per_receive"].get<double>(), target["packets_per_send"].get<double>());
  }
  text += fmt::format("generator: {:.0f} ns a packet, {:.1f} packets a send, {:.1f} a receive\n",
                      generator["cpu_ns_per_packet"].get<double>(),
                      generator["packets_per_send"].get<double>(),
                      generator["packets_per_receive"].get<double>());
  text += fmt::format("sample: {}  reordered {}  stalls {}  steal {:.2f} %\n",
                      result["sample"].dump(), result["reordered"].get<std::uint64_t>(),
                      result["stalls"].get<std::uint64_t>(), result["steal"].get<double>() * 100);
  if (result.contains("latency")) text += "latency: " + result["latency"].dump() + "\n";
  return text;
}

}  // namespace hawser::load
