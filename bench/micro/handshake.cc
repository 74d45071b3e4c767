// Handshake messages, one by one and together; X25519 by itself, for comparison: an initiation
// takes two at the sender and two at the receiver, a response three and two (with the static-static
// value known).
#include "noise/handshake.h"

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>

#include "base/wire.h"
#include "bench/load/peer_plan.h"
#include "bench/micro/counting_random.h"
#include "noise/cookie.h"
#include "noise/dh.h"

namespace hawser::bench {
namespace {

using load::PeerPlan;
using load::Side;

// Two peers and a clock on which a second passes with each handshake.
struct Two {
  Identity a = PeerPlan(1).peer(Side::kA, 0);
  Identity b = PeerPlan(1).peer(Side::kB, 0);
  Handshake at_a{b.public_key()};
  Handshake at_b{a.public_key()};
  CookieMaker macs_of_a{b.public_key()};
  CookieChecker checker_of_b;
  CountingRandom random;
  Instant now{std::chrono::seconds(1000)};
  std::int64_t second = 1'700'000'000;
  InitiationMessage initiation{};
  ResponseMessage response{};

  Two() { checker_of_b.set_public_key(b.public_key()); }

  void next_second() {
    now += std::chrono::seconds(1);
    ++second;
  }
  bool create_initiation() {
    next_second();
    return at_a.create_initiation(initiation, a, 1, to_tai64n({second, 0}), random) ==
           HandshakeVerdict::kOk;
  }
  bool consume_initiation() {
    const std::optional<OpenedInitiation> opened = open_initiation(initiation, b);
    return opened && at_b.consume_initiation(*opened, initiation, b, now) == HandshakeVerdict::kOk;
  }
  bool create_response() {
    return at_b.create_response(response, 2, random) == HandshakeVerdict::kOk &&
           at_b.derive_session().has_value();
  }
  bool consume_response() {
    return at_a.consume_response(response, a) == HandshakeVerdict::kOk &&
           at_a.derive_session().has_value();
  }
};

void handshake_x25519(benchmark::State& state) {
  const Two two;
  Secret<kKeyLen> shared;
  for (auto _ : state) {
    if (!noise_internal::diffie_hellman(shared, two.a.private_key(), two.b.public_key())) {
      return state.SkipWithError("refused");
    }
  }
}
BENCHMARK(handshake_x25519);

// The public key of an ephemeral one.
void handshake_x25519_base(benchmark::State& state) {
  const Two two;
  for (auto _ : state) benchmark::DoNotOptimize(two.a.private_key().derive_public());
}
BENCHMARK(handshake_x25519_base);

void handshake_create_initiation(benchmark::State& state) {
  Two two;
  for (auto _ : state) {
    if (!two.create_initiation()) return state.SkipWithError("refused");
  }
}
BENCHMARK(handshake_create_initiation);

void handshake_consume_initiation(benchmark::State& state) {
  Two two;
  for (auto _ : state) {
    state.PauseTiming();
    two.create_initiation();
    state.ResumeTiming();
    if (!two.consume_initiation()) return state.SkipWithError("refused");
  }
}
BENCHMARK(handshake_consume_initiation);

void handshake_create_response(benchmark::State& state) {
  Two two;
  for (auto _ : state) {
    state.PauseTiming();
    two.create_initiation();
    two.consume_initiation();
    state.ResumeTiming();
    if (!two.create_response()) return state.SkipWithError("refused");
  }
}
BENCHMARK(handshake_create_response);

void handshake_consume_response(benchmark::State& state) {
  Two two;
  for (auto _ : state) {
    state.PauseTiming();
    two.create_initiation();
    two.consume_initiation();
    two.create_response();
    state.ResumeTiming();
    if (!two.consume_response()) return state.SkipWithError("refused");
  }
}
BENCHMARK(handshake_consume_response);

// What a responder does for each initiation: the bound of handshakes a second on one core.
void handshake_respond(benchmark::State& state) {
  Two two;
  for (auto _ : state) {
    state.PauseTiming();
    two.create_initiation();
    state.ResumeTiming();
    if (!two.consume_initiation() || !two.create_response()) return state.SkipWithError("refused");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(handshake_respond);

// mac1 of an arriving initiation: what each packet of a flood costs at least.
void handshake_check_mac1(benchmark::State& state) {
  Two two;
  two.create_initiation();
  const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(&two.initiation),
                                      sizeof two.initiation);
  two.macs_of_a.add_macs(bytes, two.now);
  if (state.range(0) == 0) bytes[sizeof two.initiation - 2 * kMacLen] ^= 1;
  const MacVerdict wanted = state.range(0) == 0 ? MacVerdict::kInvalidMac1 : MacVerdict::kValidMac1;
  for (auto _ : state) {
    if (two.checker_of_b.check(bytes, {}, false, two.now, two.random) != wanted) {
      return state.SkipWithError("another verdict");
    }
  }
}
BENCHMARK(handshake_check_mac1)->ArgName("valid")->Arg(0)->Arg(1);

}  // namespace
}  // namespace hawser::bench
