// Host names in a hosts file, and what a kill leaves of it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

#include "ctl/hosts_block.h"
#include "ctl/hosts_file.h"
#include "ctl/hosts_keeper.h"
#include "ctl/lock_file.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::read_file;
using testing::TemporaryDirectory;
using testing::write_file;

const std::string kTheirs = "127.0.0.1\tlocalhost\n# a note\n192.0.2.4 \t nas nas.lan\n";
const std::string kBlock =
    "# BEGIN hawser vpn\nfd00::1\tserver1.vpn server1\nfd00::2\tlaptop1.vpn laptop1\n# END hawser "
    "vpn\n";

std::vector<PlanHostName> names(int num = 2) {
  std::vector<PlanHostName> hosts;
  for (int i = 1; i <= num; ++i) {
    const std::string name = i == 1 ? "server1.vpn" : "laptop" + std::to_string(i - 1) + ".vpn";
    hosts.push_back({name, *IpAddress::parse("fd00::" + std::to_string(i))});
  }
  return hosts;
}

TEST(HostsBlock, ComesAtTheEndAndGoesWithoutATrace) {
  const std::string with = with_hosts_block(kTheirs, "vpn", names());
  EXPECT_EQ(with, kTheirs + kBlock);
  EXPECT_EQ(without_hosts_block(with, "vpn"), kTheirs);
  EXPECT_EQ(with_hosts_block("", "vpn", names()), kBlock);
  EXPECT_EQ(with_hosts_block("::1 ip6", "vpn", names()), "::1 ip6\n" + kBlock);
}

TEST(HostsBlock, IsReplacedWhereItStands) {
  const std::string old =
      "1.2.3.4 a\n# BEGIN hawser vpn\nfd00::9\told.vpn\n# END hawser vpn\nz z\n";
  EXPECT_EQ(with_hosts_block(old, "vpn", names()), "1.2.3.4 a\n" + kBlock + "z z\n");
  EXPECT_EQ(without_hosts_block(old, "vpn"), "1.2.3.4 a\nz z\n");
}

TEST(HostsBlock, AShortNameNeverChangesWhatANameMeansHere) {
  const std::string theirs = "127.0.0.1 localhost\n192.0.2.4 nas.lan NAS # laptop1\n";
  const auto name = [](const char* text, const char* address) {
    return PlanHostName{text, *IpAddress::parse(address)};
  };
  const std::vector<PlanHostName> hosts = {
      name("nas.vpn", "fd00::1"),        name("localhost.vpn", "fd00::2"),
      name("printer.vpn", "fd00::3"),    name("web.lab.vpn", "fd00::4"),
      name("web.office.vpn", "fd00::5"), name("laptop1.vpn", "fd00::6"),
      name("laptop1.vpn", "10.0.0.6"),   name("bare", "fd00::7")};
  EXPECT_EQ(with_hosts_block(theirs, "vpn", hosts, "Printer.example.com"),
            theirs +
                "# BEGIN hawser vpn\nfd00::1\tnas.vpn\nfd00::2\tlocalhost.vpn\n"
                "fd00::3\tprinter.vpn\nfd00::4\tweb.lab.vpn\nfd00::5\tweb.office.vpn\n"
                "fd00::6\tlaptop1.vpn laptop1\n10.0.0.6\tlaptop1.vpn laptop1\n"
                "fd00::7\tbare\n# END hawser vpn\n");
  // What stood in the block before is not somebody else's name.
  const std::string once = with_hosts_block(theirs, "vpn", hosts, "");
  EXPECT_EQ(with_hosts_block(once, "vpn", hosts, ""), once);
}

TEST(HostsBlock, OfABlockThatWasCutOffShortNamesGoToo) {
  const std::string cut = "# BEGIN hawser vpn\nfd00::1\tserver1.vpn server1\n";
  EXPECT_EQ(without_hosts_block(cut + "fd00::2\tlaptop1.vpn lap", "vpn"), "");
  EXPECT_EQ(without_hosts_block(cut + "fd00::2\tlaptop1.vpn other\n", "vpn"),
            "fd00::2\tlaptop1.vpn other\n");
}

TEST(HostsBlock, LeavesOtherNetworksAlone) {
  const std::string other = "# BEGIN hawser vpn2\nfd01::1\ta.vpn2\n# END hawser vpn2\n";
  EXPECT_EQ(with_hosts_block(other, "vpn", names()), other + kBlock);
  EXPECT_EQ(without_hosts_block(other + kBlock, "vpn"), other);
  EXPECT_EQ(without_hosts_block(other, "vpn"), other);
}

TEST(HostsBlock, OfACutOffOneNoLineOfOthersGoesWithIt) {
  const std::string after = "127.0.0.1\tlocalhost\n192.0.2.4 nas\n";
  const std::string cut = kTheirs + "# BEGIN hawser vpn\nfd00::1\tserver1.vpn\n" + after;
  EXPECT_EQ(without_hosts_block(cut, "vpn"), kTheirs + after);
  const std::string before_other =
      "# BEGIN hawser vpn\nfd00::1\tserver1.vpn\n# BEGIN hawser b\nfd01::1\tx.b\n# END hawser b\n";
  EXPECT_EQ(without_hosts_block(before_other, "vpn"),
            "# BEGIN hawser b\nfd01::1\tx.b\n# END hawser b\n");
}

TEST(HostsBlock, CutAtAnyByteIsMendedByTheNextStart) {
  const std::string whole = kTheirs + kBlock;
  for (std::size_t len = kTheirs.size(); len <= whole.size(); ++len) {
    const std::string mended = with_hosts_block(whole.substr(0, len), "vpn", names());
    EXPECT_EQ(mended.substr(0, kTheirs.size()), kTheirs);
    EXPECT_EQ(mended.substr(mended.size() - kBlock.size()), kBlock) << len;
    // So little of a BEGIN line that it could be anybody's comment stays.
    const std::string between =
        mended.substr(kTheirs.size(), mended.size() - kTheirs.size() - kBlock.size());
    EXPECT_TRUE(between.empty() || between.front() == '#') << len << ": " << between;
  }
}

TEST(HostsFile, KeepsModeAndOwnerAndLeavesNothingElseBehind) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, kTheirs);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  const bool is_root = ::geteuid() == 0;
  const uid_t user = is_root ? 12 : ::geteuid();
  const gid_t group = is_root ? 34 : ::getegid();
  ASSERT_EQ(::chown(path.c_str(), user, group), 0);
  {
    HostsFile hosts(path, "vpn", {});
    ASSERT_TRUE(hosts.write(names()).ok());
    EXPECT_EQ(read_file(path), kTheirs + kBlock);
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0640U);
    EXPECT_EQ(info.st_uid, user);
    EXPECT_EQ(info.st_gid, group);
  }
  EXPECT_EQ(read_file(path), kTheirs);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(HostsFile, AFileThatWasNotThereGoesAgain) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  {
    HostsFile hosts(path, "vpn", {});
    ASSERT_TRUE(hosts.write(names()).ok());
    ASSERT_TRUE(hosts.write(names(3)).ok());
    EXPECT_NE(read_file(path), "");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  write_file(path, kBlock);  // a killed daemon's
  {
    HostsFile hosts(path, "vpn", {});
    ASSERT_TRUE(hosts.write(names(3)).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(HostsFile, AFileOfOthersStaysEvenIfItIsEmpty) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, "");
  {
    HostsFile hosts(path, "vpn", {});
    ASSERT_TRUE(hosts.write(names()).ok());
    ASSERT_TRUE(hosts.write(names(3)).ok());
  }
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
  {
    HostsFile hosts(path, "vpn", {});
    ASSERT_TRUE(hosts.write(names()).ok());
    write_file(path, kTheirs + read_file(path));
  }
  EXPECT_EQ(read_file(path), kTheirs);
}

TEST(HostsFile, TakesNothingOutThatItDidNotPutIn) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, kTheirs + kBlock);
  { HostsFile hosts(path, "vpn", {}); }
  EXPECT_EQ(read_file(path), kTheirs + kBlock);
}

TEST(HostsFile, AFileThatIsAsWantedIsNotTouched) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, kTheirs + kBlock);
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  HostsFile hosts(path, "vpn", {});
  ASSERT_TRUE(hosts.write(names()).ok());
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST(HostsFile, ReplacesWhatASymbolicLinkLeadsTo) {
  TemporaryDirectory directory;
  write_file(directory / "real", kTheirs);
  std::filesystem::create_symlink(directory / "real", directory / "hosts");
  HostsFile hosts(directory / "hosts", "vpn", {});
  ASSERT_TRUE(hosts.write(names()).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "hosts"));
  EXPECT_EQ(read_file(directory / "real"), kTheirs + kBlock);
}

TEST(HostsFile, SaysWhatIsWrongAndTheRemedy) {
  HostsFile hosts("/nowhere/at/all/hosts", "vpn", {});
  const Status written = hosts.write(names());
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().message, ::testing::HasSubstr("/nowhere/at/all/hosts"));
  EXPECT_THAT(written.error().message, ::testing::HasSubstr("--hosts-file none"));
}

TEST(HostsFile, AMountPointIsRewrittenInPlace) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, kTheirs);
  write_file(directory / "source", kTheirs);
  if (::mount((directory / "source").c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "needs root";
  }
  {
    HostsFile hosts(path, "vpn", {});
    EXPECT_TRUE(hosts.write(names(9)).ok());
    EXPECT_TRUE(hosts.write(names()).ok());
    EXPECT_EQ(read_file(directory / "source"), kTheirs + kBlock);
  }
  EXPECT_EQ(read_file(directory / "source"), kTheirs);
  ::umount(path.c_str());
}

// Any user may flock(2) /etc and /etc/hosts.
TEST(HostsFile, IsWrittenWhoeverHasLockedItOrItsDirectory) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, kTheirs);
  const UniqueFd theirs(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(theirs.get(), LOCK_EX | LOCK_NB), 0);
  ASSERT_EQ(::flock(file.get(), LOCK_EX | LOCK_NB), 0);
  {
    HostsFile hosts(path, "vpn", {});
    const Status written = hosts.write(names());
    ASSERT_TRUE(written.ok()) << written.error().message;
    EXPECT_EQ(read_file(path), kTheirs + kBlock);
  }
  EXPECT_EQ(read_file(path), kTheirs);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(HostsFile, WaitsForAnotherDaemonAndNamesItWhenItIsTooSlow) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, kTheirs);
  const auto theirs = LockFile::take(directory / ".hosts.hawser.lock", Duration{}, {});
  ASSERT_TRUE(theirs.ok());
  HostsFile hosts(path, "vpn", {});
  const Status written = hosts.write(names());
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().message, ::testing::HasSubstr(describe_process(::getpid())));
  EXPECT_EQ(read_file(path), kTheirs);
}

TEST(HostsFile, ALockThatIsNotOursIsNoReadOnlyDirectory) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, kTheirs);
  write_file(directory / ".hosts.hawser.lock", "", std::filesystem::perms(0666));
  HostsFile hosts(path, "vpn", {});
  const Status written = hosts.write(names());
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().message,
              AllOf(HasSubstr("cannot lock hosts file"), HasSubstr(".hosts.hawser.lock"),
                    HasSubstr("not a file of ours"), HasSubstr("remove it")));
  EXPECT_EQ(read_file(path), kTheirs);
}

TEST(HostsFile, WhatIsNoFileIsRefused) {
  TemporaryDirectory directory;
  ASSERT_EQ(::mkfifo((directory / "hosts").c_str(), 0600), 0);
  for (const std::string& path :
       {directory / "hosts", directory.path(), std::string("/dev/null")}) {
    HostsFile hosts(path, "vpn", {});
    EXPECT_THAT(hosts.write(names()).error().message, ::testing::HasSubstr("not a regular file"));
  }
  EXPECT_TRUE(std::filesystem::is_fifo(directory / "hosts"));
}

TEST(HostsFile, GivesItsBlockBackOnAFullDisk) {
  TemporaryDirectory directory;
  if (::mount("none", directory.path().c_str(), "tmpfs", 0, "size=16k") != 0) {
    GTEST_SKIP() << "needs root";
  }
  const std::string path = directory / "hosts";
  write_file(path, kTheirs);
  {
    HostsFile hosts(path, "vpn", {});
    ASSERT_TRUE(hosts.write(names()).ok());
    write_file(directory / "fill", std::string(8192, 'x'));
    EXPECT_FALSE(hosts.write(names(3)).ok());
    EXPECT_EQ(read_file(path), kTheirs + kBlock);
  }
  EXPECT_EQ(read_file(path), kTheirs);
  ::umount(directory.path().c_str());
}

TEST(HostsKeeper, TriesAgainLaterAndLaterAndSaysEachThingOnce) {
  TemporaryDirectory directory;
  const std::string path = directory / "missing/hosts";
  std::vector<std::string> log;
  HostsKeeper keeper(path, "vpn", [&](LogLevel, const std::string& line) { log.push_back(line); });
  const Instant start{};
  keeper.set(names(3), start);
  EXPECT_THAT(keeper.problem(), ::testing::HasSubstr(path));
  for (int second = 1; second <= 60; ++second) keeper.tick(start + std::chrono::seconds(second));
  EXPECT_THAT(log, ::testing::ElementsAre(::testing::HasSubstr("runs without host names")));

  std::filesystem::create_directory(directory / "missing");
  keeper.set(names(), start + std::chrono::seconds(61));
  std::filesystem::remove(path);
  std::filesystem::remove(directory / "missing");
  keeper.set(names(3), start + std::chrono::seconds(62));
  std::filesystem::create_directory(directory / "missing");
  keeper.tick(start + std::chrono::milliseconds(62'900));
  EXPECT_FALSE(std::filesystem::exists(path));
  keeper.tick(start + std::chrono::seconds(63));
  EXPECT_EQ(keeper.problem(), "");
  EXPECT_EQ(read_file(path), with_hosts_block("", "vpn", names(3)));
  EXPECT_THAT(log.back(), ::testing::HasSubstr(path));
}

// The kernel kills a writer at the byte where RLIMIT_FSIZE is: in the middle, whichever it is.
TEST(HostsFile, IsTheOldOneWhenItsWriterIsKilledAtAnyByte) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  const std::string whole = with_hosts_block(kTheirs, "vpn", names(40));
  for (rlim_t limit = 0; limit < whole.size(); limit += 37) {
    write_file(path, kTheirs);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const rlimit size{limit, limit};
      const rlimit no_core{0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      ::setrlimit(RLIMIT_FSIZE, &size);
      HostsFile hosts(path, "vpn", {});
      (void)hosts.write(names(40));
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    EXPECT_EQ(read_file(path), kTheirs) << limit;
  }
  HostsFile hosts(path, "vpn", {});
  ASSERT_TRUE(hosts.write(names(40)).ok());
  EXPECT_EQ(read_file(path), whole);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

// A child that rewrites the file all the time is killed at some point, again and again: what is
// there is always a whole file, and the next run clears up.
TEST(HostsFile, IsWholeWheneverItsWriterIsKilled) {
  TemporaryDirectory directory;
  const std::string path = directory / "hosts";
  write_file(path, kTheirs);
  constexpr int kMany = 30000;  // a megabyte: writing it takes a while
  const std::vector<PlanHostName> few = names(2);
  const std::vector<PlanHostName> many = names(kMany);
  const std::string with_few = with_hosts_block(kTheirs, "vpn", few);
  const std::string with_many = with_hosts_block(kTheirs, "vpn", many);
  std::mt19937 random(7);
  std::uniform_int_distribution<int> microseconds(0, 15000);
  for (int round = 0; round < 40; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      HostsFile hosts(path, "vpn", {});
      while (true) {
        (void)hosts.write(many);
        (void)hosts.write(few);
        (void)hosts.remove();
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds(random)));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    const std::string text = read_file(path);
    EXPECT_TRUE(text == kTheirs || text == with_few || text == with_many)
        << round << ": " << text.size() << " bytes";
  }
  {
    HostsFile hosts(path, "vpn", {});
    ASSERT_TRUE(hosts.write(few).ok());
    EXPECT_EQ(read_file(path), with_few);
  }
  EXPECT_EQ(read_file(path), kTheirs);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

}  // namespace
}  // namespace hawser
