"""End-to-end cases: three hosts, each with the router under test and its TUN device, and iperf3 or
ping over them."""

import json
import re
from dataclasses import dataclass

from . import machine
from .case import Case, Goal, Sample
from .lab import BenchError, PathLab, wait_until
from .router import Router, new_key

CONTROLLER, PEER_A, PEER_B = "10.64.0.1", "10.65.0.1", "10.66.0.1"
INNER_NET = "10.64.0.0/14"
IPERF_PORT = 5201
UDP_PAYLOAD = 1392  # 1,420 less an IPv4 and a UDP header
NUM_PINGS = 500
PING_INTERVAL_S = 0.01
MAX_RETRANSMITS_A_GBIT = 20


@dataclass
class EndToEndCase(Case):
    target: str = CONTROLLER
    streams: int = 1
    udp: bool = False
    ping: bool = False


def all_cases() -> list:
    def case(name, title, unit, goal=None, **settings):
        return EndToEndCase(name, title, "whole", unit, goal or Goal(), **settings)

    return [
        case("tcp-1", "TCP, 1 stream, peer to controller", "Gbit/s", Goal(ratio=2.5)),
        case("tcp-8", "TCP, 8 streams, peer to controller", "Gbit/s", streams=8),
        case("tcp-1-relayed", "TCP, 1 stream, peer to peer", "Gbit/s", Goal(ratio=2.5),
             target=PEER_B),
        case("tcp-8-relayed", "TCP, 8 streams, peer to peer", "Gbit/s", target=PEER_B, streams=8),
        case("udp-1", "UDP, peer to controller", "Gbit/s", udp=True),
        case("udp-1-relayed", "UDP, peer to peer", "Gbit/s", target=PEER_B, udp=True),
        case("ping", "ping, peer to controller, mean", "ms", Goal(value=0.06), ping=True),
        case("ping-relayed", "ping, peer to peer, mean", "ms", Goal(value=0.10), target=PEER_B,
             ping=True),
    ]


class EndToEndBench:
    """Three hosts of one implementation."""

    def __init__(self, router: Router):
        self.lab = PathLab()
        try:
            self._start(router)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.lab.close()

    def _start(self, router: Router) -> None:
        lab = self.lab
        hosts = ((lab.controller, CONTROLLER), (lab.a, PEER_A), (lab.b, PEER_B))
        self.running = [router.start(lab, namespace) for namespace, _ in hosts]
        keys = [new_key() for _ in hosts]
        peers = "".join(f"[Peer]\nPublicKey = {public}\nAllowedIPs = {address}/32\n"
                        for (_, public), (_, address) in list(zip(keys, hosts))[1:])
        configs = [f"[Interface]\nPrivateKey = {keys[0][0]}\nListenPort = {lab.PORT}\n{peers}"]
        for (private, _), endpoint in zip(keys[1:], (lab.TO_CONTROLLER_A, lab.TO_CONTROLLER_B)):
            configs.append(f"[Interface]\nPrivateKey = {private}\n[Peer]\n"
                           f"PublicKey = {keys[0][1]}\nAllowedIPs = {INNER_NET}\n"
                           f"Endpoint = {endpoint}\nPersistentKeepalive = 5\n")
        for running, config, (_, address) in zip(self.running, configs, hosts):
            running.configure(config)
            running.bring_up([f"{address}/32"], [INNER_NET])
        for target in (CONTROLLER, PEER_B):
            wait_until(lambda: self._reaches(target), 20, f"{router.name}: A reaches {target}")
        self.servers = []
        for namespace in (lab.controller, lab.b):
            server = lab.spawn("iperf3", namespace.command("iperf3", "-s", "-p", IPERF_PORT))
            self.servers.append(server.pid)
            wait_until(lambda ns=namespace: str(IPERF_PORT) in ns.run("ss", "-Hltn"), 10,
                       "iperf3 listens")

    def _reaches(self, target: str) -> bool:
        return " 0% packet loss" in self.lab.a.run("ping", "-qc1", "-W1", target, check=False)

    def measure(self, case: EndToEndCase, seconds: float) -> Sample:
        self.lab.set_link_mode(case.link)
        routers = [running.pid for running in self.running]
        before = sum(map(machine.cpu_seconds, routers))
        watch = machine.Watch(routers + self.servers)
        sample = self._ping(case) if case.ping else self._iperf(case, seconds)
        watched = watch.end()
        sample.details["machine"] = watched
        sample.details["routers_cpu_seconds"] = sum(map(machine.cpu_seconds, routers)) - before
        sample.complaints += machine.complaints(watched)
        return sample

    def _iperf(self, case: EndToEndCase, seconds: float) -> Sample:
        command = ["iperf3", "-J", "-c", case.target, "-p", IPERF_PORT, "-t", max(1, round(seconds)),
                   "-P", case.streams]
        if case.udp:
            command += ["-u", "-b", 0, "-l", UDP_PAYLOAD]
        report = json.loads(self.lab.a.run(*command, timeout=60 + 2 * seconds))
        if "error" in report:
            raise BenchError(f"iperf3: {report['error']}")
        end = report["end"]
        if case.udp:
            # iperf3 3.12 reports the sender's rate and what of it was lost.
            total = end["sum"]
            kept = 1 - total["lost_percent"] / 100
            return Sample(total["bits_per_second"] * kept / 1e9,
                          details={"lost_percent": total["lost_percent"]})
        gbit = end["sum_received"]["bits_per_second"] / 1e9
        retransmits = end["sum_sent"].get("retransmits", 0)
        sample = Sample(gbit, details={"retransmits": retransmits})
        if retransmits > MAX_RETRANSMITS_A_GBIT * gbit * seconds:
            sample.complaints.append(f"{retransmits} retransmits")
        return sample

    def _ping(self, case: EndToEndCase) -> Sample:
        text = self.lab.a.run("ping", "-q", "-c", NUM_PINGS, "-i", PING_INTERVAL_S, case.target,
                              check=False)
        times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms", text)
        if not times:
            raise BenchError(f"ping got no answer from {case.target}")
        low, mean, high, deviation = map(float, times.groups())
        sample = Sample(mean, details={"min": low, "max": high, "mdev": deviation})
        if " 0% packet loss" not in text:
            sample.complaints.append("lost pings")
        return sample
