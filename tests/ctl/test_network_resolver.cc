// Endpoints by name, on virtual time: who is asked when, and what a peer is given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "ctl/endpoint_resolver.h"
#include "tests/sim/seeded_random.h"

namespace hawser {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::SeededRandom;

class VirtualClock : public Clock {
 public:
  Now now() override { return now_; }
  void pass(Duration time) { now_.boot += time; }

 private:
  Now now_;
};

// A name server: what `zone` has, at once or when it is told to answer.
class FakeResolver : public NameResolver {
 public:
  void resolve(const std::string& name, Done done) override {
    asked.push_back(name);
    waiting.emplace_back(name, std::move(done));
    if (answers) answer();
  }
  bool has_route(const IpAddress& address) override { return !unrouted.contains(address.family); }

  void answer() {
    for (auto& [name, done] : std::exchange(waiting, {})) {
      const auto entry = zone.find(name);
      if (entry == zone.end()) {
        done(Error{"no such name"});
        continue;
      }
      std::vector<IpAddress> addresses;
      for (const char* const text : entry->second) addresses.push_back(*IpAddress::parse(text));
      done(addresses);
    }
  }

  bool answers = true;
  std::map<std::string, std::vector<const char*>> zone;
  std::set<IpFamily> unrouted;
  std::vector<std::string> asked;
  std::vector<std::pair<std::string, Done>> waiting;
};

class EndpointResolverTest : public ::testing::Test {
 protected:
  EndpointResolverTest() {
    auto names = std::make_unique<FakeResolver>();
    names_ = names.get();
    resolver_ = std::make_unique<EndpointResolver>(
        EndpointResolver::Ports{std::move(names),
                                [this](const PublicKey& key) { return view(key); },
                                [this](DeviceChange change) { return apply(std::move(change)); }},
        clock_, random_, [this](LogLevel, const std::string& line) { log_.push_back(line); });
    peer_.public_key = kKey;
  }

  static HostPlan plan_with(const std::string& host) {
    HostPlan plan;
    PlanPeer& peer = plan.peers.emplace_back();
    peer.name = "server1";
    peer.public_key = kKey;
    peer.endpoint = EndpointName{host, 51820};
    return plan;
  }

  std::optional<PeerView> view(const PublicKey& key) {
    if (!(key == kKey) || is_removed_) return std::nullopt;
    PeerView copy;
    copy.public_key = peer_.public_key;
    copy.endpoint = peer_.endpoint;
    copy.rx_bytes = peer_.rx_bytes;
    copy.handshake_attempts = peer_.handshake_attempts;
    copy.persistent_keepalive = peer_.persistent_keepalive;
    return copy;
  }
  Status apply(DeviceChange change) {
    for (const PeerChange& item : change.peers) {
      EXPECT_TRUE(item.update_only);
      EXPECT_EQ(item.public_key, kKey);
      if (item.persistent_keepalive) keepalives_.push_back(*item.persistent_keepalive);
      if (!item.endpoint) continue;
      last_tries_other_ = item.tries_other_endpoint;
      peer_.endpoint = item.endpoint;
      given_.push_back(item.endpoint->to_string());
    }
    EXPECT_FALSE(change.replace_peers);
    return {};
  }
  // The peer's handshake: an initiation each 5 s that nobody answers.
  void pass_without_answer(Duration time) {
    for (Duration past{}; past < time; past += kEndpointTick) {
      clock_.pass(kEndpointTick);
      unanswered_ += kEndpointTick;
      if (peer_.endpoint) {
        peer_.handshake_attempts = 1 + static_cast<std::uint32_t>(unanswered_ / seconds(5));
      }
      resolver_->tick();
    }
  }
  void hear_from(const char* address) {
    peer_.endpoint.emplace();
    peer_.endpoint->address = *IpAddress::parse(address);
    peer_.endpoint->port = 9;
    peer_.rx_bytes += 92;
    peer_.handshake_attempts = 0;
    unanswered_ = {};
    resolver_->tick();
  }

  static constexpr PublicKey kKey{{1}};
  VirtualClock clock_;
  SeededRandom random_{1};
  FakeResolver* names_ = nullptr;
  std::unique_ptr<EndpointResolver> resolver_;
  PeerView peer_;
  bool is_removed_ = false;
  bool last_tries_other_ = false;
  Duration unanswered_{};
  std::vector<std::string> given_;
  std::vector<std::uint16_t> keepalives_;
  std::vector<std::string> log_;
};

TEST_F(EndpointResolverTest, GivesAPeerWithoutEndpointItsAddressAtOnce) {
  names_->zone["vpn1"] = {"192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  EXPECT_THAT(given_, ElementsAre("192.0.2.1:51820"));
}

TEST_F(EndpointResolverTest, APersistentKeepaliveStartsAnewSoThatAHandshakeFollows) {
  names_->zone["vpn1"] = {"192.0.2.1"};
  peer_.persistent_keepalive = 25;
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  EXPECT_THAT(keepalives_, ElementsAre(0, 25));
}

TEST_F(EndpointResolverTest, AsksAgainWithBackOffWhileTheNameCannotBeResolved) {
  resolver_->set_plan(plan_with("vpn1"));
  std::vector<seconds> asked_at;
  for (seconds past{}; past < seconds(400); ++past) {
    const std::size_t before = names_->asked.size();
    resolver_->tick();
    if (names_->asked.size() > before) asked_at.push_back(past);
    clock_.pass(seconds(1));
  }
  ASSERT_GE(asked_at.size(), 9U);
  EXPECT_LE(asked_at.size(), 16U);
  EXPECT_LE(asked_at[1], seconds(1));
  for (std::size_t i = 1; i < asked_at.size(); ++i) {
    EXPECT_LE(asked_at[i] - asked_at[i - 1], seconds(61));
  }
  EXPECT_GE(asked_at.back() - asked_at[asked_at.size() - 2], seconds(45));
  EXPECT_THAT(given_, IsEmpty());
  names_->zone["vpn1"] = {"192.0.2.1"};
  pass_without_answer(seconds(61));
  ASSERT_FALSE(given_.empty()) << "it is found once the name server has it";
}

TEST_F(EndpointResolverTest, AsksNobodyTwiceWhileALookupIsUnderWay) {
  names_->answers = false;
  resolver_->set_plan(plan_with("vpn1"));
  pass_without_answer(seconds(100));
  EXPECT_THAT(names_->asked, ElementsAre("vpn1"));
}

TEST_F(EndpointResolverTest, PrefersFamiliesThatHaveARoute) {
  names_->zone["vpn1"] = {"2001:db8::1", "192.0.2.1"};
  names_->unrouted = {IpFamily::kV6};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  EXPECT_THAT(given_, ElementsAre("192.0.2.1:51820"));
}

TEST_F(EndpointResolverTest, TriesTheOtherAddressWhenHandshakesFailAndComesBackToTheFirst) {
  names_->zone["vpn1"] = {"2001:db8::1", "192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  pass_without_answer(seconds(90));
  ASSERT_GE(given_.size(), 3U);
  EXPECT_EQ(given_[0], "[2001:db8::1]:51820");
  EXPECT_EQ(given_[1], "192.0.2.1:51820");
  EXPECT_EQ(given_[2], "[2001:db8::1]:51820");
  EXPECT_LE(given_.size(), 6U) << "each has the time for two initiations, and more each round";
}

// The operator moves a controller, and the old address still answers.
TEST_F(EndpointResolverTest, AReloadWithAnotherNameIsFollowed) {
  names_->zone["vpn1"] = {"192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  hear_from("192.0.2.1");
  given_.clear();
  resolver_->set_plan(plan_with("vpn2"));
  resolver_->tick();
  names_->asked.clear();
  for (int second = 0; second < 60; ++second) {
    clock_.pass(seconds(1));
    hear_from("192.0.2.1");
  }
  EXPECT_THAT(given_, IsEmpty()) << "nobody knows the new name yet";
  EXPECT_LE(names_->asked.size(), 8U);
  names_->zone["vpn2"] = {"192.0.2.2", "192.0.2.3"};
  for (int second = 0; second < 70; ++second) {
    clock_.pass(seconds(1));
    hear_from(peer_.endpoint->address.to_string().c_str());
  }
  EXPECT_THAT(given_, ElementsAre("192.0.2.2:51820"));
}

TEST_F(EndpointResolverTest, AReloadWithANameOfTheSameAddressChangesNothing) {
  names_->zone["vpn1"] = {"192.0.2.1"};
  names_->zone["vpn2"] = {"192.0.2.7", "192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  peer_.rx_bytes += 92;
  resolver_->tick();
  given_.clear();
  resolver_->set_plan(plan_with("vpn2"));
  for (int second = 0; second < 10; ++second) {
    clock_.pass(seconds(1));
    resolver_->tick();
  }
  EXPECT_THAT(given_, IsEmpty());
}

TEST_F(EndpointResolverTest, LeavesAPeerAloneThatRoamedAndLives) {
  names_->zone["vpn1"] = {"192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  given_.clear();
  names_->asked.clear();
  for (int minute = 0; minute < 10; ++minute) {
    hear_from("198.51.100.7");
    // Two initiations in a row may get lost on a path that works.
    peer_.handshake_attempts = 2;
    for (int second = 0; second < 60; ++second) {
      clock_.pass(seconds(1));
      resolver_->tick();
    }
  }
  EXPECT_THAT(given_, IsEmpty());
  EXPECT_THAT(names_->asked, IsEmpty());
}

TEST_F(EndpointResolverTest, GoesBackToTheNameWhenAPeerThatRoamedDies) {
  names_->zone["vpn1"] = {"192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  hear_from("198.51.100.7");
  given_.clear();
  pass_without_answer(seconds(12));
  EXPECT_THAT(given_, ElementsAre("192.0.2.1:51820"));
  // And, in turn, to where it was alive.
  pass_without_answer(seconds(20));
  EXPECT_THAT(given_, ElementsAre("192.0.2.1:51820", "198.51.100.7:9"));
}

TEST_F(EndpointResolverTest, FindsAPeerThatMovedToANewAddress) {
  names_->zone["vpn1"] = {"192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  hear_from("192.0.2.1");
  given_.clear();
  names_->zone["vpn1"] = {"192.0.2.99"};
  pass_without_answer(seconds(12));
  EXPECT_THAT(given_, ElementsAre("192.0.2.99:51820"));
}

TEST_F(EndpointResolverTest, AnAnswerThatComesAfterThePeerWasHeardChangesNothing) {
  names_->answers = false;
  names_->zone["vpn1"] = {"192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  hear_from("198.51.100.7");
  names_->answer();
  EXPECT_THAT(given_, IsEmpty());
}

TEST_F(EndpointResolverTest, AnAnswerForAPeerThatAReloadTookAwayChangesNothing) {
  names_->answers = false;
  names_->zone["vpn1"] = {"192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  resolver_->set_plan(HostPlan{});
  names_->answer();
  EXPECT_THAT(given_, IsEmpty());
  resolver_->set_plan(plan_with("vpn1"));
  is_removed_ = true;
  resolver_->tick();
  EXPECT_THAT(given_, IsEmpty());
}

TEST_F(EndpointResolverTest, AReloadKeepsWhatIsKnownOfUnchangedPeers) {
  names_->zone["vpn1"] = {"192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  hear_from("198.51.100.7");
  resolver_->set_plan(plan_with("vpn1"));
  peer_.handshake_attempts = 2;  // too few for a peer that was heard
  resolver_->tick();
  EXPECT_THAT(given_, IsEmpty());
}

TEST_F(EndpointResolverTest, ADeadIpv6CostsTwoSecondsBeforeIpv4) {
  names_->zone["vpn1"] = {"2001:db8::1", "192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  EXPECT_THAT(given_, ElementsAre("[2001:db8::1]:51820"));
  pass_without_answer(seconds(2));
  EXPECT_THAT(given_, ElementsAre("[2001:db8::1]:51820", "192.0.2.1:51820"));
  EXPECT_TRUE(last_tries_other_);
  // Both had their turn; now each gets its whole trial.
  given_.clear();
  pass_without_answer(seconds(8));
  EXPECT_THAT(given_, IsEmpty());
  pass_without_answer(seconds(8));
  EXPECT_THAT(given_, ElementsAre("[2001:db8::1]:51820"));
}

TEST_F(EndpointResolverTest, TheFamilyThatWorkedIsTriedFirstTheNextTime) {
  names_->zone["vpn1"] = {"2001:db8::1", "192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  pass_without_answer(seconds(2));
  hear_from("192.0.2.1");
  names_->zone["vpn1"] = {"2001:db8::7", "192.0.2.7"};
  given_.clear();
  pass_without_answer(seconds(11));
  ASSERT_FALSE(given_.empty());
  EXPECT_EQ(given_.front(), "192.0.2.7:51820");
}

TEST_F(EndpointResolverTest, AnAnswerKeepsTheFirstFamily) {
  names_->zone["vpn1"] = {"2001:db8::1", "192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  resolver_->tick();
  hear_from("2001:db8::1");
  pass_without_answer(seconds(4));
  EXPECT_THAT(given_, ElementsAre("[2001:db8::1]:51820"));
}

TEST_F(EndpointResolverTest, WhoIsNotAskedHasNothingToAnswer) {
  names_->zone["vpn1"] = {"2001:db8::1", "192.0.2.1"};
  resolver_->set_plan(plan_with("vpn1"));
  for (int i = 0; i < 10; ++i) {
    resolver_->tick();
    clock_.pass(kEndpointTick);
  }
  EXPECT_THAT(given_, ElementsAre("[2001:db8::1]:51820"));
}

TEST_F(EndpointResolverTest, AnAddressInTheFileNeedsNoNameServer) {
  resolver_->set_plan(plan_with("2001:db8::5"));
  hear_from("198.51.100.7");
  pass_without_answer(seconds(12));
  EXPECT_THAT(given_, ElementsAre("[2001:db8::5]:51820"));
  EXPECT_THAT(names_->asked, IsEmpty());
}

TEST_F(EndpointResolverTest, SaysWhatCannotBeResolvedAndWhenItTriesAgain) {
  resolver_->set_plan(plan_with("vpn1.example.com"));
  resolver_->tick();
  ASSERT_EQ(log_.size(), 1U);
  EXPECT_THAT(log_[0], ::testing::HasSubstr("server1"));
  EXPECT_THAT(log_[0], ::testing::HasSubstr("vpn1.example.com cannot be resolved: no such name"));
}

}  // namespace
}  // namespace hawser
