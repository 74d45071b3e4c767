"""What a wire has seen: tcpdump into a file, and the few header fields that tests look at."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from lab import Namespace, next_number, wait_until

ETHERNET_LEN = 14
LINKTYPE_ETHERNET, LINKTYPE_RAW = 1, 101


@dataclass
class Packet:
    """An IP packet; UDP fields are None for anything else."""

    source: str
    destination: str
    tos: int  # the whole byte: DSCP and ECN
    hop_limit: int
    protocol: int
    source_port: int | None = None
    destination_port: int | None = None
    payload: bytes = b""

    @property
    def ecn(self) -> int:
        return self.tos & 3

    @property
    def dscp_bits(self) -> int:
        return self.tos & ~3


def parse_ip(data: bytes) -> Packet | None:
    if len(data) >= 20 and data[0] >> 4 == 4:
        header_len = (data[0] & 15) * 4
        packet = Packet(socket.inet_ntop(socket.AF_INET, data[12:16]),
                        socket.inet_ntop(socket.AF_INET, data[16:20]), data[1], data[8], data[9])
        body = data[header_len:struct.unpack("!H", data[2:4])[0]]
    elif len(data) >= 40 and data[0] >> 4 == 6:
        packet = Packet(socket.inet_ntop(socket.AF_INET6, data[8:24]),
                        socket.inet_ntop(socket.AF_INET6, data[24:40]),
                        (struct.unpack("!H", data[:2])[0] >> 4) & 255, data[7], data[6])
        body = data[40:40 + struct.unpack("!H", data[4:6])[0]]
    else:
        return None
    if packet.protocol == socket.IPPROTO_UDP and len(body) >= 8:
        packet.source_port, packet.destination_port = struct.unpack("!HH", body[:4])
        packet.payload = body[8:]
    return packet


class Capture:
    """with Capture(namespace, "eth0", "udp") as capture: ...; capture.packets() afterwards."""

    def __init__(self, namespace: Namespace, device: str, expression: str = ""):
        self.namespace, self.device, self.expression = namespace, device, expression
        self.path: Path = namespace.lab.dir / f"{next_number()}.pcap"

    def __enter__(self) -> "Capture":
        self.process = self.namespace.spawn(
            "tcpdump", "tcpdump", "-i", self.device, "-U", "--immediate-mode", "-n", "-Z", "root",
            "-w", self.path, *self.expression.split())

        def listening() -> bool:
            assert self.process.alive, self.process.output()
            return "listening on" in self.process.output()
        wait_until(listening, 10, "tcpdump listens")
        return self

    def __exit__(self, *_) -> None:
        self.process.end()

    def packets(self) -> list:
        data = self.path.read_bytes()
        if len(data) < 24:
            return []
        linktype = struct.unpack("<I", data[20:24])[0]
        assert linktype in (LINKTYPE_ETHERNET, LINKTYPE_RAW), linktype
        skip = ETHERNET_LEN if linktype == LINKTYPE_ETHERNET else 0
        found, offset = [], 24
        while offset + 16 <= len(data):
            length = struct.unpack("<I", data[offset + 8:offset + 12])[0]
            packet = parse_ip(data[offset + 16 + skip:offset + 16 + length])
            if packet:
                found.append(packet)
            offset += 16 + length
        return found

    def udp(self) -> list:
        return [packet for packet in self.packets() if packet.source_port is not None]
