#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tun/kernel_engine.h"
#include "tun/udp_sockets.h"

namespace hawser::test {

using namespace std::chrono_literals;

inline Endpoint endpoint(const std::string& address, std::uint16_t port) {
  Endpoint result;
  result.address = *IpAddress::parse(address);
  result.port = port;
  return result;
}

inline std::vector<std::uint8_t> pattern(std::size_t len, std::uint8_t seed = 1) {
  std::vector<std::uint8_t> bytes(len);
  for (std::size_t i = 0; i < len; ++i) {
    bytes[i] = static_cast<std::uint8_t>(seed + i * 7 + i / 251);
  }
  return bytes;
}

// A received train with its own copy of the bytes.
struct Received {
  ReceivedTrain train;
  std::vector<std::uint8_t> bytes;
};

// Sockets, an engine over them, and its batches: one worker without a data plane.
class Node {
 public:
  explicit Node(EngineKind kind, int tun = -1, bool receive = true, std::size_t num_workers = 1,
                bool read_tun = true) {
    Result<UdpSocketGroup> opened = open_udp_sockets(num_workers, 0, 0);
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      return;
    }
    group = std::move(*opened);
    EngineParts parts;
    parts.udp_v4 = group.workers[0].v4.get();
    parts.udp_v6 = group.workers[0].v6.get();
    parts.tun = tun;
    parts.receive = receive;
    parts.read_tun = read_tun;
    Result<std::unique_ptr<KernelEngine>> made = make_kernel_engine(kind, parts, nullptr);
    if (!made) {
      ADD_FAILURE() << made.error().message;
      return;
    }
    engine = std::move(*made);
  }

  // One wait; what it delivered is appended to `received` and `packets`.
  std::size_t wait(Duration timeout) {
    engine->wait(in, timeout);
    for (const ReceivedTrain& train : in.trains) {
      received.push_back({train, {train.data, train.data + train.len}});
    }
    for (const TunPacket& packet : in.tun_packets) {
      packets.push_back({packet, {packet.data, packet.data + packet.len}});
    }
    return in.trains.size() + in.tun_packets.size();
  }
  bool wait_for(std::size_t num_trains) {
    for (int i = 0; i < 2000 && received.size() < num_trains; ++i) wait(5ms);
    return received.size() >= num_trains;
  }
  bool wait_for_bytes(std::size_t len) {
    for (int i = 0; i < 2000 && received_bytes().size() < len; ++i) wait(5ms);
    return received_bytes().size() >= len;
  }
  std::vector<std::uint8_t> received_bytes() const {
    std::vector<std::uint8_t> all;
    for (const Received& r : received) all.insert(all.end(), r.bytes.begin(), r.bytes.end());
    return all;
  }

  // `bytes` stay until submit().
  UdpSend queue(const Endpoint& to, std::vector<std::uint8_t>& bytes, std::uint32_t segment_len = 0,
                std::uint8_t traffic_class = 0) {
    UdpSend send;
    send.to = to;
    send.first_slice = out.num_slices();
    // Two slices, cut where no segment ends.
    const std::size_t first = bytes.size() / 3;
    out.add_slice(bytes.data(), first);
    out.add_slice(bytes.data() + first, bytes.size() - first);
    send.num_slices = 2;
    send.len = static_cast<std::uint32_t>(bytes.size());
    send.segment_len = segment_len == 0 ? send.len : segment_len;
    send.traffic_class = traffic_class;
    return send;
  }
  void submit() {
    engine->submit(out);
    for (const auto& [send, outcome] : out.udp_reports()) outcomes.emplace_back(*send, outcome);
    for (const auto& [write, error] : out.tun_failures()) tun_errors.push_back(error);
    out.clear();
  }
  void send(const Endpoint& to, std::vector<std::uint8_t> bytes, std::uint32_t segment_len = 0,
            std::uint8_t traffic_class = 0) {
    out.add_udp(queue(to, bytes, segment_len, traffic_class));
    submit();
  }

  struct Packet {
    TunPacket packet;
    std::vector<std::uint8_t> bytes;
  };
  UdpSocketGroup group;
  std::unique_ptr<KernelEngine> engine;
  InBatch in;
  OutBatch out;
  std::vector<std::pair<UdpSend, UdpOutcome>> outcomes;
  std::vector<int> tun_errors;
  std::vector<Received> received;
  std::vector<Packet> packets;
};

}  // namespace hawser::test
