#pragma once
#include <string>

#include "base/result.h"
#include "noise/keys.h"

namespace hawser {

// KeyFiles reads keys for network/, which opens no files. `path` is what the network file
// says; an implementation decides what a relative one is relative to, and its errors name the file
// and the remedy.
class KeyFiles {
 public:
  virtual ~KeyFiles() = default;
  virtual Result<PresharedKey> preshared_key(const std::string& path) = 0;
  virtual Result<PrivateKey> private_key(const std::string& path) = 0;
};

}  // namespace hawser
