"""IPv4 beside the IPv6 addresses of a network of controllers and peers. No host has another IPv4
address: whatever is reached by IPv4 is reached through the tunnel."""

import pytest

import traffic
from lab import wait_until
from network_lab import (CONTROLLERS, DESIGNATED, NETWORK, PEERS, PORT, Network, PlannedNetwork,
                         ipv4_address, reaches)

pytestmark = pytest.mark.hawser_only

PREFIX = "10.60.0.0/16"
LAN, LAN_HOST, GATEWAY = "192.168.77.0/24", "192.168.77.20", "printer"


def with_ipv4(network) -> str:
    """A network is behind the printer."""
    text = Network.text(network, {name: f"[{network[name].outer6}]:{PORT}" for name in CONTROLLERS})
    text = text.replace(f"port = {PORT}\n", f'port = {PORT}\nipv4 = "{PREFIX}"\n', 1)
    section = f"[peers.{GATEWAY}]\n"
    return text.replace(section, f'{section}allowed_ips = ["{LAN}"]\n')


@pytest.fixture
def network(lab, engine):
    network = PlannedNetwork(lab, engine, with_ipv4)
    for member in network:
        member.namespace.ip("-4", "address", "flush", "dev", "eth0")
    return network.start()


def carried_by(network, controller: str) -> bool:
    return all(network[name].status()[1][PREFIX] == controller for name in PEERS)


def test_hosts_without_another_ipv4_address_reach_all(network, lab):
    for member in network:
        own = member.namespace.ip("-4", "-o", "address", "show", "dev", network.interface)
        assert f"{ipv4_address(member.name)}/16" in own
    for source, target in network.pairs():
        reaches(source.namespace, ipv4_address(target.name))
    # Each peer by its own controller.
    for name in PEERS:
        assert network[name].status()[1][PREFIX] == DESIGNATED[name]
    for name in CONTROLLERS:
        assert int(network[name].status()[0]["relayed_packets"]) > 0
        lines = network[name].hosts_path.read_text().splitlines()
        for member in network:
            for address in (member.address, ipv4_address(member.name)):
                assert f"{address}\t{member.name}.{NETWORK} {member.name}" in lines

    # A network behind a peer; it knows the way back through its gateway.
    gateway, host = network[GATEWAY].namespace, lab.namespace("lan-host")
    lab.link(gateway, "lan0", host, "eth0")
    gateway.ip("address", "add", "192.168.77.1/24", "dev", "lan0")
    host.ip("address", "add", f"{LAN_HOST}/24", "dev", "eth0")
    host.ip("route", "add", "default", "via", "192.168.77.1")
    gateway.forward()
    for name in ("laptop1", "storage", *CONTROLLERS):
        reaches(network[name].namespace, LAN_HOST)
        reaches(host, ipv4_address(name))


def test_ipv4_goes_on_through_the_other_controller_and_returns(network):
    laptop, storage = network["laptop1"].namespace, network["storage"].namespace
    for source, target in network.pairs():
        reaches(source.namespace, ipv4_address(target.name))
    with traffic.Probe(laptop, storage, ipv4_address("storage"), rate=100) as probe:
        network["server1"].daemon.crash()
        wait_until(lambda: carried_by(network, "server2"), 8, "server2 carries the IPv4 prefix")
        reaches(laptop, ipv4_address(GATEWAY), 3)
    assert probe.result.longest_gap <= 8, probe.result
    assert probe.result.received > 0
    network["server1"].start()
    wait_until(lambda: network["laptop1"].status()[1][PREFIX] == "server1", 20, "it returns")
    reaches(laptop, ipv4_address("storage"))
    reaches(storage, ipv4_address("laptop1"))
