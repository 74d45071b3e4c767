"""Echo requests, and patience for the answers: ping(8) waits for the last ones no longer than twice
the longest round trip so far, which on a busy machine is too short to tell a loss from a delay.

echo.py ADDRESS COUNT INTERVAL PATIENCE [-s SIZE] [-Q TOS] [-M do] [-I SOURCE]

Prints JSON: sent, received, duplicates.
"""

import argparse
import json
import os
import select
import socket
import struct
import time

ECHO_REQUEST, ECHO_REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DO = 10, 23, 2
HEADER = struct.Struct("!BBHHH")


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Pinger:
    def __init__(self, arguments: argparse.Namespace):
        self.family = 6 if ":" in arguments.address else 4
        self.address = arguments.address
        self.identifier = os.getpid() & 0xFFFF
        self.payload = os.urandom(arguments.s)
        self.seen: set = set()
        self.duplicates = 0
        self.expected = arguments.count
        self.sock = self.open(arguments)

    def open(self, arguments: argparse.Namespace) -> socket.socket:
        if self.family == 4:
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, arguments.Q)
            if arguments.M == "do":
                sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
        else:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, arguments.Q)
            if arguments.M == "do":
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO)
        if arguments.I:
            sock.bind((arguments.I, 0))
        sock.setblocking(False)
        return sock

    def send(self, sequence: int) -> None:
        header = HEADER.pack(ECHO_REQUEST[self.family], 0, 0, self.identifier, sequence)
        if self.family == 4:  # the kernel fills in ICMPv6's
            header = HEADER.pack(ECHO_REQUEST[4], 0, checksum(header + self.payload),
                                 self.identifier, sequence)
        try:
            self.sock.sendto(header + self.payload, (self.address, 0))
        except OSError:
            pass  # counts as sent and lost

    def receive(self, until: float) -> None:
        """What arrives until then, or until nothing is missing."""
        while len(self.seen) < self.expected and (left := until - time.monotonic()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                return
            data = self.sock.recv(65536)
            if self.family == 4:
                data = data[(data[0] & 15) * 4:]
            kind, _, _, identifier, sequence = HEADER.unpack_from(data)
            if kind != ECHO_REPLY[self.family] or identifier != self.identifier:
                continue
            if data[HEADER.size:] != self.payload:
                continue  # not what was sent: counts as lost
            self.duplicates += sequence in self.seen
            self.seen.add(sequence)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("count", type=int)
    parser.add_argument("interval", type=float)
    parser.add_argument("patience", type=float)
    parser.add_argument("-s", type=int, default=56)
    parser.add_argument("-Q", type=int, default=0)
    parser.add_argument("-M", default="")
    parser.add_argument("-I", default="")
    arguments = parser.parse_args()
    pinger = Pinger(arguments)
    for sequence in range(arguments.count):
        due = time.monotonic() + arguments.interval
        pinger.send(sequence)
        pinger.receive(due)
        time.sleep(max(0.0, due - time.monotonic()) if sequence + 1 < arguments.count else 0)
    pinger.receive(time.monotonic() + arguments.patience)
    print(json.dumps({"sent": arguments.count, "received": len(pinger.seen),
                      "duplicates": pinger.duplicates}))


if __name__ == "__main__":
    main()
