#pragma once
#include <mutex>

#include "base/thread_annotations.h"

namespace hawser {

// FairMutex is a mutex whose waiter gets in before the one who just let go takes it again, so that
// a busy handshake thread cannot starve the control threads. BasicLockable.
class HAWSER_CAPABILITY("mutex") FairMutex {
 public:
  void lock() HAWSER_ACQUIRE() {
    const std::lock_guard turn(next_);
    held_.lock();
  }
  void unlock() HAWSER_RELEASE() { held_.unlock(); }

 private:
  std::mutex next_;
  std::mutex held_;
};

}  // namespace hawser
