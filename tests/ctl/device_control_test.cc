#include "ctl/device_control.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/hex.h"
#include "ctl/uapi_reply.h"
#include "ctl/uapi_request.h"
#include "noise/crypto_init.h"
#include "tun/system_clock.h"
#include "tun/system_random.h"

namespace hawser {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A Device without workers, between real sockets and the text of the UAPI.
class DeviceControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(init_crypto());
    start(0);
  }

  void start(std::uint16_t default_port, Steering steering = Steering::kNone) {
    auto opened = open_udp_sockets(2, default_port, 0, steering);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    auto sockets = std::make_shared<const UdpSocketGroup>(std::move(*opened));
    control_.reset();
    DeviceOptions options;
    options.has_tun = false;
    device_ = std::make_unique<Device>(options, random_);
    DeviceChange initial;
    initial.listen_port = sockets->port;
    ASSERT_TRUE(device_->apply(std::move(initial), clock_.now()).ok());
    exchanged_.clear();
    control_ = std::make_unique<DeviceControl>(
        *device_, clock_, sockets, default_port, 0,
        [this](const UdpSocketGroup& fresh, const std::shared_ptr<const UdpSocketGroup>&) {
          exchanged_.push_back(fresh.port);
        });
  }

  // What `lines` of a set are answered with: 0, or a positive errno.
  int set(const std::string& lines) {
    UapiParser parser;
    const std::string text = "set=1\n" + lines + "\n";
    EXPECT_EQ(parser.feed(text), text.size());
    UapiRequest request = parser.take();
    if (request.refusal) return request.refusal->code;
    const Status status = control_->set(std::move(request.change));
    message_ = status ? "" : status.error().message;
    return status ? 0 : status.error().code;
  }
  std::string get() { return std::string(make_get_reply(control_->get()).view()); }
  std::uint16_t port() { return control_->get().listen_port; }

  SystemRandom random_;
  SystemClock clock_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<DeviceControl> control_;
  std::vector<std::uint16_t> exchanged_;
  std::string message_;
};

// A foreign socket on a port of its own.
class TakenPort {
 public:
  TakenPort() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t len = sizeof address;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), len), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &len), 0);
    port_ = ntohs(address.sin_port);
  }
  std::uint16_t port() const { return port_; }
  void release() { fd_.reset(); }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
};

std::uint16_t free_port() { return TakenPort().port(); }

const std::string kPeer = "public_key=" + std::string(63, '1') + "2\n";

TEST_F(DeviceControlTest, AnUnchangedPortIsNotRebound) {
  const std::uint16_t before = port();
  EXPECT_NE(before, 0);
  EXPECT_EQ(set(fmt::format("listen_port={}\n", before)), 0);
  EXPECT_EQ(port(), before);
  EXPECT_THAT(exchanged_, ElementsAre());
}

TEST_F(DeviceControlTest, ASetOfNoPortKeepsARandomOne) {
  const std::uint16_t before = port();
  EXPECT_EQ(set("listen_port=0\n"), 0);
  EXPECT_EQ(port(), before);
  EXPECT_THAT(exchanged_, ElementsAre());
}

TEST_F(DeviceControlTest, WhatFullSocketsLostIsADropAndStaysOneAfterAPortChange) {
  const auto num_lost = [this] {
    return control_->counters().drops[static_cast<std::size_t>(DropReason::kSocketFull)];
  };
  EXPECT_EQ(num_lost(), 0u);
  const int small = 4096;
  for (const UdpSocketPair& pair : control_->sockets().workers) {
    setsockopt(pair.v4.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(control_->sockets().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const UniqueFd sender(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (int i = 0; i < 200; ++i) {
    sendto(sender.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  const std::uint64_t lost = num_lost();
  EXPECT_GT(lost, 0u);
  EXPECT_THAT(control_->status(), HasSubstr(fmt::format("drop.socket-full={}", lost)));
  EXPECT_EQ(set(fmt::format("listen_port={}\n", free_port())), 0);
  EXPECT_EQ(num_lost(), lost);
}

TEST_F(DeviceControlTest, APortThatWasSetIsGivenUpForARandomOne) {
  const std::uint16_t wanted = free_port();
  EXPECT_EQ(set(fmt::format("listen_port={}\n", wanted)), 0);
  EXPECT_EQ(port(), wanted);
  EXPECT_EQ(control_->sockets().port, wanted);
  EXPECT_EQ(control_->sockets().workers.size(), 2u);
  EXPECT_EQ(set("listen_port=0\n"), 0);
  EXPECT_NE(port(), wanted);
  EXPECT_NE(port(), 0);
  EXPECT_THAT(exchanged_, ElementsAre(wanted, port()));
}

TEST_F(DeviceControlTest, ASetOfNoPortReturnsToTheOperators) {
  const std::uint16_t own = free_port();
  start(own);
  EXPECT_EQ(set("listen_port=0\n"), 0);
  EXPECT_EQ(port(), own);
  EXPECT_THAT(exchanged_, ElementsAre());
  EXPECT_EQ(set(fmt::format("listen_port={}\n", free_port())), 0);
  EXPECT_EQ(set("listen_port=0\n"), 0);
  EXPECT_EQ(port(), own);
}

TEST_F(DeviceControlTest, APortThatIsTakenChangesNothingAtAll) {
  const std::string before = get();
  const TakenPort taken;
  EXPECT_EQ(set(fmt::format("private_key={}\nlisten_port={}\n{}allowed_ip=10.0.0.0/8\n",
                            std::string(64, '1'), taken.port(), kPeer)),
            EADDRINUSE);
  EXPECT_THAT(message_, HasSubstr(std::to_string(taken.port())));
  EXPECT_EQ(get(), before);
  EXPECT_THAT(exchanged_, ElementsAre());
}

// For this thread from now on; filters cannot be taken off.
bool refuse_steering() {
  std::array<sock_filter, 6> filter = {{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, __NR_setsockopt},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, args[2])},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SO_ATTACH_REUSEPORT_CBPF},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOMEM},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  sock_fprog program{filter.size(), filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// The handshake thread receives from sockets of its own; on others' it would take away what the
// workers wait for.
TEST_F(DeviceControlTest, APortWhereHandshakesCannotBeKeptApartChangesNothingAtAll) {
  start(0, Steering::kHandshakesApart);
  ASSERT_TRUE(control_->sockets().is_steered());
  const std::string before = get();
  const std::uint16_t old_port = port();
  const std::uint16_t wanted = free_port();
  bool refuses = false;
  int code = 0;
  std::thread([&] {
    refuses = refuse_steering();
    if (!refuses) return;
    // Where it was not steered before, it is not missed.
    EXPECT_TRUE(open_udp_sockets(2, wanted, 0, Steering::kHandshakesApart).ok());
    code = set(fmt::format("listen_port={}\n{}allowed_ip=10.0.0.0/8\n", wanted, kPeer));
  }).join();
  if (!refuses) GTEST_SKIP() << "no seccomp";
  EXPECT_EQ(code, ENOMEM);
  EXPECT_THAT(message_, HasSubstr(fmt::format("UDP port {}", wanted)));
  EXPECT_THAT(message_, HasSubstr("SO_ATTACH_REUSEPORT_CBPF"));
  EXPECT_EQ(get(), before);
  EXPECT_EQ(control_->sockets().port, old_port);
  EXPECT_TRUE(control_->sockets().is_steered());
  EXPECT_THAT(exchanged_, ElementsAre());
  // Nothing holds the port, and later it can be had.
  EXPECT_EQ(set(fmt::format("listen_port={}\n", wanted)), 0);
  EXPECT_TRUE(control_->sockets().is_steered());
}

TEST_F(DeviceControlTest, AnUnchangedFwmarkNeedsNoPrivilegeAndDoesNothing) {
  EXPECT_EQ(set("fwmark=0\n"), 0);
  EXPECT_EQ(get().find("fwmark"), std::string::npos);
}

TEST_F(DeviceControlTest, AFwmarkReachesEverySocketOrNothingChanges) {
  const int code = set("fwmark=77\n");
  if (code == EPERM) {
    EXPECT_EQ(get().find("fwmark"), std::string::npos);
    GTEST_SKIP() << "no privilege to mark";
  }
  ASSERT_EQ(code, 0);
  EXPECT_THAT(get(), HasSubstr("fwmark=77\n"));
  const auto mark_of = [](int fd) {
    std::uint32_t mark = 0;
    socklen_t len = sizeof mark;
    EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
    return mark;
  };
  EXPECT_EQ(mark_of(control_->sockets().workers[1].v4.get()), 77u);
  // New sockets are marked as well.
  EXPECT_EQ(set(fmt::format("listen_port={}\n", free_port())), 0);
  EXPECT_EQ(mark_of(control_->sockets().workers[0].v4.get()), 77u);
}

TEST_F(DeviceControlTest, WhatWasSetIsReadBack) {
  EXPECT_EQ(
      set("private_key=a8dac1d8a70a751f0f699fb14ba1cff4b79cf4fbd8f09f44c6e6a90d0369604f\n" + kPeer +
          "preshared_key=188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52\n"
          "endpoint=[fe80::1%3]:9\npersistent_keepalive_interval=5\n"
          "allowed_ip=10.1.2.3/8\nallowed_ip=fd00::/64\n"),
      0);
  const std::string text = get();
  EXPECT_THAT(text, HasSubstr("private_key=a8dac1d8a70a751f0f699fb14ba1cff4b79cf4fbd8f09f44c6e6a90d"
                              "0369604f\n"));
  EXPECT_THAT(text,
              HasSubstr(kPeer + "preshared_key=188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5da"
                                "cce3b70fcf52\nprotocol_version=1\nendpoint=[fe80::1%3]:9\n"));
  EXPECT_THAT(text, HasSubstr("allowed_ip=10.0.0.0/8\n"));
  EXPECT_THAT(text, HasSubstr("allowed_ip=fd00::/64\n"));
}

TEST_F(DeviceControlTest, UpdateOnlySwallowsTheLinesOfAnAbsentPeer) {
  EXPECT_EQ(set(kPeer + "allowed_ip=10.0.0.0/8\n"), 0);
  EXPECT_EQ(set("public_key=" + std::string(64, '3') +
                "\nupdate_only=true\nallowed_ip=10.0.0.0/8\nendpoint=192.0.2.1:1\n"),
            0);
  EXPECT_THAT(get(), HasSubstr(kPeer));
  EXPECT_THAT(get(), HasSubstr("allowed_ip=10.0.0.0/8\n"));
  EXPECT_EQ(get().find("192.0.2.1"), std::string::npos);
}

TEST_F(DeviceControlTest, AllowedIpsMoveAndARemovalTakesOnlyThePeersOwn) {
  const std::string other = "public_key=" + std::string(64, '3') + "\n";
  EXPECT_EQ(set(kPeer + "allowed_ip=10.0.0.0/8\nallowed_ip=10.5.0.0/16\n"), 0);
  EXPECT_EQ(set(other + "allowed_ip=10.5.0.0/16\n"), 0);
  EXPECT_EQ(set(kPeer + "allowed_ip=-10.5.0.0/16\n"), 0);
  const DeviceView view = control_->get();
  ASSERT_EQ(view.peers.size(), 2u);
  EXPECT_THAT(view.peers[0].allowed_ips, ElementsAre(*Prefix::parse("10.0.0.0/8")));
  EXPECT_THAT(view.peers[1].allowed_ips, ElementsAre(*Prefix::parse("10.5.0.0/16")));
  EXPECT_EQ(set(other + "allowed_ip=-10.5.0.0/16\n"), 0);
  EXPECT_TRUE(control_->get().peers[1].allowed_ips.empty());
}

TEST_F(DeviceControlTest, PeersAreRemovedAndReplaced) {
  EXPECT_EQ(set(kPeer + "public_key=" + std::string(64, '3') + "\n"), 0);
  EXPECT_EQ(set(kPeer + "remove=true\n"), 0);
  ASSERT_EQ(control_->get().peers.size(), 1u);
  EXPECT_EQ(set("replace_peers=true\n" + kPeer), 0);
  ASSERT_EQ(control_->get().peers.size(), 1u);
  EXPECT_THAT(get(), HasSubstr(kPeer));
}

TEST_F(DeviceControlTest, OurOwnPublicKeyAsAPeerIsIgnored) {
  PrivateKey key;
  key.mutable_bytes()[5] = 9;
  key.clamp();
  EXPECT_EQ(set("private_key=" + to_hex(key.bytes()) + "\npublic_key=" +
                to_hex(key.derive_public().bytes) + "\nallowed_ip=10.0.0.0/8\n" + kPeer),
            0);
  EXPECT_EQ(control_->get().peers.size(), 1u);
}

TEST_F(DeviceControlTest, Sets24000PeersAndReadsThemBack) {
  std::string text;
  for (unsigned i = 1; i <= 24000; ++i) {
    text += fmt::format("public_key={:064x}\nallowed_ip=10.{}.{}.0/24\n", i, i >> 8, i & 255);
  }
  EXPECT_EQ(set(text), 0);
  const DeviceView view = control_->get();
  ASSERT_EQ(view.peers.size(), 24000u);
  EXPECT_EQ(view.peers[23999].allowed_ips.size(), 1u);
}

TEST_F(DeviceControlTest, Sets130560AllowedIpsOfAPeerAndReadsThemBack) {
  std::string text = kPeer;
  for (unsigned i = 0; i < 130560; ++i) {
    text += fmt::format("allowed_ip=fd00::{:x}:{:x}:0/112\n", i >> 16, i & 0xffff);
  }
  EXPECT_EQ(set(text), 0);
  EXPECT_EQ(control_->get().peers.at(0).allowed_ips.size(), 130560u);
}

TEST_F(DeviceControlTest, TheStatusSaysWhatTheDeviceAndTheDaemonKnow) {
  control_->facts().interface = "wg7";
  EXPECT_EQ(set(kPeer), 0);
  const std::string text = control_->status();
  EXPECT_THAT(text, HasSubstr("interface=wg7\n"));
  EXPECT_THAT(text, HasSubstr("mtu=1420\n"));
  EXPECT_THAT(text, HasSubstr("num_peers=1\n"));
  EXPECT_THAT(text, HasSubstr(kPeer));
}

}  // namespace
}  // namespace hawser
