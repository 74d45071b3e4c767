#pragma once
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <memory>

#include "base/log_sink.h"
#include "base/result.h"
#include "base/time.h"
#include "ctl/control_socket.h"
#include "ctl/control_target.h"
#include "ctl/uapi_request.h"

namespace hawser {

struct UapiServerOptions {
  // Clients are root's own tools, a few at a time. One more takes the place of another of the user
  // who has the most (ctl/connection_share.h), so that neither forgotten connections nor a busy
  // neighbour lock anybody out.
  std::size_t max_connections = 64;
  // Without progress, while a request is half sent or an answer half read.
  Duration stall_timeout = std::chrono::seconds(30);
  // Between requests: a monitor may keep its connection.
  Duration idle_timeout = std::chrono::minutes(10);
  UapiLimits limits;
  // Whoever connects may ask for the status, which has no secrets in it; all else is refused.
  bool status_only = false;
  // Not zero: all that is asked for meanwhile is answered in rounds, with a pause after each that
  // is so many times as long as the round was, and one status for all of a round.
  unsigned pauses_per_round = 0;
  Duration min_pause = std::chrono::milliseconds(50);
};

// For a socket of ctl/status_group.h: strangers to root, who may be many and careless. The status
// is asked for in a dozen bytes.
inline UapiServerOptions status_server_options() {
  UapiServerOptions options;
  options.max_connections = 16;
  options.limits.max_request_len = 4096;
  options.limits.max_discarded_len = 4096;
  options.status_only = true;
  // A quarter of the control thread at most, however many ask for a large network's.
  options.pauses_per_round = 3;
  return options;
}

// UapiServer answers the cross-platform UAPI on a listening socket: any number of requests on a
// connection, in order. Reading and writing are asynchronous, so a client that does not read a long
// answer delays nobody; while an answer is under way no more is read from its client.
// Every refusal is one line in the log. Belongs to the io_context's thread.
class UapiServer {
 public:
  // `io` and `target` outlive the server.
  UapiServer(boost::asio::io_context& io, ControlSocket socket, ControlTarget& target, LogSink log,
             UapiServerOptions options = {});
  ~UapiServer();  // NOLINT(bugprone-exception-escape): see there
  UapiServer(const UapiServer&) = delete;
  UapiServer& operator=(const UapiServer&) = delete;

  // Accepts from now on. `on_removed` is called once, when the socket's file is gone: whoever
  // removes it asks the daemon to end. Without it nobody looks.
  Status start(std::function<void()> on_removed);
  // Closes everything and removes the socket's file.
  void stop();
  std::size_t num_connections() const;
  std::size_t num_waiting() const;  // for their round
  const std::string& path() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace hawser
