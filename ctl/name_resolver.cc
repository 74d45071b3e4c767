#include "ctl/name_resolver.h"

#include <boost/asio/post.hpp>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "tun/unique_fd.h"

namespace hawser {

namespace asio = boost::asio;

namespace {

using Addresses = std::vector<IpAddress>;

// A name server that does not answer holds up so many names and no more threads.
constexpr std::size_t kMaxLookups = 8;

Addresses addresses_of(const addrinfo* list) {
  Addresses addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    IpAddress address;
    if (entry->ai_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, entry->ai_addr, sizeof v4);
      std::memcpy(address.bytes.data(), &v4.sin_addr, sizeof v4.sin_addr);
    } else if (entry->ai_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, entry->ai_addr, sizeof v6);
      address.family = IpFamily::kV6;
      std::memcpy(address.bytes.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    } else {
      continue;
    }
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(address);
    }
  }
  return addresses;
}

Result<Addresses> look_up(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;  // each address once
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (code != 0) {
    return Error{code == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(code), ENOENT};
  }
  Addresses found = addresses_of(list);
  ::freeaddrinfo(list);
  if (found.empty()) return Error{"it has no address", ENOENT};
  return found;
}

class SystemResolver : public NameResolver {
 public:
  explicit SystemResolver(asio::io_context& io) : shared_(std::make_shared<Shared>()) {
    shared_->io = &io;
    shared_->owner = this;
  }
  ~SystemResolver() override {
    const std::lock_guard lock(shared_->mutex);
    shared_->io = nullptr;
    shared_->owner = nullptr;
  }

  void resolve(const std::string& name, Done done) override {
    waiting_.push_back({name, std::move(done)});
    start_next();
  }

  bool has_route(const IpAddress& address) override {
    constexpr std::uint16_t kDiscardPort = 9;  // nothing is sent: connect(2) looks the route up
    const bool is_v4 = address.family == IpFamily::kV4;
    const UniqueFd fd(::socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return false;
    if (is_v4) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(kDiscardPort);
      std::memcpy(&to.sin_addr, address.bytes.data(), sizeof to.sin_addr);
      return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    }
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(kDiscardPort);
    std::memcpy(&to.sin6_addr, address.bytes.data(), sizeof to.sin6_addr);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }

 private:
  struct Lookup {
    std::string name;
    Done done;
  };
  // What threads that outlive us may touch.
  struct Shared {
    std::mutex mutex;
    asio::io_context* io = nullptr;
    SystemResolver* owner = nullptr;  // control thread only, under mutex
  };

  void start_next() {
    while (num_running_ < kMaxLookups && !waiting_.empty()) {
      const auto lookup = std::make_shared<Lookup>(std::move(waiting_.front()));
      waiting_.pop_front();
      ++num_running_;
      try {
        std::thread([shared = shared_, lookup] {
          finish(shared, lookup, look_up(lookup->name));
        }).detach();
      } catch (const std::system_error& error) {
        finish(shared_, lookup, Error{error.what(), EAGAIN});
      }
    }
  }

  // On any thread.
  static void finish(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Lookup>& lookup,
                     Result<Addresses> result) {
    const std::lock_guard lock(shared->mutex);
    if (shared->io == nullptr) return;
    asio::post(*shared->io, [shared, lookup, found = std::move(result)]() mutable {
      // On the owner's thread: it does not go away meanwhile.
      SystemResolver* const owner = shared->owner;
      if (owner == nullptr) return;
      --owner->num_running_;
      owner->start_next();
      lookup->done(std::move(found));
    });
  }

  std::shared_ptr<Shared> shared_;
  std::deque<Lookup> waiting_;
  std::size_t num_running_ = 0;
};

}  // namespace

std::unique_ptr<NameResolver> make_system_resolver(asio::io_context& io) {
  return std::make_unique<SystemResolver>(io);
}

}  // namespace hawser
