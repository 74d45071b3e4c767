#include "bench/load/tunnel_peer.h"

#include <sys/socket.h>

#include <array>
#include <cstring>
#include <utility>

#include "base/wire.h"
#include "bench/load/clock.h"
#include "noise/tai64n.h"

namespace hawser::load {
namespace {

template <class Message>
std::span<std::uint8_t> bytes_of(Message& message) {
  return {reinterpret_cast<std::uint8_t*>(&message), sizeof message};
}

template <class Message>
Message read_message(std::span<const std::uint8_t> datagram) {
  Message message;
  std::memcpy(&message, datagram.data(), sizeof message);
  return message;
}

}  // namespace

TunnelPeer::TunnelPeer(Identity identity, const PublicKey& controller, UniqueFd socket)
    : identity_(std::move(identity)),
      handshake_(controller),
      cookies_(controller),
      socket_(std::move(socket)) {}

void TunnelPeer::call(RandomSource& random) {
  if (prepare_call(random)) send_call();
}

bool TunnelPeer::prepare_call(RandomSource& random) {
  initiation_ = {};
  const HandshakeVerdict verdict = handshake_.create_initiation(
      initiation_, identity_, random.u32() | 1, to_tai64n(wall_now()), random);
  if (verdict != HandshakeVerdict::kOk) return false;
  cookies_.add_macs(bytes_of(initiation_), protocol_now());
  return true;
}

void TunnelPeer::send_call() {
  // An error of an earlier datagram (nobody listened) is told instead of sending this one.
  if (::send(fd(), &initiation_, sizeof initiation_, 0) < 0) {
    ::send(fd(), &initiation_, sizeof initiation_, 0);
  }
}

void TunnelPeer::receive_control(std::span<const std::uint8_t> datagram) {
  const std::optional<MessageType> type = classify_message(datagram);
  if (type == MessageType::kCookieReply) {
    cookies_.consume_reply(read_message<CookieReplyMessage>(datagram), protocol_now());
    return;
  }
  if (type != MessageType::kResponse || !calling()) return;
  const ResponseMessage response = read_message<ResponseMessage>(datagram);
  if (load_le32(response.receiver.data()) != handshake_.local_index()) return;
  if (handshake_.consume_response(response, identity_) != HandshakeVerdict::kOk) return;
  std::optional<SessionKeys> keys = handshake_.derive_session();
  if (!keys) return;
  keypair_ = std::make_unique<Keypair>(std::move(*keys), protocol_now(), nullptr);
}

void TunnelPeer::drain() {
  std::array<std::uint8_t, 2048> datagram;
  for (;;) {
    const ssize_t len = ::recv(fd(), datagram.data(), datagram.size(), MSG_DONTWAIT);
    if (len < 0) return;
    receive_control(std::span(datagram).first(static_cast<std::size_t>(len)));
  }
}

void TunnelPeer::send_keepalive(Aead& aead) {
  if (!keypair_) return;
  const std::optional<std::uint64_t> counter = keypair_->reserve_counters(1, protocol_now());
  if (!counter) return;
  std::array<std::uint8_t, kTransportOverhead> message{};
  store_le32(message.data(), static_cast<std::uint32_t>(MessageType::kTransportData));
  store_le32(message.data() + 4, keypair_->remote_index);
  store_le64(message.data() + 8, *counter);
  AeadJob job;
  job.data = message.data() + sizeof(TransportHeader);
  job.counter = *counter;
  job.key = &keypair_->send_key();
  aead.seal({&job, 1});
  ::send(fd(), message.data(), message.size(), 0);
}

}  // namespace hawser::load
