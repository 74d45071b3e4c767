#include "tun/tun_device.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "tun/errno_error.h"
#include "tun/vnet_header.h"

namespace hawser {
namespace {

constexpr const char* kTunPath = "/dev/net/tun";

// Linux 6.2; Debian 12's headers do not have them yet.
constexpr unsigned kUso4 = 0x20;
constexpr unsigned kUso6 = 0x40;
constexpr unsigned kTsoOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

ifreq named_request(const std::string& name) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  return request;
}

Error open_error(int code) {
  Error error = errno_error(kTunPath, code);
  if (code == ENOENT || code == ENODEV || code == ENXIO) {
    error.message += "; run \"modprobe tun\", or give the container /dev/net/tun";
  } else if (code == EPERM || code == EACCES) {
    error.message += "; run as root or with CAP_NET_ADMIN, and allow the container the device";
  }
  return error;
}

// Whose interface it is: "tun", "veth", "virtio_net", …; empty: nobody says.
std::string driver_of(const std::string& name) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  ifreq request = named_request(name);
  request.ifr_data = reinterpret_cast<char*>(&info);
  if (!fd || ioctl(fd.get(), SIOCETHTOOL, &request) < 0) return {};
  return {info.driver, strnlen(info.driver, sizeof info.driver)};
}

// Only of a TUN device, which may be a leftover, is it said how to remove it: the other may be what
// the operator is logged in through.
std::string exists_text(const std::string& name) {
  const std::string driver = driver_of(name);
  const std::string text = "interface " + name + " exists already";
  if (driver == "tun") {
    return text +
           "; choose another name, or, if no other program needs it, remove it with \"ip link "
           "del " +
           name + "\"";
  }
  return text + " and is not a TUN device" + (driver.empty() ? "" : " (driver " + driver + ")") +
         "; choose another name";
}

Error attach_error(const std::string& name, int code) {
  Error error = errno_error("cannot create interface " + name, code);
  if (code == EPERM) {
    error.message += "; it needs CAP_NET_ADMIN in this network namespace";
  } else if (code == EBUSY || code == EEXIST) {
    error.message = exists_text(name);
  } else if (code == EINVAL) {
    error.message += "; an interface of that name may exist and not be a TUN device";
  }
  return error;
}

Result<UniqueFd> open_queue(const std::string& name, bool first) {
  UniqueFd fd(open(kTunPath, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return open_error(errno);
  ifreq request = named_request(name);
  // Only the first makes the interface: were it to join one that is there, it would share the
  // packets of whoever that belongs to.
  const int flags =
      IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | (first ? IFF_TUN_EXCL : 0);
  request.ifr_flags = static_cast<short>(flags);
  if (ioctl(fd.get(), TUNSETIFF, &request) < 0) return attach_error(name, errno);
  int header_len = kVnetHeaderLen;
  if (ioctl(fd.get(), TUNSETVNETHDRSZ, &header_len) < 0) {
    return errno_error("TUNSETVNETHDRSZ", errno);
  }
  return fd;
}

Status set_mtu(const std::string& name, std::uint32_t mtu) {
  // Any socket will do; this one needs no IP family.
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket", errno);
  ifreq request = named_request(name);
  request.ifr_mtu = static_cast<int>(mtu);
  if (ioctl(fd.get(), SIOCSIFMTU, &request) == 0) return {};
  return errno_error("cannot set the MTU of " + name + " to " + std::to_string(mtu), errno);
}

// Writes an IPv4 packet of two segments from and to 0.0.0.0, which the kernel drops as a martian
// if the interface is up at all. EIO: the header was understood, but the interface is down.
bool takes_super_packet(int queue, TunOffload::Gso gso) {
  constexpr std::size_t kIpLen = 20;
  constexpr std::size_t kPayload = 16;
  const bool tcp = gso == TunOffload::Gso::kTcpV4;
  const std::size_t transport_len = tcp ? 20 : 8;
  const std::size_t packet_len = kIpLen + transport_len + 2 * kPayload;
  std::array<std::uint8_t, kVnetHeaderLen + kIpLen + 20 + 2 * kPayload> bytes{};
  TunOffload offload;
  offload.gso = gso;
  offload.needs_checksum = true;
  offload.header_len = static_cast<std::uint16_t>(kIpLen + transport_len);
  offload.segment_payload = kPayload;
  offload.csum_start = kIpLen;
  offload.csum_offset = tcp ? 16 : 6;
  write_vnet_header(std::span(bytes).first<kVnetHeaderLen>(), offload);
  std::uint8_t* const packet = bytes.data() + kVnetHeaderLen;
  packet[0] = 0x45;
  packet[3] = static_cast<std::uint8_t>(packet_len);
  packet[8] = 1;  // TTL
  packet[9] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
  packet[tcp ? kIpLen + 12 : kIpLen + 5] = static_cast<std::uint8_t>(tcp ? 0x50 : 8 + 2 * kPayload);
  return write(queue, bytes.data(), kVnetHeaderLen + packet_len) >= 0 || errno == EIO;
}

// Asks for as much as the kernel has. What it refuses is done without: packets are then whole.
TunFeatures set_offloads(int queue) {
  TunFeatures features;
  features.uso = ioctl(queue, TUNSETOFFLOAD, kTsoOffloads | kUso4 | kUso6) == 0;
  features.tso = features.uso || ioctl(queue, TUNSETOFFLOAD, kTsoOffloads) == 0;
  if (!features.tso) ioctl(queue, TUNSETOFFLOAD, 0U);
  features.tso = features.tso && takes_super_packet(queue, TunOffload::Gso::kTcpV4);
  features.uso = features.uso && takes_super_packet(queue, TunOffload::Gso::kUdp);
  return features;
}

}  // namespace

Status check_interface_name(std::string_view name) {
  const auto refuse = [&](const char* why) {
    return Error{"\"" + std::string(name) + "\" is no interface name: " + why, EINVAL};
  };
  if (name.empty()) return refuse("it is empty");
  if (name.size() >= IFNAMSIZ) return refuse("it is longer than 15 bytes");
  if (name == "." || name == "..") return refuse("the name is reserved");
  for (const char c : name) {
    if (c == '/' || c == ':' || c == '%' || c == '\0')
      return refuse("it has a forbidden character");
    if (c == ' ' || (c >= '\t' && c <= '\r')) return refuse("it has white space");
  }
  return {};
}

Result<TunDevice> TunDevice::create(const std::string& name, std::size_t num_queues,
                                    std::uint32_t mtu) {
  if (Status named = check_interface_name(name); !named) return named.error();
  TunDevice device;
  device.name_ = name;
  for (std::size_t i = 0; i < num_queues; ++i) {
    Result<UniqueFd> queue = open_queue(name, i == 0);
    if (!queue) return queue.error();
    device.queues_.push_back(std::move(*queue));
  }
  if (Status set = set_mtu(name, mtu); !set) return set.error();
  device.features_ = set_offloads(device.queue(0));
  return device;
}

Result<TunDevice> TunDevice::adopt(UniqueFd fd) {
  ifreq request{};
  if (ioctl(fd.get(), TUNGETIFF, &request) < 0) {
    return errno_error("the descriptor handed over is no TUN queue: TUNGETIFF", errno);
  }
  const int flags = static_cast<unsigned short>(request.ifr_flags);
  // IFF_NO_PI is reported whether it was asked for or not, so it has to be taken on trust.
  if ((flags & IFF_TUN) == 0) {
    return Error{"the descriptor handed over is no TUN queue (IFF_TUN)", EINVAL};
  }
  const int status = fcntl(fd.get(), F_GETFL);
  if (status < 0 || fcntl(fd.get(), F_SETFL, status | O_NONBLOCK) < 0 ||
      fcntl(fd.get(), F_SETFD, FD_CLOEXEC) < 0) {
    return errno_error("fcntl on the TUN queue handed over", errno);
  }
  TunDevice device;
  device.name_ = std::string(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
  device.has_vnet_header_ = (flags & IFF_VNET_HDR) != 0;
  if (device.has_vnet_header_) {
    int header_len = kVnetHeaderLen;
    if (ioctl(fd.get(), TUNSETVNETHDRSZ, &header_len) < 0) {
      return errno_error("TUNSETVNETHDRSZ", errno);
    }
    device.features_ = set_offloads(fd.get());
  }
  device.queues_.push_back(std::move(fd));
  return device;
}

}  // namespace hawser
