"""A UDP proxy on the path: it delays, reorders and duplicates, and may move to another port.

proxy.py LISTEN_PORT TARGET_ADDRESS TARGET_PORT [reorder=N] [duplicate=N] [record=FILE]

Clients of 127.0.0.1-and-any address talk to LISTEN_PORT; each gets a socket of its own towards the
target. reorder=N holds every Nth datagram back until five later ones have passed; duplicate=N sends
every Nth twice. record=FILE keeps the first RECORDED datagrams (2-byte length, bytes). SIGUSR1 gives
every client a new socket, as a NAT does that has forgotten its mapping.
"""

import asyncio
import signal
import socket
import struct
import sys

MAX_CLIENTS = 16
HELD_BACK = 5
RECORDED = 200


def wildcard_socket(family: int, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    return sock


class Direction:
    """Datagrams one way; `send` hands one on."""

    def __init__(self, options: dict):
        self.reorder = int(options.get("reorder", 0))
        self.duplicate = int(options.get("duplicate", 0))
        self.count = 0
        self.held = []  # [datagrams still to pass, send, data]

    def handle(self, send, data: bytes) -> None:
        self.count += 1
        if self.reorder and self.count % self.reorder == 0:
            self.held.append([HELD_BACK, send, data])
            return
        send(data)
        if self.duplicate and self.count % self.duplicate == 0:
            send(data)
        for entry in self.held:
            entry[0] -= 1
        while self.held and self.held[0][0] <= 0:
            _, held_send, held_data = self.held.pop(0)
            held_send(held_data)


class Proxy:
    def __init__(self, listen_port: int, target: tuple, options: dict):
        self.target = target
        self.family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self.listener = wildcard_socket(self.family, listen_port)
        self.clients = {}  # client address -> socket towards the target
        self.up, self.down = Direction(options), Direction(options)
        self.record = open(options["record"], "wb") if "record" in options else None
        self.recorded = 0
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self.listener, self.from_clients)
        self.loop.add_signal_handler(signal.SIGUSR1, self.rebind)

    def upstream(self, client: tuple) -> socket.socket:
        if client not in self.clients:
            if len(self.clients) >= MAX_CLIENTS:
                self.forget(next(iter(self.clients)))
            sock = wildcard_socket(self.family, 0)
            self.clients[client] = sock
            self.loop.add_reader(sock, self.from_target, sock, client)
        return self.clients[client]

    def forget(self, client: tuple) -> None:
        sock = self.clients.pop(client)
        self.loop.remove_reader(sock)
        sock.close()

    def rebind(self) -> None:
        for client in list(self.clients):
            self.forget(client)

    def keep(self, data: bytes) -> None:
        if self.record and self.recorded < RECORDED:
            self.recorded += 1
            self.record.write(struct.pack("!H", len(data)) + data)
            self.record.flush()

    def from_clients(self) -> None:
        data, client = self.listener.recvfrom(65536)
        self.keep(data)

        def send(datagram: bytes) -> None:
            self.transmit(self.upstream(client), datagram, self.target)

        self.up.handle(send, data)

    def from_target(self, sock: socket.socket, client: tuple) -> None:
        try:
            data = sock.recv(65536)
        except OSError:
            return
        self.down.handle(lambda datagram: self.transmit(self.listener, datagram, client), data)

    @staticmethod
    def transmit(sock: socket.socket, data: bytes, to: tuple) -> None:
        try:
            sock.sendto(data, to)
        except OSError:
            pass  # as a full queue on the way would


async def main() -> None:
    listen_port, address, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    options = dict(argument.split("=", 1) for argument in sys.argv[4:])
    Proxy(listen_port, (address, port), options)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
