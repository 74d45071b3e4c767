#include "routing/fragmenter.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/wire.h"
#include "routing/checksum.h"
#include "routing/header_fields.h"

namespace hawser {
namespace {

constexpr std::uint32_t kUnit = 8;  // of the offset field

}  // namespace

std::optional<Fragmenter> Fragmenter::begin(std::span<const std::uint8_t> packet,
                                            const IpHeader& header, std::uint32_t mtu) {
  assert(header.source.family == IpFamily::kV4 && !header.dont_fragment);
  if (mtu < header.header_len + kUnit) return std::nullopt;
  const std::uint32_t room = (mtu - header.header_len) / kUnit * kUnit;
  return Fragmenter(packet.first(header.packet_len), header.header_len, room);
}

std::uint32_t Fragmenter::fragment_len(std::uint32_t i) const {
  assert(i < num_fragments());
  return header_len_ + std::min(room_, payload_len() - i * room_);
}

void Fragmenter::write(std::uint32_t i, std::uint8_t* out) const {
  const std::uint32_t len = fragment_len(i);
  const std::uint32_t before = i * room_;
  std::memcpy(out, packet_.data(), header_len_);
  std::memcpy(out + header_len_, packet_.data() + header_len_ + before, len - header_len_);

  const std::uint16_t whole = load_be16(packet_.data() + ipv4::kFragment);
  const unsigned offset = (whole & ipv4::kFragmentOffset) + before / kUnit;
  // What is cut may be a fragment itself: behind its last part there is more where there was.
  const bool is_last = i + 1 == num_fragments();
  const unsigned more = is_last ? whole & ipv4::kMoreFragments : ipv4::kMoreFragments;
  store_be16(out + ipv4::kTotalLength, static_cast<std::uint16_t>(len));
  store_be16(out + ipv4::kFragment, static_cast<std::uint16_t>(offset | more));
  store_be16(out + ipv4::kChecksum, 0);
  store_be16(out + ipv4::kChecksum, checksum_finish(checksum_add(0, {out, header_len_})));
}

}  // namespace hawser
