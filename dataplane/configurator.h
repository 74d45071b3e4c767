#pragma once
#include <memory>

#include "dataplane/change.h"
#include "dataplane/device_state.h"
#include "dataplane/handshaker.h"

namespace hawser {

// Configurator applies changes to the device: checks all, then applies all. Everything under the
// device's lock.
class Configurator {
 public:
  Configurator(DeviceState& state, Handshaker& handshaker)
      : state_(state), handshaker_(handshaker) {}

  Status apply(DeviceChange change, const Now& now) HAWSER_UNDER_LOCK;
  void remove_all() HAWSER_UNDER_LOCK;

 private:
  using AllowedIpsEdit = PrefixMap<Peer>::Edit;

  Status check(const DeviceChange& change) const HAWSER_UNDER_LOCK;
  void replace_peers(DeviceChange& change, AllowedIpsEdit& edit) HAWSER_UNDER_LOCK;
  void apply_overlay(DeviceChange& change, const Now& now) HAWSER_UNDER_LOCK;
  void apply_private_key(PrivateKey key, AllowedIpsEdit& edit) HAWSER_UNDER_LOCK;
  void apply_peer(PeerChange& change, AllowedIpsEdit& edit) HAWSER_UNDER_LOCK;
  void apply_allowed_ips(Peer& peer, const PeerChange& change,
                         AllowedIpsEdit& edit) HAWSER_UNDER_LOCK;
  void add_allowed_ip(Peer& peer, const Prefix& prefix, AllowedIpsEdit& edit) HAWSER_UNDER_LOCK;
  void remove_allowed_ip(Peer& peer, const Prefix& prefix, AllowedIpsEdit& edit) HAWSER_UNDER_LOCK;
  Peer* find_peer(const PeerChange& change) const HAWSER_UNDER_LOCK;
  void apply_keys(Peer& peer, const PeerChange& change) HAWSER_UNDER_LOCK;
  Peer& create_peer(const PublicKey& key) HAWSER_UNDER_LOCK;
  void remove_peer(Peer& peer, AllowedIpsEdit& edit) HAWSER_UNDER_LOCK;

  DeviceState& state_;
  Handshaker& handshaker_;
  // Taken out by the change that is being applied; freed once the new tables are public.
  std::vector<Peer*> removed_;
  bool created_ = false;  // the same, for peers that are new
};

}  // namespace hawser
