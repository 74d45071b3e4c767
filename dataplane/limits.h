#pragma once
// Our own bounds, each with the reason for its number. The protocol's are in noise/constants.h.
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace hawser {

// A UDP datagram or GRO train cannot be longer than IP's 16-bit length field allows.
inline constexpr std::size_t kMaxTrainLen = 65535;
// The kernel's UDP_MAX_SEGMENTS before Linux 6.9; newer ones take 128. 64 works everywhere.
inline constexpr std::size_t kMaxTrainSegments = 64;
// Largest UDP payload over IPv4: 65,535 - 20 - 8. A GSO send may not exceed it in total either.
inline constexpr std::size_t kMaxUdpPayload = 65507;
// What one wait of an engine delivers at most: enough to amortize a system call, few enough that
// the batch's buffers stay in the L2 cache's neighbourhood.
inline constexpr std::size_t kMaxTrainsPerBatch = 64;
inline constexpr std::size_t kMaxTunPacketsPerBatch = 32;
// Room for sealing what TUN delivered in one batch (each at most 64 KiB, plus headers and 32 bytes
// for each segment), for a full queue of staged packets, and for the ICMP errors of a batch.
inline constexpr std::size_t kTunPacketRoom = 65536 + 16384;
inline constexpr std::size_t kOutArenaSlack = 524288;
inline constexpr std::size_t kOutArenaLen =
    kMaxTunPacketsPerBatch * kTunPacketRoom + kOutArenaSlack;
inline constexpr std::size_t kMaxSlicesPerBatch = 16384;
inline constexpr std::size_t kMaxSendsPerBatch = 4096;
// writev(2) and sendmsg(2) take at most UIO_MAXIOV (1024) slices.
inline constexpr std::size_t kMaxSlicesPerWrite = 1024;

// Staged packets (paper §6.4): as the kernel module, 128 a peer; and a budget over all peers, so
// that thousands of unreachable peers cannot take the memory. 65,536 chunks of 2 KiB: 128 MiB.
inline constexpr std::size_t kMaxStagedPackets = 128;
inline constexpr std::size_t kStagedChunkLen = 2048;
inline constexpr std::size_t kStagedChunks = 65536;

// Handshake messages waiting for the handshake thread; the kernel module's number. Under load from
// one eighth on, and for a second after.
inline constexpr std::size_t kHandshakeQueueLen = 4096;
inline constexpr std::size_t kUnderLoadQueueLen = kHandshakeQueueLen / 8;
inline constexpr Duration kUnderLoadHold = std::chrono::seconds(1);
// Messages handled in one turn of the handshake thread, so that timers are not late.
inline constexpr std::size_t kHandshakesPerTurn = 128;

// Datagrams received before such a turn; and no more are while as many wait.
inline constexpr std::size_t kReceivedPerTurn = kHandshakeQueueLen / 2;
static_assert(kReceivedPerTurn > kUnderLoadQueueLen);

// When the handshake thread received something twice within the first span, it rests for the second
// before it looks again: at most a thousand wakes a second in a flood, and a millisecond more for a
// handshake message in one.
inline constexpr Duration kOftenReceived = std::chrono::milliseconds(2);
inline constexpr Duration kHandshakeRest = std::chrono::milliseconds(1);

// When so many batches in a row, each within the span of the one before, led to nothing (all was
// dropped, or keepalives), a worker rests that long: the wakes of a flood become a third, and what
// it delays of others' packets is less than a busy processor does.
inline constexpr unsigned kBarrenBatches = 4;
inline constexpr Duration kOftenBarren = std::chrono::milliseconds(1);
inline constexpr Duration kBarrenRest = std::chrono::microseconds(100);

// ICMP errors that we originate: 1,000/s with bursts of 50 for the whole device, as Linux'
// icmp_msgs_per_sec / icmp_msgs_burst (defaults 1,000 and 50), shared by its workers. Packet Too
// Big has as much again for itself, and so has what we tell our own host.
inline constexpr std::uint32_t kIcmpErrorsPerSecond = 1000;
inline constexpr std::uint32_t kIcmpErrorsBurst = 50;
// Of both, what one peer gets: enough for a traceroute and for the flows of a site that starts
// over, and a tenth of the whole, so that it takes ten peers to leave nothing for an eleventh.
inline constexpr std::uint32_t kIcmpErrorsPerSecondOfPeer = 100;
inline constexpr std::uint32_t kIcmpErrorsBurstOfPeer = 10;

// How long the peer with the smaller key waits, when two initiations have crossed, before it tries
// again: more than a round trip over a satellite.
inline constexpr Duration kCrossedInitiationHold = std::chrono::seconds(1);

// Flows that the coalescer keeps open at once: a batch seldom holds more, and a linear look
// through 32 small entries costs less than a hash.
inline constexpr std::size_t kMaxCoalescedFlows = 32;

}  // namespace hawser
