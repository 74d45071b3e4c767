#include "ctl/timestamp_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/hex.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;
using testing::write_file;

PublicKey identity(std::uint8_t fill) {
  PublicKey key;
  key.bytes.fill(fill);
  return key;
}

struct Messages {
  std::vector<std::string> lines;
  LogSink sink() {
    return [this](LogLevel, const std::string& line) { lines.push_back(line); };
  }
};

TEST(TimestampFile, KeepsWhatWasReservedForEachIdentity) {
  const TemporaryDirectory directory;
  const std::string state = directory / "state";
  Messages messages;
  {
    TimestampFile file(state, messages.sink());
    EXPECT_EQ(file.load(identity(1)), std::nullopt);
    EXPECT_TRUE(file.reserve(identity(1), {1700000000, 5}));
    EXPECT_TRUE(file.reserve(identity(1), {1700000600, 999'999'999}));
    EXPECT_TRUE(file.reserve(identity(2), {7, 0}));
  }
  TimestampFile later(state, messages.sink());
  EXPECT_EQ(later.load(identity(1)), (WallTime{1700000600, 999'999'999}));
  EXPECT_EQ(later.load(identity(2)), (WallTime{7, 0}));
  EXPECT_EQ(later.load(identity(3)), std::nullopt);
  EXPECT_TRUE(messages.lines.empty());
}

TEST(TimestampFile, FilesAreTheirOwnersAloneAndNoTemporaryOneIsLeft) {
  const TemporaryDirectory directory;
  const std::string state = directory / "state";
  TimestampFile file(state, {});
  ASSERT_TRUE(file.reserve(identity(0xab), {1, 2}));
  struct stat info {};
  ASSERT_EQ(::stat(state.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  const std::string path = state + "/" + to_hex(identity(0xab).bytes) + ".timestamp";
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(state)) {
    names.push_back(entry.path().string());
  }
  EXPECT_THAT(names, ElementsAre(path));
}

TEST(TimestampFile, WarnsOnceWhereItCannotWriteAndGoesOn) {
  const TemporaryDirectory directory;
  write_file(directory / "file", "not a directory");
  Messages messages;
  TimestampFile file((directory / "file") + "/state", messages.sink());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(file.reserve(identity(1), {1, 2}));
  EXPECT_THAT(messages.lines, ElementsAre(HasSubstr("--state-dir")));
}

TEST(TimestampFile, SaysAtTheStartThatItCannotWrite) {
  const TemporaryDirectory directory;
  write_file(directory / "file", "not a directory");
  Messages messages;
  TimestampFile file((directory / "file") + "/state", messages.sink());
  EXPECT_TRUE(file.prepare().ok());
  EXPECT_THAT(messages.lines, ElementsAre(HasSubstr("--state-dir")));
}

TEST(TimestampFile, RefusesADirectoryThatOthersMayWriteIn) {
  const TemporaryDirectory directory;
  TimestampFile file(directory.path(), {});
  EXPECT_TRUE(file.prepare().ok());
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0777));
  EXPECT_THAT(file.prepare().error().message, HasSubstr("--state-dir"));
}

TEST(TimestampFile, NamesTheFileThatIsNotBelieved) {
  const TemporaryDirectory directory;
  Messages messages;
  TimestampFile file(directory.path(), messages.sink());
  file.disbelieved(identity(7));
  EXPECT_THAT(messages.lines, ElementsAre(HasSubstr(file.where(identity(7)))));
}

TEST(TimestampFile, DoesNotUseAFileThatIsNotOne) {
  const TemporaryDirectory directory;
  const std::string path = directory / (to_hex(identity(1).bytes) + ".timestamp");
  for (const char* text : {"", "x", "12", "12 ", "12 5", "-1 5\n", "1 1000000000\n", "1 -5\n",
                           "99999999999999999999 1\n", "253402300800 0\n"}) {
    write_file(path, text);
    Messages messages;
    TimestampFile file(directory.path(), messages.sink());
    EXPECT_EQ(file.load(identity(1)), std::nullopt) << text;
    EXPECT_EQ(messages.lines.size(), 1u);
  }
}

}  // namespace
}  // namespace hawser
