"""Which implementations are measured: ours, the stock one, others by command."""

import subprocess
from pathlib import Path

from .build_tree import ROOT, built
from .lab import BenchError
from .router import Router

HAWSER = "{hawserd} -f --workers=1 --forward=direct --state-dir={{directory}} {{interface}}"
STOCK = "{program} -f {{interface}}"


def hawser(hawserd: Path = None) -> Router:
    """One worker that relays in the process; without a program, that of the build tree."""
    return Router("hawser", HAWSER.format(hawserd=hawserd or built("hawserd")))


def wireguard_go(program: Path = None) -> Router:
    """Without a program, Debian sid's."""
    if program is None:
        program = subprocess.run([ROOT / "bench/fetch-wireguard-go"], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout.strip()
    return Router("wireguard-go", STOCK.format(program=program))


def by_command(text: str) -> Router:
    """NAME=COMMAND."""
    name, equals, command = text.partition("=")
    if not equals:
        raise BenchError(f"--router and --peer take NAME=COMMAND, not {text}")
    return Router(name, command)
