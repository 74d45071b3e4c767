#include "ctl/uapi_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "ctl/answer_pace.h"
#include "ctl/connection_share.h"
#include "ctl/uapi_reply.h"
#include "tun/system_clock.h"

namespace hawser {

namespace asio = boost::asio;
using Stream = asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;

namespace {

// As much as a Unix socket's default buffer gives at once, nearly.
constexpr std::size_t kReadLen = std::size_t{64} << 10;
// Out of descriptors: look again after a while, instead of spinning.
constexpr auto kAcceptRetry = std::chrono::milliseconds(200);
// Where answers have a pace: a hundred clients a second, each with a buffer of its own.
constexpr auto kAcceptPause = std::chrono::milliseconds(10);

std::uint32_t resolve_zone(std::string_view zone) {
  return ::if_nametoindex(std::string(zone).c_str());
}

// Whoever connected; where the kernel does not say, nobody in particular.
uid_t user_of(Stream::socket& socket) {
  ucred peer{};
  peer.uid = static_cast<uid_t>(-1);
  socklen_t len = sizeof peer;
  ::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &len);
  return peer.uid;
}

class Connection;

// What a connection needs of its server; valid as long as the connection is not closed.
struct Context {
  ControlTarget& target;
  const LogSink& log;
  const UapiServerOptions& options;
  std::function<void(Connection*)> forget;
  // Has answer_now() called when it is its turn.
  std::function<void(std::shared_ptr<Connection>)> take_turn;
};

// Connection is one client: read → parse → answer → write → …, one thing at a time. Handlers hold
// it alive; after close() they do nothing.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Stream::socket socket, Context& context)
      : user_(user_of(socket)),
        socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        context_(context),
        parser_(resolve_zone, context.options.limits) {}
  ~Connection() { wipe_buffer(); }

  void start() { proceed(); }

  void close() {
    if (closed_) return;
    closed_ = true;
    ErrorCode ignored;
    timer_.cancel();
    socket_.close(ignored);
  }

  HeldConnection held() const { return {user_, last_progress_}; }

  // Its turn: answers the request that is whole. `shared_status`: of this round; empty: not asked
  // for yet.
  void answer_now(std::string& shared_status) {
    if (closed_) return;
    try {
      reply_ = reply_to(std::exchange(request_, {}), shared_status);
    } catch (const std::exception& error) {
      return finish(fmt::format("a request could not be handled: {}", error.what()));
    }
    written_ = 0;
    write();
  }

 private:
  // Parses what is there; answers the first whole request, or reads more.
  void proceed() {
    try {
      while (!pending_.empty() && !parser_.complete()) {
        pending_.remove_prefix(parser_.feed(pending_));
      }
      if (parser_.complete()) {
        request_ = parser_.take();
      }
    } catch (const std::exception& error) {
      finish(fmt::format("a request could not be handled: {}", error.what()));
      return;
    }
    if (request_) {
      context_.take_turn(shared_from_this());
      return;
    }
    if (parser_.hopeless()) {
      finish("a refused request does not end; its connection is closed");
      return;
    }
    read();
  }

  ReplyText reply_to(std::optional<UapiRequest> asked, std::string& shared_status) {
    UapiRequest& request = *asked;
    const bool is_set = request.operation == UapiOperation::kSet;
    if (context_.options.status_only && request.operation != UapiOperation::kStatus) {
      return is_set || request.operation == UapiOperation::kGet
                 ? make_errno_reply(EACCES, is_set)
                 : make_action_reply(Error{"only the status may be asked for here", EACCES});
    }
    if (request.refusal) {
      say(LogLevel::kError, request.refusal->message);
      return make_errno_reply(request.refusal->code, is_set);
    }
    if (request.operation == UapiOperation::kReload) {
      return make_action_reply(context_.target.reload(request.confirm_seconds));
    }
    if (request.operation == UapiOperation::kConfirm) {
      return make_action_reply(context_.target.confirm());
    }
    if (is_set) {
      const Status status = context_.target.set(std::move(request.change));
      if (!status) say(LogLevel::kError, "request refused: " + status.error().message);
      const int code = status ? 0 : status.error().code;
      return make_errno_reply(status || code != 0 ? code : EIO, is_set);
    }
    if (request.operation == UapiOperation::kGet) return make_get_reply(context_.target.get());
    if (shared_status.empty()) shared_status = context_.target.status();
    return ReplyText(shared_status);
  }

  void read() {
    wipe_buffer();
    arm(parser_.in_request() ? context_.options.stall_timeout : context_.options.idle_timeout);
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](ErrorCode error, std::size_t len) {
                              if (self->closed_) return;
                              if (error) return self->finish_reading();
                              self->received_ = len;
                              self->pending_ = {self->buffer_.data(), len};
                              self->proceed();
                            });
  }

  void finish_reading() {
    finish(parser_.in_request() ? "a request was cut off half-way; it changes nothing" : "");
  }

  void write() {
    const std::string_view rest = reply_.view().substr(written_);
    if (rest.empty()) {
      reply_ = ReplyText();
      proceed();
      return;
    }
    arm(context_.options.stall_timeout);
    socket_.async_write_some(asio::buffer(rest.data(), rest.size()),
                             [self = shared_from_this()](ErrorCode error, std::size_t len) {
                               if (self->closed_) return;
                               if (error) return self->finish("");
                               self->written_ += len;
                               self->write();
                             });
  }

  void arm(Duration timeout) {
    last_progress_ = std::chrono::steady_clock::now();
    timer_.expires_after(timeout);
    timer_.async_wait([weak = weak_from_this()](ErrorCode error) {
      const auto self = weak.lock();
      if (error || !self || self->closed_) return;
      // A wait that had expired already when it was armed again is not cancelled any more.
      if (self->timer_.expiry() > std::chrono::steady_clock::now()) return;
      const bool stalled = self->parser_.in_request() || !self->reply_.view().empty();
      self->finish(stalled ? "a client stalls in the middle of a request; it is disconnected" : "");
    });
  }

  void say(LogLevel level, const std::string& what) const {
    if (context_.log) context_.log(level, "control socket: " + what);
  }

  void finish(const std::string& why) {
    if (!why.empty()) say(LogLevel::kWarning, why);
    const auto self = shared_from_this();
    close();
    context_.forget(this);
  }

  // Only what was written to: the whole of it costs more than a small change does.
  void wipe_buffer() {
    wipe({reinterpret_cast<std::uint8_t*>(buffer_.data()), std::exchange(received_, 0)});
    pending_ = {};
  }

  uid_t user_;
  Stream::socket socket_;
  asio::steady_timer timer_;
  Context& context_;
  UapiParser parser_;
  std::optional<UapiRequest> request_;  // whole, and not answered yet
  std::array<char, kReadLen> buffer_{};
  std::size_t received_ = 0;  // bytes of buffer_ that were written to and not wiped
  std::string_view pending_;  // the unparsed rest of them
  ReplyText reply_;
  std::size_t written_ = 0;
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
  bool closed_ = false;
};

}  // namespace

struct UapiServer::Impl : std::enable_shared_from_this<UapiServer::Impl> {
  Impl(asio::io_context& io, ControlSocket socket, ControlTarget& target, LogSink log_sink,
       UapiServerOptions given)
      : listening(std::move(socket)),
        path(listening->path()),
        log(std::move(log_sink)),
        options(given),
        pace(given.pauses_per_round, given.min_pause),
        acceptor(io),
        retry(io),
        turn(io),
        watch(io),
        context{target, log, options, [this](Connection* gone) { forget(gone); },
                [this](std::shared_ptr<Connection> asking) { take_turn(std::move(asking)); }} {}

  Status start(std::function<void()> removed);
  void stop();
  void accept();
  void accept_later(Duration pause);
  void take_turn(std::shared_ptr<Connection> asking);
  void answer_round();
  void add(Stream::socket socket);
  void make_room(uid_t newcomer);
  void forget(Connection* gone);
  bool start_watch();
  void wait_for_removal();

  std::optional<ControlSocket> listening;
  const std::string path;
  LogSink log;
  UapiServerOptions options;
  AnswerPace pace;
  Stream::acceptor acceptor;
  asio::steady_timer retry;
  asio::steady_timer turn;               // runs as long as somebody is waiting
  asio::posix::stream_descriptor watch;  // inotify, on the socket's directory
  std::array<char, 4096> watch_buffer{};
  std::function<void()> on_removed;
  Context context;
  std::vector<std::shared_ptr<Connection>> connections;
  std::vector<std::shared_ptr<Connection>> waiting;  // for their round
  bool stopped = false;
};

Status UapiServer::Impl::start(std::function<void()> removed) {
  on_removed = std::move(removed);
  // The acceptor closes what it has; the listening socket itself stays the ControlSocket's.
  UniqueFd copy(::fcntl(listening->fd(), F_DUPFD_CLOEXEC, 0));
  ErrorCode error;
  if (copy) acceptor.assign(Stream(), copy.get(), error);
  if (!copy || error) {
    return Error{fmt::format("cannot accept on the control socket {}: {}", path,
                             copy ? error.message() : std::strerror(errno)),
                 EIO};
  }
  copy.release();
  if (!path.empty() && on_removed && !start_watch() && log) {
    log(LogLevel::kWarning,
        fmt::format("cannot watch {} ({}): removing it will not end the daemon; look at "
                    "fs.inotify.max_user_instances",
                    path, std::strerror(errno)));
  }
  accept();
  return {};
}

void UapiServer::Impl::stop() {
  if (stopped) return;
  stopped = true;
  ErrorCode ignored;
  acceptor.close(ignored);
  watch.close(ignored);
  retry.cancel();
  turn.cancel();
  waiting.clear();
  for (const auto& connection : connections) connection->close();
  connections.clear();
  listening.reset();
}

void UapiServer::Impl::accept() {
  acceptor.async_accept([self = shared_from_this()](ErrorCode error, Stream::socket socket) {
    if (self->stopped) return;
    if (!error) {
      self->add(std::move(socket));
      // Connecting is work for us too.
      if (self->options.pauses_per_round != 0) return self->accept_later(kAcceptPause);
      self->accept();
      return;
    }
    if (self->log) self->log(LogLevel::kWarning, "control socket: accept: " + error.message());
    self->accept_later(kAcceptRetry);
  });
}

void UapiServer::Impl::accept_later(Duration pause) {
  retry.expires_after(pause);
  retry.async_wait([self = shared_from_this()](ErrorCode cancelled) {
    if (!cancelled && !self->stopped) self->accept();
  });
}

void UapiServer::Impl::take_turn(std::shared_ptr<Connection> asking) {
  if (options.pauses_per_round == 0) {
    std::string own;
    return asking->answer_now(own);
  }
  waiting.push_back(std::move(asking));
  if (waiting.size() > 1) return;  // the timer runs
  turn.expires_after(pace.wait(boot_now()));
  turn.async_wait([self = shared_from_this()](ErrorCode cancelled) {
    if (!cancelled && !self->stopped) self->answer_round();
  });
}

void UapiServer::Impl::answer_round() {
  const Instant begin = boot_now();
  std::string status;
  for (const auto& asking : std::exchange(waiting, {})) asking->answer_now(status);
  pace.note_round(begin, boot_now());
}

void UapiServer::Impl::add(Stream::socket socket) {
  if (connections.size() >= options.max_connections) make_room(user_of(socket));
  connections.push_back(std::make_shared<Connection>(std::move(socket), context));
  const std::shared_ptr<Connection> added = connections.back();
  added->start();
}

void UapiServer::Impl::make_room(uid_t newcomer) {
  std::vector<HeldConnection> held;
  for (const auto& connection : connections) held.push_back(connection->held());
  if (held.empty()) return;
  const std::size_t place = who_gives_way(held, newcomer);
  if (log) {
    log(LogLevel::kWarning,
        fmt::format("control socket: more than {} connections; of those of user {}, who has the "
                    "most, the one that has been silent for longest is closed",
                    options.max_connections, held[place].user));
  }
  connections[place]->close();
  connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(place));
}

void UapiServer::Impl::forget(Connection* gone) {
  std::erase_if(connections, [gone](const auto& held) { return held.get() == gone; });
}

bool UapiServer::Impl::start_watch() {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return false;
  std::string directory = path.substr(0, path.rfind('/'));
  if (path.find('/') == std::string::npos) directory = ".";
  if (directory.empty()) directory = "/";
  constexpr std::uint32_t kEvents =
      IN_DELETE | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
  if (::inotify_add_watch(fd.get(), directory.c_str(), kEvents) < 0) return false;
  ErrorCode error;
  watch.assign(fd.get(), error);
  if (error) return false;
  fd.release();
  wait_for_removal();
  return true;
}

void UapiServer::Impl::wait_for_removal() {
  watch.async_read_some(asio::buffer(watch_buffer),
                        [self = shared_from_this()](ErrorCode error, std::size_t) {
                          if (error || self->stopped) return;
                          // Which name it was does not matter: the file itself says.
                          if (self->listening->still_there()) return self->wait_for_removal();
                          if (self->on_removed) self->on_removed();
                        });
}

UapiServer::UapiServer(asio::io_context& io, ControlSocket socket, ControlTarget& target,
                       LogSink log, UapiServerOptions options)
    : impl_(std::make_shared<Impl>(io, std::move(socket), target, std::move(log), options)) {}

// It logs, which throws only when memory is out: then the process may end.
UapiServer::~UapiServer() { stop(); }  // NOLINT(bugprone-exception-escape)

Status UapiServer::start(std::function<void()> on_removed) {
  return impl_->start(std::move(on_removed));
}

void UapiServer::stop() { impl_->stop(); }

std::size_t UapiServer::num_connections() const { return impl_->connections.size(); }

std::size_t UapiServer::num_waiting() const { return impl_->waiting.size(); }

const std::string& UapiServer::path() const { return impl_->path; }

}  // namespace hawser
