"""A network as its file describes it: two controllers and three peers, each in a namespace.

The addresses are worked out here once more, from the plan's definition, so that what a host
configures is compared with something that it did not say itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address
from itertools import permutations
from pathlib import Path
from typing import Iterable, Optional

import daemons
import traffic
from lab import NAMESPACE_PREFIX, Lab, Namespace, wait_until

PORT = 51820
NETWORK = "vpn"
CONTROLLERS = ("server1", "server2")
PEERS = ("laptop1", "printer", "storage")
DESIGNATED = {"laptop1": "server1", "printer": "server1", "storage": "server2"}
# A handshake that is lost is tried again after 5 s, and so is one that came too early.
CONNECT_S = 20
LINES_OF_OTHERS = "127.0.0.1\tlocalhost\n# what others wrote\n192.0.2.200\tother.example\n"
NETNS_DIR = Path("/etc/netns")


def hawser_command() -> str:
    """hawser: what HAWSER says, else the one beside the daemon under test."""
    beside = Path(daemons.command_under_test()[-1]).with_name("hawser")
    return os.environ.get("HAWSER") or str(beside)


# --- the address plan ---

def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def network_number(network: str = NETWORK) -> int:
    return 0xFD << 120 | (int.from_bytes(_hash(network)[:4], "big") & 0xFFFFFF00) << 88


def subnet_number(controller: str) -> int:
    return network_number() | int.from_bytes(_hash(controller)[:2], "big") << 72


def subnet(controller: str) -> str:
    """The controller's /56."""
    return f"{IPv6Address(subnet_number(controller))}/56"


def controller_address(controller: str) -> str:
    return str(IPv6Address(subnet_number(controller) + 1))


def peer_address(peer: str, controller: str) -> str:
    suffix = int.from_bytes(_hash(peer)[:8], "big")
    return str(IPv6Address(subnet_number(controller) | suffix))


def ipv4_address(name: str, prefix: int = 10 << 24 | 60 << 16, bits: int = 16) -> str:
    """What a name gives in [network]'s ipv4: as in plan node-id, never moved."""
    number = prefix | int.from_bytes(_hash(name)[:4], "big") & (1 << 32 - bits) - 1
    last = min(max(number & 255, 1), 254)
    return str(IPv4Address(number & ~255 | last))


class Member:
    """One of the network's hosts. Its daemon has all its files in a folder of its own."""

    def __init__(self, network: "Network", number: int, name: str):
        self.network = network
        self.number = number
        self.name = name
        self.is_controller = name in CONTROLLERS
        self.namespace: Namespace = network.lab.namespace(name)
        self.outer4, self.outer6 = f"192.0.2.{number}", f"2001:db8::{number}"
        self.dir = network.lab.dir / f"{network.interface}-{name}"
        self.dir.mkdir()
        self.private_key = daemons.genkey()
        self.public_key = daemons.pubkey(self.private_key)
        self.key_path = self.dir / "key"
        self.key_path.touch(mode=0o600)
        self.key_path.write_text(self.private_key + "\n")
        self.hosts_path = self.dir / "hosts"
        self.hosts_path.write_text(LINES_OF_OTHERS)
        self.daemon: Optional[daemons.Daemon] = None

    @property
    def endpoint(self) -> str:
        # One controller is reached over IPv4, the other over IPv6.
        return f"{self.outer4}:{PORT}" if self.number % 2 else f"[{self.outer6}]:{PORT}"

    @property
    def address(self) -> str:
        """What the name stands for."""
        if self.is_controller:
            return controller_address(self.name)
        return peer_address(self.name, DESIGNATED[self.name])

    # --- the daemon ---

    def options(self, *instead: str) -> list:
        """What it is started with; `instead` takes the place of options of the same name."""
        usual = [f"--network={self.network.path}", f"--private-key-file={self.key_path}",
                 f"--control-dir={self.dir}", f"--hosts-file={self.hosts_path}",
                 f"--host={self.name}"]
        replaced = {option.split("=")[0] for option in instead}
        return [*instead, *(option for option in usual if option.split("=")[0] not in replaced)]

    def environment(self) -> dict:
        return {"HAWSER_STATE_DIR": str(self.dir / "state")}

    def start(self, *options: str, env: Optional[dict] = None) -> "Member":
        self.daemon = daemons.hawserd(
            self.namespace, self.network.engine, *self.options(*options),
            interface=self.network.interface, socket_dir=self.dir,
            env={**self.environment(), **(env or {})}).start()
        return self

    def start_in_background(self) -> int:
        """As an operator does it, the interface's name left out; the daemon's process id."""
        self.namespace.run(*daemons.command_under_test(), f"--engine={self.network.engine}",
                           *self.options(), env={**os.environ, **self.environment()})
        pids = self.namespace.pids()
        assert len(pids) == 1, pids
        return pids[0]

    def stop(self) -> None:
        assert self.daemon.stop() == 0, self.daemon.process.output()

    def uapi(self) -> daemons.Uapi:
        return daemons.Uapi(self.dir / f"{self.network.interface}.sock")

    def action(self, *lines: str) -> dict:
        """A request to the running daemon; the reply's keys. All its message lines are one."""
        with self.uapi() as uapi:
            reply = uapi.request("\n".join(lines))
        messages = [value for key, value in reply if key == "message"]
        return {**dict(reply), "message": "\n".join(messages)}

    def reload(self, confirm: Optional[int] = None) -> dict:
        return self.action("do=reload", *([] if confirm is None else [f"confirm={confirm}"]))

    # --- what it says of itself ---

    def status(self) -> tuple:
        """(facts, routes, peers): dictionary; carrier by prefix; dictionary by peer name."""
        facts: dict = {}
        routes: dict = {}
        peers: dict = {}
        current = facts
        with self.uapi() as uapi:
            reply = uapi.request("get=status")
        for key, value in reply:
            if key == "public_key":
                current = {"public_key": value}
            elif key == "route":
                prefix, carrier = value.split()
                routes[prefix] = carrier
                continue
            elif key == "name":
                peers[value] = current
            current[key] = value
        return facts, routes, peers

    def carrier_of(self, controller: str) -> str:
        """Through whom this peer reaches a controller's subnet now."""
        return self.status()[1][subnet(controller)]

    def peer_names(self) -> set:
        return set(self.status()[2])

    def num_handshakes(self) -> int:
        return int(self.status()[0]["handshakes_completed"])

    def interface_addresses(self) -> set:
        text = self.namespace.ip("-6", "-o", "address", "show", "dev", self.network.interface,
                                 "scope", "global")
        return set(re.findall(r"inet6 (\S+)", text))

    def expected_addresses(self) -> set:
        if self.is_controller:
            return {f"{controller_address(self.name)}/40"}
        return {f"{peer_address(self.name, controller)}/56" for controller in CONTROLLERS}

    def names(self) -> dict:
        """The marked block of the hosts file: address by name."""
        return block_names(self.hosts_path.read_text())


def block_names(text: str, network: str = NETWORK) -> dict:
    block = re.search(rf"^# BEGIN hawser {network}\n(.*?)^# END hawser {network}\n", text,
                      re.M | re.S)
    if block is None:
        return {}
    names = {}
    for line in block[1].splitlines():
        address, name, *short = line.split()
        assert short in ([], [name.split(".")[0]]), line
        names[name] = address
    return names


class Network:
    """Five namespaces on a switch, one file; daemons are started by whoever wants them."""

    def __init__(self, lab: Lab, engine: str):
        self.lab = lab
        self.engine = engine
        self.interface = lab.tunnel_name()
        self.path = lab.dir / f"{self.interface}.toml"
        self.switch = lab.switch()
        self.members = {name: Member(self, number, name)
                        for number, name in enumerate((*CONTROLLERS, *PEERS), 1)}
        for member in self.members.values():
            self.switch.plug(member.namespace, "eth0", f"{member.outer4}/24", f"{member.outer6}/64")
        self.write()

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def __iter__(self):
        return iter(self.members.values())

    def text(self, endpoints: Optional[dict] = None) -> str:
        parts = [f'[network]\nname = "{NETWORK}"\ninterface = "{self.interface}"\nport = {PORT}\n']
        for member in self:
            if member.is_controller:
                endpoint = (endpoints or {}).get(member.name, member.endpoint)
                parts.append(f'[controllers.{member.name}]\npublic_key = "{member.public_key}"\n'
                             f'endpoint = "{endpoint}"\n')
            else:
                parts.append(peer_section(member.name, member.public_key, DESIGNATED[member.name]))
        return "\n".join(parts)

    def write(self, text: Optional[str] = None) -> None:
        self.path.write_text(self.text() if text is None else text)

    def start(self, names: Optional[Iterable[str]] = None) -> "Network":
        for name in names or self.members:
            self[name].start()
        return self

    def stop(self) -> None:
        """All at the same time; each ends well."""
        for member in self:
            member.daemon.process.signal(signal.SIGTERM)
        for member in self:
            assert member.daemon.process.wait(daemons.END_S) == 0, member.daemon.process.output()

    def pairs(self) -> list:
        return list(permutations(self.members.values(), 2))

    def is_connected(self, seconds: float = CONNECT_S) -> None:
        """All 20 directed pairs; each has its own patience for handshakes that are still due."""
        def reach(pair: tuple) -> None:
            reaches(pair[0].namespace, pair[1].address, seconds)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(reach, self.pairs()))

    def all_answered(self, count: int = 3) -> None:
        for source, target in self.pairs():
            traffic.all_answered(source.namespace, target.address, count)

    def carried_by(self, controller: str, subnet_of: str = "server1") -> bool:
        """Do all peers reach a subnet through this controller?"""
        return all(self[name].carrier_of(subnet_of) == controller for name in PEERS)

    def await_carrier(self, controller: str, seconds: float, subnet_of: str = "server1") -> None:
        wait_until(lambda: self.carried_by(controller, subnet_of), seconds,
                   f"all peers reach {subnet_of}'s subnet through {controller}", every=0.05)


class PlannedNetwork(Network):
    """The same five hosts, described otherwise."""

    def __init__(self, lab: Lab, engine: str, describe):
        self.describe = describe
        super().__init__(lab, engine)

    def text(self, endpoints: Optional[dict] = None) -> str:
        return self.describe(self)


def reaches(namespace: Namespace, address: str, seconds: float = CONNECT_S) -> None:
    """An answer comes, perhaps after errors: a controller that does not know yet where a peer is
    says so, and ping takes that for an end."""
    wait_until(lambda: namespace.run("ping", "-n", "-q", "-c", 1, "-W", 1, address,
                                     check=False).returncode == 0,
               seconds, f"{namespace.role} reaches {address}", every=0.1)


def peer_section(name: str, public_key: str, controller: str) -> str:
    return f'[peers.{name}]\npublic_key = "{public_key}"\ncontroller = "{controller}"\n'


def line_of(text: str, words: str) -> int:
    """The number of the first line with these words."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


# --- a daemon that is expected not to start ---

def try_start(namespace: Namespace, engine: str, *options: str, background: bool = False):
    environment = {**os.environ, "LOG_LEVEL": "error",
                   "HAWSER_STATE_DIR": str(namespace.lab.dir / "state")}
    foreground = [] if background else ["-f"]
    return namespace.run(*daemons.command_under_test(), *foreground, f"--engine={engine}", *options,
                         check=False, timeout=15, env=environment)


def refused(done, *words: str) -> None:
    """It failed, and said so once, with these words."""
    text = (done.stdout + done.stderr).strip()
    assert done.returncode not in (0, 124) and done.returncode < 128, text
    assert text.count("hawserd:") == 1, text
    for word in words:
        assert str(word).lower() in text.lower(), f"no {word!r} in: {text}"


# --- files of a namespace's own ---

def etc_of(namespace: Namespace, **files: str) -> Path:
    """A folder whose files stand in for those of /etc in commands of the namespace. They are to be
    changed in place: a running command keeps the file that it saw."""
    for folder in NETNS_DIR.glob(f"{NAMESPACE_PREFIX}*"):  # of runs that were killed
        pid = folder.name[len(NAMESPACE_PREFIX):].split("-")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(folder, ignore_errors=True)
    folder = NETNS_DIR / namespace.name
    folder.mkdir(parents=True)
    namespace.lab.finally_do(lambda: shutil.rmtree(folder, ignore_errors=True))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


class NotifySocket:
    """What a service manager listens on."""

    def __init__(self, path: Path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(10)

    def read(self) -> dict:
        """The next message."""
        lines = self.socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def wait_for(self, key: str) -> dict:
        """The next message with this; a status by itself may come before it at any time."""
        while key not in (message := self.read()):
            assert list(message) == ["STATUS"], message
        return message

    def close(self) -> None:
        self.socket.close()


def hawser(namespace: Namespace, *arguments, **kwargs):
    return namespace.run(hawser_command(), *arguments, **kwargs)
