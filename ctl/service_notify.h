#pragma once
#include <string>
#include <string_view>

namespace hawser {

// ServiceNotify tells the service manager how the daemon fares, in the protocol of sd_notify(3):
// one datagram of VARIABLE=value lines to the Unix socket that $NOTIFY_SOCKET names. Without that
// variable everything is a no-op. The protocol is documented as stable and this small, so we write
// it ourselves: most of our users are containers, which then need no libsystemd.
//
// The variable is read and removed at construction, so that no child process speaks for us. What
// cannot be sent is nobody's loss: the manager's own timeouts decide then. Any thread.
class ServiceNotify {
 public:
  ServiceNotify();

  void ready(std::string_view status) const;
  void status(std::string_view status) const;
  void reloading() const;  // to be followed by ready()
  void stopping() const;

 private:
  void send(std::string_view text) const;
  std::string address_;  // empty: nobody to tell; '@' in front: an abstract name
};

}  // namespace hawser
