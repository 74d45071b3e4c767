#include "bench/load/packet_pool.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <random>

#include "base/wire.h"
#include "bench/load/clock.h"
#include "noise/messages.h"

namespace hawser::load {
namespace {

// A GSO send may not be longer than an IPv6 packet less its headers, whichever family it is.
constexpr std::size_t kMaxTrainBytes = 65535 - 40 - 8;
constexpr std::size_t kMtu = 1420;
constexpr std::size_t kSealBatch = 64;

// As all implementations do it: to a multiple of 16, but not beyond the MTU.
std::size_t padded(std::size_t len) {
  const std::size_t rounded = (len + kPaddingMultiple - 1) / kPaddingMultiple * kPaddingMultiple;
  return std::min(rounded, kMtu);
}

std::size_t wire_len_of(std::size_t inner_len) { return kTransportOverhead + padded(inner_len); }

}  // namespace

Result<PacketSizes> PacketSizes::parse(const std::string& text) {
  if (text == "imix") return PacketSizes{{64, 576, 1420}, {7, 4, 1}};
  std::size_t len = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result read = std::from_chars(text.data(), end, len);
  if (read.ec != std::errc{} || read.ptr != end || len < kMinInnerLen || len > kMaxInnerLen) {
    return Error{"a size is 64 ... 1420 or imix, not " + text, EINVAL};
  }
  return PacketSizes{{len}, {1}};
}

PacketPool::PacketPool(const PoolShape& shape, PeerGroup& peers)
    : peers_(peers),
      num_sizes_(shape.sizes.lens.size()),
      family_(shape.family),
      memory_(std::make_unique<std::uint8_t[]>(shape.memory)) {
  for (std::size_t pair = 0; pair < peers.num_pairs(); ++pair) {
    for (const std::size_t len : shape.sizes.lens) inner_.emplace_back(pair, shape.family, len);
  }
  lay_out(shape, peers.num_pairs());
}

// The order of sizes is random but always the same.
void PacketPool::lay_out(const PoolShape& shape, std::size_t num_pairs) {
  std::mt19937 random(1);
  std::discrete_distribution<unsigned> pick(shape.sizes.weights.begin(), shape.sizes.weights.end());
  const std::size_t largest =
      wire_len_of(*std::max_element(shape.sizes.lens.begin(), shape.sizes.lens.end()));
  // Of equal sizes a turn is one train, as long as it may be.
  std::uint32_t turn = shape.train_segments;
  if (num_sizes_ == 1 && !shape.singles) {
    turn = std::min(turn, static_cast<std::uint32_t>(kMaxTrainBytes / largest));
  }
  std::size_t inner_bytes = 0;
  for (std::uint32_t pair = 0; used_ + turn * largest <= shape.memory;
       pair = static_cast<std::uint32_t>((pair + 1) % num_pairs)) {
    for (std::uint32_t i = 0; i < turn; ++i) {
      const auto size_index = static_cast<std::uint16_t>(pick(random));
      append(shape, pair, size_index, i > 0 && !shape.singles);
      inner_bytes += shape.sizes.lens[size_index];
    }
  }
  const auto num = static_cast<double>(packets_.size());
  mean_inner_len_ = static_cast<double>(inner_bytes) / num;
  mean_wire_len_ = static_cast<double>(used_) / num;
}

// `joins`: it may go into the last train, if that has room and has not had its shorter one yet.
void PacketPool::append(const PoolShape& shape, std::uint32_t pair, std::uint16_t size_index,
                        bool joins) {
  const auto len = static_cast<std::uint32_t>(wire_len_of(shape.sizes.lens[size_index]));
  if (joins) {
    const Train& last = trains_.back();
    joins = len <= last.segment_len && last.len == last.num * last.segment_len &&
            last.num < shape.train_segments && last.len + len <= kMaxTrainBytes;
  }
  if (!joins) {
    trains_.push_back({used_, 0, len, 0, static_cast<std::uint32_t>(packets_.size()), pair});
  }
  Train& train = trains_.back();
  train.len += len;
  ++train.num;
  used_ += len;
  packets_.push_back({pair, static_cast<std::uint32_t>(trains_.size() - 1), size_index});
}

double PacketPool::mean_train() const {
  return static_cast<double>(packets_.size()) / static_cast<double>(trains_.size());
}

Status PacketPool::seal(Aead& aead) {
  first_number_ += packets_.size();
  std::array<AeadJob, kSealBatch> jobs;
  for (const Train& train : trains_) {
    Keypair& keypair = *peers_.a(train.pair).keypair();
    const std::optional<std::uint64_t> counter =
        keypair.reserve_counters(train.num, protocol_now());
    if (!counter) return Error{"a session has grown too old", 0};
    std::uint8_t* at = data(train);
    for (std::uint32_t i = 0; i < train.num; ++i) {
      const InnerPacket& packet = inner(packets_[train.first + i]);
      const std::size_t len = padded(packet.len());
      store_le32(at, static_cast<std::uint32_t>(MessageType::kTransportData));
      store_le32(at + 4, keypair.remote_index);
      store_le64(at + 8, *counter + i);
      std::uint8_t* const plain = at + sizeof(TransportHeader);
      packet.write(plain, first_number_ + train.first + i);
      std::memset(plain + packet.len(), 0, len - packet.len());
      jobs[i] = {plain, static_cast<std::uint32_t>(len), false, *counter + i, &keypair.send_key()};
      at += kTransportOverhead + len;
    }
    aead.seal(std::span(jobs).first(train.num));
  }
  return {};
}

InnerFault PacketPool::check(std::span<const std::uint8_t> packet, std::size_t pair,
                             std::uint32_t& index) const {
  const std::optional<std::uint64_t> number = InnerPacket::read_number(packet, family_);
  if (!number) return InnerFault::kNotIp;
  if (*number - first_number_ >= packets_.size()) {
    return *number < first_number_ ? InnerFault::kLate : InnerFault::kPayload;
  }
  index = static_cast<std::uint32_t>(*number - first_number_);
  if (packets_[index].pair != pair) return InnerFault::kAddress;
  return inner(packets_[index]).check(packet);
}

}  // namespace hawser::load
