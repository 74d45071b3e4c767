#include "tun/handshake_steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "noise/messages.h"
#include "tun/errno_error.h"

namespace hawser {
namespace {

using Program = std::vector<sock_filter>;

// Where the program finds the IP header; the packet itself begins with the UDP payload.
constexpr std::uint32_t kIpHeader = static_cast<std::uint32_t>(SKF_NET_OFF);
constexpr std::uint32_t kIpv4Source = kIpHeader + 12;
constexpr std::uint32_t kIpv6Source = kIpHeader + 8;
constexpr std::uint32_t kIpv6HeaderLen = 40;
// The type and three reserved bytes as they are on the wire, read in network order.
constexpr std::uint32_t kTransportDataWord =
    std::uint32_t{static_cast<std::uint8_t>(MessageType::kTransportData)} << 24;
// 2^32 over the golden ratio: neighbouring addresses and ports come out far apart.
constexpr std::uint32_t kSpread = 0x9e3779b1;
constexpr std::uint32_t kSpreadShift = 16;  // the upper bits are the mixed ones

void add(Program& program, unsigned code, std::uint32_t k) {
  program.push_back(BPF_STMT(static_cast<std::uint16_t>(code), k));
}

// A = (A + X) spread; what is next is loaded into A, with the sum so far in X.
void mix_in(Program& program, std::uint32_t offset, unsigned size) {
  add(program, BPF_MISC | BPF_TAX, 0);
  add(program, BPF_LD | size | BPF_ABS, offset);
  add(program, BPF_ALU | BPF_ADD | BPF_X, 0);
  add(program, BPF_ALU | BPF_MUL | BPF_K, kSpread);
}

// A = the source port. Behind an IPv6 extension header it is another two bytes, as constant for a
// flow.
void load_source_port(Program& program, IpFamily family) {
  if (family == IpFamily::kV6) {
    add(program, BPF_LD | BPF_H | BPF_ABS, kIpHeader + kIpv6HeaderLen);
    return;
  }
  add(program, BPF_LD | BPF_B | BPF_ABS, kIpHeader);
  add(program, BPF_ALU | BPF_AND | BPF_K, 0xf);  // the header's length in words
  add(program, BPF_ALU | BPF_LSH | BPF_K, 2);
  add(program, BPF_MISC | BPF_TAX, 0);
  add(program, BPF_LD | BPF_H | BPF_IND, kIpHeader);
}

Program make_program(IpFamily family, std::uint32_t num_workers) {
  Program program;
  add(program, BPF_LD | BPF_W | BPF_LEN, 0);
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kTransportOverhead, 0, 2));
  add(program, BPF_LD | BPF_W | BPF_ABS, 0);
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kTransportDataWord, 1, 0));
  add(program, BPF_RET | BPF_K, num_workers);  // the last of the group

  load_source_port(program, family);
  if (family == IpFamily::kV4) {
    mix_in(program, kIpv4Source, BPF_W);
  } else {
    for (std::uint32_t word = 0; word < 4; ++word) mix_in(program, kIpv6Source + 4 * word, BPF_W);
  }
  add(program, BPF_ALU | BPF_RSH | BPF_K, kSpreadShift);
  add(program, BPF_ALU | BPF_MOD | BPF_K, num_workers);
  add(program, BPF_RET | BPF_A, 0);
  return program;
}

}  // namespace

Status steer_handshakes(int fd, IpFamily family, std::size_t num_workers) {
  Program program = make_program(family, static_cast<std::uint32_t>(num_workers));
  const sock_fprog filter{static_cast<std::uint16_t>(program.size()), program.data()};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) < 0) {
    return errno_error("SO_ATTACH_REUSEPORT_CBPF", errno);
  }
  return {};
}

}  // namespace hawser
