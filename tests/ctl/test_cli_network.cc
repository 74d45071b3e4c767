// hawser check, plan, keygen and pubkey, on files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <string>

#include "ctl/cli_keys.h"
#include "ctl/cli_network.h"
#include "ctl/key_file.h"
#include "network/plan_wg_quick.h"
#include "temporary_directory.h"

namespace hawser {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class CountingRandom final : public RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = ++last_;
  }

 private:
  std::uint8_t last_ = 0;
};

class CliNetwork : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_ / name; }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }

  // Returns the public key.
  std::string keygen(const std::string& name) {
    CliArguments arguments;
    arguments.key_file = path(name);
    const CliOutput output = make_key(arguments, random_);
    EXPECT_EQ(output.exit_code, 0) << output.err;
    return output.out.substr(0, output.out.find('\n'));
  }

  std::string network(const std::string& extra = "") {
    if (server_key_.empty()) server_key_ = keygen("server1.key");
    if (laptop_key_.empty()) laptop_key_ = keygen("laptop1.key");
    return "[network]\nname = \"vpn\"\n[controllers.server1]\npublic_key = \"" + server_key_ +
           "\"\nendpoint = \"vpn1.example.com:51820\"\n[peers.laptop1]\npublic_key = \"" +
           laptop_key_ + "\"\n" + extra;
  }

  CliArguments arguments(const std::string& file, const std::string& host = "") const {
    CliArguments arguments;
    arguments.network_file = file;
    arguments.host = host;
    return arguments;
  }

  hawser::testing::TemporaryDirectory directory_;
  CountingRandom random_;
  std::string server_key_;
  std::string laptop_key_;
};

TEST_F(CliNetwork, AKeyIsPrivateAndNeverOverwritten) {
  const std::string public_key = keygen("k");
  struct stat info {};
  ASSERT_EQ(::stat(path("k").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  CliArguments again;
  again.key_file = path("k");
  const CliOutput refused = make_key(again, random_);
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr(path("k")));
  std::ifstream file(path("k"));
  EXPECT_EQ(derive_public_key(file).out, public_key + "\n");
}

TEST_F(CliNetwork, APresharedKeyIsMadeForAFileAlone) {
  CliArguments arguments;
  arguments.key_file = path("psk");
  arguments.preshared = true;
  const CliOutput output = make_key(arguments, random_);
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(output.out + output.err, "");
  EXPECT_TRUE(read_preshared_key_file(path("psk")).ok());
  EXPECT_THAT(make_key(arguments, random_).err, HasSubstr("preshared key file"));
}

TEST_F(CliNetwork, PubkeyRefusesWhatIsNoKey) {
  for (const std::string& text :
       {std::string("nonsense\n"), std::string(), std::string(9999, 'A')}) {
    std::istringstream input(text);
    EXPECT_NE(derive_public_key(input).exit_code, 0);
  }
}

TEST_F(CliNetwork, CheckCountsHostsWhenAllIsWell) {
  const CliOutput output = check_network_file(arguments(write("n", network())));
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_EQ(output.out, path("n") + ": ok, network vpn, 1 controller, 1 peer\n");
}

TEST_F(CliNetwork, CheckListsAllProblemsWithTheirLines) {
  const CliOutput output = check_network_file(arguments(
      write("n", network("contoller = \"x\"\n[peers.laptop2]\npublic_key = \"short\"\n"))));
  EXPECT_NE(output.exit_code, 0);
  EXPECT_THAT(output.out, HasSubstr(path("n") + ":8: error: "));
  EXPECT_THAT(output.out, HasSubstr(path("n") + ":10: error: "));
  EXPECT_THAT(output.out, HasSubstr(path("n") + ": 2 errors"));
}

TEST_F(CliNetwork, CheckHoldsTheKeyAgainstTheHost) {
  CliArguments wrong = arguments(write("n", network()), "laptop1");
  wrong.private_key_file = path("server1.key");
  EXPECT_NE(check_network_file(wrong).exit_code, 0);
  CliArguments right = wrong;
  right.private_key_file = path("laptop1.key");
  EXPECT_EQ(check_network_file(right).exit_code, 0);
}

TEST_F(CliNetwork, AMissingFileOrHostIsNamed) {
  EXPECT_THAT(check_network_file(arguments(path("none"))).err, HasSubstr(path("none")));
  const CliOutput output = show_plan(arguments(write("n", network()), "laptop"));
  EXPECT_NE(output.exit_code, 0);
  EXPECT_THAT(output.err, HasSubstr("laptop1"));
}

TEST_F(CliNetwork, PlansForPeopleProgramsAndStockWireGuard) {
  CliArguments plan = arguments(write("n", network()), "laptop1");
  EXPECT_THAT(show_plan(plan).out, HasSubstr("server1"));
  plan.json = true;
  EXPECT_THAT(show_plan(plan).out, StartsWith("{"));
  plan.json = false;
  plan.wg_quick = true;
  EXPECT_THAT(show_plan(plan).out, HasSubstr(std::string(kPrivateKeyPlaceholder)));
  plan.private_key_file = path("laptop1.key");
  const CliOutput with_key = show_plan(plan);
  EXPECT_EQ(with_key.exit_code, 0) << with_key.err;
  EXPECT_THAT(with_key.out, Not(HasSubstr(std::string(kPrivateKeyPlaceholder))));
  std::ifstream key_file(path("laptop1.key"));
  std::string key;
  std::getline(key_file, key);
  EXPECT_THAT(with_key.out, HasSubstr("PrivateKey = " + key + "\n"));
}

TEST_F(CliNetwork, AFileWithErrorsHasNoPlan) {
  CliArguments plan = arguments(write("n", network("colour = 1\n")), "laptop1");
  const CliOutput output = show_plan(plan);
  EXPECT_NE(output.exit_code, 0);
  EXPECT_THAT(output.out, IsEmpty());
  EXPECT_THAT(output.err, HasSubstr("colour"));
}

TEST_F(CliNetwork, DiffSaysWhatAReloadWouldRefuse) {
  CliArguments plan = arguments(write("new", network()), "laptop1");
  std::string renamed = network();
  renamed.replace(renamed.find("\"vpn\""), 5, "\"vpx\"");
  plan.diff_file = write("old", renamed);
  const CliOutput output = show_plan(plan);
  EXPECT_NE(output.exit_code, 0);
  EXPECT_THAT(output.err, HasSubstr("vpx → vpn"));
  EXPECT_THAT(output.err, HasSubstr("restart"));
}

TEST_F(CliNetwork, DiffSaysWhatAReloadWouldChange) {
  CliArguments plan = arguments(write("new", network("persistent_keepalive = 5\n")), "laptop1");
  plan.diff_file = write("old", network());
  EXPECT_THAT(show_plan(plan).out, HasSubstr("~"));
  plan.diff_file = plan.network_file;
  EXPECT_EQ(show_plan(plan).out, "nothing changes\n");
  plan.diff_file = path("none");
  EXPECT_THAT(show_plan(plan).err, HasSubstr(path("none")));
}

}  // namespace
}  // namespace hawser
