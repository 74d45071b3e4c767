"""A stranger sends what it likes: everything is counted, nothing answered, and nobody is harmed."""

import pytest

import daemons
import hosts
import traffic

UNAUTHENTIC = ("malformed", "invalid-mac", "handshake-refused", "handshake-queue-full",
               "rate-limited", "no-session", "session-expired", "bad-tag", "replayed")
SEGMENTS_A_TRAIN = 20


@pytest.fixture(scope="module")
def topology(shared_lab, engine):
    """A hub with two leaves, and a stranger on the same network who counts what it gets."""
    relay = hosts.Hub(shared_lab, engine, "--forward=direct")
    stranger = shared_lab.namespace("stranger")
    relay.switch.plug(stranger, "eth0", "192.0.2.66/24", "2001:db8::66/64")
    stranger.nft("""
        table inet answers {
          counter got { }
          chain in {
            type filter hook input priority 0;
            udp sport 51820 counter name got
            icmp type destination-unreachable counter name got
            icmpv6 type destination-unreachable counter name got
          }
        }""")
    for leaf in relay.leaves:
        traffic.reaches(leaf.namespace, relay.hub.inner4)
    traffic.reaches(relay.leaves[0].namespace, relay.leaves[1].inner4)
    return relay, stranger


def counted(hub) -> int:
    drops = hub.daemon.drops() if daemons.is_hawser() else {}
    return sum(drops.get(reason, 0) for reason in UNAUTHENTIC)


def attack(topology, family: int, *arguments) -> tuple:
    """Lets the stranger send while a probe is relayed: (datagrams sent, drops counted)."""
    relay, stranger = topology
    first, second = relay.leaves
    address = relay.hub.outer4 if family == 4 else relay.hub.outer6
    before = counted(relay.hub)
    with traffic.Probe(first.namespace, second.namespace, second.inner4, 100) as probe:
        process = stranger.agent("stranger", address, relay.hub.port, *arguments)
        assert process.wait(30) == 0, process.output()
    probe.nothing_lost()
    report = traffic.last_json(process)
    assert report["answers"] == 0
    assert stranger.nft_counter("answers", "got") == 0
    assert relay.hub.daemon.process.alive
    return report["sent"], counted(relay.hub) - before


@pytest.mark.smoke
@pytest.mark.parametrize("family", [4, 6])
def test_every_type_at_every_length(topology, family):
    sent, grown = attack(topology, family, "malformed")
    assert not daemons.is_hawser() or grown == sent


@pytest.mark.smoke
@pytest.mark.parametrize("family", [4, 6])
def test_datagrams_of_the_largest_size(topology, family):
    sent, grown = attack(topology, family, "huge", 60)
    # Fragments may be lost on the way; what arrives is counted.
    assert not daemons.is_hawser() or 0 < grown <= sent


@pytest.mark.smoke
@pytest.mark.parametrize("family", [4, 6])
def test_trains_with_an_alien_and_a_short_segment(topology, family):
    sent, grown = attack(topology, family, "trains", 100)
    assert not daemons.is_hawser() or grown == sent * SEGMENTS_A_TRAIN


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_not_transport_data_wakes_no_worker(topology, family):
    if not daemons.is_hawser():
        pytest.skip("about threads of hawserd")
    relay, stranger = topology
    address = relay.hub.outer4 if family == 4 else relay.hub.outer6
    dropped, wakes = counted(relay.hub), relay.hub.daemon.worker_wakes()
    process = stranger.agent("stranger", address, relay.hub.port, "initiations", 4000)
    assert process.wait(30) == 0, process.output()
    hosts.wait_until(lambda: counted(relay.hub) == dropped + 4000, 5, "4000 drops")
    # Keepalives of the leaves may be among them.
    assert relay.hub.daemon.worker_wakes() - wakes < 20


def test_a_descriptor_leak_would_show(topology):
    relay, _ = topology
    before = relay.hub.daemon.num_fds()
    attack(topology, 4, "malformed")
    hosts.wait_until(lambda: relay.hub.daemon.num_fds() <= before, 5, f"at most {before} descriptors")
