#include "tun/receive_buffers.h"

#include <sys/mman.h>

#include "tun/socket_address.h"

namespace hawser {

ReceiveBuffers::~ReceiveBuffers() {
  if (memory_ != nullptr) munmap(memory_, num_slots_ * kSlotLen);
}

bool ReceiveBuffers::allocate(std::size_t num_slots) {
  const std::size_t len = num_slots * kSlotLen;
  void* const memory =
      mmap(nullptr, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  memory_ = static_cast<std::uint8_t*>(memory);
  num_slots_ = num_slots;
  return true;
}

std::optional<ReceivedTrain> ReceiveBuffers::read_train(std::size_t i, std::size_t name_len,
                                                        std::size_t control_len,
                                                        std::size_t payload_len,
                                                        unsigned message_flags) const {
  // Without its control data a GRO train would look like one long datagram.
  if ((message_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || payload_len > kMaxTrainLen ||
      name_len > kNameLen || control_len > kReceiveControlLen) {
    return std::nullopt;
  }
  ReceivedTrain train;
  if (!from_socket_address(train.remote, name(i), name_len)) return std::nullopt;
  train.data = payload(i);
  train.len = static_cast<std::uint32_t>(payload_len);
  read_receive_control(train, control(i), control_len);
  return train;
}

}  // namespace hawser
