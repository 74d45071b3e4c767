"""Hosts: a namespace, a daemon, a key, and addresses outside and inside the tunnel.

Host number N is 192.0.2.N and 2001:db8::N on the underlay, 10.9.0.N and fd09::N inside.
"""

from __future__ import annotations

import base64
from typing import Optional

import daemons
from lab import Lab, Namespace, add_address, wait_until

PORT = 51820
INNER_NET4, INNER_NET6 = "10.9.0.0/24", "fd09::/64"


def to_hex(key: str) -> str:
    return base64.b64decode(key).hex()


class Host:
    def __init__(self, lab: Lab, number: int, role: str):
        self.lab = lab
        self.number = number
        self.role = role
        self.namespace: Namespace = lab.namespace(role)
        self.outer4, self.outer6 = f"192.0.2.{number}", f"2001:db8::{number}"
        self.inner4, self.inner6 = f"10.9.0.{number}", f"fd09::{number}"
        self.port = PORT
        self.private_key = daemons.genkey()
        self.public_key = daemons.pubkey(self.private_key)
        self.daemon: Optional[daemons.Daemon] = None
        self.mtu = 1420

    @property
    def interface(self) -> str:
        return self.daemon.interface

    @property
    def inner(self) -> tuple:
        return self.inner4, self.inner6

    def outer_addresses(self) -> tuple:
        return f"{self.outer4}/24", f"{self.outer6}/64"

    def endpoint(self, family: int = 4) -> str:
        return f"{self.outer4}:{self.port}" if family == 4 else f"[{self.outer6}]:{self.port}"

    # --- the daemon ---

    def run_hawserd(self, engine: str, *options: str, **kwargs) -> "Host":
        self.daemon = daemons.hawserd(self.namespace, engine, *options, **kwargs).start()
        return self

    def run_stock(self) -> "Host":
        self.daemon = daemons.stock(self.namespace).start()
        return self

    def key_file(self):
        return daemons.key_file(self.lab, self.private_key, f"{self.role}.key")

    def bring_up(self, mtu: int = 1420) -> "Host":
        """Key, port, inner addresses, up: everything but the peers."""
        self.mtu = mtu
        self.wg("set", "private-key", self.key_file(), "listen-port", self.port)
        self.bring_up_link()
        return self

    def bring_up_link(self) -> None:
        add_address(self.namespace, self.interface, f"{self.inner4}/24")
        add_address(self.namespace, self.interface, f"{self.inner6}/64")
        self.namespace.ip("link", "set", self.interface, "mtu", str(self.mtu), "up")

    def wg(self, *arguments, **kwargs) -> str:
        return self.daemon.wg(*arguments, **kwargs)

    # --- peers ---

    def peer(self, other: "Host", endpoint: Optional[str] = None, allowed: Optional[str] = None,
             keepalive: Optional[int] = None, psk: Optional[str] = None) -> None:
        """Adds or changes `other` as a peer; what is not given stays."""
        arguments = ["set", "peer", other.public_key]
        if psk is not None:
            arguments += ["preshared-key", daemons.key_file(self.lab, psk, f"{self.role}.psk")]
        if endpoint is not None:
            arguments += ["endpoint", endpoint]
        if keepalive is not None:
            arguments += ["persistent-keepalive", keepalive]
        if allowed is not None:
            arguments += ["allowed-ips", allowed]
        self.wg(*arguments)

    def forget(self, other: "Host") -> None:
        self.wg("set", "peer", other.public_key, "remove")

    def allowed_only(self) -> str:
        """What others let this host send from, when it is a leaf."""
        return f"{self.inner4}/32,{self.inner6}/128"

    # --- what wg and the log say ---

    @staticmethod
    def short_name(other: "Host") -> str:
        """How logs name a peer."""
        return f"{other.public_key[:4]}…{other.public_key[39:43]}"

    def _per_peer(self, what: str, other: "Host") -> list:
        for line in self.wg("show", what).splitlines():
            key, *values = line.split("\t")
            if key == other.public_key:
                return values
        raise AssertionError(f"{self.role} has no peer {other.role}")

    def handshake_time(self, other: "Host") -> int:
        return int(self._per_peer("latest-handshakes", other)[0])

    def transfer(self, other: "Host") -> tuple:
        """(received, sent) bytes."""
        received, sent = self._per_peer("transfer", other)
        return int(received), int(sent)

    def endpoint_of(self, other: "Host") -> str:
        return self._per_peer("endpoints", other)[0]

    def exact_handshake_time(self, other: "Host") -> tuple:
        """(seconds, nanoseconds) of the last handshake; (0, 0) if there was none."""
        found = None
        with self.daemon.uapi() as uapi:
            for key, value in uapi.get():
                if key == "public_key":
                    found = value == to_hex(other.public_key)
                elif found and key == "last_handshake_time_sec":
                    seconds = int(value)
                elif found and key == "last_handshake_time_nsec":
                    return seconds, int(value)
        raise AssertionError(f"{self.role} has no peer {other.role}")

    def await_new_handshake(self, other: "Host", since: tuple, seconds: float = 12) -> None:
        wait_until(lambda: self.exact_handshake_time(other) > since, seconds,
                   f"{self.role} has a new session with {other.role}")


def connect(a: Host, b: Host, family: int = 4, psk: Optional[str] = None,
            initiator: Optional[Host] = None) -> None:
    """Makes two hosts each other's only route to the other, from nothing. With `initiator` only that
    one knows where the other is, so it must begin."""
    for one, other in ((a, b), (b, a)):
        one.forget(other)
    for one, other in ((a, b), (b, a)):
        endpoint = other.endpoint(family) if initiator in (None, one) else None
        one.peer(other, endpoint=endpoint, allowed=other.allowed_only(), psk=psk)


def pair(lab: Lab, engine: str, *options: str, link_mtu: int = 1500, mtu: int = 1420) -> tuple:
    """The daemon under test (host 1) and wireguard-go (host 2) on one cable; not yet peers."""
    ours, theirs = Host(lab, 1, "ours"), Host(lab, 2, "theirs")
    lab.link(ours.namespace, "eth0", theirs.namespace, "eth0", link_mtu)
    for host in (ours, theirs):
        for address in host.outer_addresses():
            add_address(host.namespace, "eth0", address)
    ours.run_hawserd(engine, *options).bring_up(mtu)
    theirs.run_stock().bring_up(mtu)
    return ours, theirs


class Hub:
    """A hub (host 1, the daemon under test) and leaves (2, 3, ...: wireguard-go unless they are ours)
    on one switch."""

    def __init__(self, lab: Lab, engine: str, *options: str, num_leaves: int = 2, mtu: int = 1420,
                 link_mtu: int = 1500, leaves_are_ours: bool = False):
        self.lab = lab
        self.switch = lab.switch(link_mtu)
        self.hub = Host(lab, 1, "hub")
        self.leaves = [Host(lab, 2 + index, f"leaf{index}") for index in range(num_leaves)]
        for host in (self.hub, *self.leaves):
            self.switch.plug(host.namespace, "eth0", *host.outer_addresses())
        if not daemons.is_hawser():
            self.hub.namespace.forward()  # the stand-in cannot but ask the kernel
        self.hub.run_hawserd(engine, *options).bring_up(mtu)
        for index, leaf in enumerate(self.leaves):
            if leaves_are_ours:
                leaf.run_hawserd(engine)
            else:
                leaf.run_stock()
            leaf.bring_up(mtu)
            self.join(leaf, 4 if index % 2 == 0 else 6)

    def join(self, leaf: Host, family: int) -> None:
        self.hub.peer(leaf, allowed=leaf.allowed_only())
        leaf.peer(self.hub, endpoint=self.hub.endpoint(family), allowed=f"{INNER_NET4},{INNER_NET6}",
                  keepalive=5)


def wg_config(host: Host, peers: list) -> str:
    """A configuration file for wg setconf: `peers` are (public key, allowed IPs, endpoint or None)."""
    text = f"[Interface]\nPrivateKey = {host.private_key}\nListenPort = {host.port}\n"
    for public_key, allowed, endpoint in peers:
        text += f"\n[Peer]\nPublicKey = {public_key}\nAllowedIPs = {allowed}\n"
        if endpoint:
            text += f"Endpoint = {endpoint}\n"
    return text


def config_parts(text: str) -> set:
    """A configuration's sections; the order of peers means nothing."""
    return {part.strip() for part in text.split("\n\n")}
