// hawser-bench: what the parts cost by themselves, without system calls (Google Benchmark).
//
//   hawser-bench --benchmark_filter=relay
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>

#include "noise/crypto_init.h"

int main(int argc, char** argv) {
  if (!hawser::init_crypto()) {
    std::fputs("hawser-bench: the cryptographic libraries do not start\n", stderr);
    return EXIT_FAILURE;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return EXIT_FAILURE;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return EXIT_SUCCESS;
}
