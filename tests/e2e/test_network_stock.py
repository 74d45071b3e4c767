"""The same network where other hosts run stock WireGuard, from what `hawser plan --wg-quick` says."""

import os
import time
from pathlib import Path

import pytest

import traffic
from lab import wait_until
from network_lab import (CONTROLLERS, PEERS, PORT, Network, controller_address, hawser,
                         hawser_command, peer_address, reaches)
from test_network import tell  # noqa: F401

pytestmark = [
    pytest.mark.hawser_only,
    pytest.mark.skipif(Path("/sys/module/wireguard").exists(),
                       reason="wg-quick would take this kernel's WireGuard"),
]

STOCK = ("server2", *PEERS)


class StockHost:
    """wireguard-go, wg and wg-quick; nothing of ours but the configuration file."""

    def __init__(self, member):
        self.member = member
        network = member.network
        self.interface = network.lab.tunnel_name()
        self.path = member.dir / f"{self.interface}.conf"
        done = hawser(member.namespace, "plan", network.path, "--host", member.name, "--wg-quick",
                      "--private-key-file", member.key_path)
        self.path.write_text(done.stdout)
        self.path.chmod(0o600)
        if member.is_controller:
            member.namespace.forward()  # what the file's comment tells its reader to do

    def up(self) -> None:
        self.member.namespace.run(
            "wg-quick", "up", self.path, timeout=60,
            env={**os.environ, "WG_QUICK_USERSPACE_IMPLEMENTATION": "wireguard-go"})

    def wg(self, what: str) -> str:
        return self.member.namespace.run("wg", "show", self.interface, what).stdout


@pytest.fixture(scope="module")
def network(shared_lab, engine):
    if not Path(hawser_command()).exists():
        pytest.skip(f"{hawser_command()} is not there; set HAWSER")
    network = Network(shared_lab, engine)
    network.stock = {name: StockHost(network[name]) for name in STOCK}
    network["server1"].start()
    for host in network.stock.values():
        host.up()
    network.is_connected()
    return network


def test_every_host_reaches_every_other(network):
    network.all_answered()


def test_peers_reach_each_other_in_both_controllers_subnets(network):
    """One subnet is carried by hawserd, the other by wireguard-go and its kernel."""
    for controller in CONTROLLERS:
        for source in PEERS:
            for target in PEERS:
                if source != target:
                    reaches(network[source].namespace, peer_address(target, controller))
    relayed = int(network["server1"].status()[0]["relayed_packets"])
    assert relayed > 0


def test_a_stream_passes_our_controller_between_stock_peers(network):
    traffic.stream(network["laptop1"].namespace, network["printer"].namespace,
                   network["printer"].address, 4 << 20)


def test_wg_took_every_peer_of_the_plan(network):
    for name, host in network.stock.items():
        keys = {line.split("\t")[0] for line in host.wg("allowed-ips").splitlines()}
        others = {*CONTROLLERS, *PEERS} if name in CONTROLLERS else {*CONTROLLERS}
        assert keys == {network[other].public_key for other in others - {name}}
    assert network.stock["server2"].wg("listen-port").strip() == str(PORT)


def starts_anew(network) -> float:
    """Our controller forgets all sessions; the time at which it is back."""
    network["server1"].daemon.crash()
    network["server1"].start()
    return time.monotonic()


@pytest.mark.slow
def test_a_stock_peer_with_data_notices_that_a_controller_started_anew(network, tell):  # noqa: F811
    """Fifteen seconds after data that had no answer it makes a new session (docs/NETWORKS.md)."""
    reaches(network["laptop1"].namespace, controller_address("server1"))
    back = starts_anew(network)
    reaches(network["laptop1"].namespace, controller_address("server1"), 40)
    tell(f"{network.engine}: with data it took {time.monotonic() - back:.1f} s")
    network.is_connected(180)


@pytest.mark.slow
def test_a_stock_peer_without_data_notices_that_a_controller_started_anew(network, tell):  # noqa: F811
    """When its session is two minutes old, with the next persistent keepalive."""
    network.is_connected(180)
    back = starts_anew(network)
    for name in PEERS:
        wait_until(lambda: network["server1"].status()[2][name]["has_session"] == "true", 220,
                   f"{name} has a session")
    tell(f"{network.engine}: without data it took {time.monotonic() - back:.1f} s")


def test_a_hawser_peer_among_stock_hosts_leaves_our_dead_controller(network):
    """A stock controller answers the echo by which it is watched, and accepts peers in all subnets.
    Stock peers find out that a controller has started anew only when they send to it themselves, so
    at the end it is only asked itself."""
    laptop = network["laptop1"]
    laptop.namespace.run("wg-quick", "down", network.stock["laptop1"].path, timeout=60)
    laptop.start()
    try:
        assert set(laptop.status()[2]) == {*CONTROLLERS}
        for controller in CONTROLLERS:
            reaches(laptop.namespace, controller_address(controller))
        network["server1"].daemon.crash()
        wait_until(lambda: laptop.carrier_of("server1") == "server2", 8, "it takes the stock one")
        reaches(laptop.namespace, network["storage"].address)
        assert laptop.status()[2]["server2"]["reachable"] == "true"
    finally:
        network["server1"].start()
    wait_until(lambda: laptop.carrier_of("server1") == "server1", 20, "it returns")
    reaches(laptop.namespace, controller_address("server1"))
