"""The daemon under test at every end: here whole trains (GSO, GRO) pass, which older peers never send."""

import pytest

import hosts
import traffic
from lab import add_address

pytestmark = pytest.mark.hawser_only


@pytest.fixture(scope="module")
def relay(shared_lab, engine):
    return hosts.Hub(shared_lab, engine, "--forward=direct", num_leaves=3, leaves_are_ours=True)


@pytest.mark.smoke
def test_streams_are_relayed_whole_in_both_families(relay):
    first, second, third = relay.leaves
    for source, target in ((first, second), (second, third)):
        for address in target.inner:
            traffic.reaches(source.namespace, address)
            traffic.stream(source.namespace, target.namespace, address, 32 << 20)


def test_streams_both_ways_at_once(relay):
    first, second, third = relay.leaves
    for source, target in ((first, second), (second, first), (third, second)):
        traffic.reaches(source.namespace, target.inner6)
    streams = [traffic.Stream(first.namespace, second.namespace, second.inner6, 24 << 20),
               traffic.Stream(second.namespace, first.namespace, first.inner4, 24 << 20),
               traffic.Stream(third.namespace, first.namespace, first.inner6, 24 << 20)]
    for stream in streams:
        stream.finish(60)


def test_parallel_streams_share_the_relay(relay):
    first, second, _ = relay.leaves
    traffic.reaches(first.namespace, second.inner6)
    report = traffic.iperf3(first.namespace, second.namespace, second.inner6, 1, ("--parallel", 4))
    assert len(report["streams"]) == 4
    assert all(stream["receiver"]["bytes"] > 0 for stream in report["streams"])


def test_trains_really_pass(relay):
    """More bytes a datagram than one packet holds would need many more turns; the hub says how many."""
    hub, (first, second, _) = relay.hub, relay.leaves
    traffic.reaches(first.namespace, second.inner4)
    before = int(hub.daemon.status_value("relayed_packets"))
    traffic.stream(first.namespace, second.namespace, second.inner4, 8 << 20)
    assert int(hub.daemon.status_value("relayed_packets")) - before >= (8 << 20) // 1420


def test_udp_keeps_its_boundaries_and_its_order(relay):
    first, second, _ = relay.leaves
    traffic.reaches(first.namespace, second.inner6)
    for length in (16, 1000, 1372, 9000):
        with traffic.Probe(first.namespace, second.namespace, second.inner6, 500, length) as probe:
            traffic.stream(first.namespace, second.namespace, second.inner4, 4 << 20)
        probe.nothing_lost()


def test_new_sessions_under_a_full_stream_lose_no_byte(relay):
    hub, (first, second, _) = relay.hub, relay.leaves
    traffic.reaches(first.namespace, second.inner4)
    stream = traffic.Stream(first.namespace, second.namespace, second.inner4, 64 << 20, 16 << 20)
    renewed = 0
    while renewed < 2 and stream.running:
        before = hub.exact_handshake_time(first)
        first.forget(hub)
        relay.join(first, 4)
        hub.await_new_handshake(first, before)
        renewed += 1
    assert renewed > 0
    stream.finish(60)


@pytest.mark.parametrize("link_mtu, mtu", [(9000, 8920), (65535, 65000)], ids=["jumbo", "largest"])
def test_a_big_mtu_is_relayed(lab, engine, link_mtu, mtu):
    relay = hosts.Hub(lab, engine, "--forward=direct", leaves_are_ours=True, link_mtu=link_mtu, mtu=mtu)
    first, second = relay.leaves
    for address, header_len in zip(second.inner, (28, 48)):
        traffic.reaches(first.namespace, address)
        traffic.all_answered(first.namespace, address, 5, options=("-s", mtu - header_len, "-M", "do"))
        traffic.stream(first.namespace, second.namespace, address, 32 << 20)


@pytest.mark.parametrize("workers", [1, 4])
def test_any_number_of_workers(lab, engine, workers):
    relay = hosts.Hub(lab, engine, "--forward=direct", f"--workers={workers}", leaves_are_ours=True)
    hub, (first, second) = relay.hub, relay.leaves
    for address in second.inner:
        traffic.reaches(first.namespace, address)
        traffic.stream(first.namespace, second.namespace, address, 16 << 20)
    streams = [traffic.Stream(first.namespace, hub.namespace, hub.inner4, 16 << 20),
               traffic.Stream(hub.namespace, second.namespace, second.inner6, 16 << 20)]
    for stream in streams:
        stream.finish()


def test_many_workers_keep_each_flow_in_order(lab, engine):
    """Four workers at the hub and one a processor at the leaves, under load from both sides at once."""
    relay = hosts.Hub(lab, engine, "--forward=direct", "--workers=4", leaves_are_ours=True)
    first, second = relay.leaves
    traffic.reaches(first.namespace, second.inner6)
    with traffic.OrderedFlows(first.namespace, second.namespace, second.inner6) as there, \
            traffic.OrderedFlows(second.namespace, first.namespace, first.inner4) as back:
        traffic.stream(first.namespace, second.namespace, second.inner4, 64 << 20)
    for flows in (there, back):
        assert flows.report["answers"] > 100, flows.report
        assert flows.report["late_there"] == 0 and flows.report["late_here"] == 0, flows.report


def test_where_gso_is_refused_single_datagrams_go_on(lab, engine):
    """The path towards one leaf is smaller than a segment; the other leaf's is not."""
    relay = hosts.Hub(lab, engine, "--forward=direct", leaves_are_ours=True)
    hub, (first, second) = relay.hub, relay.leaves
    for leaf in (first, second):
        traffic.reaches(leaf.namespace, hub.inner4)
        traffic.reaches(hub.namespace, leaf.inner6)
    traffic.stream(hub.namespace, first.namespace, first.inner4)
    hub.namespace.ip("route", "add", f"{first.outer4}/32", "dev", "eth0", "mtu", "1300")
    first.namespace.ip("route", "add", f"{hub.outer4}/32", "dev", "eth0", "mtu", "1300")
    for source, target in ((hub, first), (first, hub), (second, first), (first, second)):
        traffic.stream(source.namespace, target.namespace, target.inner6, 4 << 20)
    assert int(hub.daemon.status_value("gso_refusals")) >= 1
    said = [line for line in hub.daemon.process.output().splitlines() if "segmentation offload" in line]
    assert len(said) == 1 and hub.short_name(first) in said[0], said  # once, and not of the other leaf


def test_segments_that_cross_the_link_alone(lab, engine):
    relay = hosts.Hub(lab, engine, "--forward=direct", leaves_are_ours=True)
    first, second = relay.leaves
    for host in (relay.hub, first, second):
        host.namespace.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "off", check=False)
    for address in second.inner:
        traffic.reaches(first.namespace, address)
        traffic.stream(first.namespace, second.namespace, address, 8 << 20)


def test_a_second_device_on_the_same_host_is_another_network(lab, engine):
    """Two daemons beside each other in one namespace, each with its own port and peer."""
    first, second = hosts.Host(lab, 1, "first"), hosts.Host(lab, 2, "second")
    lab.link(first.namespace, "eth0", second.namespace, "eth0")
    for host in (first, second):
        for address in host.outer_addresses():
            add_address(host.namespace, "eth0", address)
        host.run_hawserd(engine).bring_up()
    others = [hosts.Host(lab, number, f"other{number}") for number in (3, 4)]
    for other, beside in zip(others, (first, second)):
        other.namespace, other.outer4, other.outer6 = beside.namespace, beside.outer4, beside.outer6
        other.port = 51900
        other.run_hawserd(engine)
        other.wg("set", "private-key", other.key_file(), "listen-port", other.port)
        add_address(other.namespace, other.interface, f"10.10.0.{other.number}/24")
        other.namespace.ip("link", "set", other.interface, "up")
    hosts.connect(first, second)
    others[0].peer(others[1], endpoint=others[1].endpoint(6), allowed="10.10.0.4/32")
    others[1].peer(others[0], endpoint=others[0].endpoint(6), allowed="10.10.0.3/32")
    traffic.reaches(first.namespace, second.inner4)
    traffic.reaches(others[0].namespace, "10.10.0.4")
    traffic.stream(first.namespace, second.namespace, second.inner6)
    traffic.stream(others[0].namespace, others[1].namespace, "10.10.0.4")
