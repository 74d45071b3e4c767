"""A controller with very many peers, and these peers."""

import json
import select
import socket
import subprocess
import time
from pathlib import Path

from .lab import BenchError, PathLab, die_with_parent, run
from .router import Router

CONTROL_DIR = Path("/var/run/wireguard")
FIRST_SOURCE = "100.64.0.0"
SOURCES = "100.64.0.0/10"
INNER_ADDRESSES = ["10.64.0.1/32", "fd64::1/128"]
INNER_ROUTES = ["10.65.0.0/16", "10.66.0.0/16", "fd65::/64", "fd66::/64", "64.0.0.0/2", "fc00::/8"]


class UapiClient:
    """The control socket, as programs use it: one connection, request after request."""

    def __init__(self, interface: str):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(CONTROL_DIR / f"{interface}.sock"))

    def close(self) -> None:
        self.socket.close()

    def ask(self, request: bytes) -> bytes:
        self.socket.sendall(request)
        answer = []
        tail = b""
        while not tail.endswith(b"\n\n"):
            some = self.socket.recv(1 << 20)
            if not some:
                raise BenchError("the daemon has closed its control socket")
            answer.append(some)
            tail = (tail + some)[-2:]
        return b"".join(answer)

    def set(self, request: bytes) -> float:
        """Seconds until it was done."""
        begin = time.perf_counter()
        answer = self.ask(request)
        seconds = time.perf_counter() - begin
        if answer != b"errno=0\n\n":
            raise BenchError(f"the daemon refuses a change: {answer.decode(errors='replace')}")
        return seconds

    def status(self) -> dict:
        """The device's own figures and the peers' drops and staged packets, summed."""
        found = {}
        in_peer = False
        for line in self.ask(b"get=status\n\n").decode().splitlines():
            key, _, value = line.partition("=")
            in_peer = in_peer or key == "public_key"
            if key == "num_staged" or key.startswith("drop."):
                found[key] = found.get(key, 0) + int(value)
            elif not in_peer:
                found[key] = value
        return found


class CrowdLab(PathLab):
    """PathLab, where any number of addresses (SOURCES) live beside a."""

    def __init__(self):
        super().__init__()
        try:
            self.a.ip("route", "add", "local", SOURCES, "dev", "lo")
            self.controller.ip("route", "add", SOURCES, "via", "192.0.2.2")
        except BaseException:
            self.close()
            raise


class BigRouter:
    """A router under test in the lab's middle. start() again after stop(): a restart."""

    def __init__(self, lab: CrowdLab, command: str):
        self.lab = lab
        self.router = Router("hawser", command)
        self.running = None
        self.control = None

    def start(self) -> None:
        self.running = self.router.start(self.lab, self.lab.controller)
        self.running.bring_up(INNER_ADDRESSES, INNER_ROUTES)
        self.control = UapiClient(self.running.interface)

    def stop(self) -> None:
        if self.running is None:
            return
        self.control.close()
        self.running.process.terminate()
        self.running.process.wait(30)
        self.running = None

    @property
    def pid(self) -> int:
        return self.running.pid

    def resident_kib(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise BenchError("the daemon has gone")

    def wait_until_resident(self, seconds: float = 0.5) -> int:
        """Its memory, once what was retired had time to be freed."""
        time.sleep(seconds)
        return self.resident_kib()


def crowd_config(load_program, peers: int, allowed_ips: int, form: str) -> bytes:
    return run(load_program, "crowd-config", "--peers", peers, "--allowed-ips", allowed_ips,
               "--format", form, "--listen-port", PathLab.PORT).encode()


def public_keys(uapi: bytes) -> list:
    return [line[len(b"public_key="):] for line in uapi.splitlines()
            if line.startswith(b"public_key=")]


class CrowdProcess:
    """hawser-load crowd: the peers."""

    def __init__(self, lab: CrowdLab, load_program, peers: int):
        self.process = subprocess.Popen(
            [str(load_program), "crowd", "--peers", str(peers), "--namespace", lab.a.name,
             "--controller", lab.TO_CONTROLLER_A, "--first-source", FIRST_SOURCE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent)
        self._answer(60)

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answer(self, seconds: float) -> dict:
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise BenchError("hawser-load crowd does not answer")
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"hawser-load crowd has ended with status {self.process.wait()}")
        return json.loads(line)

    def begin(self, spread: float, timeout: float) -> None:
        """Every peer calls, at a random time within `spread`; see end()."""
        self.timeout = timeout
        self.process.stdin.write(f"connect {spread:g} {timeout:g}\n")
        self.process.stdin.flush()

    def end(self) -> dict:
        return self._answer(self.timeout + 10)

    def connect(self, spread: float, timeout: float) -> dict:
        """All of them, or it is an error."""
        self.begin(spread, timeout)
        result = self.end()
        if result["connected"] != result["peers"]:
            raise BenchError(f"only {result['connected']} of {result['peers']} peers connected "
                             f"within {timeout:g} s")
        return result
