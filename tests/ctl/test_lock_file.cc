// Lock files of our own, and directories that must be nobody else's.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "ctl/directory_check.h"
#include "ctl/lock_file.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;

TEST(LockFile, IsItsOwnersAloneAndGoesWithTheLock) {
  const TemporaryDirectory directory;
  const std::string path = directory / "lock";
  {
    const auto lock = LockFile::take(path, 0s, {});
    ASSERT_TRUE(lock.ok()) << lock.error().message;
    struct stat info {};
    ASSERT_EQ(::lstat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  EXPECT_TRUE(LockFile::take(path, 0s, {}).ok());
}

TEST(LockFile, WaitsForABoundedTimeAndNamesTheHolder) {
  const TemporaryDirectory directory;
  const std::string path = directory / "lock";
  const auto held = LockFile::take(path, 0s, {});
  ASSERT_TRUE(held.ok());
  const std::string holder = describe_process(::getpid());
  std::vector<std::string> lines;
  const auto second =
      LockFile::take(path, 30ms, [&](LogLevel, const std::string& line) { lines.push_back(line); });
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, EWOULDBLOCK);
  EXPECT_THAT(second.error().message, AllOf(HasSubstr(path), HasSubstr(holder)));
  EXPECT_THAT(lines, ElementsAre(AllOf(HasSubstr(path), HasSubstr(holder))));
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

TEST(LockFile, DoesNotFollowLinksOrTakeWhatOthersMayOpen) {
  const TemporaryDirectory directory;
  testing::write_file(directory / "precious", "text");
  std::filesystem::create_symlink(directory / "precious", directory / "link");
  EXPECT_FALSE(LockFile::take(directory / "link", 0s, {}).ok());
  EXPECT_EQ(testing::read_file(directory / "precious"), "text");

  ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(LockFile::take(directory / "fifo", 0s, {}).error().message, HasSubstr("remove it"));

  testing::write_file(directory / "open", "", std::filesystem::perms(0644));
  EXPECT_THAT(LockFile::take(directory / "open", 0s, {}).error().message, HasSubstr("remove it"));
}

TEST(DirectoryCheck, TakesOnlyWhatNobodyElseMayWriteIn) {
  const TemporaryDirectory directory;
  const char* const path = directory.path().c_str();
  EXPECT_TRUE(check_directory(directory / "missing", "--state-dir").ok());
  for (const mode_t mode : {0700u, 0755u, 0750u}) {
    ASSERT_EQ(::chmod(path, mode), 0);
    EXPECT_TRUE(check_directory(path, "--state-dir").ok()) << mode;
  }
  for (const mode_t mode : {0777u, 01777u, 0775u, 0702u}) {
    ASSERT_EQ(::chmod(path, mode), 0);
    EXPECT_THAT(check_directory(path, "--state-dir").error().message,
                AllOf(HasSubstr(path), HasSubstr("chmod go-w"), HasSubstr("--state-dir")));
  }
}

TEST(DirectoryCheck, RefusesWhatBelongsToSomebodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const TemporaryDirectory directory;
  ASSERT_EQ(::chown(directory.path().c_str(), 12, 34), 0);
  EXPECT_THAT(check_directory(directory.path(), "--control-dir").error().message,
              AllOf(HasSubstr(directory.path()), HasSubstr("chown 0 "), HasSubstr("user 12"),
                    HasSubstr("--control-dir")));
}

TEST(DirectoryCheck, ALinkIsJudgedByWhereItLies) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const TemporaryDirectory directory;
  const std::string link = directory / "link";
  ASSERT_EQ(::mkdir((directory / "real").c_str(), 0755), 0);
  std::filesystem::create_directory_symlink("real", link);
  const auto check = [&] {
    const Status checked = check_directory(link + "/", "--control-dir");
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(check(), "");  // as /var/run
  ASSERT_EQ(::chmod(directory.path().c_str(), 0777), 0);
  EXPECT_THAT(check(), AllOf(HasSubstr(link), HasSubstr("symbolic link that others could change"),
                             HasSubstr("--control-dir")));
  ASSERT_EQ(::chmod(directory.path().c_str(), 01777), 0);
  EXPECT_EQ(check(), "");  // nobody else can put another one there
  ASSERT_EQ(::lchown(link.c_str(), 12, 34), 0);
  EXPECT_THAT(check(), HasSubstr("symbolic link"));
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  EXPECT_THAT(check(), HasSubstr("symbolic link"));
  // A link of root's to a link of somebody's.
  std::filesystem::create_directory_symlink(link, directory / "first");
  EXPECT_THAT(check_directory(directory / "first", "--state-dir").error().message, HasSubstr(link));
  ASSERT_EQ(::lchown(link.c_str(), 0, 0), 0);
  EXPECT_EQ(check(), "");
  ASSERT_EQ(::chmod((directory / "real").c_str(), 0777), 0);
  EXPECT_THAT(check(), HasSubstr("chmod go-w"));
}

}  // namespace
}  // namespace hawser
