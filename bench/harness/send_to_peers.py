"""Sends UDP packets to the inner addresses of all peers of a crowd (bench/load/peer_plan.h).

Usage: send_to_peers.py PEERS ROUNDS PACKETS_PER_SECOND
To be run in the controller's namespace.
"""

import socket
import sys
import time

PAYLOAD = b"x" * 100
PACKETS_IN_A_ROW = 100
PORT = 9


def inner_address(number: int) -> str:
    host = number // 2 + 1
    return f"10.{65 + number % 2}.{host >> 8}.{host & 255}"


def main() -> None:
    peers, rounds, rate = map(int, sys.argv[1:])
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    addresses = [(inner_address(number), PORT) for number in range(peers)]
    begin = time.monotonic()
    for sent in range(rounds * peers):
        if sent % PACKETS_IN_A_ROW == 0:
            time.sleep(max(0.0, begin + sent / rate - time.monotonic()))
        try:
            sender.sendto(PAYLOAD, addresses[sent % peers])
        except OSError:
            pass  # the TUN device's queue is full: the daemon is behind


main()
