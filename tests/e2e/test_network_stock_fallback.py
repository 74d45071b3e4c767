"""Hawser's peers between a controller of ours and a stock one: each stands in for the other."""

import os
import random
import signal
import time

import pytest

import traffic
from lab import wait_until
from network_lab import PEERS, Network, peer_address
from test_network import FAILOVER_LIMIT_S, PROBE_RATE, RETURN_LIMIT_S, tell  # noqa: F401
from test_network_stock import StockHost
from test_network_stock import pytestmark  # noqa: F401


@pytest.fixture(scope="module")
def network(shared_lab, engine):
    """server2 runs wireguard-go from what `hawser plan --wg-quick` says, everybody else hawserd."""
    network = Network(shared_lab, engine)
    network.stock = StockHost(network["server2"])
    network.stock.up()
    network.start(("server1", *PEERS))
    network.is_connected()
    for controller in ("server1", "server2"):
        network.await_carrier(controller, RETURN_LIMIT_S, subnet_of=controller)
    return network


def probe(network, controller: str) -> traffic.Probe:
    """Between two peers, to an address in this controller's subnet."""
    return traffic.Probe(network["laptop1"].namespace, network["printer"].namespace,
                         peer_address("printer", controller), PROBE_RATE)


def test_traffic_of_a_killed_controller_goes_on_through_a_stock_one(network, tell):  # noqa: F811
    controller = network["server1"]
    with probe(network, "server1") as numbered:
        time.sleep(0.5 + random.random())  # anywhere between two echoes
        controller.daemon.crash()
        network.await_carrier("server2", FAILOVER_LIMIT_S)
        time.sleep(0.5)
    tell(f"{network.engine}: gap until a stock controller carries it: "
         f"{numbered.result.longest_gap:.2f} s")
    assert numbered.result.longest_gap <= FAILOVER_LIMIT_S, numbered.result
    for source in PEERS:
        for target in PEERS:
            if source != target:
                traffic.reaches(network[source].namespace, network[target].address)
    controller.start()
    network.await_carrier("server1", RETURN_LIMIT_S)
    traffic.reaches(network["laptop1"].namespace, network["printer"].address)


def test_nothing_is_lost_when_our_controller_hands_over_to_a_stock_one(network):
    controller = network["server1"]
    with probe(network, "server1") as numbered:
        time.sleep(0.5)
        controller.stop()
        assert network.carried_by("server2")
        time.sleep(0.5)
    numbered.nothing_lost()
    controller.start()
    network.await_carrier("server1", RETURN_LIMIT_S)


def test_traffic_of_a_killed_stock_controller_goes_on_through_ours(network):
    host = network["server2"]
    with probe(network, "server2") as numbered:
        time.sleep(0.5)
        for pid in host.namespace.pids():
            os.kill(pid, signal.SIGKILL)
        network.await_carrier("server1", FAILOVER_LIMIT_S, subnet_of="server2")
        time.sleep(0.5)
    assert numbered.result.longest_gap <= FAILOVER_LIMIT_S, numbered.result
    wait_until(lambda: not host.namespace.link_exists(network.stock.interface), 5, "it is gone")
    network.stock.up()
    network.await_carrier("server2", RETURN_LIMIT_S, subnet_of="server2")
    traffic.reaches(network["laptop1"].namespace, peer_address("printer", "server2"))
