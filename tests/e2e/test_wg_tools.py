"""Stock wg and wg-quick."""

import os
import re
import shutil
from pathlib import Path

import pytest

import daemons
import hosts
import traffic
from lab import add_address, wait_until




@pytest.fixture(scope="module")
def pair(shared_lab, engine):
    return hosts.pair(shared_lab, engine)


def fields(text: str) -> dict:
    return {key.strip(): value.strip() for key, _, value in
            (line.partition(":") for line in text.splitlines())}


@pytest.mark.smoke
def test_show_tells_what_set_has_set(pair):
    ours, theirs = pair
    psk = daemons.genpsk()
    hosts.connect(ours, theirs, psk=psk)
    ours.wg("set", "fwmark", "0x2a")
    ours.peer(theirs, keepalive=21)
    traffic.reaches(ours.namespace, theirs.inner4)
    assert ours.wg("show", "private-key").strip() == ours.private_key
    assert ours.wg("show", "public-key").strip() == ours.public_key
    assert ours.wg("show", "listen-port").strip() == str(ours.port)
    assert ours.wg("show", "fwmark").strip() == "0x2a"
    assert ours.wg("show", "peers").strip() == theirs.public_key
    assert ours.wg("show", "preshared-keys").strip() == f"{theirs.public_key}\t{psk}"
    assert ours.wg("show", "persistent-keepalive").strip() == f"{theirs.public_key}\t21"
    allowed = ours.wg("show", "allowed-ips").strip().split("\t")
    assert allowed[0] == theirs.public_key
    assert set(allowed[1].split()) == set(theirs.allowed_only().split(","))
    assert ours.endpoint_of(theirs) == theirs.endpoint()
    assert min(ours.transfer(theirs)) > 0
    shown = fields(ours.wg("show"))
    assert shown["latest handshake"] in ("Now",) or "second" in shown["latest handshake"]
    assert shown["preshared key"] == "(hidden)"
    assert shown["persistent keepalive"] == "every 21 seconds"
    dump = ours.wg("show", "dump").splitlines()
    assert len(dump) == 2 and len(dump[0].split("\t")) == 4 and len(dump[1].split("\t")) == 8
    ours.wg("set", "fwmark", "0")
    assert ours.wg("show", "fwmark").strip() == "off"
    assert ours.interface in ours.namespace.run("wg", "show", "interfaces").stdout.split()


def test_a_mark_is_on_outgoing_packets(pair):
    ours, theirs = pair
    ours.namespace.nft("""
        table inet marks {
          counter marked { }
          chain out { type filter hook output priority 0; udp sport 51820 meta mark 77 counter name marked; }
        }""")
    ours.wg("set", "fwmark", "77")
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    traffic.all_answered(ours.namespace, theirs.inner6)
    assert ours.namespace.nft_counter("marks", "marked") >= 11
    ours.wg("set", "fwmark", "off")
    ours.namespace.run("nft", "delete", "table", "inet", "marks")


def write(lab, name: str, text: str) -> Path:
    path = lab.dir / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def peers_of(host) -> set:
    return set(host.wg("show", "peers").split())


def allowed_of(host, public_key: str) -> set:
    for line in host.wg("show", "allowed-ips").splitlines():
        key, allowed = line.split("\t")
        if key == public_key:
            return set(allowed.split())
    raise AssertionError(f"no peer {public_key}")


def test_setconf_addconf_syncconf_and_showconf(pair):
    ours, theirs = pair
    lab = ours.lab
    second, third = (daemons.pubkey(daemons.genkey()) for _ in range(2))
    their_peer = (theirs.public_key, theirs.allowed_only(), theirs.endpoint())
    ours.wg("setconf", write(lab, "set.conf", hosts.wg_config(ours, [
        their_peer, (second, "10.50.0.0/16", "192.0.2.50:1234")])))
    assert peers_of(ours) == {theirs.public_key, second}
    traffic.reaches(ours.namespace, theirs.inner4)
    session = ours.exact_handshake_time(theirs)

    ours.wg("addconf", write(lab, "add.conf", f"[Peer]\nPublicKey = {third}\n"
                                              "AllowedIPs = 10.51.7.9/16, fd51::/32\n"))
    assert peers_of(ours) == {theirs.public_key, second, third}
    assert allowed_of(ours, third) == {"10.51.0.0/16", "fd51::/32"}  # host bits are masked

    ours.wg("syncconf", write(lab, "sync.conf", hosts.wg_config(ours, [
        their_peer, (third, "10.50.0.0/16", None)])))
    assert peers_of(ours) == {theirs.public_key, third}
    assert allowed_of(ours, third) == {"10.50.0.0/16"}
    assert ours.exact_handshake_time(theirs) == session
    traffic.all_answered(ours.namespace, theirs.inner4)

    shown = ours.wg("showconf")
    assert f"ListenPort = {ours.port}" in shown and f"PrivateKey = {ours.private_key}" in shown
    ours.wg("setconf", write(lab, "shown.conf", shown))
    assert hosts.config_parts(ours.wg("showconf")) == hosts.config_parts(shown)
    ours.wg("set", "peer", third, "remove")
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)


def test_allowed_ips_belong_to_one_peer_at_a_time(pair):
    ours, _ = pair
    one, other = (daemons.pubkey(daemons.genkey()) for _ in range(2))
    ours.wg("set", "peer", one, "allowed-ips", "10.60.0.0/16,fd60::/64")
    ours.wg("set", "peer", other, "allowed-ips", "fd60::/64")
    assert allowed_of(ours, one) == {"10.60.0.0/16"}
    assert allowed_of(ours, other) == {"fd60::/64"}
    with ours.daemon.uapi() as uapi:
        assert uapi.set(f"public_key={hosts.to_hex(one)}", "update_only=true",
                        "allowed_ip=10.61.0.0/16", "allowed_ip=10.62.0.0/16") == 0
    assert allowed_of(ours, one) == {"10.60.0.0/16", "10.61.0.0/16", "10.62.0.0/16"}
    for key in (one, other):
        ours.wg("set", "peer", key, "remove")


def test_our_own_key_as_a_peer_is_ignored(pair):
    ours, _ = pair
    before = peers_of(ours)
    ours.wg("set", "peer", ours.public_key, "allowed-ips", "10.63.0.0/16")
    assert peers_of(ours) == before


def test_many_requests_on_one_connection(pair):
    ours, _ = pair
    with ours.daemon.uapi() as uapi:
        first = uapi.get()
        assert [key for key, _ in first][:2] == ["private_key", "listen_port"]
        assert uapi.set() == 0
        assert uapi.set(f"listen_port={ours.port}") == 0
        assert uapi.set("nonsense=1") == 22
        assert uapi.get()[:2] == first[:2]


# --- wg-quick ---

@pytest.fixture
def quick(lab, engine):
    """A namespace on a cable with wireguard-go, and wg-quick set up to start the daemon under test."""
    ours, theirs = hosts.Host(lab, 1, "ours"), hosts.Host(lab, 2, "theirs")
    lab.link(ours.namespace, "eth0", theirs.namespace, "eth0")
    for host in (ours, theirs):
        for address in host.outer_addresses():
            add_address(host.namespace, "eth0", address)
    theirs.run_stock().bring_up()
    return WgQuick(lab, engine, ours, theirs)


class WgQuick:
    def __init__(self, lab, engine: str, ours, theirs):
        if Path("/sys/module/wireguard").exists():
            pytest.skip("wg-quick would take this kernel's WireGuard")
        self.lab, self.ours, self.theirs = lab, ours, theirs
        self.interface = lab.tunnel_name()
        self.path = lab.dir / f"{self.interface}.conf"
        self.env = {**os.environ, "HAWSER_ENGINE": engine, "HAWSER_STATE_DIR": str(lab.dir / "state"),
                    "WG_QUICK_USERSPACE_IMPLEMENTATION": self.implementation()}

    def implementation(self) -> str:
        command = daemons.command_under_test()
        if len(command) == 1:
            return shutil.which(command[0])
        script = self.lab.dir / "implementation"  # wg-quick takes one word
        script.write_text(f"#!/bin/sh\nexec {' '.join(command)} \"$@\"\n")
        script.chmod(0o755)
        return str(script)

    def configure(self, allowed: str, extra: str = "") -> None:
        self.path.write_text(
            f"[Interface]\nPrivateKey = {self.ours.private_key}\nListenPort = {self.ours.port}\n"
            f"Address = {self.ours.inner4}/24, {self.ours.inner6}/64\n{extra}\n"
            f"[Peer]\nPublicKey = {self.theirs.public_key}\nEndpoint = {self.theirs.endpoint()}\n"
            f"AllowedIPs = {allowed}\n")
        self.path.chmod(0o600)

    def run(self, action: str):
        return self.ours.namespace.run("wg-quick", action, self.path, env=self.env, timeout=60)


def test_wg_quick_up_and_down(quick):
    ours, theirs = quick.ours, quick.theirs
    theirs.peer(ours, endpoint=ours.endpoint(), allowed=ours.allowed_only())
    quick.configure("10.9.0.0/24, fd09::/64", "MTU = 1380\nPostUp = ip link show dev %i\n")
    quick.run("up")
    for address in theirs.inner:
        traffic.reaches(ours.namespace, address)
    assert "mtu 1380" in ours.namespace.ip("link", "show", "dev", quick.interface)

    # As its manual says: wg syncconf IF <(wg-quick strip IF)
    stripped = quick.run("strip").stdout
    assert "Address" not in stripped and "PostUp" not in stripped
    sync = write(quick.lab, "sync.conf", stripped)
    with traffic.Probe(ours.namespace, theirs.namespace, theirs.inner4) as probe:
        for _ in range(20):
            ours.namespace.run("wg", "syncconf", quick.interface, sync)
    if daemons.is_hawser():
        probe.nothing_lost()  # the stand-in binds its port anew

    quick.run("down")
    assert not ours.namespace.link_exists(quick.interface)
    wait_until(lambda: ours.namespace.pids() == [], 10, "the daemon has ended")


def test_wg_quick_with_a_default_route(quick):
    """Everything through the tunnel but the tunnel: fwmark and policy routing."""
    ours, theirs = quick.ours, quick.theirs
    theirs.peer(ours, allowed=ours.allowed_only())
    for address in ("198.51.100.1/32", "2001:db8:1::1/128"):
        add_address(theirs.namespace, "lo", address)
    quick.configure("0.0.0.0/0, ::/0")
    quick.run("up")
    for address in ("198.51.100.1", "2001:db8:1::1"):
        traffic.reaches(ours.namespace, address)
    mark = ours.namespace.run("wg", "show", quick.interface, "fwmark").stdout.strip()
    assert re.fullmatch(r"0x[0-9a-f]+", mark)
    traffic.stream(ours.namespace, theirs.namespace, "198.51.100.1", 2 << 20)
    quick.run("down")
    wait_until(lambda: ours.namespace.pids() == [], 10, "the daemon has ended")


@pytest.mark.hawser_only
def test_wg_quick_saves_the_addresses_that_it_was_given(quick):
    quick.configure("10.9.0.0/24, fd09::/64", "SaveConfig = true\n")
    quick.run("up")
    quick.run("down")
    saved = re.findall(r"^Address = (\S+)", quick.path.read_text(), re.M)
    assert set(saved) == {f"{quick.ours.inner4}/24", f"{quick.ours.inner6}/64"}
    wait_until(lambda: quick.ours.namespace.pids() == [], 10, "the daemon has ended")
