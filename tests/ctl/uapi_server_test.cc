#include "ctl/uapi_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ctl/answer_pace.h"
#include "ctl/connection_share.h"
#include "tests/ctl/control_client.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using testing::ControlClient;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;

// Remembers what was set. Numbers of peers and ports stand for all the rest.
class FakeTarget : public ControlTarget {
 public:
  Status set(DeviceChange change) override {
    const std::lock_guard lock(mutex);
    if (refusal) return *refusal;
    ports.push_back(change.listen_port.value_or(0));
    return {};
  }
  DeviceView get() override {
    const std::lock_guard lock(mutex);
    DeviceView view;
    view.listen_port = 77;
    view.peers.resize(num_peers);
    return view;
  }
  std::string status() override {
    ++num_statuses;
    return "interface=fake\nerrno=0\n\n";
  }

  std::vector<std::uint16_t> ports_seen() {
    const std::lock_guard lock(mutex);
    return ports;
  }

  std::mutex mutex;
  std::vector<std::uint16_t> ports;
  std::optional<Error> refusal;
  std::size_t num_peers = 0;
  std::atomic<int> num_statuses = 0;
};

// A server on a thread of its own, as the daemon's control thread.
class UapiServerTest : public ::testing::Test {
 protected:
  void start(UapiServerOptions options = {}) {
    auto socket = ControlSocket::listen(directory_.path(), "wg0");
    ASSERT_TRUE(socket.ok()) << socket.error().message;
    const LogSink log = [this](LogLevel, const std::string& line) {
      const std::lock_guard lock(log_mutex_);
      log_.push_back(line);
    };
    server_ = std::make_unique<UapiServer>(io_, std::move(*socket), target_, log, options);
    ASSERT_TRUE(server_->start([this] { removed_.set_value(); }).ok());
    thread_ = std::thread([this] { io_.run(); });
  }
  void TearDown() override {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] {
      server_->stop();
      work_.reset();
    });
    thread_.join();
  }

  std::string path() const { return directory_ / "wg0.sock"; }
  std::vector<std::string> log() {
    const std::lock_guard lock(log_mutex_);
    return log_;
  }
  std::size_t num_connections() {
    std::promise<std::size_t> number;
    boost::asio::post(io_, [&] { number.set_value(server_->num_connections()); });
    return number.get_future().get();
  }

  std::size_t num_waiting() {
    std::promise<std::size_t> number;
    boost::asio::post(io_, [&] { number.set_value(server_->num_waiting()); });
    return number.get_future().get();
  }

  TemporaryDirectory directory_;
  FakeTarget target_;
  std::promise<void> removed_;

 private:
  std::mutex log_mutex_;
  std::vector<std::string> log_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::unique_ptr<UapiServer> server_;
  std::thread thread_;
};

TEST_F(UapiServerTest, AnswersSeveralRequestsOnOneConnection) {
  start();
  ControlClient client(path());
  EXPECT_EQ(client.ask("get=1\n\n"), "listen_port=77\nerrno=0\n\n");
  EXPECT_EQ(client.ask("set=1\nlisten_port=5\n\n"), "errno=0\n\n");
  EXPECT_EQ(client.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  EXPECT_EQ(client.ask("set=1\nlisten_port=6\n\n"), "errno=0\n\n");
  EXPECT_THAT(target_.ports_seen(), ElementsAre(5, 6));
}

TEST_F(UapiServerTest, AnswersRequestsThatWereSentAtOnceInTheirOrder) {
  start();
  ControlClient client(path());
  ASSERT_TRUE(client.send("set=1\nlisten_port=1\n\nget=1\n\nset=1\nbad=1\n\nget=status\n\n"));
  EXPECT_EQ(client.receive(), "errno=0\n\n");
  EXPECT_EQ(client.receive(), "listen_port=77\nerrno=0\n\n");
  EXPECT_EQ(client.receive(), "errno=-22\n\n");
  EXPECT_EQ(client.receive(), "interface=fake\nerrno=0\n\n");
}

TEST_F(UapiServerTest, ErrnosOfASetAreNegativeAndEachRefusalIsOneLogLine) {
  start();
  ControlClient client(path());
  EXPECT_EQ(client.ask("set=1\nfwmark=x\n\n"), "errno=-22\n\n");
  EXPECT_EQ(client.ask("set=1\nnothing\n\n"), "errno=-71\n\n");
  EXPECT_EQ(client.ask("get=7\n\n"), "errno=22\n\n");
  target_.refusal = Error{"port 5 is in use by pid 1", EADDRINUSE};
  EXPECT_EQ(client.ask("set=1\nlisten_port=5\n\n"), "errno=-98\n\n");
  target_.refusal = Error{"something else", 0};
  EXPECT_EQ(client.ask("set=1\n\n"), "errno=-5\n\n");
  EXPECT_THAT(log(), ElementsAre(HasSubstr("line 2"), HasSubstr("line 2"), HasSubstr("line 1"),
                                 HasSubstr("port 5 is in use"), HasSubstr("something else")));
}

Instant at(std::chrono::milliseconds since) { return Instant(std::chrono::hours(1) + since); }

TEST(AnswerPace, NobodyTakesMoreThanItsShareOfTheThread) {
  using std::chrono::milliseconds;
  AnswerPace pace(3, milliseconds(50));
  EXPECT_EQ(pace.wait(at(milliseconds(0))), Duration::zero());
  pace.note_round(at(milliseconds(0)), at(milliseconds(100)));
  EXPECT_EQ(pace.wait(at(milliseconds(100))), milliseconds(300));
  EXPECT_EQ(pace.wait(at(milliseconds(399))), milliseconds(1));
  EXPECT_EQ(pace.wait(at(milliseconds(500))), Duration::zero());
  pace.note_round(at(milliseconds(500)), at(milliseconds(501)));
  EXPECT_EQ(pace.wait(at(milliseconds(501))), milliseconds(50));
  // Whoever asks as fast as it can, for a minute of virtual time: a quarter of it is work.
  Duration work{};
  Instant now = at(milliseconds(1000));
  while (now < at(milliseconds(61'000))) {
    now += pace.wait(now);
    pace.note_round(now, now + milliseconds(100));
    now += milliseconds(100);
    work += milliseconds(100);
  }
  EXPECT_LE(work, milliseconds(15'100));
}

TEST_F(UapiServerTest, StrangersAreAnsweredInRounds) {
  UapiServerOptions options = status_server_options();
  options.min_pause = std::chrono::hours(1);
  start(options);
  ControlClient first(path());
  EXPECT_EQ(first.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  ControlClient second(path());
  // Also what is refused is work.
  ASSERT_TRUE(first.send("get=status\n\nget=status\n\n") && second.send("get=1\n\n"));
  while (num_waiting() < 2) std::this_thread::yield();
  EXPECT_EQ(target_.num_statuses, 1);
}

TEST_F(UapiServerTest, ARoundHasOneStatusForAllWhoAsk) {
  UapiServerOptions options = status_server_options();
  options.min_pause = std::chrono::milliseconds(1);
  start(options);
  std::vector<std::unique_ptr<ControlClient>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<ControlClient>(path()));
  for (int i = 0; i < 3; ++i) {
    for (const auto& client : clients) ASSERT_TRUE(client->send("get=status\n\nset=1\n\n"));
    for (const auto& client : clients) {
      EXPECT_EQ(client->receive(), "interface=fake\nerrno=0\n\n");
      EXPECT_EQ(client->receive(), "errno=-13\n\n");
    }
  }
  EXPECT_LE(target_.num_statuses, 24);
}

std::size_t num_inotify_instances() {
  std::size_t num = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) == "anon_inode:inotify") ++num;
  }
  return num;
}

TEST(UapiServerWatch, NobodyLooksWhereNobodyWantsToKnow) {
  TemporaryDirectory directory;
  boost::asio::io_context io;
  FakeTarget target;
  auto socket = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_TRUE(socket.ok());
  const std::size_t before = num_inotify_instances();
  UapiServer server(io, std::move(*socket), target, {}, status_server_options());
  ASSERT_TRUE(server.start({}).ok());
  EXPECT_EQ(num_inotify_instances(), before);
}

TEST_F(UapiServerTest, WhereOnlyTheStatusMayBeAskedForNothingElseIsAnswered) {
  start(status_server_options());
  ControlClient client(path());
  EXPECT_EQ(client.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  EXPECT_EQ(client.ask("get=1\n\n"), "errno=13\n\n");
  EXPECT_EQ(client.ask("set=1\nlisten_port=1\n\n"), "errno=-13\n\n");
  EXPECT_THAT(client.ask("do=reload\n\n"), HasSubstr("errno=13\n"));
  EXPECT_THAT(client.ask("do=confirm\n\n"), HasSubstr("errno=13\n"));
  EXPECT_EQ(client.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  EXPECT_THAT(target_.ports_seen(), ::testing::IsEmpty());
}

TEST_F(UapiServerTest, ARequestThatIsCutOffChangesNothing) {
  start();
  ControlClient client(path());
  ASSERT_TRUE(client.send("set=1\nlisten_port=5\n"));
  client.close();
  ControlClient other(path());
  EXPECT_EQ(other.ask("get=1\n\n"), "listen_port=77\nerrno=0\n\n");
  EXPECT_THAT(target_.ports_seen(), ElementsAre());
  while (num_connections() > 1) std::this_thread::yield();
  EXPECT_THAT(log(), ElementsAre(HasSubstr("cut off")));
}

TEST_F(UapiServerTest, AClientThatDoesNotReadALongAnswerDelaysNobody) {
  target_.num_peers = 40000;  // 12 MB of text, far more than a socket holds
  start();
  ControlClient slow(path());
  ASSERT_TRUE(slow.send("get=1\n\n"));
  ControlClient other(path());
  EXPECT_EQ(other.ask("set=1\nlisten_port=9\n\n"), "errno=0\n\n");
  EXPECT_EQ(other.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  const std::string answer = slow.receive();
  EXPECT_GT(answer.size(), 10'000'000u);
  EXPECT_TRUE(answer.ends_with("errno=0\n\n"));
  EXPECT_EQ(slow.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
}

TEST_F(UapiServerTest, ARequestOf100MbIsRefusedInOneLineAndItsSenderReadsWhy) {
  start();
  ControlClient client(path());
  ASSERT_TRUE(client.send("set=1\npublic_key=" + std::string(64, 'a') + "\n"));
  std::string lines;
  while (lines.size() < 1'000'000) lines += "allowed_ip=10.0.0.0/8\n";
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.send(lines));
  EXPECT_EQ(client.ask("\n"), "errno=-90\n\n");
  EXPECT_THAT(log(), ElementsAre(HasSubstr("longer than")));
  EXPECT_THAT(target_.ports_seen(), ElementsAre());
  EXPECT_EQ(client.ask("set=1\nlisten_port=4\n\n"), "errno=0\n\n");
}

TEST_F(UapiServerTest, AClientThatStallsInARequestIsDisconnected) {
  UapiServerOptions options;
  options.stall_timeout = std::chrono::milliseconds(20);
  start(options);
  ControlClient client(path());
  ASSERT_TRUE(client.send("set=1\n"));
  EXPECT_TRUE(client.sees_end());
  EXPECT_THAT(log(), ElementsAre(HasSubstr("stalls")));
}

TEST_F(UapiServerTest, AClientThatStallsInAnAnswerIsDisconnected) {
  UapiServerOptions options;
  options.stall_timeout = std::chrono::milliseconds(20);
  target_.num_peers = 40000;
  start(options);
  ControlClient client(path());
  ASSERT_TRUE(client.send("get=1\n\n"));
  while (log().empty()) std::this_thread::yield();
  EXPECT_THAT(log(), ElementsAre(HasSubstr("stalls")));
}

TEST_F(UapiServerTest, AnIdleClientIsDisconnectedWithoutAWord) {
  UapiServerOptions options;
  options.idle_timeout = std::chrono::milliseconds(20);
  start(options);
  ControlClient client(path());
  EXPECT_TRUE(client.sees_end());
  EXPECT_THAT(log(), ElementsAre());
}

TEST_F(UapiServerTest, OneConnectionTooManyTakesThePlaceOfTheLongestSilent) {
  UapiServerOptions options;
  options.max_connections = 3;
  start(options);
  ControlClient a(path());
  ControlClient b(path());
  ControlClient c(path());
  for (ControlClient* client : {&a, &b, &c, &a}) {
    EXPECT_EQ(client->ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  }
  ControlClient d(path());
  EXPECT_EQ(d.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  EXPECT_TRUE(b.sees_end());
  EXPECT_EQ(num_connections(), 3u);
  EXPECT_EQ(a.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  EXPECT_EQ(c.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
}

using Seconds = std::chrono::seconds;
constexpr std::chrono::steady_clock::time_point kBegin{};

// Connections of these users, of which the first has been silent for longest.
std::size_t gives_way(const std::vector<uid_t>& users, uid_t newcomer) {
  std::vector<HeldConnection> held;
  for (const uid_t user : users) {
    held.push_back({user, kBegin + Seconds(static_cast<int>(held.size()))});
  }
  return who_gives_way(held, newcomer);
}

TEST(ConnectionShare, WhoHasTheMostGivesWay) {
  EXPECT_EQ(gives_way({7, 8, 8, 8}, 8), 1u);
  EXPECT_EQ(gives_way({7, 8, 8, 8}, 9), 1u);
  EXPECT_EQ(gives_way({7, 8, 8, 7}, 8), 1u) << "the newcomer counts";
  EXPECT_EQ(gives_way({7, 8, 8, 7}, 9), 0u);
  EXPECT_EQ(gives_way({7, 8, 8}, 7), 0u) << "with as many it is one's own";
  EXPECT_EQ(gives_way({7, 8, 9}, 10), 0u);
  EXPECT_EQ(gives_way({0}, 0), 0u);
}

// A user's connection; the thread is that user while it connects.
std::unique_ptr<ControlClient> client_of(uid_t user, const std::string& path) {
  constexpr auto kSame = static_cast<uid_t>(-1);
  EXPECT_EQ(::syscall(SYS_setresuid, kSame, user, kSame), 0);
  auto client = std::make_unique<ControlClient>(path);
  EXPECT_EQ(::syscall(SYS_setresuid, kSame, 0, kSame), 0);
  return client;
}

TEST_F(UapiServerTest, WhoConnectsAgainAndAgainTakesNobodyElsesPlace) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be others";
  UapiServerOptions options;
  options.max_connections = 3;
  start(options);
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(path(), std::filesystem::perms(0666));
  // Others need not reach it through the folders above.
  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  const std::string socket = std::filesystem::path(path()).filename();
  const auto waiting = client_of(4001, socket);
  EXPECT_EQ(waiting->ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  std::vector<std::unique_ptr<ControlClient>> busy;
  for (int i = 0; i < 10; ++i) {
    busy.push_back(client_of(4002, socket));
    EXPECT_EQ(busy.back()->ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  }
  EXPECT_TRUE(busy.front()->sees_end());
  EXPECT_EQ(waiting->ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  std::filesystem::current_path(here);
}

TEST_F(UapiServerTest, RemovingTheSocketEndsTheDaemon) {
  start();
  testing::write_file(directory_ / "another.sock", "");
  std::filesystem::remove(directory_ / "another.sock");
  ASSERT_EQ(::unlink(path().c_str()), 0);
  removed_.get_future().wait();
}

TEST_F(UapiServerTest, MovingTheSocketAwayEndsTheDaemon) {
  start();
  ASSERT_EQ(::rename(path().c_str(), (directory_ / "aside").c_str()), 0);
  removed_.get_future().wait();
}

TEST_F(UapiServerTest, StoppingRemovesTheSocketAndDisconnects) {
  start();
  ControlClient client(path());
  EXPECT_EQ(client.ask("get=status\n\n"), "interface=fake\nerrno=0\n\n");
  TearDown();
  EXPECT_TRUE(client.sees_end());
  EXPECT_NE(::access(path().c_str(), F_OK), 0);
}

}  // namespace
}  // namespace hawser
