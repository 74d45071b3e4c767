"""Who lost a packet: the tests' own account of it, by the kernel's counters."""

import signal
import time

import pytest

import hosts
import traffic


@pytest.fixture(scope="module")
def pair(shared_lab, engine):
    ours, theirs = hosts.pair(shared_lab, engine)
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    return ours, theirs


def test_what_the_full_socket_of_another_lost_is_not_the_routers(pair):
    ours, theirs = pair
    with traffic.Probe(ours.namespace, theirs.namespace, theirs.inner4, rate=2000) as probe:
        probe.echo.signal(signal.SIGSTOP)
        time.sleep(1)  # load, not a wait: some 2,000 packets for a socket that holds a few hundred
        probe.echo.signal(signal.SIGCONT)
    assert probe.result.lost > 0
    probe.nothing_lost()


def test_what_nobody_else_lost_is_the_routers(pair):
    ours, theirs = pair
    theirs.namespace.nft("add table inet loss; add chain inet loss into "
                         "{ type filter hook input priority 0; }; "
                         f"add rule inet loss into udp dport {theirs.port} numgen inc mod 10 0 drop")
    try:
        with traffic.Probe(ours.namespace, theirs.namespace, theirs.inner4) as probe:
            time.sleep(0.5)
    finally:
        theirs.namespace.nft("delete table inet loss")
    with pytest.raises(AssertionError):
        probe.nothing_lost()
