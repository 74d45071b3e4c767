"""hawser status, and what it says when there is nothing to say."""

import json
import os
import shlex

import pytest

import hosts
import traffic

pytestmark = pytest.mark.hawser_only


def hawser(namespace, *arguments):
    return namespace.run(*shlex.split(os.environ.get("HAWSER", "hawser")), *arguments, check=False)


@pytest.fixture(scope="module")
def relay(shared_lab, engine):
    topology = hosts.Hub(shared_lab, engine, "--forward=direct")
    traffic.reaches(topology.leaves[0].namespace, topology.leaves[1].inner4)
    return topology


def test_status_tells_engine_peers_and_relayed_packets(relay, engine):
    hub = relay.hub
    done = hawser(hub.namespace, "status", hub.interface)
    assert done.returncode == 0 and done.stderr == ""
    for expected in (hub.interface, engine, "direct", *(leaf.public_key for leaf in relay.leaves)):
        assert expected in done.stdout
    assert hub.private_key not in done.stdout


def test_status_as_json(relay, engine):
    done = hawser(relay.hub.namespace, "status", "--json", relay.hub.interface)
    assert done.returncode == 0
    text = json.dumps(json.loads(done.stdout))
    assert engine in text and relay.hub.interface in text
    assert relay.hub.private_key not in text and hosts.to_hex(relay.hub.private_key) not in text


def test_drops_are_counted_with_their_reason(relay):
    hub, leaf = relay.hub, relay.leaves[0]
    leaf.namespace.ip("address", "add", "10.9.0.77/32", "dev", leaf.interface)
    before = hub.daemon.drops().get("source-not-allowed", 0)
    traffic.does_not_reach(leaf.namespace, hub.inner4, options=("-I", "10.9.0.77"))
    assert hub.daemon.drops()["source-not-allowed"] == before + 4
    assert "source-not-allowed" in hawser(hub.namespace, "status", hub.interface).stdout
    leaf.namespace.ip("address", "del", "10.9.0.77/32", "dev", leaf.interface)


def test_no_daemon_is_said_in_one_line(relay):
    done = hawser(relay.hub.namespace, "status", "nosuchinterface")
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1 and "nosuchinterface" in done.stderr
