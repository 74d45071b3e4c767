"""Somebody who sends what a WireGuard port must survive.

stranger.py ADDRESS PORT malformed            every type and every length 0-200, random contents
stranger.py ADDRESS PORT initiations COUNT    initiations by shape and length, the rest random
stranger.py ADDRESS PORT huge COUNT           random datagrams of 65,507 bytes
stranger.py ADDRESS PORT replay FILE          what the proxy recorded, each datagram three times
stranger.py ADDRESS PORT trains COUNT         GSO trains with a short or an alien segment inside

Prints JSON when it has finished: sent, answers (datagrams that came back).
"""

import json
import random
import socket
import struct
import sys
import time

TYPES = (0, 1, 2, 3, 4, 5, 255, 0x01000001, 0x00000104, 0x80000004)
PACE = 64           # datagrams between two short rests, so that none is lost for want of a buffer
REST_S = 0.004
UDP_SEGMENT = 103


def malformed(random_source: random.Random):
    for kind in TYPES:
        for length in range(201):
            body = struct.pack("<I", kind) + random_source.randbytes(200)
            yield body[:length]


def initiations(random_source: random.Random, count: int):
    for _ in range(count):
        yield struct.pack("<I", 1) + random_source.randbytes(144)


def huge(random_source: random.Random, count: int):
    for index in range(count):
        kind = struct.pack("<I", 4) if index % 2 else b""
        yield (kind + random_source.randbytes(65507))[:65507]


def recorded(path: str):
    with open(path, "rb") as file:
        while header := file.read(2):
            data = file.read(struct.unpack("!H", header)[0])
            yield from (data, data, data)


def trains(random_source: random.Random, count: int):
    """Twenty segments of transport data look; one in the middle has another type, the last is short."""
    for index in range(count):
        segments = [struct.pack("<I", 4) + random_source.randbytes(252) for _ in range(20)]
        segments[index % 20] = random_source.randbytes(256)
        yield b"".join(segments)[:-(1 + index % 255)]


def main() -> None:
    address, port, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    random_source = random.Random(20)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    if mode == "malformed":
        datagrams = malformed(random_source)
    elif mode == "initiations":
        datagrams = initiations(random_source, int(sys.argv[4]))
    elif mode == "huge":
        datagrams = huge(random_source, int(sys.argv[4]))
    elif mode == "replay":
        datagrams = recorded(sys.argv[4])
    else:
        datagrams = trains(random_source, int(sys.argv[4]))
        sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 256)
    sent = 0
    for data in datagrams:
        sock.sendto(data, (address, port))
        sent += 1
        if sent % PACE == 0 or len(data) > 9000:
            time.sleep(REST_S)
    sock.settimeout(0.3)
    answers = 0
    try:
        while True:
            sock.recv(65536)
            answers += 1
    except OSError:
        pass
    print(json.dumps({"sent": sent, "answers": answers}), flush=True)


if __name__ == "__main__":
    main()
