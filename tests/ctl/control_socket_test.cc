#include "ctl/control_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "ctl/status_client.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryDirectory;

mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

TEST(ControlSocket, DirectoryAndSocketHaveTheirModesWhateverTheUmask) {
  for (const mode_t mask : {0077u, 0000u, 0022u, 0777u}) {
    const TemporaryDirectory directory;
    const std::string run = directory / "run";
    const mode_t before = ::umask(mask);
    const auto socket = ControlSocket::listen(run, "wg0");
    EXPECT_EQ(::umask(before), mask);
    // With umask 0777 not even the owner may use the socket: still nobody else.
    ASSERT_TRUE(socket.ok()) << socket.error().message;
    EXPECT_EQ(mode_of(run), 0755u);
    EXPECT_EQ(mode_of(run + "/wg0.sock") & 0177u, 0u);
    if (mask != 0777) {
      EXPECT_EQ(mode_of(run + "/wg0.sock"), 0600u);
    }
  }
}

TEST(ControlSocket, AnswersConnectionsAndIsRemovedWithItsOwner) {
  const TemporaryDirectory directory;
  const std::string path = directory / "wg0.sock";
  {
    const auto socket = ControlSocket::listen(directory.path(), "wg0");
    ASSERT_TRUE(socket.ok()) << socket.error().message;
    EXPECT_EQ(socket->path(), path);
    EXPECT_TRUE(socket->still_there());
    EXPECT_TRUE(connect_control_socket(path).ok());
  }
  EXPECT_FALSE(exists(path));
}

TEST(ControlSocket, OneThatAnswersIsLeftAlone) {
  const TemporaryDirectory directory;
  const auto first = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_TRUE(first.ok());
  const auto second = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, EADDRINUSE);
  EXPECT_THAT(second.error().message, HasSubstr("another daemon serves interface wg0"));
  EXPECT_TRUE(first->still_there());
  EXPECT_TRUE(ControlSocket::listen(directory.path(), "wg1").ok());
}

TEST(ControlSocket, ADaemonIsFoundByItsProcess) {
  const TemporaryDirectory directory;
  const auto socket = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_TRUE(socket.ok());
  EXPECT_EQ(daemon_pid(directory.path(), "wg0"), ::getpid());
  EXPECT_EQ(daemon_pid(directory.path(), "wg1"), std::nullopt);
  const auto found = interface_of_process(directory.path(), ::getpid());
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, "wg0");
  EXPECT_THAT(interface_of_process(directory.path(), 1).error().message,
              HasSubstr("process id 1 "));
}

TEST(ControlSocket, OneWithAFullBacklogIsInUse) {
  const TemporaryDirectory directory;
  const std::string path = directory / "wg0.sock";
  const UniqueFd busy(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(busy.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(busy.get(), 0), 0);
  const auto waiting = connect_control_socket(path);
  ASSERT_TRUE(waiting.ok());
  EXPECT_EQ(ControlSocket::listen(directory.path(), "wg0").error().code, EADDRINUSE);
  EXPECT_TRUE(exists(path));
}

TEST(ControlSocket, AStaleOneIsReplaced) {
  const TemporaryDirectory directory;
  const std::string path = directory / "wg0.sock";
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(exists(path));
  const auto socket = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  EXPECT_TRUE(connect_control_socket(path).ok());
  EXPECT_EQ(mode_of(path), 0600u);
}

TEST(ControlSocket, WhatIsNoSocketIsNotRemoved) {
  const TemporaryDirectory directory;
  testing::write_file(directory / "wg0.sock", "precious");
  const auto socket = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_FALSE(socket.ok());
  EXPECT_THAT(socket.error().message, HasSubstr("not a socket"));
  EXPECT_EQ(testing::read_file(directory / "wg0.sock"), "precious");
}

// Whoever may read a directory may flock(2) it, for as long as they like.
TEST(ControlSocket, ALockedDirectoryDoesNotKeepItFromStarting) {
  const TemporaryDirectory directory;
  const UniqueFd theirs(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(theirs.get(), LOCK_EX | LOCK_NB), 0);
  const auto socket = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(ControlSocket, ADirectoryThatOthersMayWriteInIsRefused) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::chmod(directory.path().c_str(), 0777), 0);
  const auto socket = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_FALSE(socket.ok());
  EXPECT_THAT(socket.error().message, HasSubstr("chmod go-w " + directory.path()));
  EXPECT_FALSE(exists(directory / "wg0.sock"));
}

TEST(ControlSocket, TheStatusSocketIsForItsGroupAndOutOfSightOfWg) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const TemporaryDirectory directory;
  const std::string path = directory / "wg0.status";
  {
    const auto socket = ControlSocket::listen_for_status(directory.path(), "wg0", 4242);
    ASSERT_TRUE(socket.ok()) << socket.error().message;
    struct stat info {};
    ASSERT_EQ(::lstat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0660u);
    EXPECT_EQ(info.st_uid, 0u);
    EXPECT_EQ(info.st_gid, 4242u);
    EXPECT_FALSE(path.ends_with(".sock"));
  }
  EXPECT_FALSE(exists(path));
}

TEST(ControlSocket, RefusalsNameTheRemedy) {
  const TemporaryDirectory directory;
  testing::write_file(directory / "file", "");
  EXPECT_THAT(ControlSocket::listen((directory / "file") + "/run", "wg0").error().message,
              HasSubstr("--control-dir"));
  EXPECT_THAT(ControlSocket::listen(directory / "file", "wg0").error().message,
              HasSubstr("--control-dir"));
  EXPECT_THAT(ControlSocket::listen(directory / std::string(120, 'x'), "wg0").error().message,
              HasSubstr("--control-dir"));
}

TEST(ControlSocket, DoesNotRemoveAFileThatIsNoLongerItsOwn) {
  const TemporaryDirectory directory;
  const std::string path = directory / "wg0.sock";
  auto old =
      std::make_unique<Result<ControlSocket>>(ControlSocket::listen(directory.path(), "wg0"));
  ASSERT_TRUE(old->ok());
  // Moved, not removed: a freed inode's number might be taken again.
  ASSERT_EQ(::rename(path.c_str(), (directory / "aside").c_str()), 0);
  EXPECT_FALSE((*old)->still_there());
  const auto fresh = ControlSocket::listen(directory.path(), "wg0");
  ASSERT_TRUE(fresh.ok());
  old.reset();
  EXPECT_TRUE(fresh->still_there());
}

TEST(ControlSocket, AdoptsAListeningSocket) {
  const TemporaryDirectory directory;
  const std::string path = directory / "given.sock";
  UniqueFd given(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(given.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(given.get(), 1), 0);
  const auto socket = ControlSocket::adopt(std::move(given));
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  EXPECT_EQ(socket->path(), path);
  EXPECT_TRUE(socket->still_there());
  EXPECT_TRUE(connect_control_socket(path).ok());
}

TEST(ControlSocket, DoesNotAdoptAnythingElse) {
  UniqueFd udp(::socket(AF_INET, SOCK_DGRAM, 0));
  const int number = udp.get();
  EXPECT_THAT(ControlSocket::adopt(std::move(udp)).error().message, HasSubstr("WG_UAPI_FD"));
  ::close(number);
  EXPECT_FALSE(ControlSocket::adopt(UniqueFd(1'000'000)).ok());
}

}  // namespace
}  // namespace hawser
