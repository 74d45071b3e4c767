#include "noise/identity.h"

#include <utility>

namespace hawser {

Identity::Identity(PrivateKey private_key)
    : private_key_(std::move(private_key)), has_private_key_(!private_key_.is_zero()) {
  if (!has_private_key_) return;
  private_key_.clamp();
  public_key_ = private_key_.derive_public();
}

}  // namespace hawser
