// A host that goes over from one key to the next: what the file may say, and what plans make of it.
#include "network/plan_diff.h"
#include "network/plan_json.h"
#include "network/plan_table.h"
#include "network/plan_wg_quick.h"
#include "support.h"

namespace hawser {
namespace {

using network_test::controller_text;
using network_test::good_network;
using network_test::good_plan;
using network_test::kVpn;
using network_test::peer_text;
using network_test::private_key;
using network_test::public_key;
using network_test::says;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string next(std::uint32_t key, const std::string& file = "") {
  return "public_key_next = \"" + public_key(key) + "\"\n" +
         (file.empty() ? "" : "private_key_next_file = \"" + file + "\"\n");
}
std::string network_text(std::uint32_t peers_key, const std::string& more) {
  return kVpn + controller_text("server1", 1) + peer_text("laptop1", peers_key, more);
}

class OneFile : public KeyFiles {
 public:
  explicit OneFile(std::uint32_t number) : number_(number) {}
  Result<PresharedKey> preshared_key(const std::string& path) override {
    return Error{path + " is missing"};
  }
  Result<PrivateKey> private_key(const std::string& path) override {
    if (path != "next.key") return Error{path + " is missing"};
    return network_test::private_key(number_);
  }

 private:
  std::uint32_t number_;
};

TEST(NextKey, IsAnotherKeyAndNobodyElses) {
  EXPECT_THAT(load_network(network_text(2, next(3))).problems, IsEmpty());
  EXPECT_THAT(load_network(network_text(2, next(2))).problems,
              ElementsAre(says({":8: error: peers.laptop1.public_key_next: is the present key"})));
  EXPECT_THAT(load_network(network_text(2, next(1))).problems,
              ElementsAre(says({"public_key_next: is a key of server1 (line 3) too"})));
  EXPECT_THAT(load_network(network_text(2, next(3)) + peer_text("b", 4, next(3))).problems,
              ElementsAre(says({"peers.laptop1.public_key_next: ", "is a key of b"})));
  EXPECT_THAT(load_network(network_text(2, "public_key_next = \"soon\"\n")).problems,
              ElementsAre(says({"peers.laptop1.public_key_next: "})));
}

TEST(NextKey, ThisHostMayHaveEither) {
  const std::string text = network_text(2, next(3));
  for (const std::uint32_t number : {2U, 3U, 4U}) {
    const PrivateKey own = private_key(number);
    CheckContext context;
    context.host = "laptop1";
    context.private_key = &own;
    EXPECT_EQ(load_network(text, context).usable(), number != 4) << number;
  }
}

TEST(NextKey, TheNextFileServesWhereTheOtherKeyIsNoLongerOne) {
  const PrivateKey old_key = private_key(2);
  CheckContext context;
  context.host = "laptop1";
  context.private_key = &old_key;
  OneFile files(3);
  context.key_files = &files;
  const std::string named = "private_key_next_file = \"next.key\"\n";
  EXPECT_THAT(load_network(network_text(3, named), context).problems, IsEmpty());
  OneFile wrong(5);
  context.key_files = &wrong;
  EXPECT_THAT(load_network(network_text(3, named), context).problems,
              ElementsAre(says({"error: peers.laptop1.public_key: does not match"}),
                          says({"warning", "private_key_next_file: holds a key that is neither"})));
  // As long as it is not needed, it need not be there.
  EXPECT_THAT(load_network(network_text(2, next(3, "other.key")), context).problems,
              ElementsAre(says({"warning", "private_key_next_file: other.key is missing"})));
}

TEST(NextKey, PlansListThePresentKeyAndKnowTheNext) {
  const Network network = good_network(network_text(2, next(3)));
  const HostPlan plan = good_plan(network, "server1");
  EXPECT_EQ(plan.peers[0].public_key.to_base64(), public_key(2));
  EXPECT_EQ(plan.peers[0].public_key_next->to_base64(), public_key(3));
  EXPECT_EQ(good_plan(network, "laptop1").public_key_next->to_base64(), public_key(3));
  EXPECT_EQ(plan_to_json(plan),
            plan_to_json(good_plan(good_network(network_text(2, "")), "server1")));
  EXPECT_THAT(plan_to_table(plan), HasSubstr("laptop1 (next key "));
  EXPECT_THAT(*plan_to_wg_quick(plan, "PRIVATE", nullptr),
              HasSubstr("PublicKey = " + public_key(2) + "\n# Its next key"));
}

TEST(NextKey, APeerThatGoesOverIsTheSamePeer) {
  const auto plan = [](std::uint32_t key, const std::string& more) {
    return good_plan(good_network(network_text(key, more)), "server1");
  };
  for (const auto& [before, after] :
       {std::pair(plan(2, ""), plan(2, next(3))), std::pair(plan(2, next(3)), plan(3, "")),
        std::pair(plan(2, next(3)), plan(3, next(2))), std::pair(plan(3, ""), plan(2, next(3)))}) {
    const PlanDiff diff = diff_plans(before, after);
    EXPECT_THAT(diff.peers_added, IsEmpty());
    EXPECT_THAT(diff.peers_removed, IsEmpty());
    ASSERT_EQ(diff.peers_changed.size(), 1U);
    EXPECT_TRUE(diff.peers_changed[0].key);
    EXPECT_FALSE(diff.failover_changed);
    EXPECT_THAT(plan_diff_to_string(diff), HasSubstr("~ peer laptop1: key "));
  }
  EXPECT_EQ(diff_plans(plan(2, next(3)), plan(4, "")).peers_added.size(), 1U);
}

}  // namespace
}  // namespace hawser
