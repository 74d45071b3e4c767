"""One side dies without a word and comes back; the other goes on by itself."""

import time

import hosts
import traffic

# Data without an answer for 15 s (10 + 5) asks for a new handshake, with up to a third of a second of
# jitter; one lost attempt costs 5 s more.
PROTOCOL_RECOVERY_S = 15 + 1 + 6


def reconfigure(host: hosts.Host, other: hosts.Host, keepalive: int = 0) -> None:
    """What a supervisor does after the start: the same configuration again."""
    host.bring_up(host.mtu)
    host.peer(other, endpoint=other.endpoint(), allowed=other.allowed_only(), keepalive=keepalive)


def test_we_come_back_at_once_when_we_have_something_to_say(lab, engine):
    ours, theirs = hosts.pair(lab, engine)
    hosts.connect(ours, theirs)
    traffic.reaches(theirs.namespace, ours.inner4)
    for _ in range(2):
        ours.daemon.crash()
        ours.daemon.start()  # the stale control socket is no obstacle
        reconfigure(ours, theirs, keepalive=1)
        traffic.reaches(theirs.namespace, ours.inner4, seconds=8)
        traffic.all_answered(ours.namespace, theirs.inner6)


def test_we_notice_that_the_other_has_restarted(lab, engine):
    ours, theirs = hosts.pair(lab, engine)
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    theirs.daemon.crash()
    theirs.daemon.start()
    reconfigure(theirs, ours)
    begin = time.monotonic()
    traffic.reaches(ours.namespace, theirs.inner4, seconds=PROTOCOL_RECOVERY_S)
    assert time.monotonic() - begin < PROTOCOL_RECOVERY_S
    traffic.stream(ours.namespace, theirs.namespace, theirs.inner6, 1 << 20)


def test_a_cable_that_was_out_for_a_while_harms_nothing(lab, engine):
    ours, theirs = hosts.pair(lab, engine)
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    stream = traffic.Stream(ours.namespace, theirs.namespace, theirs.inner4, 2 << 20, 2 << 20)
    theirs.namespace.ip("link", "set", "eth0", "down")
    time.sleep(0.5)
    theirs.namespace.ip("link", "set", "eth0", "up")
    hosts.add_address(theirs.namespace, "eth0", f"{theirs.outer6}/64")  # v6 addresses go with a link
    stream.finish()
