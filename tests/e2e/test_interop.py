"""wireguard-go at the other end of the cable."""

import time

import pytest

import daemons
import hosts
import traffic
from capture import Capture


@pytest.fixture(scope="module")
def pair(shared_lab, engine):
    return hosts.pair(shared_lab, engine)


@pytest.mark.parametrize("psk", [False, True], ids=["no-psk", "psk"])
@pytest.mark.parametrize("family", [4, 6], ids=["over-v4", "over-v6"])
@pytest.mark.parametrize("ours_begins", [True, False], ids=["initiator", "responder"])
def test_handshake_and_data_in_both_families(pair, ours_begins, family, psk):
    ours, theirs = pair
    first, second = (ours, theirs) if ours_begins else (theirs, ours)
    hosts.connect(ours, theirs, family, daemons.genpsk() if psk else None, initiator=first)
    for address in second.inner:
        traffic.reaches(first.namespace, address)
        traffic.all_answered(first.namespace, address)
    for address in first.inner:
        traffic.all_answered(second.namespace, address)
    assert ours.endpoint_of(theirs) == theirs.endpoint(family)


@pytest.mark.smoke
def test_every_byte_of_a_stream_arrives(pair):
    ours, theirs = pair
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    traffic.stream(ours.namespace, theirs.namespace, theirs.inner6)
    traffic.stream(theirs.namespace, ours.namespace, ours.inner4)


def test_packets_of_every_size_pass(pair):
    ours, theirs = pair
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    for address, header_len in ((theirs.inner4, 28), (theirs.inner6, 48)):
        for length in (header_len, 63, 64, 65, 127, 128, 1279, 1280, 1407, 1408, 1409, 1419, 1420):
            size = length - header_len
            traffic.all_answered(ours.namespace, address, 2, options=("-s", size, "-M", "do"))


def test_different_preshared_keys_make_no_session(pair):
    ours, theirs = pair
    hosts.connect(ours, theirs)
    ours.peer(theirs, psk=daemons.genpsk())
    theirs.peer(ours, psk=daemons.genpsk())
    # The live session may go on with the old one; a new one may not come about.
    ours.forget(theirs)
    ours.peer(theirs, endpoint=theirs.endpoint(), allowed=theirs.allowed_only(), psk=daemons.genpsk())
    traffic.does_not_reach(ours.namespace, theirs.inner4)
    assert ours.exact_handshake_time(theirs) == (0, 0)


def test_a_changed_preshared_key_leaves_the_session_alone(pair):
    ours, theirs = pair
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    ours.peer(theirs, psk=daemons.genpsk())
    traffic.all_answered(ours.namespace, theirs.inner4)
    traffic.all_answered(theirs.namespace, ours.inner6)


def test_a_changed_private_key_takes_a_new_handshake_and_goes_on(pair):
    ours, theirs = pair
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    old_public_key = ours.public_key
    ours.private_key = daemons.genkey()
    ours.public_key = daemons.pubkey(ours.private_key)
    theirs.wg("set", "peer", old_public_key, "remove")
    theirs.peer(ours, endpoint=ours.endpoint(), allowed=ours.allowed_only())
    ours.wg("set", "private-key", ours.key_file())
    for address in theirs.inner:
        traffic.reaches(ours.namespace, address)


def test_a_source_that_is_not_allowed_is_dropped(pair):
    ours, theirs = pair
    hosts.connect(ours, theirs)
    traffic.reaches(theirs.namespace, ours.inner4)
    theirs.namespace.ip("address", "add", "10.9.0.77/32", "dev", theirs.interface)
    ours.namespace.ip("route", "replace", "10.9.0.77/32", "dev", ours.interface)
    before = ours.namespace.link_packets(ours.interface, "rx")
    traffic.does_not_reach(theirs.namespace, ours.inner4, options=("-I", "10.9.0.77"))
    assert ours.namespace.link_packets(ours.interface, "rx") == before
    theirs.namespace.ip("address", "del", "10.9.0.77/32", "dev", theirs.interface)


def test_persistent_keepalive_sends_without_traffic(pair):
    ours, theirs = pair
    hosts.connect(ours, theirs)
    ours.peer(theirs, keepalive=1)
    before = wait_for_session(theirs, ours)

    def more_arrived():
        return theirs.transfer(ours)[0] >= before + 2 * 32
    hosts.wait_until(more_arrived, 6, "two keepalives have arrived")
    ours.peer(theirs, keepalive=0)


def wait_for_session(host, other) -> int:
    hosts.wait_until(lambda: host.exact_handshake_time(other) > (0, 0), 10, "a session")
    return host.transfer(other)[0]


@pytest.mark.parametrize("ours_begins", [True, False], ids=["ours-begins", "theirs-begins"])
def test_new_sessions_under_traffic_lose_no_byte(pair, ours_begins):
    """A handshake while a stream runs: the session changes under it."""
    ours, theirs = pair
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    stream = traffic.Stream(ours.namespace, theirs.namespace, theirs.inner4, 4 << 20, 2 << 20)
    renewing, other = (ours, theirs) if ours_begins else (theirs, ours)
    for _ in range(2):
        time.sleep(0.1)  # let some of the stream pass on this session
        before = other.exact_handshake_time(renewing)
        renewing.forget(other)
        # The keepalive that is due at once begins the handshake.
        renewing.peer(other, endpoint=other.endpoint(), allowed=other.allowed_only(), keepalive=25)
        other.await_new_handshake(renewing, before)
    assert stream.running
    stream.finish()


@pytest.mark.slow
def test_two_idle_peers_go_silent(pair):
    """One keepalive answers what came last, and then nothing."""
    ours, theirs = pair
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    time.sleep(12)  # longer than the keepalive timeout
    with Capture(theirs.namespace, "eth0", "udp") as capture:
        time.sleep(25)
    assert capture.udp() == []


@pytest.mark.slow
def test_rekey_after_its_time_loses_no_packet(pair):
    ours, theirs = pair
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    before = ours.exact_handshake_time(theirs)
    with traffic.Probe(ours.namespace, theirs.namespace, theirs.inner4, rate=100) as probe:
        ours.await_new_handshake(theirs, before, seconds=130)
        time.sleep(2)
    probe.nothing_lost()
