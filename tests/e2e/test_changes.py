"""Changes while traffic flows: who is not concerned does not notice."""

import os
import time

import pytest

import daemons
import hosts
import traffic

SYNCS, SYNC_EVERY_S = 40, 0.05
NEW_PEERS, PEERS_A_SET = 1000, 50
EINVAL = 22


@pytest.fixture(scope="module")
def relay(shared_lab, engine):
    topology = hosts.Hub(shared_lab, engine, "--forward=direct")
    for leaf in topology.leaves:
        traffic.reaches(leaf.namespace, topology.hub.inner4)
    traffic.reaches(topology.leaves[0].namespace, topology.leaves[1].inner4)
    return topology


def relayed_probe(relay, rate: int = 300) -> traffic.Probe:
    first, second = relay.leaves
    return traffic.Probe(first.namespace, second.namespace, second.inner4, rate)


def sync_often(relay, config: str) -> None:
    path = relay.lab.dir / "sync.conf"
    path.write_text(config)
    for _ in range(SYNCS):
        begin = time.monotonic()
        relay.hub.wg("syncconf", path)
        time.sleep(max(0.0, begin + SYNC_EVERY_S - time.monotonic()))


def config_of(relay) -> str:
    return hosts.wg_config(relay.hub, [(leaf.public_key, leaf.allowed_only(), None)
                                       for leaf in relay.leaves])


def test_syncconf_every_50_ms_loses_no_packet(relay):
    first, second = relay.leaves
    stream = traffic.Stream(second.namespace, first.namespace, first.inner6, 8 << 20, 4 << 20)
    with relayed_probe(relay) as probe:
        sync_often(relay, config_of(relay))
    probe.nothing_lost()
    stream.finish()


@pytest.mark.hawser_only
def test_syncconf_without_a_port_keeps_a_port_taken_at_random(lab, engine):
    """wg then sends listen_port=0, which is what the daemon has already been told."""
    ours, theirs = hosts.pair(lab, engine)
    hosts.connect(ours, theirs)
    ours.wg("set", "listen-port", 0)
    traffic.reaches(ours.namespace, theirs.inner4)
    port = ours.wg("show", "listen-port")
    config = hosts.wg_config(ours, [(theirs.public_key, theirs.allowed_only(), theirs.endpoint())])
    path = lab.dir / "sync.conf"
    path.write_text(config.replace(f"ListenPort = {ours.port}\n", ""))
    with traffic.Probe(ours.namespace, theirs.namespace, theirs.inner4) as probe:
        for _ in range(10):
            ours.wg("syncconf", path)
    probe.nothing_lost()
    assert ours.wg("show", "listen-port") == port


def extra_peers(count: int) -> list:
    return [os.urandom(32).hex() for _ in range(count)]


def add_lines(keys: list, start: int = 0) -> list:
    lines = []
    for index, key in enumerate(keys, start):
        lines += [f"public_key={key}", f"allowed_ip=10.{100 + (index >> 8)}.{index & 255}.0/24",
                  f"allowed_ip=fd77:{index:x}::/48"]
    return lines


def remove_lines(keys: list) -> list:
    return [line for key in keys for line in (f"public_key={key}", "remove=true")]


def test_a_thousand_peers_come_and_go_without_a_lost_packet(relay):
    keys = extra_peers(NEW_PEERS)
    with relayed_probe(relay) as probe, relay.hub.daemon.uapi() as uapi:
        for start in range(0, NEW_PEERS, PEERS_A_SET):
            batch = keys[start:start + PEERS_A_SET]
            assert uapi.set(*add_lines(batch, start)) == 0
        names = [value for key, value in uapi.get() if key == "public_key"]
        assert set(keys) <= set(names) and len(names) == NEW_PEERS + len(relay.leaves)
        for start in range(0, NEW_PEERS, PEERS_A_SET):
            assert uapi.set(*remove_lines(keys[start:start + PEERS_A_SET])) == 0
        names = [value for key, value in uapi.get() if key == "public_key"]
        assert len(names) == len(relay.leaves)
    probe.nothing_lost()


def test_allowed_ips_of_others_move_without_a_lost_packet(relay):
    keys = extra_peers(2)
    with relayed_probe(relay) as probe, relay.hub.daemon.uapi() as uapi:
        for turn in range(100):
            assert uapi.set(f"public_key={keys[turn % 2]}", "replace_allowed_ips=true",
                            "allowed_ip=10.0.0.0/8", "allowed_ip=10.9.0.128/25",
                            "allowed_ip=::/0") == 0
        assert uapi.set(*remove_lines(keys)) == 0
    probe.nothing_lost()


def test_a_refused_change_changes_nothing(relay):
    before = hosts.config_parts(relay.hub.wg("showconf"))
    key = extra_peers(1)[0]
    with relayed_probe(relay) as probe, relay.hub.daemon.uapi() as uapi:
        if daemons.is_hawser():
            assert uapi.set("replace_peers=true", f"public_key={key}", "allowed_ip=10.1.0.0/16",
                            "allowed_ip=10.9.0.0/24", "persistent_keepalive_interval=70000") == EINVAL
        else:
            assert uapi.set(f"public_key={key}", "remove=true", "nonsense=1") == EINVAL
    probe.nothing_lost()
    assert hosts.config_parts(relay.hub.wg("showconf")) == before


def test_no_descriptor_is_left_behind(relay):
    daemon = relay.hub.daemon

    def churn() -> None:
        keys = extra_peers(100)
        for _ in range(5):
            with daemon.uapi() as uapi:
                uapi.set(*add_lines(keys))
                uapi.set(*remove_lines(keys))
                uapi.get()
            relay.hub.wg("set", "listen-port", 51999)
            relay.hub.wg("set", "listen-port", relay.hub.port)
        traffic.reaches(relay.leaves[0].namespace, relay.leaves[1].inner4)
    churn()
    before = daemon.num_fds()
    churn()
    hosts.wait_until(lambda: daemon.num_fds() <= before, 5, f"no more than {before} descriptors")


@pytest.mark.hawser_only
def test_very_many_peers_and_allowed_ips_are_set_and_read_back(relay):
    keys = extra_peers(24000)
    lines = []
    for index, key in enumerate(keys):
        lines += [f"public_key={key}", f"allowed_ip=fd55:{index >> 8:x}:{index & 255:x}::/48"]
    crowded = extra_peers(1)[0]
    lines.append(f"public_key={crowded}")
    lines += [f"allowed_ip=fd66:{index >> 8:x}:{index & 255:x}::/48" for index in range(130560)]
    with relayed_probe(relay, 100) as probe, relay.hub.daemon.uapi() as uapi:
        assert uapi.set(*lines) == 0
        reply = uapi.get()
        assert uapi.set(*remove_lines([*keys, crowded])) == 0
        assert len([1 for key, _ in uapi.get() if key == "public_key"]) == len(relay.leaves)
    assert {value for key, value in reply if key == "public_key"} >= {*keys, crowded}
    assert len([1 for key, _ in reply if key == "allowed_ip"]) == 24000 + 130560 + 4
    probe.nothing_lost()
