"""A host with a wg-quick file of its own, for hawser up and down."""

import os
import signal

import daemons
from lab import wait_until
from network_lab import hawser as plain_hawser
from network_lab import hawser_command

PORT = 51820


class Site:
    """A host with a wg-quick file of its own."""

    def __init__(self, lab, engine, switch, number):
        self.lab, self.engine, self.number = lab, engine, number
        self.namespace = lab.namespace(f"site{number}")
        switch.plug(self.namespace, "eth0", f"192.0.2.{number}/24", f"2001:db8::{number}/64")
        self.interface = lab.tunnel_name()
        self.dir = lab.dir / f"site{number}"
        self.dir.mkdir()
        self.path = self.dir / f"{self.interface}.conf"
        self.private_key = daemons.genkey()
        self.public_key = daemons.pubkey(self.private_key)
        lab.finally_do(lambda: self.hawser("down", self.interface, check=False))

    def hawser(self, *arguments, check=True, more=None, prefix=()):
        environment = {**os.environ, **(more or {}), "HAWSER_ENGINE": self.engine,
                       "HAWSER_CONTROL_DIR": str(self.dir / "run"),
                       "HAWSER_STATE_DIR": str(self.dir / "state")}
        if prefix:
            return self.namespace.run(*prefix, hawser_command(), *arguments, check=check,
                                      env=environment)
        return plain_hawser(self.namespace, *arguments, check=check, env=environment)

    def section(self, more: str = "") -> str:
        """This site as others have it."""
        return (f"# site{self.number}\n[Peer]\nPublicKey = {self.public_key}\n"
                f"AllowedIPs = 10.7.0.{self.number}/32, 10.{self.number}.0.0/16\n"
                f"Endpoint = 192.0.2.{self.number}:{PORT}\n{more}")

    def write(self, *others: "Site", more: str = "") -> None:
        self.path.touch(mode=0o600)
        self.path.write_text(
            f"[Interface]\nPrivateKey = {self.private_key}\nListenPort = {PORT}\n"
            f"Address = 10.7.0.{self.number}/24\nMTU = 1380\n{more}\n" +
            "\n".join(other.section() for other in others))

    def is_gone(self) -> None:
        assert not self.namespace.link_exists(self.interface)
        wait_until(lambda: not self.namespace.pids(), 10, "its daemon has ended")
        assert list((self.dir / "run").glob("*.sock")) == []

    def kill_daemon(self) -> None:
        for pid in self.namespace.pids():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.namespace.link_exists(self.interface), 10, "it is gone")


def pair_of_sites(lab, engine) -> list:
    switch = lab.switch()
    pair = [Site(lab, engine, switch, number) for number in (1, 2)]
    pair[0].write(pair[1])
    pair[1].write(pair[0])
    return pair
