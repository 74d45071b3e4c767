"""Exits: all of a host's traffic through another host, and nobody else's."""

import re

import pytest

from lab import add_address, wait_until
from network_lab import (LINES_OF_OTHERS, NETWORK, PORT, Network, etc_of, peer_section, reaches)

pytestmark = pytest.mark.hawser_only

# Behind the exit, where nobody knows of the network.
OUTSIDE4, OUTSIDE6 = "203.0.113", "2001:db8:99:"
SERVER4, SERVER6 = f"{OUTSIDE4}.9", f"{OUTSIDE6}:9"
RULES = ("7200:", "7201:")


class NetworkWithExit(Network):
    """storage offers an exit, laptop1 takes it."""

    plan = "controllers-and-peers"
    takes_exit = True

    def text(self, endpoints=None) -> str:
        head = f'[network]\nname = "{NETWORK}"\ninterface = "{self.interface}"\nport = {PORT}\n'
        if self.plan == "full-mesh":
            text = head + 'plan = "full-mesh"\ncidr = "10.42.0.0/24"\n'
            for member in self:
                text += (f'[members.{member.name}]\npublic_key = "{member.public_key}"\n'
                         f'endpoint = "{member.endpoint}"\nmesh_ip = "10.42.0.{member.number}"\n'
                         + self.more(member.name))
            return text
        text = super().text(endpoints).replace(f"port = {PORT}\n",
                                               f'port = {PORT}\nipv4 = "10.60.0.0/16"\n', 1)
        for name in ("storage", "laptop1"):
            section = peer_section(name, self[name].public_key,
                                   "server2" if name == "storage" else "server1")
            text = text.replace(section, section + self.more(name))
        return text

    def more(self, name: str) -> str:
        if name == "storage":
            return 'allowed_ips = ["0.0.0.0/0", "::/0"]\n'
        return 'use_exit = "storage"\n' if name == "laptop1" and self.takes_exit else ""

    @property
    def families(self) -> tuple:
        return ("-4",) if self.plan == "full-mesh" else ("-4", "-6")


def default_route_only(member) -> None:
    """All of the underlay is reached by the default route, the endpoints too."""
    space = member.namespace
    for address, length in ((member.outer4, 24), (member.outer6, 64)):
        space.ip("address", "del", f"{address}/{length}", "dev", "eth0")
        space.ip("address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
    for family in ("-4", "-6"):
        space.ip(family, "route", "add", "default", "dev", "eth0", "metric", "100")
    space.ip("link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
    for port in ("lan0", "lan1"):
        space.ip("link", "set", port, "up")
    add_address(space, "lan0", "172.20.0.1/24")


def make(lab, engine, plan: str) -> NetworkWithExit:
    network = NetworkWithExit(lab, engine)
    network.plan = plan
    network.write()
    exit_host, outside = network["storage"].namespace, lab.namespace("outside")
    lab.link(exit_host, "eth1", outside, "eth0")
    for space, device, host in ((exit_host, "eth1", 1), (outside, "eth0", 9)):
        add_address(space, device, f"{OUTSIDE4}.{host}/24")
        add_address(space, device, f"{OUTSIDE6}:{host}/64")
    exit_host.forward()
    exit_host.nft("""
        table inet outside {
          chain out {
            type nat hook postrouting priority 100;
            oifname eth1 masquerade;
          }
        }""")
    for name in ("laptop1", "printer", "server1"):
        default_route_only(network[name])
    return network


@pytest.fixture(params=["controllers-and-peers", "full-mesh"])
def network(lab, engine, request):
    return make(lab, engine, request.param)


def rules_of(member, family: str) -> str:
    return member.namespace.ip(family, "rule", "show")


def our_rules(member, family: str) -> list:
    return [line.split("\t")[0] for line in rules_of(member, family).splitlines()
            if line.startswith(RULES)]


def goes_through(member, family: str, device: str) -> bool:
    server = SERVER4 if family == "-4" else SERVER6
    return f"dev {device} " in member.namespace.ip(family, "route", "get", server)


def reach_outside(network) -> None:
    laptop = network["laptop1"].namespace
    for family in network.families:
        reaches(laptop, SERVER4 if family == "-4" else SERVER6)


def is_untouched(member, families=("-4", "-6")) -> None:
    for family in families:
        assert our_rules(member, family) == []
        assert member.namespace.ip(family, "route", "show", "table", "7200", check=False) == ""
        assert goes_through(member, family, "eth0")


def test_who_takes_an_exit_goes_through_it_and_nobody_else(network):
    laptop = network["laptop1"]
    before = {family: (rules_of(laptop, family), laptop.namespace.ip(family, "route", "show"))
              for family in ("-4", "-6")}
    network.start()
    reach_outside(network)
    assert laptop.status()[0]["exit"] == "storage"
    for family in network.families:
        assert our_rules(laptop, family) == list(RULES)
        assert goes_through(laptop, family, network.interface)
        # What the host had is there as it was, its default route above all.
        for line in before[family][1].splitlines():
            assert line.strip() in laptop.namespace.ip(family, "route", "show")
    # Its LAN, its endpoints: outside. They are reached by nothing but its default route.
    assert "dev lan0" in laptop.namespace.ip("route", "get", "172.20.0.7")
    marked = laptop.namespace.ip("route", "get", network["server1"].outer4, "mark", "0x7200")
    assert "dev eth0" in marked
    for name in ("printer", "server1"):
        is_untouched(network[name])
    # A reload that drops it, and one that takes it again.
    network.takes_exit = False
    network.write()
    assert laptop.reload()["errno"] == "0"
    is_untouched(laptop)
    assert laptop.status()[0]["fwmark"] == "0"
    network.takes_exit = True
    network.write()
    assert laptop.reload()["errno"] == "0"
    reach_outside(network)
    laptop.stop()
    for family in ("-4", "-6"):
        assert (rules_of(laptop, family),
                laptop.namespace.ip(family, "route", "show")) == before[family]


def test_what_a_killed_daemon_left_does_not_pile_up(lab, engine):
    network = make(lab, engine, "controllers-and-peers")
    network.start(("server1", "server2", "storage", "laptop1"))
    laptop = network["laptop1"]
    reach_outside(network)
    for _ in range(3):
        laptop.daemon.crash()
        laptop.start()
    for family in network.families:
        assert our_rules(laptop, family) == list(RULES)
    reach_outside(network)
    laptop.daemon.crash()
    network.takes_exit = False
    network.write()
    laptop.start()
    is_untouched(laptop)


def test_rules_and_routes_of_an_exit_come_back(lab, engine):
    network = make(lab, engine, "controllers-and-peers")
    network.start(("server1", "server2", "storage", "laptop1"))
    laptop = network["laptop1"]
    reach_outside(network)
    laptop.namespace.ip("-4", "rule", "del", "priority", "7201")
    laptop.namespace.ip("-6", "route", "flush", "table", "7200")
    wait_until(lambda: all(our_rules(laptop, family) == list(RULES) and
                           goes_through(laptop, family, network.interface)
                           for family in network.families), 10, "the exit is back")
    reach_outside(network)
    assert re.search(r"had lost .*rule 7201 for IPv4", laptop.daemon.process.output())


def test_the_mark_cannot_be_taken_from_an_exit(lab, engine):
    network = make(lab, engine, "controllers-and-peers")
    laptop = network["laptop1"].start()
    assert laptop.daemon.uapi().set("fwmark=5") != 0
    assert laptop.status()[0]["fwmark"] == str(0x7200)


def test_nothing_goes_to_an_exit_whose_way_is_not_known_yet(lab, engine):
    """Else no name server would be reached that knows it."""
    network = make(lab, engine, "controllers-and-peers")
    laptop = network["laptop1"]
    etc = etc_of(laptop.namespace, hosts=LINES_OF_OTHERS, resolv__conf="nameserver 127.0.0.1\n")
    network.write(network.text({name: f"{name}.example:{PORT}" for name in ("server1", "server2")}))
    # Only laptop1 has to find them: the others' names are in no file.
    laptop.start()
    for family in network.families:
        assert our_rules(laptop, family) == []
        assert goes_through(laptop, family, "eth0")
    with open(etc / "hosts", "a") as hosts:
        hosts.write(f"{network['server2'].outer6}\tserver2.example\n")
    wait_until(lambda: our_rules(laptop, "-4") == our_rules(laptop, "-6") == list(RULES), 20,
               "the exit is open")
    laptop.stop()
    is_untouched(laptop)
