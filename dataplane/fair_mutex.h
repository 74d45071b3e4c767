#pragma once
#include <mutex>

namespace hawser {

// FairMutex is a mutex whose waiter gets in before the one who just let go takes it again, so that
// a busy handshake thread cannot starve the control threads. BasicLockable.
class FairMutex {
 public:
  void lock() {
    const std::lock_guard turn(next_);
    held_.lock();
  }
  void unlock() { held_.unlock(); }

 private:
  std::mutex next_;
  std::mutex held_;
};

}  // namespace hawser
