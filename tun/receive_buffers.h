#pragma once
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "dataplane/train.h"
#include "tun/control_message.h"

namespace hawser {

// ReceiveBuffers is one mapping cut into equal slots, each with room for what a receive delivers:
//
//   0    io_uring_recvmsg_out (written by a multishot recvmsg, unused otherwise)
//   16   remote address
//   48   control data
//   256  payload, 64 KiB; a TUN read puts its virtio-net header right before it
//
// That is the layout of a multishot recvmsg with these lengths, so both engines read a slot alike.
// The payload is aligned to a cache line, and the stride is no power of two, so that the slots'
// first lines do not crowd the same cache sets. Pages are the kernel's until they are first used.
class ReceiveBuffers {
 public:
  static constexpr std::size_t kMetaLen = 16;
  static constexpr std::size_t kNameLen = 32;
  static constexpr std::size_t kControlOffset = kMetaLen + kNameLen;
  static constexpr std::size_t kPayloadOffset = kControlOffset + kReceiveControlLen;
  static constexpr std::size_t kPayloadLen = 65536;
  static constexpr std::size_t kSlotLen = kPayloadOffset + kPayloadLen;
  static_assert(kPayloadOffset == 256 && kSlotLen % 64 == 0);
  static_assert(kPayloadLen >= kMaxTrainLen);

  ReceiveBuffers() = default;
  ~ReceiveBuffers();
  ReceiveBuffers(const ReceiveBuffers&) = delete;
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;

  // False, with errno set: no memory. Once.
  [[nodiscard]] bool allocate(std::size_t num_slots);

  std::size_t num_slots() const { return num_slots_; }
  std::uint8_t* slot(std::size_t i) const { return memory_ + i * kSlotLen; }
  std::uint8_t* name(std::size_t i) const { return slot(i) + kMetaLen; }
  std::uint8_t* control(std::size_t i) const { return slot(i) + kControlOffset; }
  std::uint8_t* payload(std::size_t i) const { return slot(i) + kPayloadOffset; }

  // What a recvmsg left in slot `i`; nullopt when it was truncated (or is of no family of ours).
  std::optional<ReceivedTrain> read_train(std::size_t i, std::size_t name_len,
                                          std::size_t control_len, std::size_t payload_len,
                                          unsigned message_flags) const;

 private:
  std::uint8_t* memory_ = nullptr;
  std::size_t num_slots_ = 0;
};

}  // namespace hawser
