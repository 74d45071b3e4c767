"""The daemons: the one under test (environment variable HAWSERD), and wireguard-go opposite to it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
from pathlib import Path
from typing import Optional

from lab import SOCKET_DIR, Lab, Namespace, Process, run, wait_until

START_S = 10
END_S = 10


def command_under_test() -> list:
    return shlex.split(os.environ.get("HAWSERD", "hawserd"))


def for_everybody(lab: Lab, program: str) -> str:
    """A copy that any user may run: the build may lie in somebody's home."""
    copy = lab.dir / Path(program).name
    shutil.copy(shutil.which(program), copy)
    return str(copy)


def program_under_test() -> str:
    return Path(command_under_test()[0]).name


def is_hawser() -> bool:
    """False when a stand-in is under test, which has none of our options."""
    return program_under_test() != "wireguard-go"


def engines() -> list:
    if not is_hawser():
        return ["stock"]
    return os.environ.get("HAWSER_E2E_ENGINES", "io_uring epoll").split()


class Uapi:
    """A connection to a control socket, one byte above raw."""

    def __init__(self, path: Path, timeout: float = 20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))  # waits while the backlog is full
        self.socket.settimeout(timeout)

    def __enter__(self) -> "Uapi":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode())

    def read_reply(self) -> list:
        """(key, value) pairs up to the empty line. Raises ConnectionError if it ends before."""
        data = b""
        while not data.endswith(b"\n\n"):
            part = self.socket.recv(1 << 20)
            if not part:
                raise ConnectionError(f"the daemon hung up after {data[-200:]!r}")
            data += part
        return [tuple(line.split("=", 1)) for line in data.decode().splitlines() if line]

    def request(self, text: str) -> list:
        """Sends one request; `text` comes without the empty line at its end."""
        self.send(text.rstrip("\n") + "\n\n")
        return self.read_reply()

    def set(self, *lines: str) -> int:
        """The errno of a set, as a positive number (the daemon answers negative ones)."""
        reply = self.request("\n".join(["set=1", *lines]))
        assert len(reply) == 1 and reply[0][0] == "errno", reply
        return abs(int(reply[0][1]))

    def get(self) -> list:
        reply = self.request("get=1")
        assert reply[-1] == ("errno", "0"), reply[-1]
        return reply[:-1]


class Daemon:
    """A WireGuard daemon in the foreground of a namespace, with its interface."""

    def __init__(self, namespace: Namespace, command: list, interface: str,
                 env: Optional[dict] = None, socket_dir: Path = SOCKET_DIR):
        self.namespace = namespace
        self.command = command
        self.interface = interface
        self.env = env
        self.socket_path = socket_dir / f"{interface}.sock"
        self.process: Optional[Process] = None

    def start(self) -> "Daemon":
        self.process = self.namespace.spawn(Path(self.command[-2]).name, *self.command, env=self.env)
        self.process.must_end_well = True
        wait_until(self.ready, START_S, f"the control socket of {self.interface} answers")
        if is_hawser() and "wireguard-go" not in self.command and \
                self.describe not in self.namespace.lab.reports:
            self.namespace.lab.reports.append(self.describe)
        return self

    def describe(self) -> str:
        counters = [f"{key}={value}" for key, value in self.status() if value not in ("0", "")]
        return f"--- status of {self.interface} in {self.namespace.name}\n" + "\n".join(counters)

    def ready(self) -> bool:
        assert self.process.alive, f"the daemon has ended:\n{self.process.output()}"
        try:
            with self.uapi() as uapi:
                uapi.get()
            return True
        except OSError:
            return False

    def uapi(self) -> Uapi:
        return Uapi(self.socket_path)

    def wg(self, *arguments, **kwargs) -> str:
        """wg SUBCOMMAND INTERFACE ARGUMENTS..."""
        subcommand, *rest = arguments
        return self.namespace.run("wg", subcommand, self.interface, *rest, **kwargs).stdout

    def crash(self) -> None:
        """kill -9. Leaves the stale control socket behind, as a crash does."""
        self.process.kill()
        wait_until(lambda: not self.namespace.link_exists(self.interface), 5, "its interface is gone")

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(END_S)

    def status(self) -> list:
        """hawserd's own report: (key, value) pairs."""
        with self.uapi() as uapi:
            reply = uapi.request("get=status")
        assert reply[-1] == ("errno", "0"), reply[-1]
        return reply[:-1]

    def status_value(self, key: str) -> str:
        return dict(self.status())[key]

    def drops(self) -> dict:
        """Dropped packets by reason, of the device and all its peers together."""
        total: dict = {}
        for key, value in self.status():
            if key.startswith("drop."):
                reason = key[len("drop."):]
                total[reason] = total.get(reason, 0) + int(value)
        return total

    def num_fds(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def worker_wakes(self) -> int:
        """How often the packet threads of hawserd have gone to sleep."""
        total = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            if (thread / "comm").read_text().startswith("worker-"):
                status = (thread / "status").read_text()
                total += int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
        return total

    def rss_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def hawserd(namespace: Namespace, engine: str, *options: str, prefix: list = (),
            interface: Optional[str] = None, env: Optional[dict] = None,
            socket_dir: Path = SOCKET_DIR, command: Optional[list] = None) -> Daemon:
    """The daemon under test. `prefix` runs it through another program (setpriv, ...)."""
    interface = interface or namespace.lab.tunnel_name()
    command = [*prefix, *(command or command_under_test()), "-f"]
    if is_hawser():
        command += [f"--engine={engine}", *options]
    # Its state belongs to the test; a daemon without privilege gets a folder of its own.
    environment = {"LOG_LEVEL": "verbose", "HAWSER_STATE_DIR": str(namespace.lab.dir / "state")}
    return Daemon(namespace, [*command, interface], interface, {**environment, **(env or {})},
                  socket_dir)


def stock(namespace: Namespace) -> Daemon:
    interface = namespace.lab.tunnel_name()
    return Daemon(namespace, ["wireguard-go", "-f", interface], interface, {"LOG_LEVEL": "verbose"})


def genkey() -> str:
    return run("wg", "genkey").stdout.strip()


def genpsk() -> str:
    return run("wg", "genpsk").stdout.strip()


def pubkey(private_key: str) -> str:
    return run("wg", "pubkey", input=private_key).stdout.strip()


def key_file(lab: Lab, key: str, name: str) -> Path:
    path = lab.dir / name
    path.touch(mode=0o600)
    path.write_text(key + "\n")
    return path
