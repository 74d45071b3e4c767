"""What the machine did besides the measurement."""

import os
import platform
import resource
import time
from pathlib import Path

# More than this, and a measurement is not clean.
MAX_STEAL = 0.01
MAX_OTHERS = 0.15  # processors
TICK = os.sysconf("SC_CLK_TCK")


def describe() -> dict:
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"processor": model, "usable_processors": len(os.sched_getaffinity(0)),
            "kernel": platform.release(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def _ticks() -> dict:
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    values = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return dict(zip(names, map(int, values)))


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process so far."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
        except OSError:
            pass  # has just ended
    return nanoseconds / 1e9


def busy_seconds() -> float:
    """Processor time that the machine has spent on anything, interrupts included."""
    ticks = _ticks()
    return sum(ticks[name] for name in ("user", "nice", "system", "irq", "softirq")) / TICK


class Watch:
    """Looks over a stretch of time at who used the processors: the measurement (the processes that
    are named, and children that end meanwhile), the hypervisor, others."""

    def __init__(self, pids: list):
        self._pids = pids
        self._begin = time.monotonic()
        self._ticks = _ticks()
        self._own = self._own_cpu()

    def _own_cpu(self) -> float:
        own = resource.getrusage(resource.RUSAGE_SELF)
        return (sum(map(cpu_seconds, self._pids)) + _children_cpu() +
                own.ru_utime + own.ru_stime)

    def end(self) -> dict:
        seconds = time.monotonic() - self._begin
        now = _ticks()
        spent = {name: (now[name] - self._ticks[name]) / TICK for name in now}
        total = sum(spent.values())
        # Interrupts that hit an idle processor are nobody's; they are the measurement's own work.
        busy = spent["user"] + spent["nice"] + spent["system"]
        others = max(0.0, busy - (self._own_cpu() - self._own))
        return {"steal": spent["steal"] / total if total else 0.0,
                "others": others / seconds if seconds else 0.0}


def complaints(watched: dict) -> list:
    found = []
    if watched["steal"] > MAX_STEAL:
        found.append(f"steal {watched['steal']:.1%}")
    if watched["others"] > MAX_OTHERS:
        found.append(f"others used {watched['others']:.2f} processors")
    return found
