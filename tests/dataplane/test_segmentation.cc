#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "dataplane/segmentation.h"
#include "transport_packets.h"

namespace hawser {
namespace {

using test::Bytes;
using test::FlowSpec;
using test::SuperPacket;
using Gso = TunOffload::Gso;

std::optional<Segmenter> begin(const SuperPacket& super) {
  return Segmenter::begin(super.bytes, super.offload);
}

TEST(Segmenter, CutsSuperPacketsIntoWhatSingleSendsWouldBe) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  test::Random random(seed);
  for (int i = 0; i < 1500; ++i) {
    FlowSpec spec = test::random_flow(random);
    if (spec.is_tcp) spec.flags = static_cast<std::uint8_t>(0x10 | (random() & 0xc9));
    const std::size_t max_payload = 65535 - spec.header_len();
    const std::size_t payload_len = 1 + random() % (i % 10 == 0 ? max_payload : 6000);
    const std::uint16_t segment_payload =
        static_cast<std::uint16_t>(payload_len / 1024 + 1 + random() % 2000);
    const Bytes payload = test::random_bytes(random, payload_len);
    SuperPacket super = test::super_packet(spec, payload, segment_payload);
    if (random() % 4 == 0) super.offload.header_len = 0;
    if (random() % 4 == 0)
      super.offload.header_len = static_cast<std::uint16_t>(super.bytes.size());
    const std::optional<Segmenter> segmenter = begin(super);
    ASSERT_TRUE(segmenter);
    ASSERT_EQ(test::segments_of(*segmenter), test::single_packets(spec, payload, segment_payload));
  }
}

TEST(Segmenter, ReplacesWhateverTheChecksumFieldHeld) {
  test::Random random(30);
  for (FlowSpec spec : {FlowSpec{}, test::v6_flow()}) {
    for (const bool is_tcp : {true, false}) {
      spec.is_tcp = is_tcp;
      const Bytes payload = test::random_bytes(random, 3000);
      SuperPacket super = test::super_packet(spec, payload, 1000);
      store_be16(&super.bytes[spec.ip_header_len() + spec.checksum_offset()], 0x1234);
      super.offload.needs_checksum = false;
      ASSERT_EQ(test::segments_of(begin(super).value()), test::single_packets(spec, payload, 1000));
    }
  }
}

TEST(Segmenter, SequenceAndIdentificationWrapAround) {
  FlowSpec spec;
  spec.sequence = 0xfffffff0;
  spec.id = 0xffff;
  const Bytes payload(100, 1);
  const std::vector<Bytes> segments =
      test::segments_of(begin(test::super_packet(spec, payload, 40)).value());
  ASSERT_EQ(segments.size(), 3U);
  EXPECT_EQ(load_be32(&segments[1][24]), 24U);
  EXPECT_EQ(load_be16(&segments[1][4]), 0);
  EXPECT_EQ(segments, test::single_packets(spec, payload, 40));
}

TEST(Segmenter, FinAndPshAreTheLastsAndCwrIsTheFirsts) {
  FlowSpec spec = test::v6_flow();
  spec.flags = 0x80 | 0x10 | 0x08 | 0x01;
  const std::vector<Bytes> segments =
      test::segments_of(begin(test::super_packet(spec, Bytes(250), 100)).value());
  ASSERT_EQ(segments.size(), 3U);
  EXPECT_EQ(segments[0][53], 0x90);
  EXPECT_EQ(segments[1][53], 0x10);
  EXPECT_EQ(segments[2][53], 0x19);
}

TEST(Segmenter, AUdpChecksumOfZeroIsSentAsOnes) {
  // A payload of one word that makes the sum come out as zero.
  FlowSpec spec;
  spec.is_tcp = false;
  Bytes payload(2);
  const Bytes without = test::transport_packet(spec, payload);
  store_be16(payload.data(), load_be16(&without[26]));
  SuperPacket super = test::super_packet(spec, payload, 2);
  const std::vector<Bytes> segments = test::segments_of(begin(super).value());
  EXPECT_EQ(load_be16(&segments[0][26]), 0xffff);
}

TEST(Segmenter, LonePacketsPassUnchangedAndTrimmed) {
  test::Random random(31);
  for (int i = 0; i < 200; ++i) {
    const FlowSpec spec = test::random_flow(random);
    const Bytes packet = test::transport_packet(spec, test::random_bytes(random, random() % 1400));
    Bytes padded = packet;
    padded.resize(padded.size() + random() % 20);
    const std::optional<Segmenter> lone = Segmenter::begin(padded, TunOffload{});
    ASSERT_TRUE(lone);
    ASSERT_EQ(lone->num_segments(), 1U);
    ASSERT_EQ(lone->segment_len(0), packet.size());
    ASSERT_EQ(test::segments_of(*lone), std::vector<Bytes>{packet});
  }
}

TEST(Segmenter, LonePacketsGetTheirChecksumDone) {
  test::Random random(32);
  for (int i = 0; i < 2000; ++i) {
    const FlowSpec spec = test::random_flow(random);
    const Bytes payload = test::random_bytes(random, random() % 1400);
    SuperPacket lone = test::super_packet(spec, payload, 0);
    lone.offload.gso = Gso::kNone;
    lone.bytes.resize(lone.bytes.size() + random() % 20, 0xee);
    const std::vector<Bytes> segments = test::segments_of(begin(lone).value());
    ASSERT_EQ(segments.size(), 1U);
    ASSERT_EQ(segments[0], test::transport_packet(spec, payload));
  }
}

TEST(Segmenter, ExtensionHeadersAreCopiedToEachSegment) {
  test::Random random(33);
  const FlowSpec spec = test::v6_flow();
  const Bytes payload = test::random_bytes(random, 250);
  const auto with_options = [](Bytes packet) {
    const Bytes options = {packet[6], 0, 1, 4, 0, 0, 0, 0};
    packet[6] = 60;
    store_be16(&packet[4], static_cast<std::uint16_t>(load_be16(&packet[4]) + 8));
    packet.insert(packet.begin() + 40, options.begin(), options.end());
    return packet;
  };
  SuperPacket super = test::super_packet(spec, payload, 100);
  super.bytes = with_options(super.bytes);
  super.offload.csum_start += 8;
  super.offload.header_len += 8;
  std::vector<Bytes> expected;
  for (const Bytes& packet : test::single_packets(spec, payload, 100)) {
    expected.push_back(with_options(packet));
  }
  ASSERT_TRUE(begin(super));
  EXPECT_EQ(test::segments_of(*begin(super)), expected);
  // As a source route under way, its checksum would have to name another destination.
  super.bytes[6] = 43;
  super.bytes[43] = 1;
  EXPECT_FALSE(begin(super));
  // As a fragment, it has no business being a super-packet.
  super.bytes[6] = 44;
  super.bytes[43] = 1;
  EXPECT_FALSE(begin(super));
}

TEST(Segmenter, FragmentsOfIpv4AreNoSuperPackets) {
  SuperPacket super = test::super_packet(FlowSpec{}, Bytes(3000), 1000);
  super.bytes[6] = 0x20;
  EXPECT_FALSE(begin(super));
  super.bytes[6] = 0;
  super.bytes[7] = 1;
  EXPECT_FALSE(begin(super));
  super.bytes[7] = 0;
  EXPECT_TRUE(begin(super));
}

class BadOffload : public ::testing::TestWithParam<bool> {
 protected:
  BadOffload() {
    spec_ = GetParam() ? FlowSpec{} : test::v6_flow();
    super_ = test::super_packet(spec_, Bytes(3000), 1000);
  }
  bool refused() const { return !begin(super_); }

  FlowSpec spec_;
  SuperPacket super_;
};

TEST_P(BadOffload, SegmentPayloadOfZero) {
  EXPECT_FALSE(refused());
  super_.offload.segment_payload = 0;
  EXPECT_TRUE(refused());
}

TEST_P(BadOffload, MoreSegmentsThanAllowed) {
  super_ = test::super_packet(spec_, Bytes(kMaxSegmentsPerPacket), 1);
  EXPECT_FALSE(refused());
  super_ = test::super_packet(spec_, Bytes(kMaxSegmentsPerPacket + 1), 1);
  EXPECT_TRUE(refused());
  super_ = test::super_packet(spec_, Bytes(65000), 1);
  EXPECT_TRUE(refused());
}

TEST_P(BadOffload, ChecksumElsewhereThanInTheTransportHeader) {
  for (unsigned start = 0; start <= 0xffff; ++start) {
    super_.offload.csum_start = static_cast<std::uint16_t>(start);
    ASSERT_EQ(refused(), start != spec_.ip_header_len()) << start;
  }
  super_.offload.csum_start = static_cast<std::uint16_t>(spec_.ip_header_len());
  for (unsigned offset = 0; offset <= 0xffff; ++offset) {
    super_.offload.csum_offset = static_cast<std::uint16_t>(offset);
    ASSERT_EQ(refused(), offset != 16) << offset;
  }
}

TEST_P(BadOffload, HeaderLengthInsideTheHeadersOrBehindThePacket) {
  for (unsigned len = 0; len <= 0xffff; ++len) {
    super_.offload.header_len = static_cast<std::uint16_t>(len);
    ASSERT_EQ(refused(), len != 0 && (len < spec_.header_len() || len > super_.bytes.size()));
  }
}

TEST_P(BadOffload, KindThatIsNotThePackets) {
  const Gso kind = super_.offload.gso;
  for (const Gso gso : {Gso::kTcpV4, Gso::kTcpV6, Gso::kUdp, Gso::kUnknown}) {
    super_.offload.gso = gso;
    EXPECT_EQ(refused(), gso != kind);
  }
  spec_.is_tcp = false;
  super_ = test::super_packet(spec_, Bytes(3000), 1000);
  EXPECT_FALSE(refused());
  super_.offload.gso = kind;
  EXPECT_TRUE(refused());
}

TEST_P(BadOffload, TrailingBytesBehindASuperPacket) {
  super_.bytes.push_back(0);
  EXPECT_TRUE(refused());
}

TEST_P(BadOffload, TcpHeaderThatIsNotAllThere) {
  for (unsigned words = 0; words < 16; ++words) {
    super_ = test::super_packet(spec_, Bytes(30), 10);
    super_.offload.header_len = 0;
    super_.bytes[spec_.ip_header_len() + 12] = static_cast<std::uint8_t>(words << 4);
    EXPECT_EQ(refused(), words < 5 || words * 4 >= 50) << words;
  }
  super_ = test::super_packet(spec_, Bytes{}, 10);
  EXPECT_TRUE(refused()) << "no payload";
}

TEST_P(BadOffload, LonePacketsChecksumOutsideOfIt) {
  super_ = test::super_packet(spec_, Bytes(100), 0);
  super_.offload.gso = Gso::kNone;
  const std::size_t len = super_.bytes.size();
  super_.bytes.resize(len + 50);  // padding is outside too
  super_.offload.csum_offset = 0;
  for (unsigned start = 0; start <= 0xffff; ++start) {
    super_.offload.csum_start = static_cast<std::uint16_t>(start);
    ASSERT_EQ(refused(), start < spec_.ip_header_len() || start + 2 > len) << start;
  }
  super_.offload.csum_start = static_cast<std::uint16_t>(spec_.ip_header_len());
  for (unsigned offset = 0; offset <= 0xffff; ++offset) {
    super_.offload.csum_offset = static_cast<std::uint16_t>(offset);
    ASSERT_EQ(refused(), spec_.ip_header_len() + offset + 2 > len) << offset;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, BadOffload, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& family) {
                           return family.param ? "Ipv4" : "Ipv6";
                         });

TEST(Segmenter, NothingRandomCrashesItOrMakesItWriteTooFar) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  test::Random random(seed);
  for (int i = 0; i < 100000; ++i) {
    SuperPacket super;
    if (i % 2 == 0) {
      super = test::super_packet(test::random_flow(random), Bytes(random() % 300),
                                 static_cast<std::uint16_t>(random() % 100));
    } else {
      super.bytes = test::random_bytes(random, random() % 200);
    }
    for (std::uint64_t n = random() % 4; n > 0 && !super.bytes.empty(); --n) {
      super.bytes[random() % super.bytes.size()] = static_cast<std::uint8_t>(random());
    }
    TunOffload& offload = super.offload;
    if (random() % 4 == 0) offload.gso = static_cast<Gso>(random() % 4);
    if (random() % 4 == 0) offload.needs_checksum = random() % 2 == 0;
    if (random() % 8 == 0) offload.csum_start = static_cast<std::uint16_t>(random() % 300);
    if (random() % 8 == 0) offload.csum_offset = static_cast<std::uint16_t>(random() % 300);
    if (random() % 8 == 0) offload.header_len = static_cast<std::uint16_t>(random() % 300);
    if (random() % 8 == 0) offload.segment_payload = static_cast<std::uint16_t>(random());
    const std::optional<Segmenter> segmenter = begin(super);
    if (!segmenter) continue;
    ASSERT_LE(segmenter->num_segments(), kMaxSegmentsPerPacket);
    ASSERT_GE(segmenter->num_segments(), 1U);
    std::size_t total = 0;
    for (const Bytes& segment : test::segments_of(*segmenter)) {
      ASSERT_TRUE(parse_ip(segment));
      ASSERT_EQ(parse_ip(segment)->packet_len, segment.size());
      total += segment.size();
    }
    ASSERT_GE(total, parse_ip(super.bytes)->packet_len);
  }
}

}  // namespace
}  // namespace hawser
