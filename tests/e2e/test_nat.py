"""Peers behind NAT routers, which only a keepalive keeps reachable."""

import pytest

import hosts
import traffic
from lab import add_address, wait_until


@pytest.fixture(scope="module")
def topology(shared_lab, engine):
    """A hub on the internet, and two leaves each behind a router that masquerades."""
    lab = shared_lab
    switch = lab.switch()
    hub = hosts.Host(lab, 1, "hub")
    switch.plug(hub.namespace, "eth0", *hub.outer_addresses())
    hub.run_hawserd(engine, "--forward=direct").bring_up()
    hub.namespace.forward()
    leaves, routers = [], []
    for number in (2, 3):
        router = lab.namespace(f"router{number}")
        switch.plug(router, "wan", f"192.0.2.{100 + number}/24")
        leaf = hosts.Host(lab, number, f"leaf{number}")
        lab.link(leaf.namespace, "eth0", router, "lan")
        add_address(router, "lan", "192.168.1.1/24")
        add_address(leaf.namespace, "eth0", "192.168.1.2/24")
        leaf.namespace.ip("route", "add", "default", "via", "192.168.1.1")
        router.forward()
        router.nft("""
            table ip nat {
              chain post { type nat hook postrouting priority 100; oifname "wan" masquerade random; }
            }""")
        leaf.run_stock().bring_up()
        hub.peer(leaf, allowed=leaf.allowed_only())
        leaf.peer(hub, endpoint=hub.endpoint(), keepalive=1,
                  allowed=f"{hosts.INNER_NET4},{hosts.INNER_NET6}")
        leaves.append(leaf)
        routers.append(router)
    for leaf in leaves:
        wait_until(lambda: hub.exact_handshake_time(leaf) > (0, 0), 15, "a session by keepalive")
    return hub, leaves, routers


def test_the_hub_reaches_peers_that_only_sent_keepalives(topology):
    hub, leaves, _ = topology
    for leaf in leaves:
        assert hub.endpoint_of(leaf).startswith(f"192.0.2.{100 + leaf.number}:")
        for address in leaf.inner:
            traffic.reaches(hub.namespace, address)


def test_they_reach_each_other_through_the_hub(topology):
    _, (first, second), _ = topology
    for address in second.inner:
        traffic.reaches(first.namespace, address)
    traffic.stream(first.namespace, second.namespace, second.inner6, 2 << 20)


def test_a_router_that_forgets_its_mapping_is_followed(topology):
    hub, (first, _), (router, _) = topology
    traffic.reaches(hub.namespace, first.inner4)
    before = hub.endpoint_of(first)
    router.run("conntrack", "-F")
    wait_until(lambda: hub.endpoint_of(first) != before, 5, "the next keepalive has moved it")
    traffic.reaches(hub.namespace, first.inner4, seconds=3)
