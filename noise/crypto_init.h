#pragma once

namespace hawser {

// Prepares the libraries that noise/ stands on: libsodium's and BoringSSL's choice of code for this
// processor, and libb2's, which it otherwise makes at the first call of each function (with a slow
// CPUID, and by an unsynchronized store). Call once before any thread that uses noise/; again is
// harmless, from any thread. False: a library failed to start or gives a wrong known answer, and
// nothing of noise/ may be used.
[[nodiscard]] bool init_crypto();

}  // namespace hawser
