#pragma once
// The virtio-net header in front of each packet that crosses a TUN queue (virtio 1.2 §5.1.6, the
// legacy 10-byte form in host byte order).
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/train.h"

namespace hawser {

inline constexpr std::size_t kVnetHeaderLen = 10;

// What a header from the kernel says. An unknown GSO type reads as Gso::kUnknown; the segmenter
// refuses the packet as one that does not fit its header.
TunOffload read_vnet_header(std::span<const std::uint8_t, kVnetHeaderLen> raw);

void write_vnet_header(std::span<std::uint8_t, kVnetHeaderLen> out, const TunOffload& offload);

}  // namespace hawser
