#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "noise/aead.h"

namespace hawser {

// Reads a monotonic clock, for timing backends against each other; the origin does not matter.
using MonotonicReader = std::function<Duration()>;

// choose_aead makes the AEAD of --aead=`wanted`. kAuto: among the backends that this build and
// processor have and that agree with BoringSSL, the fastest at 1,424 bytes (seal and open; a few
// milliseconds; without a `monotonic` reader BoringSSL is taken). A backend that was asked for by
// name is taken if it exists and agrees, else null. `why` says in one line what was chosen and why,
// and what was refused. At start, not on a packet path. Each further thread
// makes its own: make_aead(aead_kind_of(*chosen)).
std::unique_ptr<Aead> choose_aead(AeadKind wanted, std::string& why,
                                  const MonotonicReader& monotonic);

// The kind of a backend's name(), for making more of what choose_aead() chose. kAuto if none fits.
AeadKind aead_kind_of(const Aead& aead);

}  // namespace hawser
