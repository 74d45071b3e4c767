#!/usr/bin/env python3
"""Reads every #include of the product and holds it against the rule of the house.

Usage: check_includes.py SOURCE_DIR
       check_includes.py --self-test
A room may include from itself and from what is listed for it; nothing else. Prints each line that
breaks the rule; exit status 1 if there is one.
"""
import pathlib
import re
import sys

BELOW = {
    "base": set(),
    "noise": {"base"},
    "routing": {"base"},
    "dataplane": {"base", "noise", "routing"},
    "network": {"base", "noise", "routing"},
    "tun": {"base", "noise", "routing", "dataplane"},
    "ctl": {"base", "noise", "routing", "dataplane", "network", "tun"},
}
# network may know what a key looks like, and nothing else of the protocol.
NOISE_FOR_NETWORK = {"noise/keys.h", "noise/constants.h"}
# Headers that make system calls possible belong to these two rooms only.
MAY_CALL_THE_SYSTEM = {"tun", "ctl"}
SYSTEM_HEADERS = re.compile(
    r"^(unistd|fcntl|poll|netdb|sched|dirent|sys/(socket|ioctl|mman|epoll|eventfd|timerfd|stat|types"
    r"|random|syscall|time|resource|prctl|wait)|linux/.*|liburing.*|libmnl/.*)\.h$"
)
# Ways to get at the time or at randomness that the sans-IO rooms do not have.
FORBIDDEN_BELOW = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock|random_device|"
                             r"clock_gettime|getrandom|gettimeofday)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
# What a header's first lines say when it is none of its room's public ones.
INTERNAL = re.compile(r"\bInternal to ([a-z/]+)/\.")
HEAD_LINES = 15


def rooms_internals(root):
    """The room, by internal header."""
    internals = {}
    for room in BELOW:
        for path in sorted((root / room).rglob("*.h")):
            head = "\n".join(path.read_text().splitlines()[:HEAD_LINES])
            if match := INTERNAL.search(head):
                internals[str(path.relative_to(root))] = match.group(1)
    return internals


def complaints_about(room, path, text, internals):
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path}:{number}"
        if room not in MAY_CALL_THE_SYSTEM and FORBIDDEN_BELOW.search(line.split("//")[0]):
            yield f"{where}: {room}/ has no clock and no randomness of its own: {line.strip()}"
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        if quote == "<":
            if room not in MAY_CALL_THE_SYSTEM and SYSTEM_HEADERS.match(target):
                yield f"{where}: only tun/ and ctl/ make system calls, {room}/ includes <{target}>"
            continue
        other = target.split("/")[0]
        if other not in BELOW:
            yield f'{where}: "{target}" names no room; includes start at the top folder'
        elif other != room and other not in BELOW[room]:
            yield f"{where}: {room}/ may not include {other}/ ({target})"
        elif room == "network" and other == "noise" and target not in NOISE_FOR_NETWORK:
            yield f"{where}: network/ may know noise's key types only, not {target}"
        elif internals.get(target, room) != room:
            yield f"{where}: {target} is internal to {other}/"


def check(root):
    num_files = 0
    found = []
    internals = rooms_internals(root)
    for room in BELOW:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".h", ".cc"):
                num_files += 1
                found += complaints_about(room, path.relative_to(root), path.read_text(),
                                          internals)
    if num_files == 0:
        found.append(f"{root}: no source file found")
    return found


def self_test():
    bad = {
        "noise": '#include "dataplane/peer.h"',
        "routing": '#include "noise/keys.h"',
        "dataplane": "#include <sys/socket.h>",
        "base": "auto t = std::chrono::steady_clock::now();",
        "network": '#include "noise/handshake.h"',
        "tun": '#include "ctl/daemon.h"',
        "ctl": '#include "peer.h"',
    }
    internals = {"dataplane/state.h": "dataplane"}
    missed = [room for room, line in [*bad.items(), ("tun", '#include "dataplane/state.h"')]
              if not list(complaints_about(room, "x.h", line, internals))]
    good = {"tun": "#include <sys/socket.h>", "ctl": '#include "network/plan.h"',
            "network": '#include "noise/keys.h"', "dataplane": "#include <sys/uio.h>"}
    wrong = [room for room, line in [*good.items(), ("dataplane", '#include "dataplane/state.h"')]
             if list(complaints_about(room, "x.h", line, internals))]
    return [f"a broken rule in {room}/ goes unnoticed" for room in missed] + [
        f"a good line in {room}/ is refused" for room in wrong]


def main():
    found = self_test() if sys.argv[1:] == ["--self-test"] else check(pathlib.Path(sys.argv[1]))
    print("\n".join(found) if found else "the include rule holds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
