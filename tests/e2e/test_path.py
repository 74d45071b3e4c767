"""What lies between: other MTUs, loss, header bits, more than one address."""

import pytest

import hosts
import traffic
from capture import Capture
from lab import add_address, run

HANDSHAKE_TOS = 0x88
INITIATION_LEN, RESPONSE_LEN, DATA_TYPE = 148, 92, 4
NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3


def is_data(packet) -> bool:
    return len(packet.payload) > 32 and packet.payload[0] == DATA_TYPE


@pytest.mark.parametrize("link_mtu, mtu", [(9000, 8920), (65535, 65000)], ids=["jumbo", "largest"])
def test_a_big_mtu_carries_big_packets(lab, engine, link_mtu, mtu):
    ours, theirs = hosts.pair(lab, engine, link_mtu=link_mtu, mtu=mtu)
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    for source, target in ((ours, theirs), (theirs, ours)):
        traffic.all_answered(source.namespace, target.inner4, 5, options=("-s", mtu - 28, "-M", "do"))
        traffic.all_answered(source.namespace, target.inner6, 5, options=("-s", mtu - 48, "-M", "do"))
        traffic.stream(source.namespace, target.namespace, target.inner6)


@pytest.mark.parametrize("family", [4, 6])
def test_a_path_smaller_than_the_segments_still_flows(lab, engine, family):
    """GSO sends are refused when a segment exceeds the path; single datagrams are fragmented."""
    ours, theirs = hosts.pair(lab, engine)
    hosts.connect(ours, theirs, family)
    traffic.reaches(ours.namespace, theirs.inner4)
    for host in (ours, theirs):
        host.namespace.ip("link", "set", "eth0", "mtu", "1300")
    traffic.all_answered(ours.namespace, theirs.inner4, options=("-s", 1392, "-M", "do"))
    traffic.stream(ours.namespace, theirs.namespace, theirs.inner4, 2 << 20)
    traffic.stream(theirs.namespace, ours.namespace, ours.inner6, 2 << 20)


def test_without_segmentation_offload_every_byte_arrives(lab, engine):
    ours, theirs = hosts.pair(lab, engine)
    for host in (ours, theirs):
        host.namespace.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "off", "tx", "off",
                           "gro", "off", check=False)
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    traffic.stream(ours.namespace, theirs.namespace, theirs.inner4, 2 << 20)
    traffic.stream(theirs.namespace, ours.namespace, ours.inner6, 2 << 20)


def test_with_a_third_lost_both_ways_sessions_and_streams_come_about(lab, engine):
    ours, theirs = hosts.pair(lab, engine)
    theirs.namespace.nft("""
        table inet loss {
          chain in { type filter hook prerouting priority -300; udp dport 51820 numgen inc mod 3 0 drop; }
          chain out { type filter hook output priority -300; udp dport 51820 numgen inc mod 3 0 drop; }
        }""")
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4, seconds=60)
    traffic.stream(ours.namespace, theirs.namespace, theirs.inner4, 12 << 10, seconds=90)


@pytest.fixture(scope="module")
def headers_pair(shared_lab, engine):
    ours, theirs = hosts.pair(shared_lab, engine)
    return ours, theirs


@pytest.mark.hawser_only
@pytest.mark.parametrize("family", [4, 6])
def test_handshakes_are_marked_and_data_carries_only_ecn(headers_pair, family):
    ours, theirs = headers_pair
    expression = f"udp and src {ours.outer4 if family == 4 else ours.outer6}"
    inner_tos = 0xB8  # EF
    with Capture(theirs.namespace, "eth0", expression) as capture:
        hosts.connect(ours, theirs, family, initiator=ours)
        traffic.reaches(ours.namespace, theirs.inner4, options=("-Q", inner_tos))
        hosts.connect(ours, theirs, family, initiator=theirs)
        traffic.reaches(theirs.namespace, ours.inner4)
        for ecn in (ECT1, ECT0, CE):
            for address in theirs.inner:
                traffic.all_answered(ours.namespace, address, 2, options=("-Q", inner_tos | ecn))
        hosts.wait_until(lambda: any(packet.ecn == CE for packet in capture.udp()), 5, "the last")
    packets = capture.udp()
    for length in (INITIATION_LEN, RESPONSE_LEN):
        seen = [packet.tos for packet in packets if len(packet.payload) == length]
        assert seen and set(seen) == {HANDSHAKE_TOS}, (length, seen)
    data = [packet for packet in packets if is_data(packet)]
    assert {packet.dscp_bits for packet in data} == {0}
    for ecn in (NOT_ECT, ECT1, ECT0, CE):
        assert [packet for packet in data if packet.ecn == ecn], f"no data with ECN {ecn}"


@pytest.mark.hawser_only
def test_congestion_on_the_path_is_handed_to_the_inner_packet(headers_pair):
    """RFC 6040: the mark goes in where the inner packet can carry it, and nothing is dropped."""
    ours, theirs = headers_pair
    hosts.connect(ours, theirs)
    traffic.reaches(theirs.namespace, ours.inner4)
    theirs.namespace.nft("""
        table inet congestion {
          chain out { type filter hook output priority -300; udp dport 51820 ip ecn set ce; }
        }""")
    try:
        with Capture(ours.namespace, ours.interface, "icmp or icmp6") as capture:
            for inner in (NOT_ECT, ECT1, ECT0, CE):
                # The daemon's own marks are at the inner DSCP, so that they are told apart.
                tos = (inner + 1) << 4 | inner
                traffic.all_answered(theirs.namespace, ours.inner4, 3, options=("-Q", tos))
                traffic.all_answered(theirs.namespace, ours.inner6, 3, options=("-Q", tos))
            hosts.wait_until(lambda: len([packet for packet in capture.packets()
                                          if packet.destination in ours.inner]) >= 24, 5, "all seen")
    finally:
        run("ip", "netns", "exec", theirs.namespace.name, "nft", "delete", "table", "inet", "congestion")
    arrived = [packet for packet in capture.packets() if packet.destination in ours.inner]
    for inner, expected in ((NOT_ECT, NOT_ECT), (ECT1, CE), (ECT0, CE), (CE, CE)):
        seen = {packet.ecn for packet in arrived if packet.dscp_bits == (inner + 1) << 4}
        assert seen == {expected}, (inner, seen)


@pytest.mark.parametrize("family", [4, 6])
def test_answers_come_from_the_address_that_was_addressed(headers_pair, family):
    ours, theirs = headers_pair
    other = "192.0.2.101" if family == 4 else "2001:db8::101"
    add_address(ours.namespace, "eth0", f"{other}/{24 if family == 4 else 64}")
    hosts.connect(ours, theirs, family, initiator=theirs)
    endpoint = f"{other}:{ours.port}" if family == 4 else f"[{other}]:{ours.port}"
    theirs.peer(ours, endpoint=endpoint)
    with Capture(theirs.namespace, "eth0", f"udp and src port {ours.port} and not src "
                 f"{theirs.outer4} and not src {theirs.outer6}") as capture:
        traffic.reaches(theirs.namespace, ours.inner4)
        traffic.all_answered(ours.namespace, theirs.inner6)
        hosts.wait_until(lambda: len(capture.udp()) >= 10, 5, "ten answers seen")
    assert {packet.source for packet in capture.udp()} == {other}
    assert theirs.endpoint_of(ours) == endpoint
    ours.namespace.ip("address", "del", f"{other}/{24 if family == 4 else 64}", "dev", "eth0")


@pytest.mark.hawser_only
def test_a_local_address_that_is_gone_is_forgotten(headers_pair):
    """The sticky source vanishes: the next packets leave from another address, at once."""
    ours, theirs = headers_pair
    add_address(ours.namespace, "eth0", "192.0.2.102/24")
    hosts.connect(ours, theirs, initiator=theirs)
    theirs.peer(ours, endpoint=f"192.0.2.102:{ours.port}")
    traffic.reaches(theirs.namespace, ours.inner4)
    assert theirs.endpoint_of(ours) == f"192.0.2.102:{ours.port}"
    ours.namespace.ip("address", "del", "192.0.2.102/24", "dev", "eth0")
    traffic.reaches(ours.namespace, theirs.inner4, seconds=5)
    assert theirs.endpoint_of(ours) == ours.endpoint()
