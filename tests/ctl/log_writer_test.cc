#include "ctl/log_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/dataplane/pair.h"

namespace hawser {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What is written; nothing, until somebody reads. The writer's thread may outlive the test.
struct Reader {
  LogWriter::Write write() {
    return [state = state_](const LogLine& line) {
      state->opened.wait();
      const std::lock_guard lock(state->mutex);
      state->lines.push_back(line.text);
    };
  }
  void begin() { state_->open.set_value(); }
  std::vector<std::string> lines() {
    const std::lock_guard lock(state_->mutex);
    return state_->lines;
  }

 private:
  struct State {
    std::promise<void> open;
    std::shared_future<void> opened{open.get_future()};
    std::mutex mutex;
    std::vector<std::string> lines;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

LogLine line(const std::string& text) {
  return {LogLevel::kInfo, std::chrono::system_clock::now(), text};
}

TEST(LogWriter, WritesInOrderAndAllOfItBeforeItEnds) {
  Reader reader;
  reader.begin();
  {
    LogWriter writer(reader.write());
    for (const char* const text : {"one", "two", "three"}) writer.add(line(text));
    EXPECT_TRUE(writer.flush());
    EXPECT_THAT(reader.lines(), ElementsAre("one", "two", "three"));
    writer.add(line("four"));
  }
  EXPECT_THAT(reader.lines(), ElementsAre("one", "two", "three", "four"));
}

constexpr std::string_view kLost = " log lines were left out";

// A line may tell of others before it that were lost. There can be more than one such line: the
// writer's thread may take its first one when some were lost already, and then there is room again.
std::size_t num_written_and_lost(const std::vector<std::string>& lines) {
  std::size_t num = 0;
  for (const std::string& line : lines) {
    num += line.find(kLost) == std::string::npos ? 1 : std::stoul(line);
  }
  return num;
}

// It would hang here if it waited.
TEST(LogWriter, AStalledReaderHoldsNobodyUpAndLossesAreCounted) {
  constexpr std::size_t kTooMany = 1000;
  Reader reader;
  LogWriter writer(reader.write());
  for (std::size_t i = 0; i < LogWriter::kMaxLines + kTooMany; ++i) {
    writer.add(line(std::to_string(i)));
  }
  EXPECT_FALSE(writer.flush());
  reader.begin();
  EXPECT_TRUE(writer.flush());
  const std::vector<std::string> lines = reader.lines();
  EXPECT_GE(lines.size(), LogWriter::kMaxLines + 1);
  EXPECT_EQ(num_written_and_lost(lines), LogWriter::kMaxLines + kTooMany);
  EXPECT_THAT(lines.back(), HasSubstr(kLost));
  EXPECT_EQ(lines.front(), "0");
}

TEST(LogWriter, EndsThoughNobodyEverReads) {
  Reader reader;
  {
    LogWriter writer(reader.write());
    writer.add(line("unheard"));
  }
  EXPECT_TRUE(reader.lines().empty());
  reader.begin();
}

}  // namespace

namespace testing {
namespace {

// What a device says goes to the writer under the device's lock.
TEST(LogWriter, HandshakesAndRequestsGoOnWhileNobodyReadsTheLog) {
  std::promise<void> open;
  auto opened = std::make_shared<std::shared_future<void>>(open.get_future());
  LogWriter writer([opened](const LogLine&) { opened->wait(); });
  SeededRandom random(5);
  std::size_t num_said = 0;
  Device device({}, random, [&](LogLevel level, const std::string& text) {
    ++num_said;
    writer.add({level, std::chrono::system_clock::now(), text});
  });
  DeviceChange change;
  change.private_key = make_private_key(1);
  change.peers.push_back(peer_change(make_private_key(2).derive_public(), {prefix("10.0.0.2/32")},
                                     endpoint("192.0.2.2", 1002)));
  change.peers.back().persistent_keepalive = 25;
  ASSERT_TRUE(device.apply(std::move(change), kStart));
  OutBatch out;
  std::size_t num_sent = 0;
  for (Duration at{}; at < 60s; at += 1s) {
    out.clear();
    device.run_handshakes({later(kStart, at), out});
    num_sent += out.udp().size();
    device.end_turn(out);
    EXPECT_EQ(device.view(later(kStart, at).boot).peers.size(), 1U);
  }
  EXPECT_GT(num_sent, 5U);
  EXPECT_GT(num_said, 5U);
  open.set_value();
}

}  // namespace
}  // namespace testing
}  // namespace hawser
