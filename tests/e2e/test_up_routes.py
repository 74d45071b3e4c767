"""hawser up with a default route: all traffic but the tunnel's own, and nothing left behind."""

import pytest

from lab import add_address
from network_lab import reaches
from wg_quick_site import pair_of_sites

pytestmark = pytest.mark.hawser_only

OUTSIDE4, OUTSIDE6 = "203.0.113.9", "2001:db8:99::9"
FAMILIES = ("-4", "-6")
ALL = "0.0.0.0/0, ::/0"


class Pair:
    """The first site sends all its traffic through the second; its underlay is behind its default
    route, which a DHCP client has made."""

    def __init__(self, sites):
        self.user, self.exit = sites
        space = self.user.namespace
        space.ip("address", "flush", "dev", "eth0")
        space.ip("address", "add", "192.0.2.1", "dev", "eth0")
        space.ip("address", "add", "2001:db8::1", "dev", "eth0", "nodad")
        for family in FAMILIES:
            space.ip(family, "route", "add", "default", "dev", "eth0", "proto", "dhcp", "metric",
                     "100")
        for address in (f"{OUTSIDE4}/32", f"{OUTSIDE6}/128"):
            add_address(self.exit.namespace, "lo", address)
        self.exit.write(self.user, more="Address = fd07::2/64")
        text = self.exit.path.read_text().replace("10.1.0.0/16", "fd07::1/128")
        self.exit.path.write_text(text)
        self.write()
        self.before = self.routing()

    def write(self, allowed: str = ALL, more: str = "") -> None:
        self.user.write(self.exit, more=f"Address = fd07::1/64\n{more}")
        text = self.user.path.read_text().replace("10.7.0.2/32, 10.2.0.0/16", allowed)
        self.user.path.write_text(text)

    def routing(self) -> list:
        space = self.user.namespace
        return [space.ip(family, *words) for family in FAMILIES
                for words in (("rule", "show"), ("route", "show"))]

    def rules(self, family: str) -> list:
        lines = self.user.namespace.ip(family, "rule", "show").splitlines()
        return [line for line in lines if line.startswith("720")]

    def goes_through(self, target: str, *mark: str) -> str:
        return self.user.namespace.ip("route", "get", target, *mark)


@pytest.fixture
def pair(lab, engine):
    return Pair(pair_of_sites(lab, engine))


def test_a_default_route_takes_all_but_the_tunnels_own(pair):
    pair.exit.hawser("up", pair.exit.path)
    pair.user.hawser("up", pair.user.path)
    for target in (OUTSIDE4, OUTSIDE6):
        reaches(pair.user.namespace, target)
        assert f"dev {pair.user.interface} " in pair.goes_through(target)
        assert "dev eth0 " in pair.goes_through(target, "mark", "0x7200")
    # DHCP's routes are as they were.
    for family in FAMILIES:
        assert "default dev eth0 proto dhcp" in pair.user.namespace.ip(family, "route", "show")
    pair.user.hawser("down", pair.user.path)
    assert pair.routing() == pair.before


def test_the_mark_of_the_file_is_used(pair):
    pair.write(more="FwMark = 0x55")
    pair.user.hawser("up", pair.user.path)
    for family in FAMILIES:
        assert "not from all fwmark 0x55 lookup 7200" in pair.rules(family)[1]
    assert "0x55" in pair.user.hawser("status", pair.user.interface).stdout
    # The file changes meanwhile: what is undone is what was done.
    pair.write(allowed="10.9.0.0/16")
    pair.user.hawser("down", pair.user.path)
    assert pair.routing() == pair.before


def test_a_table_of_ones_own_has_the_routes_and_no_rule_leads_there(pair):
    for table in ("77", "off"):
        pair.write(allowed=f"{ALL}, 10.9.0.0/16", more=f"Table = {table}")
        pair.user.hawser("up", pair.user.path)
        space = pair.user.namespace
        for family in FAMILIES:
            routes = space.ip(family, "route", "show", "table", "77", check=False)
            assert ("default dev" in routes) == (table == "77")
            assert pair.rules(family) == []
            assert "10.9.0.0" not in space.ip(family, "route", "show")
        pair.user.hawser("down", pair.user.path)
        assert pair.routing() == pair.before


@pytest.mark.parametrize("hook", ["exit 3", "kill -TERM $PPID; sleep 60"])
def test_what_fails_or_is_interrupted_leaves_no_rule(pair, hook):
    pair.write(more=f"PostUp = ip rule show | grep ^7201 >/dev/null; {hook}")
    done = pair.user.hawser("up", pair.user.path, check=False)
    said = "interrupted" if "kill" in hook else ":7: PostUp failed with exit status 3"
    assert done.returncode == 1 and said in done.stderr and "was undone" in done.stderr, done.stderr
    pair.user.is_gone()
    assert pair.routing() == pair.before


def test_what_a_killed_daemon_left_goes_with_the_next_up_or_down(pair):
    pair.user.hawser("up", pair.user.path)
    pair.user.kill_daemon()
    assert pair.rules("-4") and pair.rules("-6")
    done = pair.user.hawser("down", pair.user.path, check=False)
    assert done.returncode == 1
    assert pair.routing() == pair.before
    pair.user.hawser("up", pair.user.path)
    pair.user.kill_daemon()
    # One that takes less than the one before.
    pair.write(allowed="0.0.0.0/0")
    pair.user.hawser("up", pair.user.path)
    assert len(pair.rules("-4")) == 2 and pair.rules("-6") == []
    pair.user.hawser("down", pair.user.path)
    assert pair.routing() == pair.before


def test_a_second_tunnel_with_a_default_route_is_refused_and_harms_nothing(pair):
    pair.user.hawser("up", pair.user.path)
    during = pair.routing()
    other = pair.user.path.with_name(f"{pair.user.interface}x.conf")
    other.touch(mode=0o600)
    other.write_text(pair.user.path.read_text().replace("51820\nAddress", "0\nAddress"))
    done = pair.user.hawser("up", other, check=False)
    assert done.returncode == 1 and "table 7200" in done.stderr, done.stderr
    assert pair.routing() == during
    pair.user.hawser("down", pair.user.path)
    assert pair.routing() == pair.before
