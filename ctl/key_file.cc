#include "ctl/key_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include "base/secret.h"
#include "ctl/hidden_key.h"
#include "ctl/write_whole.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

// A key is 44 characters; a file with more than some white space beside it is not a key file.
constexpr std::size_t kMaxKeyFileLen = 128;

// What is in a file, for messages.
struct KeyKind {
  const char* name;
  const char* makers;
  const char* command;
};
constexpr KeyKind kPrivate{"private", "`wg genkey` or `hawser keygen` write them", "hawser keygen"};
constexpr KeyKind kPreshared{"preshared", "`wg genpsk` or `hawser keygen --preshared` write them",
                             "hawser keygen --preshared"};

Error key_file_error(const KeyKind& kind, const std::string& path, const std::string& what,
                     int code) {
  return Error{fmt::format("{} key file {}: {}", kind.name, path, what), code};
}

Status check_access(const KeyKind& kind, const std::string& path, int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return key_file_error(kind, path, std::strerror(errno), errno);
  if (!S_ISREG(info.st_mode)) return key_file_error(kind, path, "it is not a regular file", EINVAL);
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return key_file_error(
        kind, path,
        fmt::format("its mode {:04o} lets others read or change it; run: chmod 600 {}",
                    info.st_mode & 07777, path),
        EACCES);
  }
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    return key_file_error(
        kind, path,
        fmt::format("it belongs to user {}, who could change it; run: chown {} {}", info.st_uid,
                    ::geteuid(), path),
        EACCES);
  }
  return {};
}

// Reads to the end or until `out` is full; -1: errno.
ssize_t read_whole(int fd, std::span<char> out) {
  std::size_t used = 0;
  while (used < out.size()) {
    const ssize_t got = ::read(fd, out.data() + used, out.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(used);
}

template <class Text>
void wipe_text(Text& text) {
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

// Base64 of 32 bytes, perhaps with white space after it; nullopt: anything else, or zero.
template <class Key>
std::optional<Key> parse_key(std::string_view text) {
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  Key key;
  if (!key_from_base64(key.mutable_bytes(), text.substr(0, end + 1))) return std::nullopt;
  if (key.is_zero()) return std::nullopt;
  return key;
}

template <class Key>
Result<Key> read_key_file(const KeyKind& kind, const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  // An absolute path has no '=' at its end.
  if (!fd && looks_like_key(path) && (path.front() != '/' || path.back() == '=')) {
    return Error{
        fmt::format("{} key: the name of a file is wanted, and this may be a key itself, so it "
                    "is not shown; keys come from files alone, as {}",
                    kind.name, kind.makers),
        EINVAL};
  }
  if (!fd && errno == ENOENT) {
    return key_file_error(
        kind, path, fmt::format("{}; make one: {} {}", std::strerror(errno), kind.command, path),
        ENOENT);
  }
  if (!fd) return key_file_error(kind, path, std::strerror(errno), errno);
  if (Status access = check_access(kind, path, fd.get()); !access) return access.error();

  std::array<char, kMaxKeyFileLen> text{};
  const ssize_t len = read_whole(fd.get(), text);
  const int error = errno;
  std::optional<Key> key;
  if (len > 0) key = parse_key<Key>({text.data(), static_cast<std::size_t>(len)});
  wipe_text(text);
  if (len < 0) return key_file_error(kind, path, std::strerror(error), error);
  if (!key) {
    return key_file_error(
        kind, path,
        fmt::format("it does not hold a key; 44 characters of base64 are wanted, as {}",
                    kind.makers),
        EINVAL);
  }
  return std::move(*key);
}

}  // namespace

std::optional<PrivateKey> parse_private_key(std::string_view text) {
  return parse_key<PrivateKey>(text);
}

Result<PrivateKey> read_private_key_file(const std::string& path) {
  return read_key_file<PrivateKey>(kPrivate, path);
}

Result<PresharedKey> read_preshared_key_file(const std::string& path) {
  return read_key_file<PresharedKey>(kPreshared, path);
}

namespace {

template <class Key>
Status write_key_file(const KeyKind& kind, const std::string& path, const Key& key) {
  constexpr mode_t kOwnerOnly = 0600;
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly));
  if (!fd) {
    return key_file_error(kind, path,
                          errno == EEXIST
                              ? "it is there already and is not overwritten; remove it, or "
                                "choose another name"
                              : std::strerror(errno),
                          errno);
  }
  std::string text = key_to_base64(key.bytes()) + "\n";
  const int error = write_to_disk(fd.get(), text);
  wipe_text(text);
  if (error == 0) return {};
  ::unlink(path.c_str());
  return key_file_error(kind, path, std::strerror(error), error);
}

}  // namespace

Status write_private_key_file(const std::string& path, const PrivateKey& key) {
  return write_key_file(kPrivate, path, key);
}

Status write_preshared_key_file(const std::string& path, const PresharedKey& key) {
  return write_key_file(kPreshared, path, key);
}

}  // namespace hawser
