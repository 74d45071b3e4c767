#include "dataplane/coalescer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <numeric>

#include "base/wire.h"
#include "routing/checksum.h"
#include "routing/header_fields.h"

namespace hawser {
namespace {

bool same_bytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t from, std::size_t to) {
  return std::memcmp(a + from, b + from, to - from) == 0;
}

// Where source and destination address stand, one behind the other.
std::span<const std::uint8_t> addresses(const std::uint8_t* packet, bool is_v4) {
  return is_v4 ? std::span(packet + ipv4::kSource, 8) : std::span(packet + ipv6::kSource, 32);
}

// Spreads flows over 64 bits; equal hashes are compared in full.
std::uint64_t hash_flow(const std::uint8_t* packet, bool is_v4, std::size_t ip_header_len) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
  std::uint64_t hash = load_le32(packet + ip_header_len);  // both ports
  const std::span<const std::uint8_t> words = addresses(packet, is_v4);
  for (std::size_t i = 0; i < words.size(); i += 8) {
    hash = (hash ^ load_le64(words.data() + i)) * kOdd;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

struct Coalescer::Segment {
  enum class Kind : std::uint8_t {
    kForeign,    // belongs to no flow of TCP or UDP
    kOpaque,     // may belong to any flow between its hosts: a fragment, extension headers
    kAlone,      // belongs to a flow, and cannot be merged
    kMergeable,  // if its neighbours fit
  };
  Kind kind = Kind::kForeign;
  bool is_v4 = false;
  bool is_tcp = false;
  std::uint16_t ip_header_len = 0;
  std::uint16_t header_len = 0;  // IP and transport header together
  std::uint32_t len = 0;
  std::uint8_t* data = nullptr;
  std::uint64_t hash = 0;  // of a kAlone's or kMergeable's flow

  std::uint32_t payload_len() const { return len - header_len; }
  std::uint8_t* transport() const { return data + ip_header_len; }
  std::uint16_t id() const { return load_be16(data + ipv4::kIdentification); }
  std::uint32_t sequence() const { return load_be32(transport() + tcp::kSequence); }
  bool has_psh() const { return is_tcp && (transport()[tcp::kFlags] & tcp::kPsh) != 0; }

  bool may_be_merged() const;
  bool checksums_are_right() const;
  bool same_hosts(const Segment& other) const;
  bool same_flow(const Segment& other) const;
  bool same_headers(const Segment& other) const;
};

// `first` is written whole, the payloads of the chain `head` … `tail` behind it.
struct Coalescer::Run {
  Segment first;
  bool first_is_verified = false;
  bool ends_with_psh = false;
  std::uint32_t num_segments = 0;
  std::uint32_t len = 0;
  std::uint32_t head = 0;
  std::uint32_t tail = 0;

  std::uint32_t max_segments() const {
    return first.is_tcp ? kMaxTcpSuperSegments : kMaxUdpSuperSegments;
  }
  bool continues_with(const Segment& segment) const;
  void rewrite_headers();
  TunOffload offload() const;
};

struct Coalescer::Storage {
  struct Follower {
    std::uint8_t* payload;
    std::uint32_t len;
    std::uint32_t next;
  };

  // Runs stay in their slots; `order` names the open ones first, from the oldest on.
  std::array<Run, kMaxCoalescedFlows> runs;
  std::array<std::uint8_t, kMaxCoalescedFlows> order;
  std::uint32_t num_open = 0;
  std::array<Follower, kMaxCoalescedPackets> followers;
  std::uint32_t num_followers = 0;

  Storage() { std::iota(order.begin(), order.end(), std::uint8_t{0}); }
  Run& open_at(std::uint32_t i) { return runs[order[i]]; }
  Run* find(const Segment& segment);
  void append(Run& run, const Segment& segment);
  void close(const Run& run);
};

// Could the headers be made again by segmentation, from a neighbour's?
bool Coalescer::Segment::may_be_merged() const {
  if (is_v4) {
    if (ip_header_len != kMinIpv4HeaderLen) return false;
    if ((load_be16(data + ipv4::kFragment) & ipv4::kReservedBit) != 0) return false;
  }
  if (header_len >= len) return false;
  const std::uint8_t* const header = transport();
  if (!is_tcp) {
    return load_be16(header + udp::kLength) == len - ip_header_len &&
           load_be16(header + udp::kChecksum) != 0;
  }
  const bool no_reserved_bits = (header[tcp::kDataOffset] & 0x0f) == 0;
  return header_len >= ip_header_len + tcp::kMinHeaderLen && no_reserved_bits &&
         (header[tcp::kFlags] & ~tcp::kPsh) == tcp::kAck;
}

bool Coalescer::Segment::checksums_are_right() const {
  if (is_v4 && checksum_finish(checksum_add(0, {data, kMinIpv4HeaderLen})) != 0) return false;
  const std::uint32_t covered = len - ip_header_len;
  const std::uint64_t pseudo =
      checksum_add(covered + (is_tcp ? kProtocolTcp : kProtocolUdp), addresses(data, is_v4));
  return checksum_finish(checksum_add(pseudo, {transport(), covered})) == 0;
}

bool Coalescer::Segment::same_hosts(const Segment& other) const {
  if (is_v4 != other.is_v4) return false;
  const std::span<const std::uint8_t> ours = addresses(data, is_v4);
  return std::memcmp(ours.data(), addresses(other.data, is_v4).data(), ours.size()) == 0;
}

bool Coalescer::Segment::same_flow(const Segment& other) const {
  return hash == other.hash && is_tcp == other.is_tcp && same_hosts(other) &&
         std::memcmp(transport(), other.transport(), kPortsLen) == 0;
}

// Everything is equal that segmentation copies from the first packet. Both are mergeable and of
// one flow.
bool Coalescer::Segment::same_headers(const Segment& other) const {
  if (header_len != other.header_len) return false;
  if (is_v4) {
    // Version, length, traffic class; don't-fragment, TTL, protocol.
    if (!same_bytes(data, other.data, 0, ipv4::kTotalLength) ||
        !same_bytes(data, other.data, ipv4::kFragment, ipv4::kChecksum)) {
      return false;
    }
  } else {
    // Version, traffic class, flow label; next header, hop limit.
    if (!same_bytes(data, other.data, 0, ipv6::kPayloadLength) ||
        !same_bytes(data, other.data, ipv6::kNextHeader, ipv6::kSource)) {
      return false;
    }
  }
  if (!is_tcp) return true;
  // Acknowledgement, data offset; window; urgent pointer and options. The flags are ACK, and PSH
  // ends a run.
  const std::size_t end = std::size_t{header_len} - ip_header_len;
  return same_bytes(transport(), other.transport(), tcp::kAcknowledgement, tcp::kFlags) &&
         same_bytes(transport(), other.transport(), tcp::kWindow, tcp::kChecksum) &&
         same_bytes(transport(), other.transport(), tcp::kUrgentPointer, end);
}

bool Coalescer::Run::continues_with(const Segment& segment) const {
  if (num_segments == max_segments()) return false;
  if (segment.payload_len() > first.payload_len()) return false;
  if (len + segment.payload_len() > kMaxSuperPacketLen) return false;
  if (first.is_tcp && segment.sequence() != first.sequence() + (len - first.header_len)) {
    return false;
  }
  // Whole datagrams have no use for an identification (RFC 6864 §4.1), the others count up.
  const bool has_df =
      first.is_v4 && (load_be16(first.data + ipv4::kFragment) & ipv4::kDontFragment) != 0;
  if (first.is_v4 && !has_df &&
      segment.id() != static_cast<std::uint16_t>(first.id() + num_segments)) {
    return false;
  }
  return first.same_headers(segment);
}

// Makes the first packet's headers those of the super-packet; the transport checksum covers only
// the pseudo header, as the kernel wants it with VIRTIO_NET_HDR_F_NEEDS_CSUM.
void Coalescer::Run::rewrite_headers() {
  std::uint8_t* const p = first.data;
  if (first.is_v4) {
    store_be16(p + ipv4::kTotalLength, static_cast<std::uint16_t>(len));
    store_be16(p + ipv4::kChecksum, 0);
    store_be16(p + ipv4::kChecksum, checksum_finish(checksum_add(0, {p, kMinIpv4HeaderLen})));
  } else {
    store_be16(p + ipv6::kPayloadLength, static_cast<std::uint16_t>(len - kIpv6HeaderLen));
  }
  std::uint8_t* const transport = first.transport();
  const std::uint32_t covered = len - first.ip_header_len;
  if (first.is_tcp) {
    if (ends_with_psh) transport[tcp::kFlags] |= tcp::kPsh;
  } else {
    store_be16(transport + udp::kLength, static_cast<std::uint16_t>(covered));
  }
  const std::uint64_t pseudo = checksum_add(covered + (first.is_tcp ? kProtocolTcp : kProtocolUdp),
                                            addresses(p, first.is_v4));
  store_be16(transport + (first.is_tcp ? tcp::kChecksum : udp::kChecksum), checksum_fold(pseudo));
}

// Before rewrite_headers(), or after: it asks only for lengths.
TunOffload Coalescer::Run::offload() const {
  TunOffload offload;
  using Gso = TunOffload::Gso;
  offload.gso = !first.is_tcp ? Gso::kUdp : first.is_v4 ? Gso::kTcpV4 : Gso::kTcpV6;
  offload.needs_checksum = true;
  offload.header_len = first.header_len;
  offload.segment_payload = static_cast<std::uint16_t>(first.payload_len());
  offload.csum_start = first.ip_header_len;
  offload.csum_offset = static_cast<std::uint16_t>(first.is_tcp ? tcp::kChecksum : udp::kChecksum);
  return offload;
}

// The newest first: consecutive packets mostly belong together.
Coalescer::Run* Coalescer::Storage::find(const Segment& segment) {
  for (std::uint32_t i = num_open; i-- > 0;) {
    if (open_at(i).first.same_flow(segment)) return &open_at(i);
  }
  return nullptr;
}

void Coalescer::Storage::append(Run& run, const Segment& segment) {
  const std::uint32_t place = num_followers++;
  followers[place] = {segment.data + segment.header_len, segment.payload_len(), 0};
  (run.num_segments == 1 ? run.head : followers[run.tail].next) = place;
  run.tail = place;
  run.len += segment.payload_len();
  run.ends_with_psh = segment.has_psh();
  ++run.num_segments;
}

void Coalescer::Storage::close(const Run& run) {
  const std::uint8_t slot = static_cast<std::uint8_t>(&run - runs.data());
  const auto open_end = order.begin() + num_open;
  const auto place = std::find(order.begin(), open_end, slot);
  assert(place != open_end);
  std::rotate(place, place + 1, open_end);
  if (--num_open == 0) num_followers = 0;
}

namespace {

// One packet as it is; returns 1 if it had to be dropped.
std::uint32_t write_alone(OutBatch& out, std::uint8_t* data, std::uint32_t len) {
  if (!out.has_room(1)) return 1;
  TunWrite write;
  write.first_slice = out.num_slices();
  write.num_slices = 1;
  write.len = len;
  out.add_slice(data, len);
  out.add_tun(write);
  return 0;
}

}  // namespace

Coalescer::Coalescer(TunFeatures features)
    : features_(features), storage_(std::make_unique<Storage>()) {}
Coalescer::~Coalescer() = default;

Coalescer::Segment Coalescer::classify(std::span<std::uint8_t> packet, const IpHeader& header) {
  using Kind = Segment::Kind;
  Segment segment;
  segment.data = packet.data();
  segment.len = header.packet_len;
  segment.is_v4 = header.source.family == IpFamily::kV4;
  segment.is_tcp = header.protocol == kProtocolTcp;
  segment.ip_header_len = header.header_len;
  if (!segment.is_tcp && header.protocol != kProtocolUdp) {
    const bool is_upper_layer = segment.is_v4 || header.protocol == kProtocolIcmpv6;
    segment.kind = is_upper_layer ? Kind::kForeign : Kind::kOpaque;
    return segment;
  }
  const std::uint16_t min_len = segment.is_tcp ? tcp::kMinHeaderLen : udp::kHeaderLen;
  const bool is_fragment =
      segment.is_v4 && (load_be16(segment.data + ipv4::kFragment) & ipv4::kFragmented) != 0;
  if (is_fragment || segment.len - segment.ip_header_len < min_len) {
    segment.kind = Kind::kOpaque;
    return segment;
  }
  const std::uint16_t transport_len =
      segment.is_tcp ? static_cast<std::uint16_t>(segment.transport()[tcp::kDataOffset] / 16 * 4)
                     : udp::kHeaderLen;
  segment.header_len = static_cast<std::uint16_t>(segment.ip_header_len + transport_len);
  segment.hash = hash_flow(segment.data, segment.is_v4, segment.ip_header_len);
  segment.kind = segment.may_be_merged() ? Kind::kMergeable : Kind::kAlone;
  return segment;
}

std::uint32_t Coalescer::add(OutBatch& out, std::span<std::uint8_t> packet,
                             const IpHeader& header) {
  assert(packet.size() >= header.packet_len);
  const bool can_merge = (header.protocol == kProtocolTcp && features_.tso) ||
                         (header.protocol == kProtocolUdp && features_.uso);
  // Without open runs nothing can be overtaken.
  if (!can_merge && storage_->num_open == 0) {
    return write_alone(out, packet.data(), header.packet_len);
  }
  using Kind = Segment::Kind;
  const Segment segment = classify(packet, header);
  std::uint32_t num_dropped = 0;
  if (segment.kind == Kind::kOpaque) num_dropped += write_runs_between_hosts_of(out, segment);
  if (!can_merge || segment.kind == Kind::kForeign || segment.kind == Kind::kOpaque) {
    return num_dropped + write_alone(out, segment.data, segment.len);
  }
  Run* const run = storage_->find(segment);
  if (run != nullptr) return add_to_run(out, *run, segment);
  return open_run(out, segment);
}

// Begins a run, or writes at once what no other can follow.
std::uint32_t Coalescer::open_run(OutBatch& out, const Segment& segment) {
  if (segment.kind != Segment::Kind::kMergeable || segment.has_psh()) {
    return write_alone(out, segment.data, segment.len);
  }
  Storage& storage = *storage_;
  std::uint32_t num_dropped = 0;
  if (storage.num_open == kMaxCoalescedFlows) num_dropped = write_run(out, storage.open_at(0));
  Run& run = storage.open_at(storage.num_open++);
  run = Run{};
  run.first = segment;
  run.num_segments = 1;
  run.len = segment.len;
  return num_dropped;
}

std::uint32_t Coalescer::add_to_run(OutBatch& out, Run& run, const Segment& segment) {
  if (segment.kind != Segment::Kind::kMergeable || !run.continues_with(segment)) {
    const std::uint32_t num_dropped = write_run(out, run);
    return num_dropped + open_run(out, segment);
  }
  // The first is verified only now, when there is something to merge with: a packet that stays
  // alone costs no look at its payload.
  if (!run.first_is_verified && !run.first.checksums_are_right()) {
    const std::uint32_t num_dropped = write_run(out, run);
    return num_dropped + open_run(out, segment);
  }
  run.first_is_verified = true;
  if (!segment.checksums_are_right()) {
    const std::uint32_t num_dropped = write_run(out, run);
    return num_dropped + write_alone(out, segment.data, segment.len);
  }
  if (storage_->num_followers == kMaxCoalescedPackets) {
    const std::uint32_t num_dropped = flush(out);
    return num_dropped + open_run(out, segment);
  }
  storage_->append(run, segment);
  const bool is_last = segment.has_psh() || segment.payload_len() < run.first.payload_len();
  return is_last ? write_run(out, run) : 0;
}

// Writes the run and closes it; returns its packets if there was no room for them.
std::uint32_t Coalescer::write_run(OutBatch& out, Run& run) {
  const std::uint32_t num_slices = run.num_segments;
  std::uint32_t num_dropped = 0;
  if (num_slices == 1) {
    num_dropped = write_alone(out, run.first.data, run.first.len);
  } else if (!out.has_room(num_slices)) {
    num_dropped = num_slices;
  } else {
    TunWrite write;
    write.first_slice = out.num_slices();
    write.num_slices = num_slices;
    write.len = run.len;
    write.offload = run.offload();
    run.rewrite_headers();
    out.add_slice(run.first.data, run.first.len);
    std::uint32_t place = run.head;
    for (std::uint32_t i = 1; i < num_slices; ++i, place = storage_->followers[place].next) {
      out.add_slice(storage_->followers[place].payload, storage_->followers[place].len);
    }
    out.add_tun(write);
  }
  storage_->close(run);
  return num_dropped;
}

std::uint32_t Coalescer::write_runs_between_hosts_of(OutBatch& out, const Segment& segment) {
  Storage& storage = *storage_;
  std::uint32_t num_dropped = 0;
  for (std::uint32_t i = 0; i < storage.num_open;) {
    Run& run = storage.open_at(i);
    if (run.first.same_hosts(segment)) {
      num_dropped += write_run(out, run);
    } else {
      ++i;
    }
  }
  return num_dropped;
}

std::uint32_t Coalescer::flush(OutBatch& out) {
  std::uint32_t num_dropped = 0;
  while (storage_->num_open > 0) num_dropped += write_run(out, storage_->open_at(0));
  return num_dropped;
}

}  // namespace hawser
