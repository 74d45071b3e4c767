"""Numbered UDP packets at a steady, modest rate to an echo, and what became of them.

probe.py echo ADDRESS PORT                 answers until it is ended
probe.py run ADDRESS PORT RATE [LENGTH]    sends until SIGINT, waits for stragglers, prints JSON:
                                           sent, received, duplicates, longest_gap (s without answer)
"""

import errno
import json
import select
import signal
import socket
import struct
import sys
import time

STRAGGLERS_S = 5.0  # a busy machine delays; waiting ends when nothing is missing
HEADER = struct.Struct("!Q")


def make_socket(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_DGRAM)


def echo(address: str, port: int) -> None:
    with make_socket(address) as sock:
        sock.bind((address, port))
        print("ready", flush=True)
        while True:
            data, peer = sock.recvfrom(65536)
            try:
                sock.sendto(data, peer)
            except OSError:
                pass  # a route may be missing for a moment; the prober counts it as lost


class Prober:
    def __init__(self, address: str, port: int, rate: float, length: int):
        self.sock = make_socket(address)
        self.sock.setblocking(False)
        self.target = (address, port)
        self.interval = 1 / rate
        self.padding = b"h" * (length - HEADER.size)
        self.sent = 0
        self.seen = set()
        self.duplicates = 0
        self.last_answer = time.monotonic()
        self.longest_gap = 0.0
        self.stopped = False

    def send(self) -> None:
        try:
            self.sock.sendto(HEADER.pack(self.sent) + self.padding, self.target)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOBUFS):
                return  # the host had no room for it: it was not sent, and the number is used again
            # Anything else (no route, say) counts as sent and lost.
        self.sent += 1

    def receive(self) -> None:
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError:
                return
            number = HEADER.unpack_from(data)[0]
            if number in self.seen:
                self.duplicates += 1
            self.seen.add(number)
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - self.last_answer)
            self.last_answer = now

    def turn(self, until: float) -> None:
        timeout = max(0.0, until - time.monotonic())
        if select.select([self.sock], [], [], timeout)[0]:
            self.receive()

    def run(self) -> None:
        due = time.monotonic()
        while not self.stopped:
            self.send()
            due = max(due + self.interval, time.monotonic() - 5 * self.interval)
            while not self.stopped and time.monotonic() < due:
                self.turn(due)
        end = time.monotonic() + STRAGGLERS_S
        while len(self.seen) < self.sent and time.monotonic() < end:
            self.turn(end)
        # An answer that never came is a gap too.
        if len(self.seen) < self.sent:
            self.longest_gap = max(self.longest_gap, end - STRAGGLERS_S - self.last_answer)
        print(json.dumps({"sent": self.sent, "received": len(self.seen),
                          "duplicates": self.duplicates, "longest_gap": self.longest_gap}),
              flush=True)


def main() -> None:
    mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if mode == "echo":
        echo(address, port)
        return
    length = int(sys.argv[5]) if len(sys.argv) > 5 else 64
    prober = Prober(address, port, float(sys.argv[4]), length)

    def stop(*_: object) -> None:
        prober.stopped = True

    signal.signal(signal.SIGINT, stop)
    print("ready", flush=True)
    prober.run()


if __name__ == "__main__":
    main()
