"""A hub between wireguard-go peers, in each way of forwarding."""

import time

import pytest

import daemons
import hosts
import traffic
from lab import PYTHON, add_address, run


@pytest.fixture(scope="module")
def direct(shared_lab, engine):
    return hosts.Hub(shared_lab, engine, "--forward=direct", num_leaves=3)


@pytest.mark.smoke
def test_direct_relays_both_families(direct):
    first, second, third = direct.leaves
    for source, target in ((first, second), (second, first), (second, third), (third, first)):
        for address in target.inner:
            traffic.reaches(source.namespace, address)
            traffic.all_answered(source.namespace, address)


@pytest.mark.smoke
def test_direct_relays_every_byte(direct):
    first, second, _ = direct.leaves
    for address in second.inner:
        traffic.reaches(first.namespace, address)
        traffic.stream(first.namespace, second.namespace, address)
    traffic.stream(second.namespace, first.namespace, first.inner4)


@pytest.mark.smoke
def test_the_hub_itself_is_reached_and_reaches(direct):
    hub, (first, second, _) = direct.hub, direct.leaves
    for leaf in (first, second):
        for address in hub.inner:
            traffic.reaches(leaf.namespace, address)
        for address in leaf.inner:
            traffic.all_answered(hub.namespace, address)
    traffic.stream(hub.namespace, first.namespace, first.inner6)
    traffic.stream(second.namespace, hub.namespace, hub.inner4)


def test_two_streams_at_once_do_not_mix(direct):
    first, second, third = direct.leaves
    traffic.reaches(first.namespace, second.inner4)
    traffic.reaches(third.namespace, second.inner4)
    traffic.reaches(third.namespace, first.inner4)
    one = traffic.Stream(first.namespace, second.namespace, second.inner4, 8 << 20)
    other = traffic.Stream(third.namespace, first.namespace, first.inner6, 8 << 20)
    one.finish()
    other.finish()


@pytest.mark.hawser_only
def test_direct_does_not_touch_the_tun_device(direct):
    hub, (first, second, _) = direct.hub, direct.leaves
    traffic.reaches(first.namespace, second.inner4)
    before = hub.namespace.link_packets(hub.interface, "rx")
    traffic.all_answered(first.namespace, second.inner4, 50)
    assert hub.namespace.link_packets(hub.interface, "rx") - before < 10


def test_udp_of_many_sizes_is_relayed_whole(direct):
    first, second, _ = direct.leaves
    traffic.reaches(first.namespace, second.inner4)
    for length in (16, 17, 100, 1371, 1392, 4000, 20000):
        with traffic.Probe(first.namespace, second.namespace, second.inner4, length=length) as probe:
            time.sleep(0.1)
        probe.nothing_lost()


def test_moving_an_allowed_ip_moves_the_traffic(direct):
    hub, (first, second, third) = direct.hub, direct.leaves
    for leaf in (second, third):
        leaf.namespace.ip("address", "add", "10.9.0.200/32", "dev", leaf.interface)
    for leaf in (second, third, second):
        hub.wg("set", "peer", leaf.public_key, "allowed-ips", f"{leaf.allowed_only()},10.9.0.200/32")
        before = leaf.namespace.link_packets(leaf.interface, "rx")
        traffic.reaches(first.namespace, "10.9.0.200")
        assert leaf.namespace.link_packets(leaf.interface, "rx") > before
    for leaf in (second, third):
        hub.peer(leaf, allowed=leaf.allowed_only())
        leaf.namespace.ip("address", "del", "10.9.0.200/32", "dev", leaf.interface)


# --- routing as routers do it ---

def first_hop_answer(namespace, address, ttl, size=56, dont_fragment=True) -> str:
    options = ["-t", ttl, "-s", size] + (["-M", "do"] if dont_fragment else [])
    return traffic.ping(namespace, address, count=1, wait=2, options=tuple(options)).text


@pytest.mark.hawser_only
def test_the_hop_limit_ends_at_the_hub_which_says_so(direct):
    hub, (first, second, _) = direct.hub, direct.leaves
    traffic.reaches(first.namespace, second.inner4)
    traffic.reaches(first.namespace, second.inner6)
    for address, hub_address in zip(second.inner, hub.inner):
        text = first_hop_answer(first.namespace, address, 1)
        assert f"From {hub_address}" in text and "Time" in text and "exceeded" in text, text
        assert "1 received" in first_hop_answer(first.namespace, address, 2)


@pytest.mark.hawser_only
def test_the_hop_limit_is_decremented_by_one(direct):
    first, second, _ = direct.leaves
    for address in second.inner:
        traffic.reaches(first.namespace, address)
        assert "ttl=63" in traffic.ping(first.namespace, address, 1).text


def says_unreachable(text: str, router: str) -> bool:
    return f"From {router}" in text and ("nreachable" in text or "o route" in text)


@pytest.mark.hawser_only
def test_what_nobody_has_is_answered_with_unreachable(lab, engine):
    """What is no peer's goes to the host, which finds no route and says so."""
    topology = hosts.Hub(lab, engine, "--forward=direct", num_leaves=1)
    hub, leaf = topology.hub, topology.leaves[0]
    hub.namespace.forward()
    leaf.wg("set", "peer", hub.public_key, "allowed-ips", "0.0.0.0/0,::/0")
    for address in ("10.99.0.1", "fd99::1"):
        leaf.namespace.ip("route", "add", address, "dev", leaf.interface)
    traffic.reaches(leaf.namespace, hub.inner4)
    for address, router in (("10.99.0.1", hub.inner4), ("fd99::1", hub.inner6)):
        text = first_hop_answer(leaf.namespace, address, 64)
        assert says_unreachable(text, router), text


@pytest.mark.hawser_only
def test_a_packet_larger_than_the_onward_path_is_refused_with_its_size(lab, engine):
    topology = hosts.Hub(lab, engine, "--forward=direct", mtu=1420)
    hub, (first, second) = topology.hub, topology.leaves
    for address in second.inner:
        traffic.reaches(first.namespace, address)
    hub.namespace.ip("link", "set", hub.interface, "mtu", "1300")
    hosts.wait_until(lambda: "1300" in first_hop_answer(first.namespace, second.inner4, 64, 1380),
                     5, "a Packet Too Big that names 1300")
    text = first_hop_answer(first.namespace, second.inner6, 64, 1360)
    assert "mtu=1300" in text or "mtu = 1300" in text or "1300" in text, text
    # Path MTU discovery then makes a stream fit.
    traffic.stream(first.namespace, second.namespace, second.inner4, 1 << 20)
    traffic.stream(first.namespace, second.namespace, second.inner6, 1 << 20)


@pytest.mark.hawser_only
def test_a_loop_does_not_amplify(lab, engine):
    """The outer packets are routed into the tunnel itself."""
    topology = hosts.Hub(lab, engine, "--forward=direct", num_leaves=1)
    hub, leaf = topology.hub, topology.leaves[0]
    traffic.reaches(hub.namespace, leaf.inner4)
    hub.namespace.ip("route", "add", f"{leaf.outer4}/32", "dev", hub.interface)
    hub.wg("set", "peer", leaf.public_key, "allowed-ips", f"{leaf.allowed_only()},{leaf.outer4}/32")
    before = hub.namespace.link_packets(hub.interface, "tx")
    traffic.ping(hub.namespace, leaf.inner4, count=10, interval=0.1, wait=0.5)
    grown = hub.namespace.link_packets(hub.interface, "tx") - before
    assert grown < 200, f"10 packets became {grown}"
    hub.namespace.ip("route", "del", f"{leaf.outer4}/32", "dev", hub.interface)
    hub.wg("set", "peer", leaf.public_key, "allowed-ips", leaf.allowed_only())
    traffic.reaches(hub.namespace, leaf.inner4, seconds=25)


@pytest.mark.hawser_only
def test_a_loop_through_two_peers_does_not_amplify(lab, engine):
    """Each leaf's endpoint is behind the other leaf."""
    topology = hosts.Hub(lab, engine, "--forward=direct")
    hub, leaves = topology.hub, topology.leaves
    for leaf in leaves:
        traffic.reaches(hub.namespace, leaf.inner4)
    for leaf, other in zip(leaves, reversed(leaves)):
        hub.wg("set", "peer", leaf.public_key, "allowed-ips",
               f"{leaf.allowed_only()},{other.outer4}/32,{other.outer6}/128")
        hub.namespace.ip("route", "add", f"{leaf.outer4}/32", "dev", hub.interface)
    before = hub.namespace.link_packets(hub.interface, "tx")
    loops = hub.daemon.drops().get("loop", 0)
    traffic.ping(hub.namespace, leaves[0].inner4, count=10, interval=0.1, wait=0.5)
    grown = hub.namespace.link_packets(hub.interface, "tx") - before
    assert grown < 200, f"10 packets became {grown}"
    assert hub.daemon.drops().get("loop", 0) >= loops + 10


@pytest.mark.hawser_only
def test_a_loop_out_of_a_moved_interface_does_not_amplify(lab, engine):
    """The interface is in another namespace, which routes the hub's outer packets back into it: what
    tells them are the addresses of the namespace that they come from."""
    topology = hosts.Hub(lab, engine, "--forward=direct")
    hub, leaves = topology.hub, topology.leaves
    for leaf in leaves:
        leaf.peer(hub, endpoint=hub.endpoint(4))
        traffic.reaches(leaf.namespace, hub.inner4)
    inside = lab.namespace("inside")
    hub.namespace.ip("link", "set", hub.interface, "netns", inside.name)
    inside.ip("link", "set", hub.interface, "mtu", "1420", "up")
    add_address(inside, hub.interface, f"{hub.inner4}/24")
    for leaf in leaves:
        traffic.reaches(inside, leaf.inner4)

    def num_loops(send) -> int:
        before = hub.daemon.drops().get("loop", 0)
        send()
        return hub.daemon.drops().get("loop", 0) - before

    def send_from_our_port() -> None:
        inside.run(PYTHON, "-c", f"""if True:
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("{hub.inner4}", {hub.port}))
            for _ in range(10): s.sendto(b"x", ("{leaves[0].inner4}", 9))""")
        traffic.reaches(inside, leaves[0].inner4)

    # An own address of that namespace with our port is somebody else's socket there.
    hosts.wait_until(lambda: num_loops(send_from_our_port) == 0, 10, "the move is noticed")

    lab.link(hub.namespace, "inner0", inside, "outer0")
    add_address(hub.namespace, "inner0", "198.51.100.1/30")
    add_address(inside, "outer0", "198.51.100.2/30")
    inside.forward()
    inside.ip("route", "add", "default", "via", "198.51.100.1")
    for leaf, other in zip(leaves, reversed(leaves)):
        hub.wg("set", "peer", leaf.public_key, "endpoint", leaf.endpoint(4), "allowed-ips",
               f"{leaf.allowed_only()},{other.outer4}/32")
        inside.ip("route", "add", f"{leaf.outer4}/32", "dev", hub.interface)
        hub.namespace.ip("route", "add", f"{leaf.outer4}/32", "via", "198.51.100.2")
    def ping_ten_times() -> None:
        before = inside.link_packets(hub.interface, "tx")
        traffic.ping(inside, leaves[0].inner4, count=10, interval=0.1, wait=0.5)
        grown = inside.link_packets(hub.interface, "tx") - before
        assert grown < 200, f"10 packets became {grown}"

    hosts.wait_until(lambda: num_loops(ping_ten_times) >= 10, 10, "each is known for a loop")


# --- the other ways of forwarding ---

def test_kernel_forwards_through_tun_and_its_rules(lab, engine):
    topology = hosts.Hub(lab, engine)
    hub, (first, second) = topology.hub, topology.leaves
    hub.namespace.forward()
    for address in second.inner:
        traffic.reaches(first.namespace, address)
        traffic.stream(first.namespace, second.namespace, address, 2 << 20)
    hub.namespace.nft("""
        table inet t {
          chain f { type filter hook forward priority 0; policy drop; }
        }""")
    for address in second.inner:
        traffic.does_not_reach(first.namespace, address)


@pytest.mark.hawser_only
def test_none_drops_what_is_for_others_and_counts_it(lab, engine):
    topology = hosts.Hub(lab, engine, "--forward=none")
    hub, (first, second) = topology.hub, topology.leaves
    hub.namespace.forward()
    traffic.reaches(first.namespace, hub.inner4)
    traffic.reaches(second.namespace, hub.inner6)
    before = hub.daemon.drops().get("not-for-us", 0)
    for address in second.inner:
        traffic.does_not_reach(first.namespace, address)
    assert hub.daemon.drops()["not-for-us"] - before == 8


@pytest.mark.hawser_only
def test_no_tun_relays_and_answers_echo_without_any_privilege(lab, engine):
    switch = lab.switch()
    hub = hosts.Host(lab, 1, "hub")
    leaves = [hosts.Host(lab, number, f"leaf{number}") for number in (2, 3)]
    for host in (hub, *leaves):
        switch.plug(host.namespace, "eth0", *host.outer_addresses())
    folder = lab.dir / "control"
    folder.mkdir()
    run("chown", "nobody:nogroup", folder)
    program, *arguments = daemons.command_under_test()
    hub.run_hawserd(engine, "--no-tun", f"--address={hub.inner4}", f"--address={hub.inner6}",
                    f"--control-dir={folder}", socket_dir=folder,
                    env={"HAWSER_STATE_DIR": str(folder / "state")},
                    command=[daemons.for_everybody(lab, program), *arguments],
                    prefix=("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                            "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"))
    status = hub.namespace.run("cat", f"/proc/{hub.daemon.process.pid}/status").stdout
    assert "CapEff:\t0000000000000000" in status
    with hub.daemon.uapi() as uapi:
        assert uapi.set(f"private_key={hosts.to_hex(hub.private_key)}", f"listen_port={hub.port}") == 0
        for leaf in leaves:
            assert uapi.set(f"public_key={hosts.to_hex(leaf.public_key)}",
                            f"allowed_ip={leaf.inner4}/32", f"allowed_ip={leaf.inner6}/128") == 0
    for leaf, family in zip(leaves, (4, 6)):
        leaf.run_stock().bring_up()
        leaf.peer(hub, endpoint=hub.endpoint(family),
                  allowed=f"{hosts.INNER_NET4},{hosts.INNER_NET6}", keepalive=5)
    first, second = leaves
    for address in hub.inner:
        traffic.reaches(first.namespace, address)
        traffic.all_answered(second.namespace, address, 5, options=("-s", 1300))
    for address in second.inner:
        traffic.reaches(first.namespace, address)
        traffic.stream(first.namespace, second.namespace, address, 4 << 20)
    for address, router in (("10.9.0.99", hub.inner4), ("fd09::99", hub.inner6)):
        assert says_unreachable(first_hop_answer(first.namespace, address, 64), router)
    for address, router in zip(second.inner, hub.inner):
        text = first_hop_answer(first.namespace, address, 1)
        assert f"From {router}" in text and "exceeded" in text, text
    assert hub.daemon.stop() == 0
