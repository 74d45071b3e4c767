"""Numbered UDP packets in several flows at once, as fast as answers come, and how many came late.

order.py echo ADDRESS PORT                  answers until it is ended; counts what came out of order
order.py run ADDRESS PORT FLOWS SECONDS     prints JSON: answers (the fewest of any flow),
                                            late_there, late_here (all flows together)

A packet is late when one that was sent after it, in its flow, came before it.
"""

import collections
import json
import select
import socket
import struct
import sys
import time

PACKET = struct.Struct("!QQ")  # its number, and in an answer: how many came late there, in this flow
WINDOW = 64  # on their way, a flow
SO_RCVBUFFORCE, BUFFER_LEN = 33, 4 << 20  # socket(7); Python has no name for it
RESUME_S = 0.2  # what has not come by then is lost


def make_socket(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_LEN)
    return sock


class Order:
    """Of one flow, as it is received."""

    def __init__(self):
        self.highest, self.num, self.late = -1, 0, 0

    def take(self, number: int) -> None:
        self.num += 1
        self.late += number < self.highest
        self.highest = max(self.highest, number)


def echo(address: str, port: int) -> None:
    orders = collections.defaultdict(Order)
    with make_socket(address) as sock:
        sock.bind((address, port))
        print("ready", flush=True)
        while True:
            data, peer = sock.recvfrom(2048)
            number, _ = PACKET.unpack_from(data)
            orders[peer].take(number)
            sock.sendto(PACKET.pack(number, orders[peer].late) + data[PACKET.size:], peer)


class Flow:
    def __init__(self, address: str, port: int):
        self.sock = make_socket(address)
        self.sock.connect((address, port))
        self.sock.setblocking(False)
        self.next, self.given_up, self.late_there, self.order = 0, -1, 0, Order()
        self.heard = time.monotonic()

    def fill(self) -> None:
        if time.monotonic() - self.heard > RESUME_S:
            self.given_up = self.next - 1
        while self.next - max(self.order.highest, self.given_up) <= WINDOW:
            try:
                self.sock.send(PACKET.pack(self.next, 0) + bytes(100))
            except OSError:
                return
            self.next += 1

    def drain(self) -> None:
        while True:
            try:
                number, self.late_there = PACKET.unpack_from(self.sock.recv(2048))
            except OSError:
                return
            self.order.take(number)
            self.heard = time.monotonic()


def run(address: str, port: int, num_flows: int, seconds: float) -> None:
    flows = [Flow(address, port) for _ in range(num_flows)]
    by_fd = {flow.sock.fileno(): flow for flow in flows}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for flow in flows:
            flow.fill()
        for fd in select.select(list(by_fd), [], [], 0.05)[0]:
            by_fd[fd].drain()
    print(json.dumps({"answers": min(flow.order.num for flow in flows),
                      "late_there": sum(flow.late_there for flow in flows),
                      "late_here": sum(flow.order.late for flow in flows)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        echo(sys.argv[2], int(sys.argv[3]))
    else:
        run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
