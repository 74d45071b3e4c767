#pragma once
#include "noise/keys.h"

namespace hawser {

// Identity is the device's static key pair. With no private key set (all zero) the device neither
// initiates nor answers handshakes.
class Identity {
 public:
  Identity() = default;
  explicit Identity(PrivateKey private_key);  // clamps; zero stays zero

  bool has_private_key() const { return has_private_key_; }
  const PrivateKey& private_key() const { return private_key_; }
  const PublicKey& public_key() const { return public_key_; }

 private:
  PrivateKey private_key_;
  PublicKey public_key_;
  bool has_private_key_ = false;
};

}  // namespace hawser
