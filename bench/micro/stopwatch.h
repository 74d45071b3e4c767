#pragma once
#include <benchmark/benchmark.h>
#include <time.h>

#include <cstdint>

namespace hawser::bench {

// What a timed stretch should hold at least, so that reading the clock (a system call) does not
// count.
inline constexpr std::int64_t kPacketsPerStretch = 64;

// Times only what lies between its making and stop(), for benchmarks with UseManualTime(): what
// they do to a packet must be undone before the next time, and that is not to count. It is this
// thread's processor time, so that a busy machine disturbs little.
class Stopwatch {
 public:
  explicit Stopwatch(benchmark::State& state) : state_(state), begin_(now()) {}
  void stop() { state_.SetIterationTime(now() - begin_); }

 private:
  static double now() {
    timespec at{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
  }
  benchmark::State& state_;
  double begin_;
};

// Reports packets a second and, inverted, the time for one.
inline void count_packets(benchmark::State& state, std::int64_t packets_per_iteration) {
  const auto packets = static_cast<double>(state.iterations() * packets_per_iteration);
  state.SetItemsProcessed(state.iterations() * packets_per_iteration);
  state.counters["per_packet"] =
      benchmark::Counter(packets, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace hawser::bench
