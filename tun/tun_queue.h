#pragma once
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/train.h"
#include "tun/receive_buffers.h"
#include "tun/vnet_header.h"

namespace hawser {

// TunQueue is one queue of a TUN device as an engine uses it: a borrowed, non-blocking descriptor
// (-1: none). Shared by both engines. One thread's.
class TunQueue {
 public:
  TunQueue(int fd, bool has_vnet_header) : fd_(fd), has_vnet_header_(has_vnet_header) {}

  int fd() const { return fd_; }
  // False once a read said that the interface is gone; its descriptor then always polls as ready.
  bool alive() const { return fd_ >= 0 && !gone_; }

  // Reads packets into the slots of `buffers` until `in` is full or nothing is left; the second is
  // what `true` means.
  bool read_all(InBatch& in, const ReceiveBuffers& buffers);

  // One write as the kernel takes it: the virtio-net header, then the packet's slices.
  struct Prepared {
    std::array<std::uint8_t, kVnetHeaderLen> header;
    std::span<iovec> slices;
  };
  // How many entries of scratch `write` needs; more than UIO_MAXIOV cannot be written.
  std::size_t num_slices(const TunWrite& write) const {
    return write.num_slices + (has_vnet_header_ ? 1U : 0U);
  }
  // Points `prepared` at `scratch`, which holds num_slices(write) entries and, like `prepared`,
  // stays until the write is done.
  void prepare(Prepared& prepared, std::span<iovec> scratch, OutBatch& out,
               const TunWrite& write) const;
  // 0, or the errno.
  int write(const Prepared& prepared) const;

 private:
  int fd_;
  bool has_vnet_header_;
  bool gone_ = false;
};

}  // namespace hawser
