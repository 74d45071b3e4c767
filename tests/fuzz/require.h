#pragma once
#include <cstdio>
#include <cstdlib>

namespace hawser::testing {

// What must hold in every run; where it does not, the process ends, and the fuzzer has a finding.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

}  // namespace hawser::testing
