"""A peer that appears elsewhere in mid-stream; only what is authenticated moves it."""

import signal
import time

import pytest

import hosts
import traffic
from capture import Capture
from lab import add_address, wait_until


@pytest.fixture(scope="module")
def roaming_pair(shared_lab, engine):
    return hosts.pair(shared_lab, engine)


@pytest.fixture
def pair(roaming_pair):
    ours, theirs = roaming_pair
    hosts.connect(ours, theirs, initiator=theirs)
    traffic.reaches(theirs.namespace, ours.inner4)
    yield ours, theirs
    for host in (ours, theirs):
        host.namespace.ip("address", "flush", "dev", "eth0", "scope", "global")
        for address in host.outer_addresses():
            add_address(host.namespace, "eth0", address)
        host.wg("set", "listen-port", host.port)


def test_a_new_address_in_mid_stream_is_followed(pair):
    ours, theirs = pair
    stream = traffic.Stream(theirs.namespace, ours.namespace, ours.inner4, 3 << 20, 3 << 20)
    time.sleep(0.2)
    theirs.namespace.ip("address", "del", f"{theirs.outer4}/24", "dev", "eth0")
    add_address(theirs.namespace, "eth0", "192.0.2.222/24")
    theirs.peer(ours, endpoint=ours.endpoint())  # makes it forget its sticky source
    wait_until(lambda: ours.endpoint_of(theirs).startswith("192.0.2.222:"), 5, "the new endpoint")
    stream.finish()
    traffic.all_answered(ours.namespace, theirs.inner6)


def test_a_new_port_in_mid_stream_is_followed(pair):
    ours, theirs = pair
    stream = traffic.Stream(theirs.namespace, ours.namespace, ours.inner6, 3 << 20, 3 << 20)
    time.sleep(0.2)
    theirs.wg("set", "listen-port", 50001)
    wait_until(lambda: ours.endpoint_of(theirs).endswith(":50001"), 5, "the new endpoint")
    stream.finish()


def test_the_other_family_is_followed(pair):
    ours, theirs = pair
    with traffic.Probe(theirs.namespace, ours.namespace, ours.inner4) as probe:
        time.sleep(0.2)

        def followed() -> bool:
            # An answer that is still under way brings the other side back: set it until it holds.
            theirs.peer(ours, endpoint=ours.endpoint(6))
            return ours.endpoint_of(theirs) == theirs.endpoint(6)
        wait_until(followed, 5, "the new endpoint")
    probe.nothing_lost()


def test_our_own_new_port_is_followed_by_the_peer(pair):
    ours, theirs = pair
    ours.wg("set", "listen-port", 50002)
    traffic.all_answered(ours.namespace, theirs.inner4)
    assert theirs.endpoint_of(ours) == f"{ours.outer4}:50002"


def test_a_path_that_reorders_duplicates_and_rebinds_harms_nothing(pair):
    ours, theirs = pair
    proxy = theirs.namespace.agent("proxy", 4500, ours.outer4, ours.port, "reorder=7", "duplicate=5")
    traffic.await_ready(proxy)
    theirs.peer(ours, endpoint=f"{theirs.outer4}:4500")
    with traffic.Probe(theirs.namespace, ours.namespace, ours.inner4) as probe:
        time.sleep(0.5)
        before = ours.endpoint_of(theirs)
        proxy.signal(signal.SIGUSR1)
        wait_until(lambda: ours.endpoint_of(theirs) != before, 5, "the new endpoint")
    assert probe.result.duplicates == 0, probe.result
    assert probe.result.lost <= 5, probe.result  # those that were under way at the rebinding
    traffic.stream(theirs.namespace, ours.namespace, ours.inner4, 1 << 20)
    proxy.kill()


def test_copies_from_elsewhere_do_not_move_the_endpoint(pair):
    """Replayed datagrams are authentic, but not new."""
    ours, theirs = pair
    with Capture(ours.namespace, "eth0", f"udp and src {theirs.outer4}") as capture:
        traffic.all_answered(theirs.namespace, ours.inner4, 10)
        wait_until(lambda: len(capture.udp()) >= 10, 5, "ten datagrams seen")
    copies = ours.lab.dir / "copies"
    copies.write_bytes(b"".join(len(packet.payload).to_bytes(2, "big") + packet.payload
                                for packet in capture.udp()))
    add_address(theirs.namespace, "eth0", "192.0.2.223/24")
    theirs.namespace.ip("route", "replace", f"{ours.outer4}/32", "dev", "eth0", "src", "192.0.2.223")
    stranger = theirs.namespace.agent("stranger", ours.outer4, ours.port, "replay", copies)
    assert stranger.wait() == 0, stranger.output()
    assert traffic.last_json(stranger)["answers"] == 0
    assert ours.endpoint_of(theirs) == theirs.endpoint()
    traffic.all_answered(ours.namespace, theirs.inner4)
