#pragma once
#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"

namespace hawser {

// NetlinkSocket speaks rtnetlink(7) in the network namespace of the thread that opened it, wherever
// it is used afterwards. One thread's.
class NetlinkSocket {
 public:
  using Visit = std::function<void(const nlmsghdr&)>;

  NetlinkSocket();
  ~NetlinkSocket();
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;

  // `groups`: RTMGRP_… to be told about, 0 for a socket that only asks.
  Status open(std::uint32_t groups);
  int fd() const;

  // Every message of one kind: RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE or RTM_GETRULE, over both
  // families. The kernel answers from its tables, so this takes their size but waits for nobody.
  Status dump(std::uint16_t type, const Visit& visit);
  // Sends `request` and takes the kernel's verdict; the Error's code is its errno.
  Status change(nlmsghdr& request);

  // What the kernel has told since the last time. `overrun`: some of it was lost (ENOBUFS), and
  // what one believes must be dumped anew. Never blocks.
  Status read_events(const Visit& visit, bool& overrun);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  Status dump_once(std::uint16_t type, const Visit& visit);
  Status receive_answer(std::uint32_t sequence, const Visit& visit);

  std::unique_ptr<mnl_socket, Close> socket_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::uint32_t sequence_ = 0;
};

}  // namespace hawser
