"""A laboratory of network namespaces: made for a test, gone after it, whatever happens.

Every name that the whole machine sees (namespaces, tunnel interfaces, control sockets) carries the
process id of the test run, so that runs do not meet each other, and so that a run that was killed
can be swept up by the next one.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Optional

NAMESPACE_PREFIX = "hawser-e2e-"
SOCKET_DIR = Path("/var/run/wireguard")
AGENTS = Path(__file__).resolve().parent / "agents"
PYTHON = "/usr/bin/python3"
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as in a plain shell, also when we run under nohup


def wait_until(condition: Callable[[], object], seconds: float, what: str, every: float = 0.02):
    """The first true value of `condition`; after `seconds` without one, the test has failed."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


def base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text or "0"


def program_of(pid: int) -> str:
    """The name of a process's program; empty: it is gone."""
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name
    except OSError:
        return ""


RUN_TAG = base36(os.getpid())
INTERFACE_PREFIX = f"hw{RUN_TAG}x"  # at most 8 bytes, so that a number fits behind it
_counter = 0


def next_number() -> int:
    global _counter
    _counter += 1
    return _counter


def interface_name() -> str:
    return INTERFACE_PREFIX + base36(next_number())


def run(*command, check: bool = True, timeout: float = 30, **kwargs) -> subprocess.CompletedProcess:
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout,
                          stdin=None if "input" in kwargs else subprocess.DEVNULL, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\nexit {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done


class Process:
    """A child with its output in a file. It does not outlive this one."""

    def __init__(self, name: str, command: list, log_path: Path, env: Optional[dict] = None):
        self.name = name
        self.log_path = log_path
        self.must_end_well = False  # an exit status other than 0 at the end fails the test
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=subprocess.STDOUT,
                                          env={**os.environ, **(env or {})},
                                          preexec_fn=_die_with_parent, start_new_session=True)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def output(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait(self, seconds: float = 10) -> int:
        """The exit status; the test has failed if it takes longer."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {seconds} s") from None

    def signal(self, number: int) -> None:
        if self.alive:
            self.popen.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def end(self, seconds: float = 5) -> None:
        """Asks, then insists."""
        self.signal(signal.SIGTERM)
        self.wait_or_kill(seconds)

    def wait_or_kill(self, seconds: float = 5) -> None:
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()


class Namespace:
    """A network namespace with a loopback device."""

    def __init__(self, lab: "Lab", role: str):
        self.lab = lab
        self.role = role
        self.name = f"{NAMESPACE_PREFIX}{os.getpid()}-{next_number()}-{role}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def command(self, *command) -> list:
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, **kwargs) -> subprocess.CompletedProcess:
        return run(*self.command(*command), **kwargs)

    def ip(self, *arguments, check: bool = True) -> str:
        return run("ip", "-n", self.name, *arguments, check=check).stdout

    def spawn(self, name: str, *command, env: Optional[dict] = None) -> Process:
        return self.lab.spawn(f"{self.role}-{name}", *self.command(*command), env=env)

    def agent(self, script: str, *arguments) -> Process:
        """A helper program of ours from agents/, in this namespace."""
        return self.spawn(script, PYTHON, AGENTS / f"{script}.py", *arguments)

    def forward(self) -> None:
        self.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def nft(self, rules: str) -> None:
        self.run("nft", "-f", "-", input=rules)

    def nft_counter(self, table: str, name: str) -> int:
        listing = self.run("nft", "list", "counter", "inet", table, name).stdout
        return int(re.search(r"packets (\d+)", listing).group(1))

    def link_exists(self, name: str) -> bool:
        return run("ip", "-n", self.name, "link", "show", "dev", name, check=False).returncode == 0

    def link_packets(self, name: str, direction: str) -> int:
        """Packets that an interface counted; direction is "rx" or "tx"."""
        text = self.run("cat", f"/sys/class/net/{name}/statistics/{direction}_packets").stdout
        return int(text)

    def loss_counters(self) -> dict:
        """What the kernel counted that explains a lost packet, by name; what is zero is left out.
        "udp …" comes from sockets, "link NAME …" from interfaces."""
        done = self.run("nstat", "-asz", "*Udp*Err*", "*Udp*NoPorts", "Ip*Discards", "Ip*NoRoutes",
                        "Ip*AddrErrors", check=False)
        rows = [line.split()[:2] for line in done.stdout.splitlines() if not line.startswith("#")]
        found = {f"udp {name}" if "Udp" in name else name: int(number) for name, number in rows}
        for link in json.loads(self.run("ip", "-s", "-j", "link", check=False).stdout or "[]"):
            for direction, numbers in link.get("stats64", {}).items():
                for name in ("dropped", "errors", "over_errors"):
                    found[f"link {link['ifname']} {direction} {name}"] = numbers.get(name, 0)
        return {name: number for name, number in found.items() if number}

    def losses(self) -> str:
        found = ", ".join(f"{name} {number}" for name, number in self.loss_counters().items())
        return f"--- losses in {self.name}: {found or 'none'}"

    def full_sockets(self, program: str) -> int:
        """Datagrams that found a full UDP socket here, other than one that `program` has open."""
        counters = self.loss_counters()
        lost = sum(counters.get(f"udp {name}", 0) for name in
                   ("UdpRcvbufErrors", "UdpSndbufErrors", "Udp6RcvbufErrors", "Udp6SndbufErrors"))
        own = self.socket_inodes(program) or set()
        rows = self.run("cat", "/proc/net/udp", "/proc/net/udp6").stdout.splitlines()
        sockets = [row.split() for row in rows if ":" in row.split()[0]]
        return lost - sum(int(columns[12]) for columns in sockets if columns[9] in own)

    def socket_inodes(self, program: str) -> Optional[set]:
        """Those of all processes of this name here; None: there is none."""
        pids = [pid for pid in self.pids() if program_of(pid) == program]
        if not pids:
            return None
        inodes = set()
        for pid in pids:
            for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
                try:
                    match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))
                except OSError:
                    continue  # closed meanwhile
                if match:
                    inodes.add(match[1])
        return inodes

    def full_links(self, program: str) -> int:
        """Packets that an interface here dropped, other than a tunnel of `program`'s."""
        runs_here = self.socket_inodes(program) is not None
        links = json.loads(self.run("ip", "-s", "-d", "-j", "link", check=False).stdout or "[]")
        return sum(numbers.get("dropped", 0) for link in links
                   if not (runs_here and link.get("linkinfo", {}).get("info_kind") == "tun")
                   for numbers in link.get("stats64", {}).values())

    def pids(self) -> list:
        done = run("ip", "netns", "pids", self.name, check=False)
        return [int(pid) for pid in done.stdout.split()]

    def delete(self) -> None:
        # Who is still in there was started by the test that made it.
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        run("ip", "netns", "delete", self.name, check=False)


class Lab:
    """Owns everything that a test makes; close() removes it."""

    open_labs: list = []

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="hawser-e2e-"))
        self.dir.chmod(0o755)  # a daemon without privilege reaches its own folder in it
        self.namespaces: list = []
        self.processes: list = []
        self.interfaces: list = []
        self.reports: list = []  # what else belongs into the report of a failed test: functions
        self._finalizers: list = []
        Lab.open_labs.append(self)

    def namespace(self, role: str) -> Namespace:
        namespace = Namespace(self, role)
        self.namespaces.append(namespace)
        return namespace

    def spawn(self, name: str, *command, env: Optional[dict] = None) -> Process:
        path = self.dir / f"{next_number():03}-{name}.log"
        process = Process(name, list(command), path, env)
        self.processes.append(process)
        return process

    def tunnel_name(self) -> str:
        self.interfaces.append(interface_name())
        return self.interfaces[-1]

    def finally_do(self, action: Callable[[], None]) -> None:
        self._finalizers.append(action)

    def link(self, a: Namespace, a_name: str, b: Namespace, b_name: str, mtu: int = 1500) -> None:
        """An Ethernet cable between two namespaces."""
        run("ip", "link", "add", a_name, "netns", a.name, "mtu", mtu, "type", "veth",
            "peer", "name", b_name, "netns", b.name, "mtu", mtu)
        a.ip("link", "set", a_name, "up")
        b.ip("link", "set", b_name, "up")

    def switch(self, mtu: int = 1500) -> "Switch":
        return Switch(self, mtu)

    def logs(self) -> str:
        """The end of what each process said, for the report of a failed test."""
        parts = []
        for process in self.processes:
            text = process.output()[-2000:] if process.log_path.exists() else ""
            if text.strip():
                parts.append(f"--- {process.name} (pid {process.pid})\n{text.rstrip()}")
        for report in [*self.reports, *(namespace.losses for namespace in self.namespaces)]:
            try:
                parts.append(report())
            except (OSError, AssertionError) as error:
                parts.append(f"no report: {error}")
        return "\n".join(parts)

    def lost_elsewhere(self, program: str) -> int:
        """Packets that, by the kernel's own counters, were lost in this laboratory outside of
        `program`: in full sockets of others and on full links."""
        return sum(namespace.full_sockets(program) + namespace.full_links(program)
                   for namespace in self.namespaces)

    def close(self) -> None:
        if self not in Lab.open_labs:
            return
        for action in reversed(self._finalizers):
            try:
                action()
            except Exception as error:  # the rest must be removed all the same
                print(f"while cleaning up: {error}")
        running = [process for process in self.processes if process.alive]
        for process in running:
            process.signal(signal.SIGTERM)
        for process in running:
            process.wait_or_kill()
        complaints = [f"{process.name} ended with {process.popen.returncode}:\n"
                      f"{process.output()[-4000:]}" for process in running
                      if process.must_end_well and process.popen.returncode != 0]
        for namespace in self.namespaces:
            namespace.delete()
        for interface in self.interfaces:
            (SOCKET_DIR / f"{interface}.sock").unlink(missing_ok=True)
        shutil.rmtree(self.dir, ignore_errors=True)
        Lab.open_labs.remove(self)
        assert not complaints, "\n".join(complaints)


class Switch:
    """An Ethernet that any number of namespaces are plugged into: the underlay, "the internet"."""

    def __init__(self, lab: Lab, mtu: int):
        self.lab = lab
        self.mtu = mtu
        self.namespace = lab.namespace("switch")
        self.namespace.ip("link", "add", "br0", "mtu", str(mtu), "type", "bridge")
        self.namespace.ip("link", "set", "br0", "up")
        self.ports = 0

    def plug(self, namespace: Namespace, name: str, *addresses: str) -> None:
        port = f"port{self.ports}"
        self.ports += 1
        self.lab.link(namespace, name, self.namespace, port, self.mtu)
        self.namespace.ip("link", "set", port, "master", "br0")
        for address in addresses:
            add_address(namespace, name, address)


def add_address(namespace: Namespace, device: str, address: str) -> None:
    nodad = ["nodad"] if ":" in address else []
    namespace.ip("address", "add", address, "dev", device, *nodad)


def sweep(only_dead_runs: bool = True) -> None:
    """Removes what a killed run has left. What belongs to a run that is alive is not touched."""
    listing = run("ip", "netns", "list", check=False).stdout
    for name in re.findall(rf"^({re.escape(NAMESPACE_PREFIX)}\d+\S*)", listing, re.M):
        pid = int(name[len(NAMESPACE_PREFIX):].split("-")[0])
        if only_dead_runs and os.path.exists(f"/proc/{pid}"):
            continue
        for inner in run("ip", "netns", "pids", name, check=False).stdout.split():
            try:
                os.kill(int(inner), signal.SIGKILL)
            except ProcessLookupError:
                pass
        run("ip", "netns", "delete", name, check=False)


def leftovers() -> list:
    """What of this run is still on the machine, in words."""
    found = []
    listing = run("ip", "netns", "list", check=False).stdout
    found += [f"namespace {name}" for name in
              re.findall(rf"^({re.escape(NAMESPACE_PREFIX)}{os.getpid()}-\S*)", listing, re.M)]
    if SOCKET_DIR.is_dir():
        found += [f"socket {path}" for path in SOCKET_DIR.glob(f"{INTERFACE_PREFIX}*")]
    links = run("ip", "-o", "link", "show").stdout
    found += [f"interface {name}" for name in re.findall(rf"({INTERFACE_PREFIX}\w+)", links)]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.startswith(INTERFACE_PREFIX.encode()) for word in words):
            found.append(f"process {entry.name}: {b' '.join(words).decode(errors='replace')}")
    return found
