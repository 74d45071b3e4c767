"""The other address plans, and what a network's file says beside addresses: networks behind a host,
preshared keys, a controller without TUN."""

import re
import signal
import time
from itertools import permutations

import pytest

from network_lab import (CONTROLLERS, DESIGNATED, LINES_OF_OTHERS, NETWORK, PEERS, PORT, Network,
                         PlannedNetwork, controller_address, hawser, peer_address, reaches)

pytestmark = pytest.mark.hawser_only

PSK = "shared.psk"
LANS = {"storage": ("192.168.77", "2001:db8:77:"), "laptop1": ("192.168.88", "2001:db8:88:")}


def head(network, **settings) -> str:
    lines = "".join(f'{key} = "{value}"\n' for key, value in settings.items())
    return f'[network]\nname = "{NETWORK}"\ninterface = "{network.interface}"\nport = {PORT}\n{lines}\n'


def mesh_ip(member) -> str:
    return f"10.42.0.{member.number}"


def full_mesh(network) -> str:
    """All tunnels of laptop1 have a preshared key; a network is behind storage."""
    text = head(network, plan="full-mesh", cidr="10.42.0.0/24", domain="birds")
    for member in network:
        text += (f'[members.{member.name}]\npublic_key = "{member.public_key}"\n'
                 f'endpoint = "{member.endpoint}"\nmesh_ip = "{mesh_ip(member)}"\n')
        if member.name == "laptop1":
            text += f'preshared_key_file = "{PSK}"\n'
        if member.name == "storage":
            text += f'allowed_ips = ["{LANS["storage"][0]}.0/24"]\n'
    return text


def node_id(network) -> str:
    """Nobody can call laptop1."""
    text = head(network, plan="node-id")
    for member in network:
        text += f'[members.{member.name}]\npublic_key = "{member.public_key}"\n'
        if member.name != "laptop1":
            text += f'endpoint = "{member.endpoint}"\n'
    return text


def with_lans(network) -> str:
    """Networks behind two peers, and a preshared key between one and the controllers."""
    text = Network.text(network)
    for name, (v4, v6) in LANS.items():
        section = f'[peers.{name}]\n'
        more = f'allowed_ips = ["{v4}.0/24", "{v6}:/64"]\n'
        if name == "storage":
            more += f'preshared_key_file = "{PSK}"\n'
        text = text.replace(section, section + more)
    return text


def start(lab, engine, describe, without_tun: tuple = ()) -> PlannedNetwork:
    network = PlannedNetwork(lab, engine, describe)
    hawser(network["server1"].namespace, "keygen", "--preshared", network.path.parent / PSK)
    for name, (v4, v6) in LANS.items():
        for address in (f"{v4}.1/32", f"{v6}:1/128"):
            network[name].namespace.ip("address", "add", address, "dev", "lo")
    for member in network:
        options = ("--no-tun", "--hosts-file=none") if member.name in without_tun else ()
        member.start(*options)
    return network


def all_reach_each_other(network, address_of) -> None:
    for source, target in permutations(network, 2):
        reaches(source.namespace, address_of(target))


def test_a_full_mesh_connects_all_directly(lab, engine):
    network = start(lab, engine, full_mesh)
    all_reach_each_other(network, mesh_ip)
    names = {f"{member.name}.birds": mesh_ip(member) for member in network}
    for member in network:
        assert member.names() == names
        assert member.status()[0]["role"] == "member"
        assert int(member.status()[0]["relayed_packets"]) == 0
    laptop = network["laptop1"]
    lan = LANS["storage"][0]
    reaches(laptop.namespace, f"{lan}.1")
    # The route is marked as ours: its protocol is none that the kernel or ip(8) gives.
    route = laptop.namespace.ip("-4", "route", "show", f"{lan}.0/24")
    assert network.interface in route
    assert re.search(r"proto (\d+) ", route), route
    network.stop()
    assert laptop.namespace.ip("-4", "route", "show", f"{lan}.0/24") == ""


def test_node_ids_connect_also_who_cannot_be_called(lab, engine):
    network = start(lab, engine, node_id)
    addresses = network["server1"].names()
    assert len(addresses) == len(network.members)
    assert all(address.startswith("10.50.") for address in addresses.values())
    all_reach_each_other(network, lambda member: addresses[f"{member.name}.{NETWORK}"])


def test_networks_behind_peers_reach_each_other(lab, engine):
    network = start(lab, engine, with_lans)
    network.is_connected()
    storage, laptop = network["storage"].namespace, network["laptop1"].namespace
    for family in (0, 1):
        here, there = (f"{LANS[name][family]}{'.1' if family == 0 else ':1'}"
                       for name in ("laptop1", "storage"))
        laptop.run("ping", "-n", "-c", 3, "-W", 2, "-I", here, there)
        storage.run("ping", "-n", "-c", 3, "-W", 2, "-I", there, here)
    # When the controller dies that they go through, they go through the other.
    prefix = f"{LANS['storage'][0]}.0/24"
    assert network["laptop1"].status()[1][prefix] == DESIGNATED["storage"]
    network[DESIGNATED["storage"]].daemon.crash()
    network.await_carrier("server1", 8, subnet_of="server2")
    assert network["laptop1"].status()[1][prefix] == "server1"
    laptop.run("ping", "-n", "-c", 3, "-W", 2, "-I", f"{LANS['laptop1'][0]}.1",
               f"{LANS['storage'][0]}.1")


def test_a_controller_needs_no_tun(lab, engine):
    network = start(lab, engine, Network.text, without_tun=("server1",))
    for controller in CONTROLLERS:
        for source in PEERS:
            reaches(network[source].namespace, controller_address(controller))
            for target in PEERS:
                if source != target:
                    reaches(network[source].namespace, peer_address(target, controller))
    server = network["server1"]
    assert not server.namespace.link_exists(network.interface)
    assert server.hosts_path.read_text() == LINES_OF_OTHERS
    done = hawser(server.namespace, "probe", "golden", "--to", "laptop1", "--count", 1,
                  "--control-dir", server.dir, check=False)
    assert done.returncode != 0 and "no TUN device" in done.stderr


def wait_for(member, *words):
    """hawser wait; its result and how long it took."""
    begin = time.monotonic()
    done = hawser(member.namespace, "wait", *words, "--control-dir", member.dir, check=False)
    return done, time.monotonic() - begin


def test_wait_does_not_take_a_killed_member_for_a_ready_one(lab, engine):
    network = start(lab, engine, full_mesh)
    all_reach_each_other(network, mesh_ip)
    laptop = network["laptop1"]
    done, _ = wait_for(laptop, "--handshake", "--timeout", 20)
    assert done.returncode == 0, done.stderr
    network["storage"].daemon.crash()
    assert laptop.status()[2]["storage"]["has_session"] == "true"
    done, _ = wait_for(laptop, "--handshake", "storage", "--timeout", 2)
    assert done.returncode == 1 and "storage, " in done.stderr and "no answer" in done.stderr, done
    done, _ = wait_for(laptop, "--handshake", "printer", "--timeout", 20)
    assert done.returncode == 0, done.stderr


def test_a_stopped_daemon_holds_no_command_up(lab, engine):
    network = PlannedNetwork(lab, engine, node_id)
    member = network["laptop1"].start()
    member.daemon.process.signal(signal.SIGSTOP)
    try:
        done, seconds = wait_for(member, "--handshake", "--timeout", 2)
        assert done.returncode == 1 and "gave up after 2.00 s" in done.stderr
        assert "is stopped; kill -CONT" in done.stderr and seconds < 4, (seconds, done.stderr)
        for command in ("status", "reload", "confirm"):
            begin = time.monotonic()
            done = hawser(member.namespace, command, "--timeout", "1s", "--control-dir", member.dir,
                          check=False)
            assert done.returncode == 1 and "is stopped" in done.stderr, done
            assert time.monotonic() - begin < 3, command
    finally:
        member.daemon.process.signal(signal.SIGCONT)
    # What was given up on is not done afterwards.
    assert "reload" not in member.daemon.process.output()
    member.stop()


def test_wait_refuses_at_once_what_cannot_come_true(lab, engine):
    network = PlannedNetwork(lab, engine, node_id)
    member = network["laptop1"].start()
    for words, said in ((("--handshake", "storrage"), 'did you mean "storage"?'),
                        (("--handshake", network.interface), "is an interface"),
                        (("storage", "--handshake", "printer"), "is a peer of")):
        done, seconds = wait_for(member, *words, "--timeout", 20)
        assert done.returncode == 2 and said in done.stderr and seconds < 10, done
    member.stop()
