// Reading a network file with its keys: everything that is wrong is said, at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

#include "ctl/network_file.h"
#include "tests/ctl/temporary_directory.h"
#include "tests/network/support.h"

namespace hawser {
namespace {

using network_test::controller_text;
using network_test::kVpn;
using network_test::line_with;
using network_test::peer_text;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TemporaryDirectory;
using testing::write_file;

const std::string kGood =
    kVpn + controller_text("server1", 1) + peer_text("laptop1", 2) + peer_text("printer", 3);

class NetworkFileTest : public ::testing::Test {
 protected:
  NetworkFileTest() { put_key(2); }

  void put_key(std::uint32_t number) {
    write_file(source_.private_key_file,
               key_to_base64(network_test::private_key(number).bytes()) + "\n");
  }
  Result<LoadedPlan> load(const std::string& text, std::vector<IpAddress> local = {}) {
    write_file(source_.file, text);
    return load_plan(source_, local);
  }
  std::string error_of(const std::string& text, std::vector<IpAddress> local = {}) {
    const auto loaded = load(text, std::move(local));
    EXPECT_FALSE(loaded.ok());
    return loaded.ok() ? "" : loaded.error().message;
  }

  TemporaryDirectory directory_;
  NetworkSource source_{directory_ / "vpn.toml", "laptop1", directory_ / "key"};
};

TEST_F(NetworkFileTest, GivesThePlanAndTheKeys) {
  const auto loaded = load(kGood);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(loaded->plan.host, "laptop1");
  EXPECT_EQ(loaded->plan.peers.size(), 1U);
  EXPECT_EQ(loaded->private_key.derive_public(), loaded->plan.public_key);
}

TEST_F(NetworkFileTest, EveryProblemHasALineOfItsOwn) {
  const std::string text = kVpn + "mtuu = 1400\n" + controller_text("server1", 1) +
                           peer_text("laptop1", 2) + peer_text("printer", 2, "controler = \"x\"\n");
  const std::string message = error_of(text);
  EXPECT_THAT(message, StartsWith("network file " + source_.file + " is refused, 3 errors:\n"));
  for (const char* const needle : {"mtuu", "controler", "[peers.printer]\npublic_key"}) {
    const unsigned line = line_with(text, needle) + (needle[0] == '[' ? 1 : 0);
    EXPECT_THAT(message, HasSubstr("\n" + source_.file + ":" + std::to_string(line) + ": error: "));
  }
  EXPECT_THAT(message, HasSubstr("did you mean \"mtu\"?"));
}

TEST_F(NetworkFileTest, APrivateKeyOfAnotherHostIsNamed) {
  put_key(3);
  EXPECT_THAT(error_of(kGood), HasSubstr("the key of printer"));
}

TEST_F(NetworkFileTest, AnEndpointThatIsThisMachineIsRefused) {
  EXPECT_THAT(error_of(kGood, {*IpAddress::parse("192.0.2.1")}),
              HasSubstr("is an address of this host"));
}

TEST_F(NetworkFileTest, MissingFilesFailTheStartAndAreBothNamed) {
  std::filesystem::remove(source_.private_key_file);
  EXPECT_THAT(error_of(kGood), HasSubstr(source_.private_key_file));
  // What is wrong with the network is said all the same.
  const std::string both = error_of(kVpn + "nonsense = 1\n" + kGood.substr(kVpn.size()));
  EXPECT_THAT(both, HasSubstr("nonsense"));
  EXPECT_THAT(both, HasSubstr(source_.private_key_file));

  std::filesystem::remove(source_.file);
  const auto loaded = load_plan(source_, {});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ENOENT);
  EXPECT_THAT(loaded.error().message, HasSubstr(source_.file));
  EXPECT_THAT(loaded.error().message, HasSubstr(source_.private_key_file));
}

TEST_F(NetworkFileTest, ADirectoryAndAnEmptyFileAreNoNetworks) {
  EXPECT_FALSE(load("").ok());
  source_.file = directory_.path();
  EXPECT_THAT(load_plan(source_, {}).error().message, HasSubstr("it is a directory"));
}

TEST_F(NetworkFileTest, AKeyThatOthersMayReadIsRefused) {
  std::filesystem::permissions(source_.private_key_file, std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  EXPECT_THAT(error_of(kGood), HasSubstr("chmod 600"));
}

TEST_F(NetworkFileTest, PresharedKeysAreFoundBesideTheFile) {
  const std::string secret = key_to_base64(network_test::private_key(77).bytes());
  write_file(directory_ / "laptop1.psk", secret + "\n");
  const std::string text = kVpn + controller_text("server1", 1) +
                           peer_text("laptop1", 2, "preshared_key_file = \"laptop1.psk\"\n");
  const auto loaded = load(text);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  ASSERT_EQ(loaded->preshared_keys.count("laptop1.psk"), 1U);
  EXPECT_EQ(key_to_base64(loaded->preshared_keys.at("laptop1.psk").bytes()), secret);

  write_file(directory_ / "laptop1.psk", "not a key\n");
  const std::string message = error_of(text);
  EXPECT_THAT(message, HasSubstr(":" + std::to_string(line_with(text, "preshared_key_file"))));
  EXPECT_THAT(message, Not(HasSubstr("not a key\n")));
}

TEST_F(NetworkFileTest, WarningsDoNotRefuseButAreThere) {
  const std::string text = kGood + "allowed_ips = [\"0.0.0.0/0\"]\n";
  const auto loaded = load(text);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  ASSERT_FALSE(loaded->warnings.empty());
  EXPECT_THAT(loaded->warnings.front(), HasSubstr(source_.file + ":"));
  EXPECT_THAT(loaded->warnings.front(), HasSubstr(": warning: "));
}

TEST(LocalAddresses, HaveLoopbackAmongThem) {
  EXPECT_THAT(read_local_addresses(), ::testing::Contains(*IpAddress::parse("127.0.0.1")));
  EXPECT_THAT(read_local_addresses("lo"), Not(::testing::Contains(*IpAddress::parse("127.0.0.1"))));
}

}  // namespace
}  // namespace hawser
