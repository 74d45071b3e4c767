#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include "dataplane/coalescer.h"
#include "routing/checksum.h"
#include "transport_packets.h"

namespace hawser {
namespace {

using test::Bytes;
using test::FlowSpec;
using test::SuperPacket;
using Gso = TunOffload::Gso;

constexpr TunFeatures kAll = {.tso = true, .uso = true};

// What was written, put together again.
struct Written {
  Bytes bytes;
  TunOffload offload;
  std::uint32_t num_slices = 0;
};

class CoalescerTest : public ::testing::Test {
 protected:
  // The packet's memory stays until the test ends.
  std::uint32_t add(Coalescer& coalescer, const Bytes& packet) {
    Bytes& kept = kept_.emplace_back(packet);
    return coalescer.add(out_, kept, parse_ip(kept).value());
  }
  std::uint32_t add_all(Coalescer& coalescer, const std::vector<Bytes>& packets) {
    std::uint32_t num_dropped = 0;
    for (const Bytes& packet : packets) num_dropped += add(coalescer, packet);
    return num_dropped;
  }
  std::vector<Written> take() {
    std::vector<Written> all;
    for (const TunWrite& write : out_.tun()) {
      Written& written = all.emplace_back();
      written.offload = write.offload;
      written.num_slices = write.num_slices;
      for (const iovec& slice : out_.slices(write)) {
        const std::uint8_t* const data = static_cast<const std::uint8_t*>(slice.iov_base);
        written.bytes.insert(written.bytes.end(), data, data + slice.iov_len);
      }
      EXPECT_EQ(written.bytes.size(), write.len);
    }
    out_.clear();
    return all;
  }
  // What all of `packets` come out as.
  std::vector<Written> coalesce(const std::vector<Bytes>& packets, TunFeatures features = kAll) {
    Coalescer coalescer(features);
    EXPECT_EQ(add_all(coalescer, packets), 0U);
    EXPECT_EQ(coalescer.flush(out_), 0U);
    return take();
  }
  // How many packets are in each write.
  std::vector<std::uint32_t> runs_of(const std::vector<Bytes>& packets,
                                     TunFeatures features = kAll) {
    std::vector<std::uint32_t> runs;
    for (const Written& written : coalesce(packets, features)) runs.push_back(written.num_slices);
    return runs;
  }

  OutBatch out_;
  std::deque<Bytes> kept_;
};

using Runs = std::vector<std::uint32_t>;

FlowSpec udp_flow() {
  FlowSpec spec;
  spec.is_tcp = false;
  return spec;
}

std::vector<Bytes> equal_packets(const FlowSpec& spec, std::size_t num, std::size_t payload_len) {
  return test::single_packets(spec, Bytes(num * payload_len, 5), payload_len);
}

void expect_same_offload(const TunOffload& a, const TunOffload& b) {
  EXPECT_EQ(a.gso, b.gso);
  EXPECT_EQ(a.needs_checksum, b.needs_checksum);
  EXPECT_EQ(a.ecn, b.ecn);
  EXPECT_EQ(a.header_len, b.header_len);
  EXPECT_EQ(a.segment_payload, b.segment_payload);
  EXPECT_EQ(a.csum_start, b.csum_start);
  EXPECT_EQ(a.csum_offset, b.csum_offset);
}

TEST_F(CoalescerTest, MakesTheSuperPacketThatSegmentationCutsIntoTheSamePackets) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  test::Random random(seed);
  for (int i = 0; i < 1000; ++i) {
    kept_.clear();
    FlowSpec spec = test::random_flow(random);
    if (random() % 2 == 0) spec.flags |= 0x08;
    const std::uint16_t segment_payload = static_cast<std::uint16_t>(1 + random() % 1400);
    const std::size_t max_segments =
        std::min<std::size_t>(spec.is_tcp ? kMaxTcpSuperSegments : kMaxUdpSuperSegments,
                              (kMaxSuperPacketLen - spec.header_len()) / segment_payload);
    const std::size_t num = 2 + random() % (max_segments - 1);
    const std::size_t len = num * segment_payload - random() % segment_payload;
    const Bytes payload = test::random_bytes(random, len);
    const SuperPacket super = test::super_packet(spec, payload, segment_payload);
    const std::vector<Bytes> singles =
        test::segments_of(Segmenter::begin(super.bytes, super.offload).value());
    ASSERT_EQ(singles, test::single_packets(spec, payload, segment_payload));

    const std::vector<Written> written = coalesce(singles);
    ASSERT_EQ(written.size(), 1U);
    ASSERT_EQ(written[0].bytes, super.bytes);
    expect_same_offload(written[0].offload, super.offload);
    ASSERT_EQ(test::segments_of(Segmenter::begin(written[0].bytes, written[0].offload).value()),
              singles);
  }
}

TEST_F(CoalescerTest, APacketAloneIsUntouchedAndNeedsNothing) {
  test::Random random(40);
  for (int i = 0; i < 500; ++i) {
    Bytes packet = test::transport_packet(test::random_flow(random),
                                          test::random_bytes(random, random() % 1400));
    if (i % 2 == 0) packet.back() ^= 0x55;  // whatever its checksum says
    const std::vector<Written> written = coalesce({packet});
    ASSERT_EQ(written.size(), 1U);
    ASSERT_EQ(written[0].bytes, packet);
    expect_same_offload(written[0].offload, TunOffload{});
  }
}

TEST_F(CoalescerTest, WithoutTheFeaturePacketsGoOneByOne) {
  for (const FlowSpec& spec : {FlowSpec{}, udp_flow()}) {
    const std::vector<Bytes> packets = equal_packets(spec, 3, 100);
    EXPECT_EQ(runs_of(packets, {.tso = false, .uso = false}), (Runs{1, 1, 1}));
    const Runs with_tso = spec.is_tcp ? Runs{3} : Runs{1, 1, 1};
    EXPECT_EQ(runs_of(packets, {.tso = true, .uso = false}), with_tso);
    const Runs with_uso = spec.is_tcp ? Runs{1, 1, 1} : Runs{3};
    EXPECT_EQ(runs_of(packets, {.tso = false, .uso = true}), with_uso);
  }
}

TEST_F(CoalescerTest, PshAndShortPacketsEndARun) {
  const FlowSpec spec;
  const std::vector<Bytes> short_third = test::single_packets(spec, Bytes(250), 100);
  FlowSpec next = spec;
  next.sequence += 250;
  next.id = static_cast<std::uint16_t>(next.id + 3);
  std::vector<Bytes> packets = short_third;
  for (const Bytes& packet : equal_packets(next, 2, 50)) packets.push_back(packet);
  EXPECT_EQ(runs_of(packets), (Runs{3, 2}));

  FlowSpec pushed = spec;
  pushed.flags = 0x18;
  packets = equal_packets(pushed, 3, 100);  // PSH on the third
  next.sequence = spec.sequence + 300;
  for (const Bytes& packet : equal_packets(next, 2, 100)) packets.push_back(packet);
  EXPECT_EQ(runs_of(packets), (Runs{3, 2}));
  EXPECT_EQ(coalesce(packets)[0].bytes[33], 0x18);
}

TEST_F(CoalescerTest, ALargerPacketBeginsANewRun) {
  const FlowSpec spec = udp_flow();
  std::vector<Bytes> packets = equal_packets(spec, 2, 100);
  for (const Bytes& packet : equal_packets(spec, 2, 101)) packets.push_back(packet);
  EXPECT_EQ(runs_of(packets), (Runs{2, 2}));
}

TEST_F(CoalescerTest, SequenceNumbersMustFollow) {
  const std::vector<Bytes> packets = equal_packets(FlowSpec{}, 4, 100);
  EXPECT_EQ(runs_of({packets[0], packets[1], packets[3]}), (Runs{2, 1}));
  EXPECT_EQ(runs_of({packets[1], packets[0]}), (Runs{1, 1}));
  EXPECT_EQ(runs_of({packets[0], packets[0]}), (Runs{1, 1}));
  EXPECT_EQ(runs_of({packets[0], packets[2], packets[3], packets[1]}), (Runs{1, 2, 1}));
}

TEST_F(CoalescerTest, HeadersThatDifferAreNotMerged) {
  for (FlowSpec spec : {FlowSpec{}, test::v6_flow()}) {
    spec.options = Bytes(12, 1);
    const Bytes payload(100);
    const Bytes first = test::transport_packet(spec, payload);
    spec.sequence += 100;
    ++spec.id;
    ASSERT_EQ(runs_of({first, test::transport_packet(spec, payload)}), Runs{2});
    const auto not_merged = [&](const FlowSpec& other) {
      return runs_of({first, test::transport_packet(other, payload)}) == Runs{1, 1};
    };
    FlowSpec other = spec;
    other.traffic_class = 1;
    EXPECT_TRUE(not_merged(other));
    other = spec;
    other.hop_limit = 63;
    EXPECT_TRUE(not_merged(other));
    other = spec;
    other.acknowledgement += 1;
    EXPECT_TRUE(not_merged(other));
    other = spec;
    other.window += 1;
    EXPECT_TRUE(not_merged(other));
    other = spec;
    other.options[11] = 2;
    EXPECT_TRUE(not_merged(other));
    other = spec;
    other.options.resize(16, 1);
    EXPECT_TRUE(not_merged(other));
    other = spec;
    other.source_port += 1;
    EXPECT_TRUE(not_merged(other));
    other = spec;
    other.destination_port += 1;
    EXPECT_TRUE(not_merged(other));
    other = spec;
    other.destination.bytes[3] ^= 1;
    EXPECT_TRUE(not_merged(other));
    for (const std::uint8_t flags : Bytes{0x11, 0x12, 0x14, 0x30, 0x50, 0x90, 0x00, 0x08, 0x02}) {
      other = spec;
      other.flags = flags;
      EXPECT_TRUE(not_merged(other)) << unsigned{flags};
    }
    Bytes flow_label = test::transport_packet(spec, payload);
    if (!spec.is_v4()) {
      flow_label[3] = 1;
      EXPECT_EQ(runs_of({first, flow_label}), (Runs{1, 1}));
    }
  }
}

TEST_F(CoalescerTest, ReservedFlagsAreNotMerged) {
  // Accurate ECN's bit, of which segmentation would not know what becomes of it.
  std::vector<Bytes> packets = equal_packets(FlowSpec{}, 2, 100);
  for (Bytes& packet : packets) {
    const std::uint16_t before = load_be16(&packet[32]);
    packet[32] |= 1;
    store_be16(&packet[36],
               checksum_adjust(load_be16(&packet[36]), before, load_be16(&packet[32])));
  }
  EXPECT_EQ(runs_of(packets), (Runs{1, 1}));
}

TEST_F(CoalescerTest, IdentificationCountsOnlyWithoutDontFragment) {
  FlowSpec spec = udp_flow();
  const Bytes payload(100);
  for (const bool dont_fragment : {true, false}) {
    spec.dont_fragment = dont_fragment;
    spec.id = 0xffff;
    const Bytes first = test::transport_packet(spec, payload);
    spec.id = 0;
    const Bytes second = test::transport_packet(spec, payload);
    EXPECT_EQ(runs_of({first, second}), Runs{2});
    const Runs same_id = dont_fragment ? Runs{2} : Runs{1, 1};
    EXPECT_EQ(runs_of({first, first}), same_id);
  }
  spec.dont_fragment = true;
  const Bytes with = test::transport_packet(spec, payload);
  spec.dont_fragment = false;
  ++spec.id;
  EXPECT_EQ(runs_of({with, test::transport_packet(spec, payload)}), (Runs{1, 1}));
}

TEST_F(CoalescerTest, WrongChecksumsGoAloneAndUntouched) {
  for (FlowSpec spec : {FlowSpec{}, test::v6_flow(), udp_flow()}) {
    const std::vector<Bytes> good = equal_packets(spec, 5, 100);
    for (std::size_t bad = 0; bad < good.size(); ++bad) {
      std::vector<Bytes> packets = good;
      packets[bad].back() ^= 0x10;
      const std::vector<Written> written = coalesce(packets);
      Runs expected;
      if (bad > 0) expected.push_back(static_cast<std::uint32_t>(bad));
      expected.push_back(1);
      if (bad < 4) expected.push_back(static_cast<std::uint32_t>(4 - bad));
      Runs runs;
      for (const Written& one : written) runs.push_back(one.num_slices);
      ASSERT_EQ(runs, expected) << bad;
      ASSERT_EQ(written[bad > 0 ? 1 : 0].bytes, packets[bad]);
      ASSERT_FALSE(written[bad > 0 ? 1 : 0].offload.needs_checksum);
    }
  }
}

TEST_F(CoalescerTest, AWrongIpv4HeaderChecksumIsNotMended) {
  std::vector<Bytes> packets = equal_packets(udp_flow(), 3, 100);
  packets[1][10] ^= 1;
  const std::vector<Written> written = coalesce(packets);
  ASSERT_EQ(written.size(), 3U);
  EXPECT_EQ(written[1].bytes, packets[1]);
}

TEST_F(CoalescerTest, UdpWithoutChecksumGoesAlone) {
  std::vector<Bytes> packets = equal_packets(udp_flow(), 2, 100);
  for (Bytes& packet : packets) store_be16(&packet[26], 0);
  EXPECT_EQ(runs_of(packets), (Runs{1, 1}));

  // Also where the sum would be right: its zero is written as ones.
  Bytes payload(2);
  store_be16(payload.data(), load_be16(&test::transport_packet(udp_flow(), payload)[26]));
  Bytes packet = test::transport_packet(udp_flow(), payload);
  ASSERT_EQ(load_be16(&packet[26]), 0xffff);
  EXPECT_EQ(runs_of({packet, packet}), Runs{2});
  store_be16(&packet[26], 0);
  EXPECT_EQ(runs_of({packet, packet}), (Runs{1, 1}));
}

TEST_F(CoalescerTest, UdpLengthMustBeThePackets) {
  std::vector<Bytes> packets = equal_packets(udp_flow(), 2, 100);
  for (Bytes& packet : packets) store_be16(&packet[24], 50);
  EXPECT_EQ(runs_of(packets), (Runs{1, 1}));
}

TEST_F(CoalescerTest, OddPacketsOfAFlowCloseItsRunFirst) {
  FlowSpec spec;
  const std::vector<Bytes> data = equal_packets(spec, 3, 100);
  FlowSpec after = spec;
  after.sequence += 300;
  const auto is_third_after = [&](const Bytes& odd) {
    const std::vector<Written> written = coalesce({data[0], data[1], odd});
    return written.size() == 2 && written[0].num_slices == 2 && written[1].bytes == odd;
  };
  for (const std::uint8_t flags : Bytes{0x11, 0x12, 0x04, 0x14, 0x31}) {
    after.flags = flags;
    EXPECT_TRUE(is_third_after(test::transport_packet(after, Bytes(flags == 0x11 ? 100 : 0))));
  }
  after.flags = 0x10;
  EXPECT_TRUE(is_third_after(test::transport_packet(after, {}))) << "a bare ACK";
  Bytes first_fragment = test::transport_packet(after, Bytes(96));
  first_fragment[6] = 0x20;
  EXPECT_TRUE(is_third_after(first_fragment));
  Bytes later_fragment = first_fragment;
  later_fragment[6] = 0;
  later_fragment[7] = 12;
  EXPECT_TRUE(is_third_after(later_fragment));
  // With options: header of 6 words.
  Bytes with_option = test::transport_packet(after, Bytes(100));
  with_option[0] = 0x46;
  store_be16(&with_option[2], static_cast<std::uint16_t>(with_option.size() + 4));
  with_option.insert(with_option.begin() + 20, {1, 1, 1, 1});
  EXPECT_TRUE(is_third_after(with_option));
}

TEST_F(CoalescerTest, Ipv6FragmentsCloseTheRunsBetweenTheirHosts) {
  const std::vector<Bytes> data = equal_packets(test::v6_flow(), 2, 100);
  FlowSpec elsewhere = test::v6_flow();
  elsewhere.source = test::address("fd00::3");
  const std::vector<Bytes> other = equal_packets(elsewhere, 2, 100);
  const Bytes fragment = test::v6_packet(test::v6_flow().source, test::v6_flow().destination, 44,
                                         Bytes{6, 0, 0, 9, 0, 0, 0, 0});
  const std::vector<Written> written = coalesce({other[0], data[0], other[1], data[1], fragment});
  ASSERT_EQ(written.size(), 3U);
  EXPECT_EQ(written[0].num_slices, 2U);
  EXPECT_EQ(written[0].bytes[23], 1) << "from fd00::1";
  EXPECT_EQ(written[1].bytes, fragment);
  EXPECT_EQ(written[2].num_slices, 2U);
}

TEST_F(CoalescerTest, OtherProtocolsDisturbNoRun) {
  const FlowSpec spec;
  const std::vector<Bytes> data = equal_packets(spec, 2, 100);
  const Bytes ping = test::v4_packet(spec.source, spec.destination, 1, Bytes(64));
  EXPECT_EQ(runs_of({data[0], ping, data[1]}), (Runs{1, 2}));
}

TEST_F(CoalescerTest, SuperPacketsStayBelowTheLengthField) {
  for (FlowSpec spec : {FlowSpec{}, test::v6_flow()}) {
    const std::size_t num = 60;
    const std::vector<Written> written = coalesce(equal_packets(spec, num, 1400));
    std::size_t total = 0;
    for (const Written& one : written) {
      EXPECT_LE(one.bytes.size(), 65535U);
      EXPECT_EQ(parse_ip(one.bytes)->packet_len, one.bytes.size());
      total += one.bytes.size() - spec.header_len();
    }
    EXPECT_EQ(total, num * 1400);
    EXPECT_EQ(written.size(), 2U);
  }
}

TEST_F(CoalescerTest, RunsHaveBoundedSlices) {
  const std::vector<Bytes> tcp = equal_packets(FlowSpec{}, kMaxTcpSuperSegments + 5, 8);
  EXPECT_EQ(runs_of(tcp), (Runs{kMaxTcpSuperSegments, 5}));
  const std::vector<Bytes> udp = equal_packets(udp_flow(), kMaxUdpSuperSegments + 5, 8);
  EXPECT_EQ(runs_of(udp), (Runs{kMaxUdpSuperSegments, 5}));
}

TEST_F(CoalescerTest, WhenTheFlowTableIsFullTheOldestIsWritten) {
  Coalescer coalescer(kAll);
  const auto packets_of = [](std::size_t flow) {
    FlowSpec spec;
    spec.source_port = static_cast<std::uint16_t>(flow);
    return equal_packets(spec, 2, 100);
  };
  for (std::size_t flow = 0; flow < kMaxCoalescedFlows; ++flow) {
    EXPECT_EQ(add(coalescer, packets_of(flow)[0]), 0U);
  }
  EXPECT_TRUE(take().empty());
  EXPECT_EQ(add(coalescer, packets_of(kMaxCoalescedFlows)[0]), 0U);
  std::vector<Written> written = take();
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0].bytes, packets_of(0)[0]);
  EXPECT_EQ(add(coalescer, packets_of(1)[1]), 0U);
  EXPECT_EQ(coalescer.flush(out_), 0U);
  written = take();
  ASSERT_EQ(written.size(), kMaxCoalescedFlows);
  EXPECT_EQ(written[0].num_slices, 2U) << "flow 1 is the oldest";
  EXPECT_EQ(written[1].bytes, packets_of(2)[0]);
  EXPECT_EQ(coalescer.flush(out_), 0U);
  EXPECT_TRUE(out_.empty());
}

TEST_F(CoalescerTest, WithoutRoomEveryPacketOfARunIsCounted) {
  Coalescer coalescer(kAll);
  const std::vector<Bytes> packets = equal_packets(FlowSpec{}, 3, 100);
  while (out_.has_room(3)) out_.add_slice(nullptr, 0);
  EXPECT_EQ(add_all(coalescer, packets), 0U);
  EXPECT_EQ(coalescer.flush(out_), 3U);
  EXPECT_EQ(coalescer.flush(out_), 0U);
  while (out_.has_room(1)) out_.add_slice(nullptr, 0);
  FlowSpec bare_ack;
  EXPECT_EQ(add(coalescer, test::transport_packet(bare_ack, {})), 1U);
  EXPECT_TRUE(out_.tun().empty());
}

TEST_F(CoalescerTest, MorePacketsThanItKeepsAreWrittenEarly) {
  // Small runs of many flows use up the followers, again and again.
  Coalescer coalescer(kAll);
  std::vector<std::vector<Bytes>> flows;
  for (std::uint16_t flow = 0; flow < 20; ++flow) {
    FlowSpec spec;
    spec.source_port = flow;
    flows.push_back(equal_packets(spec, 500, 1));
  }
  std::size_t num_written = 0;
  const auto count = [&] {
    for (const Written& written : take()) num_written += written.num_slices;
  };
  for (std::size_t i = 0; i < 500; ++i) {
    for (const std::vector<Bytes>& flow : flows) ASSERT_EQ(add(coalescer, flow[i]), 0U);
    count();
  }
  EXPECT_EQ(coalescer.flush(out_), 0U);
  count();
  EXPECT_EQ(num_written, 20U * 500);
}

// One packet of the flow, and how the flow goes on after it.
Bytes next_packet(FlowSpec& spec, test::Random& random) {
  FlowSpec now = spec;
  const std::uint64_t what = random() % 24;
  std::size_t len = 200;
  if (what == 0) now.flags = 0x11;
  if (what == 1) now.flags = 0x12;
  if (what == 2) now.flags = 0x14;
  if (what == 3) len = 0;
  if (what == 4) len = 150;
  if (what == 5) len = 250;
  if (what == 6) now.flags = 0x18;
  if (what == 7) now.sequence += 1000;
  if (what == 8) now.traffic_class ^= 3;
  if (what == 9) now.window += 1;
  Bytes packet = test::transport_packet(now, test::random_bytes(random, len));
  if (what == 10) packet.back() ^= 1;
  if (what == 11 && !spec.is_tcp) store_be16(&packet[spec.ip_header_len() + 6], 0);
  if (what == 12 && spec.is_v4()) packet[6] |= 0x20;
  if (what == 13 && spec.is_v4()) packet[7] |= 0x05;
  spec.sequence = now.sequence + static_cast<std::uint32_t>(len);
  ++spec.id;
  return packet;
}

// Hosts differ between the flows, so source and destination name the flow even of a fragment.
Bytes flow_key(const Bytes& packet) {
  const IpHeader header = parse_ip(packet).value();
  Bytes key(header.source.raw().begin(), header.source.raw().end());
  key.insert(key.end(), header.destination.raw().begin(), header.destination.raw().end());
  return key;
}

TEST_F(CoalescerTest, EveryPacketComesOutOnceAndInTheOrderOfItsFlow) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  test::Random random(seed);
  for (int round = 0; round < 300; ++round) {
    kept_.clear();
    const TunFeatures features = {.tso = random() % 4 != 0, .uso = random() % 4 != 0};
    Coalescer coalescer(features);
    std::vector<FlowSpec> flows;
    const std::size_t num_flows = 1 + random() % 50;
    while (flows.size() < num_flows) flows.push_back(test::random_flow(random));
    std::map<Bytes, std::vector<Bytes>> sent;
    std::map<Bytes, std::vector<Bytes>> received;
    std::size_t flow = 0;
    for (int i = 0; i < 400; ++i) {
      if (random() % 3 == 0) flow = random() % flows.size();
      const Bytes packet = next_packet(flows[flow], random);
      sent[flow_key(packet)].push_back(packet);
      ASSERT_EQ(add(coalescer, packet), 0U);
      if (random() % 100 == 0) {
        ASSERT_EQ(coalescer.flush(out_), 0U);
      }
    }
    ASSERT_EQ(coalescer.flush(out_), 0U);
    for (const Written& written : take()) {
      const std::optional<Segmenter> segmenter = Segmenter::begin(written.bytes, written.offload);
      ASSERT_TRUE(segmenter);
      ASSERT_EQ(segmenter->num_segments(), written.num_slices);
      for (const Bytes& packet : test::segments_of(*segmenter)) {
        received[flow_key(packet)].push_back(packet);
      }
    }
    ASSERT_EQ(received, sent) << "round " << round;
  }
}

}  // namespace
}  // namespace hawser
