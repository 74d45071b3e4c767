#pragma once
#include <mutex>

#include "base/thread_annotations.h"

namespace hawser {

// Mutex is std::mutex as clang's thread-safety analysis understands it. BasicLockable.
class HAWSER_CAPABILITY("mutex") Mutex {
 public:
  void lock() HAWSER_ACQUIRE() { mutex_.lock(); }
  void unlock() HAWSER_RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Lock holds a Mutex for as long as it lives.
class HAWSER_SCOPED_CAPABILITY Lock {
 public:
  explicit Lock(Mutex& mutex) HAWSER_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Lock() HAWSER_RELEASE() { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace hawser
