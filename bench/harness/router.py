"""A WireGuard implementation under test: a command that is given an interface name."""

import os
import shlex
import subprocess

from .lab import BenchError, Lab, Namespace, run, wait_until

START_S = 10
START_ATTEMPTS = 3  # wireguard-go now and then trips over its own control socket on a busy machine


class Router:
    """One implementation. Its command may contain {interface} and {directory} (an empty folder)."""

    def __init__(self, name: str, command: str):
        self.name = name
        self.command = command

    def version(self) -> str:
        done = subprocess.run([shlex.split(self.command)[0], "--version"], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        return lines[0].strip() if done.returncode == 0 and lines else "unknown"

    def start(self, lab: Lab, namespace: Namespace) -> "RunningRouter":
        for attempt in range(START_ATTEMPTS):
            running = RunningRouter(self, lab, namespace)
            try:
                running.wait_until_ready()
                return running
            except BenchError:
                if attempt + 1 == START_ATTEMPTS:
                    raise


class RunningRouter:
    """The implementation as a process in a namespace, with its interface."""

    _started = 0

    def __init__(self, router: Router, lab: Lab, namespace: Namespace):
        RunningRouter._started += 1
        self.router = router
        self.lab = lab
        self.namespace = namespace
        self.interface = f"hwb{os.getpid()}n{RunningRouter._started}"
        directory = lab.dir / self.interface
        directory.mkdir(mode=0o700)
        words = [word.format(interface=self.interface, directory=directory)
                 for word in shlex.split(router.command)]
        self.process = lab.spawn(router.name, namespace.command(*words), {"LOG_LEVEL": "error"})

    def wait_until_ready(self) -> None:
        wait_until(self._answers, START_S,
                   f"{self.router.name} answers wg show ({self.router.command})")

    @property
    def pid(self) -> int:
        return self.process.pid

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            log = self.process.log_path.read_text(errors="replace")[-2000:]
            raise BenchError(f"{self.router.name} has ended with status {self.process.returncode}"
                             f"\n{self.router.command}\n{log}")
        done = subprocess.run(self.namespace.command("wg", "show", self.interface),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def configure(self, config: str) -> None:
        path = self.lab.dir / f"{self.interface}.conf"
        path.touch(mode=0o600)
        path.write_text(config)
        self.namespace.run("wg", "setconf", self.interface, path)

    def bring_up(self, addresses: list, routes: list) -> None:
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            self.namespace.ip("address", "add", address, "dev", self.interface, *nodad)
        self.namespace.ip("link", "set", self.interface, "mtu", 1420, "up")
        for route in routes:
            self.namespace.ip("route", "add", route, "dev", self.interface)


def new_key() -> tuple:
    """(private, public)"""
    private = run("wg", "genkey").strip()
    return private, run("wg", "pubkey", text_in=private).strip()
