"""A TCP stream of known bytes, and its SHA-256 at either end.

stream.py receive ADDRESS PORT                 takes one connection, prints JSON: length, sha256
stream.py send ADDRESS PORT LENGTH [RATE]      sends LENGTH pseudo-random bytes (at RATE bytes/s),
                                               prints JSON: length, sha256
Both print "ready" first: listening, connected.
"""

import hashlib
import json
import random
import socket
import sys
import time

CHUNK = 64 * 1024


def family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def report(length: int, digest) -> None:
    print(json.dumps({"length": length, "sha256": digest.hexdigest()}), flush=True)


def receive(address: str, port: int) -> None:
    with socket.socket(family_of(address), socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(1)
        print("ready", flush=True)
        connection, _ = listener.accept()
        digest, length = hashlib.sha256(), 0
        with connection:
            while data := connection.recv(CHUNK):
                digest.update(data)
                length += len(data)
        report(length, digest)


def send(address: str, port: int, length: int, rate: float) -> None:
    source = random.Random(length)
    digest, sent, begin = hashlib.sha256(), 0, time.monotonic()
    with socket.create_connection((address, port), timeout=60) as connection:
        print("ready", flush=True)
        chunk = CHUNK if rate == 0 else max(1, min(CHUNK, int(rate / 200)))
        while sent < length:
            data = source.randbytes(min(chunk, length - sent))
            connection.sendall(data)
            digest.update(data)
            sent += len(data)
            if rate:
                time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # until the other side has closed: everything has arrived
    report(sent, digest)


def main() -> None:
    mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if mode == "receive":
        receive(address, port)
    else:
        send(address, port, int(sys.argv[4]), float(sys.argv[5]) if len(sys.argv) > 5 else 0)


if __name__ == "__main__":
    main()
