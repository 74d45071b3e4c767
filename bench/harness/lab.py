"""Network namespaces and processes of one comparison: made for it, gone after it."""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

PREFIX = "hawser-bench-"
PR_SET_PDEATHSIG = 1
UNDERLAY_MTU = 1500

_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Something that the person at the terminal should read, without a traceback."""


def die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(*command, check: bool = True, timeout: float = 120, text_in: str = None) -> str:
    """The standard output of a command."""
    words = [str(word) for word in command]
    done = subprocess.run(words, text=True, input=text_in, timeout=timeout,
                          stdin=subprocess.DEVNULL if text_in is None else None,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode != 0:
        raise BenchError(f"{' '.join(words)}\nended with status {done.returncode}\n"
                         f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def wait_until(condition, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


class Namespace:
    def __init__(self, name: str):
        self.name = name
        self.devices = []  # veth ends
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments) -> str:
        return run("ip", "-n", self.name, *arguments)

    def command(self, *command) -> list:
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, **options) -> str:
        return run(*self.command(*command), **options)

    def forward(self) -> None:
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def set_link_mode(self, mode: str) -> None:
        """See case.LINK_MODES. A veth gathers nothing, whatever "gro" says, while its other end still
        has any TCP segmentation offload (veth_skb_is_eligible_for_gro in the kernel)."""
        udp, gro, tcp = {"whole": ("on", "off", "on"), "single": ("off", "on", "on"),
                         "gathered": ("off", "on", "off")}[mode]
        for device in self.devices:
            self.run("ethtool", "-K", device, "tx-udp-segmentation", udp, "gro", gro, "tso", tcp)


class Lab:
    """Owns namespaces, processes and a folder. close() removes them."""

    _labs = 0

    def __init__(self):
        Lab._labs += 1
        self.number = Lab._labs
        self.dir = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self.namespaces = []
        self.processes = []

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def namespace(self, role: str) -> Namespace:
        namespace = Namespace(f"{PREFIX}{os.getpid()}-{self.number}-{role}")
        self.namespaces.append(namespace)
        return namespace

    def link(self, a: Namespace, a_device: str, a_address: str, b: Namespace, b_device: str,
             b_address: str) -> None:
        run("ip", "link", "add", a_device, "netns", a.name, "mtu", UNDERLAY_MTU, "type", "veth",
            "peer", "name", b_device, "netns", b.name, "mtu", UNDERLAY_MTU)
        for namespace, device, address in ((a, a_device, a_address), (b, b_device, b_address)):
            namespace.devices.append(device)
            namespace.ip("address", "add", address, "dev", device)
            namespace.ip("link", "set", device, "up")

    def set_link_mode(self, mode: str) -> None:
        for namespace in self.namespaces:
            namespace.set_link_mode(mode)

    def spawn(self, name: str, command: list, env: dict = None) -> subprocess.Popen:
        log_path = self.dir / f"{len(self.processes)}-{name}.log"
        with open(log_path, "wb") as log:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=subprocess.STDOUT,
                                       env={**os.environ, **(env or {})},
                                       preexec_fn=die_with_parent, start_new_session=True)
        process.log_path = log_path
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for namespace in self.namespaces:
            run("ip", "netns", "delete", namespace.name, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.namespaces, self.processes = [], []


class PathLab(Lab):
    """Peer A, controller, peer B, in a row:

        a 192.0.2.2 --- 192.0.2.1 controller 198.51.100.1 --- 198.51.100.2 b
    """

    PORT = 51820
    TO_CONTROLLER_A = f"192.0.2.1:{PORT}"
    TO_CONTROLLER_B = f"198.51.100.1:{PORT}"

    def __init__(self):
        super().__init__()
        try:
            self.a = self.namespace("a")
            self.controller = self.namespace("c")
            self.b = self.namespace("b")
            self.link(self.a, "eth0", "192.0.2.2/24", self.controller, "eth1", "192.0.2.1/24")
            self.link(self.b, "eth0", "198.51.100.2/24", self.controller, "eth2", "198.51.100.1/24")
            self.controller.forward()
        except BaseException:
            self.close()
            raise


def _is_left_over(name: str) -> bool:
    pid = name[len(PREFIX):].split("-")[0]
    return name.startswith(PREFIX) and not Path(f"/proc/{pid}").exists()


def sweep() -> None:
    """Removes what comparisons have left that were killed. Running ones are left alone."""
    for line in run("ip", "netns", "list", check=False).splitlines():
        name = line.split()[0] if line.strip() else ""
        if _is_left_over(name):
            run("ip", "netns", "delete", name, check=False)
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left_over(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
