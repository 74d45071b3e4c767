#pragma once
#include <string>
#include <system_error>

#include "base/result.h"

namespace hawser {

// errno_error is "WHAT: reason" for a failed system call; `code` is its errno.
inline Error errno_error(const std::string& what, int code) {
  return Error{what + ": " + std::generic_category().message(code), code};
}

}  // namespace hawser
