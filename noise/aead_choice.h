#pragma once
#include <functional>
#include <optional>
#include <string>

#include "base/time.h"
#include "noise/aead_by_size.h"

namespace hawser {

// Reads a monotonic clock, for timing backends against each other; the origin does not matter.
using MonotonicReader = std::function<Duration()>;

// choose_aead chooses the AEAD of --aead=`wanted`; each thread then makes its own of it
// (make_aead). kAuto: among the backends that this build and processor have and that agree with
// BoringSSL, the fastest for each class of batches (seal and open, over memory that no near cache
// holds; some tens of milliseconds; without a `monotonic` reader BoringSSL is taken). A backend
// that was asked for by name is taken for everything if it exists and agrees, else nullopt. `why`
// says in one line what was chosen and why, and what was refused. At start, not on a packet path.
std::optional<AeadTable> choose_aead(AeadKind wanted, std::string& why,
                                     const MonotonicReader& monotonic);

}  // namespace hawser
