#pragma once
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/engine.h"
#include "tun/control_message.h"
#include "tun/socket_address.h"

namespace hawser {

// How long one submit waits at most, over all its sends, for room in a socket's buffer. Long enough
// for an interface of 10 Mbit/s to take a train; short enough that what arrives meanwhile still
// fits the receive buffers.
inline constexpr std::chrono::milliseconds kSendWaitBudget{20};

// UdpSender sends the UDP half of an OutBatch over two sockets, in order, with as few system calls
// as the batch allows, and does what is to be done when the kernel refuses a send: singles instead
// of GSO, no sticky source, a bounded wait for buffer space. Shared by both engines. One thread's.
class UdpSender {
 public:
  UdpSender();
  ~UdpSender();

  // Borrowed; -1: absent, sends of that family fail with EAFNOSUPPORT.
  void set_sockets(int udp_v4, int udp_v6);
  void send(OutBatch& out);

 private:
  static constexpr std::size_t kMessagesPerCall = 64;

  struct Socket {
    int fd = -1;
    bool has_gso = false;  // Linux 4.18; an older kernel would send the train as one datagram
  };
  // How one UdpSend is attempted.
  struct Form {
    bool gso = true;
    bool source = true;
  };
  struct Messages;  // what sendmmsg reads

  void send_family(OutBatch& out, IpFamily family);
  void flush(OutBatch& out, const Socket& socket);
  void recover(OutBatch& out, const Socket& socket, const UdpSend& send, Form form, int error);
  int attempt(OutBatch& out, const Socket& socket, const UdpSend& send, Form form);
  int send_whole(OutBatch& out, const Socket& socket, const UdpSend& send, Form form);
  int send_singles(OutBatch& out, const Socket& socket, const UdpSend& send, Form form);
  bool wait_for_room(const Socket& socket, int error);
  Form first_form(const Socket& socket, const UdpSend& send) const;

  Socket v4_;
  Socket v6_;
  std::chrono::steady_clock::duration budget_{};
  std::unique_ptr<Messages> queue_;    // whole trains and lone datagrams
  std::unique_ptr<Messages> singles_;  // the datagrams of one train
  std::vector<iovec> single_slices_;
  std::uint32_t num_sent_ = 0;  // datagrams of the present train that have left one by one
};

}  // namespace hawser
