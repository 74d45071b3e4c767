#include "ctl/network_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/secret.h"
#include "ctl/key_file.h"
#include "network/load.h"
#include "tun/unique_fd.h"

namespace hawser {

namespace {

// 10,000 peers with everything set take 3 MB.
constexpr std::size_t kMaxNetworkFileLen = std::size_t{16} << 20;
constexpr std::size_t kFirstReadLen = 65536;

void wipe_pieces(std::string& text) {
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

// There may be keys in it: what it leaves is wiped.
void grow(std::string& text) {
  std::string larger(std::max(kFirstReadLen, 2 * text.size()), '\0');
  std::copy(text.begin(), text.end(), larger.begin());
  wipe_pieces(text);
  text = std::move(larger);
}

Error text_error(const std::string& path, const std::string& what, int code) {
  return Error{fmt::format("{}: {}", path, what), code};
}

Error network_file_error(const std::string& path, const std::string& what, int code) {
  return Error{fmt::format("network file {}: {}", path, what), code};
}

Error refuse_network(const std::string& file, const std::vector<Problem>& problems) {
  std::string lines;
  std::size_t num_errors = 0;
  for (const Problem& problem : problems) {
    if (problem.severity == Severity::kError) ++num_errors;
    lines += "\n" + problem_to_string(problem, file);
  }
  return Error{fmt::format("network file {} is refused, {} error{}:{}", file, num_errors,
                           num_errors == 1 ? "" : "s", lines),
               EINVAL};
}

std::optional<IpAddress> to_address(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::array<std::uint8_t, 4> raw{};
    std::memcpy(raw.data(), &v4.sin_addr, raw.size());
    return IpAddress::v4(raw);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::array<std::uint8_t, 16> raw{};
    std::memcpy(raw.data(), &v6.sin6_addr, raw.size());
    return IpAddress::v6(raw);
  }
  return std::nullopt;
}

}  // namespace

PresharedKeyFiles::PresharedKeyFiles(const std::string& network_file)
    : directory_(network_file.substr(0, network_file.rfind('/') + 1)) {}

Result<PresharedKey> PresharedKeyFiles::preshared_key(const std::string& path) {
  const auto known = keys_.find(path);
  if (known != keys_.end()) return known->second.clone();
  auto read = read_preshared_key_file(in_directory(path));
  if (!read) return read.error();
  const auto kept = keys_.emplace(path, std::move(*read)).first;
  return kept->second.clone();
}

Result<PrivateKey> PresharedKeyFiles::private_key(const std::string& path) {
  return read_private_key_file(in_directory(path));
}

std::string PresharedKeyFiles::in_directory(const std::string& path) const {
  return path.starts_with('/') ? path : directory_ + path;
}

Result<std::string> read_text_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return text_error(path, std::strerror(errno), errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return text_error(path, "it is a directory; give the file in it", EISDIR);
  }
  std::string text;
  std::size_t len = 0;
  int error = EFBIG;
  while (len <= kMaxNetworkFileLen) {
    if (len == text.size()) grow(text);
    const ssize_t got = ::read(fd.get(), text.data() + len, text.size() - len);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) {
      text.resize(len);
      return text;
    }
    if (got < 0) {
      error = errno;
      break;
    }
    len += static_cast<std::size_t>(got);
  }
  wipe_pieces(text);
  return text_error(
      path,
      error == EFBIG
          ? fmt::format("it is longer than {} bytes; is it the right file?", kMaxNetworkFileLen)
          : std::strerror(error),
      error);
}

Result<std::string> read_network_file(const std::string& path) {
  Result<std::string> text = read_text_file(path);
  if (!text) return Error{"network file " + text.error().message, text.error().code};
  return text;
}

namespace {

// The next file's key goes before `key` where it fits the network file better.
Status choose_private_key(Result<PrivateKey>& key, const NetworkHost& self, KeyFiles& files) {
  const auto rank = [&](const Result<PrivateKey>& candidate) {
    if (!candidate) return 0;
    const PublicKey derived = candidate->derive_public();
    return derived == self.public_key ? 2 : derived == self.public_key_next ? 1 : 0;
  };
  if (!self.private_key_next_file.empty()) {
    Result<PrivateKey> next = files.private_key(self.private_key_next_file);
    if (rank(next) > rank(key)) key = std::move(next);
  }
  return key ? Status() : Status(key.error());
}

}  // namespace

Result<LoadedPlan> load_plan(const NetworkSource& source,
                             std::span<const IpAddress> local_addresses) {
  // Both files, so that a missing key does not hide a missing network, and the other way round.
  const Result<std::string> text = read_network_file(source.file);
  Result<PrivateKey> key = read_private_key_file(source.private_key_file);
  if (!text && !key) {
    return Error{text.error().message + "\n" + key.error().message, text.error().code};
  }
  if (!text) return text.error();

  PresharedKeyFiles key_files(source.file);
  CheckContext context;
  context.host = source.host;
  context.private_key = key ? &*key : nullptr;
  context.local_addresses = local_addresses;
  context.key_files = &key_files;
  LoadedNetwork loaded = load_network(*text, context);
  if (!loaded.usable()) {
    Error error = refuse_network(source.file, loaded.problems);
    if (!key) error.message += "\n" + key.error().message;
    return error;
  }
  if (Status chosen = choose_private_key(key, *loaded.network.find(source.host), key_files);
      !chosen) {
    return chosen.error();
  }

  Result<HostPlan> plan = plan_host(loaded.network, source.host);
  if (!plan) return network_file_error(source.file, plan.error().message, EINVAL);
  LoadedPlan out;
  out.plan = std::move(*plan);
  out.private_key = std::move(*key);
  out.preshared_keys = key_files.take();
  for (const Problem& problem : loaded.problems) {
    out.warnings.push_back(problem_to_string(problem, source.file));
  }
  return out;
}

std::vector<IpAddress> read_local_addresses(const std::string& except_interface) {
  ifaddrs* list = nullptr;
  std::vector<IpAddress> addresses;
  if (::getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (!except_interface.empty() && except_interface == entry->ifa_name) continue;
    if (const auto address = to_address(entry->ifa_addr)) addresses.push_back(*address);
  }
  ::freeifaddrs(list);
  return addresses;
}

}  // namespace hawser
