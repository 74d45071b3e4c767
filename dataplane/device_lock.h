#pragma once
// The device's lock: the handshake thread's and the control threads', never a worker's. Internal to
// dataplane/.
#include "base/fair_mutex.h"
#include "base/thread_annotations.h"

namespace hawser {

// What the analysis knows the lock by, whichever object it is reached through: one name for all
// devices, as no thread looks after two.
class HAWSER_CAPABILITY("device lock") DeviceLockName {};
inline constexpr DeviceLockName device_lock;

// DeviceLock holds it for as long as it lives.
class HAWSER_SCOPED_CAPABILITY DeviceLock {
 public:
  explicit DeviceLock(FairMutex& mutex) HAWSER_ACQUIRE(device_lock) HAWSER_NOT_ANALYZED
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~DeviceLock() HAWSER_RELEASE() HAWSER_NOT_ANALYZED { mutex_.unlock(); }
  DeviceLock(const DeviceLock&) = delete;
  DeviceLock& operator=(const DeviceLock&) = delete;

 private:
  FairMutex& mutex_;
};

// For a field, and for a function that the lock's holder calls.
#define HAWSER_UNDER_LOCK_FIELD HAWSER_GUARDED_BY(device_lock)
#define HAWSER_UNDER_LOCK HAWSER_REQUIRES(device_lock)

// In a callback that runs where its maker runs: the analysis does not follow it there.
inline void lock_is_held_here() HAWSER_ASSERT_HELD(device_lock) {}

}  // namespace hawser
