#include "tun/vnet_header.h"

#include <cstring>

namespace hawser {
namespace {

// virtio 1.2 §5.1.6. <linux/virtio_net.h> is not C++ (a field is named "class"), and Debian 12's
// does not have USO (Linux 6.2) yet.
constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kGsoNone = 0;
constexpr std::uint8_t kGsoTcpV4 = 1;
constexpr std::uint8_t kGsoTcpV6 = 4;
constexpr std::uint8_t kGsoUdpL4 = 5;
constexpr std::uint8_t kGsoEcn = 0x80;

struct VnetHeader {
  std::uint8_t flags;
  std::uint8_t gso_type;
  std::uint16_t header_len;
  std::uint16_t gso_size;
  std::uint16_t csum_start;
  std::uint16_t csum_offset;
};
static_assert(sizeof(VnetHeader) == kVnetHeaderLen);

// What is unknown may not pass as a lone packet: its length and checksums say nothing then.
TunOffload::Gso to_gso(std::uint8_t type) {
  if (type == kGsoNone) return TunOffload::Gso::kNone;
  switch (type & ~kGsoEcn) {
    case kGsoTcpV4:
      return TunOffload::Gso::kTcpV4;
    case kGsoTcpV6:
      return TunOffload::Gso::kTcpV6;
    case kGsoUdpL4:
      return TunOffload::Gso::kUdp;
    default:
      return TunOffload::Gso::kUnknown;
  }
}

std::uint8_t from_gso(TunOffload::Gso gso) {
  switch (gso) {
    case TunOffload::Gso::kTcpV4:
      return kGsoTcpV4;
    case TunOffload::Gso::kTcpV6:
      return kGsoTcpV6;
    case TunOffload::Gso::kUdp:
      return kGsoUdpL4;
    case TunOffload::Gso::kNone:
    case TunOffload::Gso::kUnknown:  // nobody writes one
      break;
  }
  return kGsoNone;
}

}  // namespace

TunOffload read_vnet_header(std::span<const std::uint8_t, kVnetHeaderLen> raw) {
  VnetHeader header;
  std::memcpy(&header, raw.data(), sizeof header);
  TunOffload offload;
  offload.gso = to_gso(header.gso_type);
  offload.needs_checksum = (header.flags & kNeedsChecksum) != 0;
  offload.ecn = (header.gso_type & kGsoEcn) != 0;
  offload.header_len = header.header_len;
  offload.segment_payload = header.gso_size;
  offload.csum_start = header.csum_start;
  offload.csum_offset = header.csum_offset;
  return offload;
}

void write_vnet_header(std::span<std::uint8_t, kVnetHeaderLen> out, const TunOffload& offload) {
  VnetHeader header{};
  header.gso_type = from_gso(offload.gso);
  if (offload.ecn) header.gso_type |= kGsoEcn;
  if (offload.needs_checksum) header.flags = kNeedsChecksum;
  header.header_len = offload.header_len;
  header.gso_size = offload.segment_payload;
  header.csum_start = offload.csum_start;
  header.csum_offset = offload.csum_offset;
  std::memcpy(out.data(), &header, sizeof header);
}

}  // namespace hawser
