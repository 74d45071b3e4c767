"""What others take from a network's interface comes back, and meanwhile it is said that it lacks."""

import json
import re

import pytest

from lab import wait_until
from network_lab import (Network, NotifySocket, controller_address, hawser, peer_section,
                         reaches, subnet)

pytestmark = pytest.mark.hawser_only

LAN4, LAN6 = "192.168.77.0/24", "2001:db8:77::/64"
REPAIR_S = 10


class NetworkWithLan(Network):
    """A network behind storage."""

    def text(self, endpoints=None) -> str:
        section = peer_section("storage", self["storage"].public_key, "server2")
        return super().text(endpoints).replace(
            section, section + f'allowed_ips = ["{LAN4}", "{LAN6}"]\n')


@pytest.fixture(scope="module")
def network(shared_lab, engine):
    network = NetworkWithLan(shared_lab, engine).start(("server1", "laptop1"))
    reaches(network["laptop1"].namespace, controller_address("server1"))
    return network


@pytest.fixture
def laptop(network):
    """Down and up again ends the patience that one test has cost the next."""
    member = network["laptop1"]
    set_down(member)
    member.namespace.ip("link", "set", network.interface, "up")
    wait_until(lambda: is_whole(member), REPAIR_S, "all is there")
    return member


def set_down(member) -> None:
    member.namespace.ip("link", "set", member.network.interface, "down")
    wait_until(lambda: member.status()[0]["up"] == "false", 5, "it is seen to be down")


def routes(member, family: str, prefix: str) -> str:
    return member.namespace.ip(family, "route", "show", prefix, "dev", member.network.interface)


def missing(member) -> list:
    with member.uapi() as uapi:
        return [value for key, value in uapi.request("get=status") if key == "missing"]


def is_whole(member) -> bool:
    return (member.interface_addresses() == member.expected_addresses() and not missing(member) and
            all(routes(member, "-6", prefix) for prefix in
                (subnet("server1"), subnet("server2"), LAN6)) and bool(routes(member, "-4", LAN4)))


def comes_back(member, what: str, *items: str) -> None:
    """Everything, with a line that says what was lost."""
    wait_until(lambda: is_whole(member), REPAIR_S, f"everything is back after {what}")
    reaches(member.namespace, controller_address("server1"))
    lines = [line for line in member.daemon.process.output().splitlines() if "had lost" in line]
    for item in items:
        assert any(item in line for line in lines), lines


def test_after_down_and_up_all_returns(laptop):
    set_down(laptop)
    laptop.namespace.ip("link", "set", laptop.network.interface, "up")
    comes_back(laptop, "down and up", *(f"address {own}" for own in laptop.expected_addresses()))


def test_down_is_a_wish(laptop):
    interface = laptop.network.interface
    set_down(laptop)
    assert laptop.reload()["errno"] == "0"
    assert "state DOWN" in laptop.namespace.ip("link", "show", "dev", interface)
    done = hawser(laptop.namespace, "wait", "--peers", "--control-dir", laptop.dir, "--timeout",
                  "1", check=False)
    assert done.returncode != 0 and "down" in done.stderr
    laptop.namespace.ip("link", "set", interface, "up")
    comes_back(laptop, "a reload while it was down")


def test_after_a_flush_all_returns(laptop):
    laptop.namespace.ip("address", "flush", "dev", laptop.network.interface)
    comes_back(laptop, "a flush", *(f"address {own}" for own in laptop.expected_addresses()))


@pytest.mark.parametrize("family, prefix", [("-4", LAN4), ("-6", LAN6), ("-6", None)],
                         ids=["IPv4", "IPv6", "of an address"])
def test_a_removed_route_returns(laptop, family, prefix):
    prefix = prefix or subnet("server1")
    laptop.namespace.ip(family, "route", "del", prefix, "dev", laptop.network.interface)
    comes_back(laptop, f"{prefix} was removed", f"route {prefix}")


def test_a_reload_repairs(laptop):
    interface = laptop.network.interface
    laptop.namespace.ip("address", "flush", "dev", interface)
    laptop.namespace.ip("-4", "route", "flush", "dev", interface)
    assert laptop.reload()["errno"] == "0"
    assert is_whole(laptop)


def test_what_cannot_be_put_back_is_told(laptop):
    """IPv6 is switched off for the interface: until it is on again nothing is green."""
    setting = f"net.ipv6.conf.{laptop.network.interface}.disable_ipv6"
    laptop.namespace.run("sysctl", "-q", "-w", f"{setting}=1")
    own = sorted(laptop.expected_addresses())[0]
    wait_until(lambda: f"address {own}" in missing(laptop), 5, "the status tells")
    shown = json.loads(hawser(laptop.namespace, "status", "--json", "--control-dir",
                              laptop.dir).stdout)["interfaces"][0]
    assert f"address {own}" in shown["missing"]
    text = hawser(laptop.namespace, "status", "--control-dir", laptop.dir).stdout
    assert re.search(rf"missing: .*{re.escape(own)}", text)
    done = hawser(laptop.namespace, "wait", "--peers", "--control-dir", laptop.dir, "--timeout",
                  "1", check=False)
    assert done.returncode != 0 and own in done.stderr and "missing" in done.stderr
    wait_until(lambda: "not all of it can be put back" in laptop.daemon.process.output(), 5, "the log tells")
    laptop.namespace.run("sysctl", "-q", "-w", f"{setting}=0")


def test_the_service_manager_hears_that_something_is_missing(network):
    member = network["printer"]
    manager = NotifySocket(member.dir / "notify")
    setting = f"net.ipv6.conf.{network.interface}.disable_ipv6"
    try:
        member.start(env={"NOTIFY_SOCKET": str(manager.path)})
        assert manager.wait_for("READY")["READY"] == "1"
        member.namespace.run("sysctl", "-q", "-w", f"{setting}=1")
        # The kernel takes the routes first, and that may be told by itself.
        wait_until(lambda: "lacks address" in manager.read()["STATUS"], 20, "the lack is told")
        member.namespace.run("sysctl", "-q", "-w", f"{setting}=0")
        wait_until(lambda: manager.read()["STATUS"] == "running", 20, "it is whole again")
        member.stop()
    finally:
        manager.close()
        manager.path.unlink()


def test_routes_prefer_a_source_of_the_tunnel(network, laptop):
    """A host in front of a network reaches others from its address in the tunnel."""
    member = laptop
    member.namespace.ip("address", "add", "2001:db8:88::1/64", "dev", "lo")
    chosen = member.namespace.ip("-6", "route", "get", "2001:db8:77::1")
    own = {address.split("/")[0] for address in member.expected_addresses()}
    source = re.search(r"src (\S+)", chosen)[1]
    assert source in own
    # Also after the address was gone for a while.
    member.namespace.ip("address", "flush", "dev", network.interface)
    wait_until(lambda: is_whole(member), REPAIR_S, "all is back")
    assert f"src {source}" in routes(member, "-6", LAN6)


def test_a_source_that_the_kernel_forgot_returns(network, laptop):
    """An address goes and is back at once; the kernel has taken it out of the routes meanwhile."""
    source = re.search(r"src (\S+)", routes(laptop, "-6", LAN6))[1]
    own = next(own for own in laptop.expected_addresses() if own.split("/")[0] == source)
    address = f"addr {{}} {own} dev {network.interface} nodad"
    laptop.namespace.run("ip", "-batch", "-",
                         input=f"{address.format('del')}\n{address.format('add')}\n")
    wait_until(lambda: f"src {source}" in routes(laptop, "-6", LAN6), REPAIR_S, "it prefers it again")
    comes_back(laptop, "a moment without the address", f"route {LAN6}")


def test_an_interface_that_is_away_is_let_alone(shared_lab, network, laptop):
    """Its name is another one's meanwhile."""
    interface = network.interface
    away = shared_lab.namespace("away")
    # Where its index is taken it gets another, and keeps that when it is back.
    index = laptop.namespace.run("cat", f"/sys/class/net/{interface}/ifindex").stdout.strip()
    away.ip("link", "add", "holder", "index", index, "type", "bridge")
    laptop.namespace.ip("link", "set", interface, "netns", away.name)
    shared_lab.link(laptop.namespace, interface, away, "decoy")
    away.ip("link", "set", interface, "up")
    wait_until(lambda: missing(laptop), 5, "the status tells what it lacks there")
    assert laptop.reload()["errno"] == "0"
    wait_until(lambda: "was moved to another network namespace" in laptop.daemon.process.output(), 5,
               "the log says so")
    assert not laptop.expected_addresses() & laptop.interface_addresses()
    laptop.namespace.ip("link", "delete", interface)
    away.ip("link", "set", interface, "netns", laptop.namespace.name)
    laptop.namespace.ip("link", "set", interface, "up")
    comes_back(laptop, "it was away")

    laptop.namespace.ip("link", "set", interface, "down")
    laptop.namespace.ip("link", "set", interface, "name", "renamed")
    laptop.namespace.ip("link", "set", "renamed", "up")
    wait_until(lambda: f"{interface} was renamed to renamed" in laptop.daemon.process.output(), 5,
               "the log says so")
    laptop.namespace.ip("link", "set", "renamed", "down")
    laptop.namespace.ip("link", "set", "renamed", "name", interface)
    laptop.namespace.ip("link", "set", interface, "up")
    comes_back(laptop, "it had another name")
    assert laptop.daemon.process.output().count("was moved to") == 1
