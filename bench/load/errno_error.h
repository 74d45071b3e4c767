#pragma once
#include <cerrno>
#include <cstring>
#include <string>

#include "base/result.h"

namespace hawser::load {

// What a system call has just failed with.
inline Error errno_error(const std::string& what) {
  return Error{what + ": " + std::strerror(errno), errno};
}

}  // namespace hawser::load
