#include "ctl/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/hex.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TemporaryDirectory;
using testing::write_file;

constexpr const char* kKeyText = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

TEST(KeyFile, ReadsWhatWgGenkeyWrites) {
  const TemporaryDirectory directory;
  const std::string path = directory / "key";
  for (const char* end : {"\n", "", " \n", "\r\n"}) {
    write_file(path, std::string(kKeyText) + end);
    const auto key = read_private_key_file(path);
    ASSERT_TRUE(key.ok()) << key.error().message;
    EXPECT_EQ(to_hex(key->bytes()),
              "c809f3e5317e9575c9b5ed78b638b7ce530dabe85ddab614220241801ddf0669");
  }
}

TEST(KeyFile, RefusesFilesThatOthersMayRead) {
  const TemporaryDirectory directory;
  const std::string path = directory / "key";
  for (const mode_t mode : {0640u, 0604u, 0620u, 0602u, 0644u, 0610u}) {
    write_file(path, kKeyText);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto key = read_private_key_file(path);
    ASSERT_FALSE(key.ok()) << std::oct << mode;
    EXPECT_EQ(key.error().code, EACCES);
    EXPECT_THAT(key.error().message, HasSubstr("chmod 600 " + path));
  }
}

TEST(KeyFile, RefusesAFileOfSomebodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const TemporaryDirectory directory;
  const std::string path = directory / "key";
  write_file(path, kKeyText);
  ASSERT_EQ(::chown(path.c_str(), 12345, 12345), 0);
  const auto key = read_private_key_file(path);
  ASSERT_FALSE(key.ok());
  EXPECT_THAT(key.error().message, HasSubstr("12345"));
  EXPECT_THAT(key.error().message, HasSubstr("chown"));
}

TEST(KeyFile, RefusesMalformedKeysWithoutPrintingThem) {
  const TemporaryDirectory directory;
  const std::string path = directory / "key";
  const std::string good = kKeyText;
  for (const std::string& text :
       {std::string(), std::string("\n"), good.substr(1), good + good, good.substr(0, 43),
        "x" + good, good.substr(0, 42) + "l=", std::string(44, '*'), std::string(43, 'A') + "=",
        std::string(1'000'000, 'A'), good + "\nsecond line\n"}) {
    write_file(path, text);
    const auto key = read_private_key_file(path);
    ASSERT_FALSE(key.ok()) << text.substr(0, 60);
    EXPECT_EQ(key.error().code, EINVAL);
    EXPECT_THAT(key.error().message, HasSubstr(path));
    EXPECT_THAT(key.error().message, Not(HasSubstr("yAnz5")));
    EXPECT_THAT(key.error().message, Not(HasSubstr("Anz5TF")));
  }
}

TEST(KeyFile, SaysWhatIsWrongWithThePath) {
  const TemporaryDirectory directory;
  EXPECT_EQ(read_private_key_file(directory / "missing").error().code, ENOENT);
  ASSERT_EQ(::chmod(directory.path().c_str(), 0700), 0);
  EXPECT_THAT(read_private_key_file(directory.path()).error().message,
              HasSubstr("not a regular file"));
  const std::string fifo = directory / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(read_private_key_file(fifo).error().message, HasSubstr("not a regular file"));
}

TEST(KeyFile, AMissingOneIsToBeMade) {
  EXPECT_THAT(read_private_key_file("/nowhere/k").error().message,
              HasSubstr("make one: hawser keygen /nowhere/k"));
  EXPECT_THAT(read_preshared_key_file("/nowhere/p").error().message,
              HasSubstr("make one: hawser keygen --preshared /nowhere/p"));
}

TEST(KeyFile, WritesANewFileForItsOwnerAloneAndNeverOverwrites) {
  const TemporaryDirectory directory;
  const std::string path = directory / "new";
  const auto key = parse_private_key(kKeyText);
  ASSERT_TRUE(key.has_value());
  ASSERT_TRUE(write_private_key_file(path, *key).ok());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(testing::read_file(path), std::string(kKeyText) + "\n");
  EXPECT_TRUE(read_private_key_file(path).ok());
  const Status again = write_private_key_file(path, *key);
  EXPECT_EQ(again.error().code, EEXIST);
}

}  // namespace
}  // namespace hawser
