"""One network behind two hosts: the first that is alive carries it."""

import pytest

import traffic
from lab import wait_until
from network_lab import NETWORK, PORT, Network, PlannedNetwork, reaches

pytestmark = pytest.mark.hawser_only

LAN, LAN_HOST = "192.168.77.0/24", "192.168.77.20"
GATEWAYS = {"printer": "192.168.77.1", "storage": "192.168.77.2"}
PROBE_RATE = 50
FAILOVER_LIMIT_S, RETURN_LIMIT_S = 8, 20
# Who uses a gateway sees the LAN's hosts answer through it, whatever their default route is.
MASQUERADE = """
    table ip nat {
      chain post { type nat hook postrouting priority 100; oifname "lan0" masquerade; }
    }"""


def hubs(network) -> str:
    text = Network.text(network).replace(f"port = {PORT}\n",
                                         f'port = {PORT}\nipv4 = "10.60.0.0/16"\n', 1)
    for name in GATEWAYS:
        section = f"[peers.{name}]\n"
        text = text.replace(section, f'{section}allowed_ips = ["{LAN}"]\n')
    return text


def full_mesh(network) -> str:
    """Against the order of names."""
    text = (f'[network]\nname = "{NETWORK}"\ninterface = "{network.interface}"\nport = {PORT}\n'
            'plan = "full-mesh"\ncidr = "10.42.0.0/24"\nsite_order = ["storage", "printer"]\n')
    for member in network:
        text += (f'[members.{member.name}]\npublic_key = "{member.public_key}"\n'
                 f'endpoint = "{member.endpoint}"\nmesh_ip = "10.42.0.{member.number}"\n')
        if member.name in GATEWAYS:
            text += f'allowed_ips = ["{LAN}"]\n'
    return text


@pytest.mark.parametrize("describe, first, second",
                         [(hubs, "printer", "storage"), (full_mesh, "storage", "printer")])
def test_a_network_behind_two_hosts_outlives_the_first(lab, engine, describe, first, second):
    network = PlannedNetwork(lab, engine, describe)
    switch, host = lab.switch(), lab.namespace("lan-host")
    switch.plug(host, "eth0", f"{LAN_HOST}/24")
    for name, address in GATEWAYS.items():
        switch.plug(network[name].namespace, "lan0", f"{address}/24")
        network[name].namespace.forward()
        network[name].namespace.nft(MASQUERADE)
    network.start()
    # It is said, and not refused.
    assert "first before second".replace("first", first).replace("second", second) in \
        network["laptop1"].daemon.process.output()
    laptop = network["laptop1"].namespace
    # Who sends to the gateways itself knows which of them carries the network.
    judges = ("server1", "server2") if describe is hubs else ("laptop1",)

    def carried_by(name: str) -> bool:
        return all(network[judge].status()[1][LAN] == name for judge in judges)

    wait_until(lambda: carried_by(first), RETURN_LIMIT_S, f"{first} carries the network")
    reaches(laptop, LAN_HOST)
    before = network[second].namespace.link_packets("lan0", "tx")
    traffic.all_answered(laptop, LAN_HOST)
    assert network[second].namespace.link_packets("lan0", "tx") - before < 10, "not the first"
    with traffic.Probe(laptop, host, LAN_HOST, PROBE_RATE) as probe:
        network[first].daemon.crash()
        wait_until(lambda: carried_by(second), FAILOVER_LIMIT_S, f"{second} carries the network")
        # The probe's own flow goes on: it has a new masquerade, and needs no answer to the old one.
        traffic.all_answered(laptop, LAN_HOST)
    assert probe.result.longest_gap <= FAILOVER_LIMIT_S, probe.result
    network[first].start()
    wait_until(lambda: carried_by(first), RETURN_LIMIT_S, f"{first} carries it again")
    reaches(laptop, LAN_HOST)
