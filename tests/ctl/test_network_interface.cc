// Addresses, routes and MTU as a plan wants them: the two halves of a change, and what is undone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "ctl/interface_setup.h"
#include "tests/tun/namespace.h"
#include "tun/netlink_config.h"
#include "tun/tun_device.h"

namespace hawser {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Keeps what is there in a log that tests share, since the port belongs to the setup.
class FakePort : public InterfacePort {
 public:
  struct Kernel {
    std::vector<std::string> there;
    std::vector<std::string> done;
    std::string refused;  // what has this in its text
  };
  explicit FakePort(Kernel& kernel) : kernel_(kernel) {}

  Status bring_up() override { return act("up", "up", true); }
  Status set_mtu(std::uint32_t mtu) override { return act("mtu " + std::to_string(mtu), "", true); }
  Status add_address(const InterfaceAddress& address) override {
    return act("+" + address.to_string(), address.to_string(), true);
  }
  Status remove_address(const InterfaceAddress& address) override {
    return act("-" + address.to_string(), address.to_string(), false);
  }
  Status add_route(const Prefix& prefix) override {
    return act("+" + prefix.to_string(), prefix.to_string(), true);
  }
  Status remove_route(const Prefix& prefix) override {
    return act("-" + prefix.to_string(), prefix.to_string(), false);
  }

 private:
  Status act(const std::string& action, const std::string& what, bool add) {
    if (!kernel_.refused.empty() && action == kernel_.refused) return Error{"no " + action, EPERM};
    kernel_.done.push_back(action);
    std::erase(kernel_.there, what);
    if (add && !what.empty()) kernel_.there.push_back(what);
    return {};
  }
  Kernel& kernel_;
};

InterfaceSettings settings(std::vector<const char*> addresses, std::vector<const char*> routes,
                           std::uint32_t mtu = 1420) {
  InterfaceSettings out;
  out.mtu = mtu;
  for (const std::string text : addresses) {
    const std::size_t slash = text.find('/');
    out.addresses.push_back({*IpAddress::parse(text.substr(0, slash)),
                             static_cast<unsigned>(std::stoul(text.substr(slash + 1)))});
  }
  for (const char* const text : routes) out.routes.push_back(*Prefix::parse(text));
  return out;
}

class InterfaceSetupTest : public ::testing::Test {
 protected:
  FakePort::Kernel kernel_;
  std::vector<std::string> log_;
  std::unique_ptr<InterfaceSetup> setup_ = std::make_unique<InterfaceSetup>(
      std::make_unique<FakePort>(kernel_),
      [this](LogLevel, const std::string& line) { log_.push_back(line); });
};

TEST_F(InterfaceSetupTest, BringsTheLinkUpBetweenAddressesAndRoutes) {
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24", "fd00::1/56"}, {"192.168.7.0/24"})).ok());
  EXPECT_THAT(kernel_.done,
              ElementsAre("mtu 1420", "+10.0.0.1/24", "+fd00::1/56", "up", "+192.168.7.0/24"));
  setup_.reset();
  EXPECT_THAT(kernel_.there, ElementsAre("up"));
}

TEST_F(InterfaceSetupTest, AppliesTheDifferenceAndNothingElse) {
  ASSERT_TRUE(setup_->extend(settings({"10.0.0.1/24"}, {"10.1.0.0/16", "10.2.0.0/16"})).ok());
  kernel_.done.clear();
  const InterfaceSettings wanted =
      settings({"10.0.0.1/24", "10.0.0.2/24"}, {"10.2.0.0/16", "10.3.0.0/16"}, 1400);
  ASSERT_TRUE(setup_->extend(wanted).ok());
  EXPECT_THAT(kernel_.done, ElementsAre("mtu 1400", "+10.0.0.2/24", "+10.3.0.0/16"));
  kernel_.done.clear();
  setup_->reduce(wanted);
  EXPECT_THAT(kernel_.done, ElementsAre("-10.1.0.0/16"));
  kernel_.done.clear();
  ASSERT_TRUE(setup_->extend(wanted).ok());
  setup_->reduce(wanted);
  EXPECT_THAT(kernel_.done, IsEmpty());
}

TEST_F(InterfaceSetupTest, AFailureHalfWayIsUndone) {
  const InterfaceSettings before = settings({"10.0.0.1/24", "fd00::1/64"}, {"10.1.0.0/16"});
  ASSERT_TRUE(setup_->extend(before).ok());
  const auto there = kernel_.there;
  kernel_.refused = "+10.9.0.0/16";
  const Status refused = setup_->extend(
      settings({"10.0.0.1/24", "fd00::1/56", "10.0.0.7/24"}, {"10.8.0.0/16", "10.9.0.0/16"}, 1300));
  EXPECT_EQ(refused.error().code, EPERM);
  EXPECT_THAT(kernel_.there, ::testing::UnorderedElementsAreArray(there));
  EXPECT_EQ(kernel_.done.back(), "mtu 1420");
  EXPECT_THAT(log_, IsEmpty());
  // And it knows what it has: nothing is left over at the end.
  setup_.reset();
  EXPECT_THAT(kernel_.there, ElementsAre("up"));
}

TEST_F(InterfaceSetupTest, AFirstStartThatFailsLeavesNothing) {
  kernel_.refused = "up";
  EXPECT_FALSE(setup_->extend(settings({"10.0.0.1/24"}, {"10.1.0.0/16"})).ok());
  EXPECT_THAT(kernel_.there, IsEmpty());
}

TEST_F(InterfaceSetupTest, AnAddressWithAnotherLengthTakesItsOwnPlace) {
  ASSERT_TRUE(setup_->extend(settings({"fd00::1/64"}, {})).ok());
  const InterfaceSettings wanted = settings({"fd00::1/56"}, {});
  ASSERT_TRUE(setup_->extend(wanted).ok());
  setup_->reduce(wanted);
  EXPECT_THAT(kernel_.there, UnorderedElementsAre("up", "fd00::1/56"));
}

TEST(InterfaceSetupInTheKernel, TakesAwayWhatItAddedAndNothingElse) {
  test::in_namespace([] {
    const auto tun = TunDevice::create("wg0", 1, 1420);
    ASSERT_TRUE(tun.ok()) << tun.error().message;
    const InterfaceSettings settings_before =
        settings({"10.0.0.1/24", "fd00::1/56"}, {"192.168.7.0/24", "fd05::/64"}, 1400);
    {
      InterfaceSetup setup(make_netlink_port("wg0"), {});
      const Status extended = setup.extend(settings_before);
      ASSERT_TRUE(extended.ok()) << extended.error().message;
      EXPECT_TRUE(test::run("ip link show wg0 | grep -q 'mtu 1400'"));
      EXPECT_TRUE(test::run("ip addr show wg0 | grep -q fd00::1/56"));
      EXPECT_TRUE(test::run("ip route show proto 72 | grep -q 192.168.7.0/24"));
      EXPECT_TRUE(test::run("ip -6 route show proto 72 | grep -q fd05::/64"));
      // The operator's own.
      ASSERT_TRUE(test::run("ip addr add 10.7.0.1/24 dev wg0"));
      ASSERT_TRUE(test::run("ip route add 10.8.0.0/16 dev wg0"));

      const InterfaceSettings wanted = settings({"fd00::1/64"}, {"fd06::/64"}, 1400);
      ASSERT_TRUE(setup.extend(wanted).ok());
      setup.reduce(wanted);
      EXPECT_TRUE(test::run("ip addr show wg0 | grep -q fd00::1/64"));
      EXPECT_FALSE(test::run("ip addr show wg0 | grep -q fd00::1/56"));
      EXPECT_FALSE(test::run("ip route show | grep -q 192.168.7.0/24"));
      EXPECT_FALSE(test::run("ip -6 route show | grep -q fd05::/64"));

      // Somebody else's route for the prefix, with our metric, refuses all of it.
      ASSERT_TRUE(test::run("ip route add 10.9.0.0/16 dev lo metric 1024"));
      const Status refused = setup.extend(settings({"10.3.0.1/24"}, {"10.9.0.0/16"}, 1300));
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().code, EEXIST);
      EXPECT_FALSE(test::run("ip addr show wg0 | grep -q 10.3.0.1"));
      EXPECT_TRUE(test::run("ip link show wg0 | grep -q 'mtu 1400'"));
    }
    EXPECT_FALSE(
        test::run("ip route show proto 72 | grep -q .; ip -6 route show proto 72 | grep ."));
    EXPECT_FALSE(test::run("ip addr show wg0 | grep -q fd00::1"));
    EXPECT_TRUE(test::run("ip addr show wg0 | grep -q 10.7.0.1/24"));
    EXPECT_TRUE(test::run("ip route show | grep -q 10.8.0.0/16"));
    EXPECT_TRUE(test::run("ip route show | grep -q 10.9.0.0/16"));
    // Again is no error, wherever it has gone.
    EXPECT_TRUE(remove_route("wg0", *Prefix::parse("fd05::/64")).ok());
    EXPECT_TRUE(remove_address("wg0", *IpAddress::parse("fd00::1"), 56).ok());
    EXPECT_EQ(remove_route("gone", *Prefix::parse("fd05::/64")).error().code, ENODEV);
  });
}

}  // namespace
}  // namespace hawser
