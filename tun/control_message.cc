#include "tun/control_message.h"

#include <netinet/udp.h>

#include <cassert>
#include <cstring>

namespace hawser {
namespace {

template <class T>
T read_as(const cmsghdr* header) {
  T value{};
  if (header->cmsg_len >= CMSG_LEN(sizeof value)) {
    std::memcpy(&value, CMSG_DATA(header), sizeof value);
  }
  return value;
}

void read_one(ReceivedTrain& train, const cmsghdr* header) {
  Endpoint& remote = train.remote;
  if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
    const auto info = read_as<in_pktinfo>(header);
    remote.local_address.family = IpFamily::kV4;
    std::memcpy(remote.local_address.bytes.data(), &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
    remote.local_ifindex = static_cast<std::uint32_t>(info.ipi_ifindex);
  } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
    const auto info = read_as<in6_pktinfo>(header);
    // A datagram sent to a group tells no address of ours.
    if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) {
      remote.local_address.family = IpFamily::kV6;
      std::memcpy(remote.local_address.bytes.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
    }
    remote.local_ifindex = info.ipi6_ifindex;
  } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TOS) {
    train.traffic_class = read_as<std::uint8_t>(header);
  } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_TCLASS) {
    train.traffic_class = static_cast<std::uint8_t>(read_as<int>(header));
  } else if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO) {
    const int segment_len = read_as<int>(header);
    if (segment_len > 0 && static_cast<std::uint32_t>(segment_len) < train.len) {
      train.segment_len = static_cast<std::uint32_t>(segment_len);
    }
  }
}

}  // namespace

void SendControl::add(int level, int type, const void* data, std::size_t data_len) {
  assert(len + CMSG_SPACE(data_len) <= kCapacity);
  std::uint8_t* const place = bytes.data() + len;
  std::memset(place, 0, CMSG_SPACE(data_len));
  cmsghdr header{};
  header.cmsg_level = level;
  header.cmsg_type = type;
  header.cmsg_len = CMSG_LEN(data_len);
  std::memcpy(place, &header, sizeof header);
  std::memcpy(place + CMSG_LEN(0), data, data_len);
  len += CMSG_SPACE(data_len);
}

void SendControl::add_source(const Endpoint& to) {
  const bool has_address = !to.local_address.is_unspecified();
  if (!has_address && to.local_ifindex == 0) return;
  // A source of the other family is a leftover from before the endpoint was changed.
  if (has_address && to.local_address.family != to.address.family) return;
  const bool needs_interface = !has_address || to.local_address.is_link_local();
  const std::uint32_t ifindex = needs_interface ? to.local_ifindex : 0;
  if (to.address.family == IpFamily::kV4) {
    in_pktinfo info{};
    info.ipi_ifindex = static_cast<int>(ifindex);
    if (has_address) {
      std::memcpy(&info.ipi_spec_dst, to.local_address.bytes.data(), sizeof info.ipi_spec_dst);
    }
    add(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  } else {
    in6_pktinfo info{};
    info.ipi6_ifindex = ifindex;
    if (has_address) {
      std::memcpy(&info.ipi6_addr, to.local_address.bytes.data(), sizeof info.ipi6_addr);
    }
    add(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  }
}

void SendControl::add_traffic_class(IpFamily family, std::uint8_t traffic_class) {
  const int value = traffic_class;
  if (family == IpFamily::kV4) {
    add(IPPROTO_IP, IP_TOS, &value, sizeof value);
  } else {
    add(IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof value);
  }
}

void SendControl::add_segment_len(std::uint16_t segment_len) {
  add(SOL_UDP, UDP_SEGMENT, &segment_len, sizeof segment_len);
}

void read_receive_control(ReceivedTrain& train, void* control, std::size_t control_len) {
  train.segment_len = train.len;
  train.traffic_class = 0;
  train.remote.forget_source();
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = control_len;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    read_one(train, header);
  }
}

}  // namespace hawser
