#include "tun/tun_queue.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace hawser {

bool TunQueue::read_all(InBatch& in, const ReceiveBuffers& buffers) {
  const std::size_t header_len = has_vnet_header_ ? kVnetHeaderLen : 0;
  const std::size_t limit = std::min(buffers.num_slots(), kMaxTunPacketsPerBatch);
  while (in.tun_packets.size() < limit) {
    std::uint8_t* const packet = buffers.payload(in.tun_packets.size());
    std::uint8_t* const start = packet - header_len;
    const ssize_t got = ::read(fd_, start, header_len + ReceiveBuffers::kPayloadLen);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      gone_ = errno == EBADFD;
      return true;
    }
    const std::size_t len = static_cast<std::size_t>(got);
    if (len <= header_len) continue;  // nothing in it
    TunPacket& delivered = in.tun_packets.emplace_back();
    delivered.data = packet;
    delivered.len = static_cast<std::uint32_t>(len - header_len);
    if (has_vnet_header_) {
      delivered.offload =
          read_vnet_header(std::span<const std::uint8_t, kVnetHeaderLen>(start, kVnetHeaderLen));
    }
  }
  return false;
}

void TunQueue::prepare(Prepared& prepared, std::span<iovec> scratch, OutBatch& out,
                       const TunWrite& write) const {
  assert(scratch.size() == num_slices(write));
  prepared.slices = scratch;
  std::size_t next = 0;
  if (has_vnet_header_) {
    write_vnet_header(prepared.header, write.offload);
    scratch[next++] = {prepared.header.data(), prepared.header.size()};
  }
  std::ranges::copy(out.slices(write), scratch.begin() + static_cast<std::ptrdiff_t>(next));
}

int TunQueue::write(const Prepared& prepared) const {
  while (writev(fd_, prepared.slices.data(), static_cast<int>(prepared.slices.size())) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace hawser
