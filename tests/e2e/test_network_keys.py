"""A host changes its key while its network goes on: no probe is lost, and nobody else's session is
made anew."""

import base64
import time

import pytest

import daemons
import traffic
from lab import wait_until
from network_lab import Network, reaches

pytestmark = pytest.mark.hawser_only

PROBE_RATE = 100
SWITCH_LIMIT_S = 10


class Keys:
    """What the file says of one host's keys, and the running hosts' reloads."""

    def __init__(self, network, name: str):
        self.network, self.member = network, network[name]
        self.old_public = self.member.public_key
        self.new_private = daemons.genkey()
        self.new_public = daemons.pubkey(self.new_private)

    def say(self, present: str, *more: str) -> None:
        old, new = f'"{self.old_public}"', f'"{present}"'
        lines = "".join(f"\n{line}" for line in more)
        self.network.write(self.network.text().replace(f"public_key = {old}",
                                                       f"public_key = {new}{lines}"))
        for member in self.network:
            assert member.reload()["errno"] == "0", member.name

    def users(self) -> list:
        """Who has a tunnel to this host, with what each says of it."""
        found = [(member, member.status()[2].get(self.member.name)) for member in self.network]
        return [(member, peer) for member, peer in found if peer]

    def await_sessions_under(self, public: str) -> None:
        """All others have made a session under this key."""
        def all_of_them() -> bool:
            key = base64.b64decode(public).hex()
            return all((peer["next_public_key"] if peer["uses_next_key"] == "true"
                        else peer["public_key"]) == key for _, peer in self.users())
        wait_until(all_of_them, SWITCH_LIMIT_S, "all sessions are under the new key")


def sessions_of_others(network, name: str) -> dict:
    """When each tunnel that does not end at this host made its latest handshake."""
    return {(member.name, peer): facts["last_handshake_time_sec"]
            for member in network if member.name != name
            for peer, facts in member.status()[2].items() if peer != name}


@pytest.fixture
def network(lab, engine):
    network = Network(lab, engine).start()
    network.is_connected()
    time.sleep(6)  # initiations that have crossed are through
    return network


def probes(network) -> tuple:
    """Past the printer and the first controller, and past neither."""
    laptop = network["laptop1"].namespace
    return (traffic.Probe(laptop, network["printer"].namespace, network["printer"].address,
                          PROBE_RATE),
            traffic.Probe(network["storage"].namespace, network["server2"].namespace,
                          network["server2"].address, PROBE_RATE))


def test_a_peer_takes_its_next_key_from_its_key_file(network):
    keys = Keys(network, "printer")
    before = sessions_of_others(network, "printer")
    through, beside = probes(network)
    with through, beside:
        keys.say(keys.old_public, f'public_key_next = "{keys.new_public}"')
        time.sleep(0.5)
        keys.member.key_path.write_text(keys.new_private + "\n")
        assert keys.member.reload()["errno"] == "0"
        keys.await_sessions_under(keys.new_public)
        keys.say(keys.new_public)
        time.sleep(1)
    through.nothing_lost()
    beside.nothing_lost()
    assert sessions_of_others(network, "printer") == before
    # The old key is worth nothing any more.
    keys.member.key_path.write_text(keys.member.private_key + "\n")
    refused = keys.member.reload()
    assert refused["errno"] != "0" and "does not match" in refused["message"]
    network.all_answered()


def test_a_controller_takes_its_next_key_from_another_file(network):
    keys = Keys(network, "server1")
    path = keys.member.dir / "next.key"
    path.touch(mode=0o600)
    path.write_text(keys.new_private + "\n")
    file = f'private_key_next_file = "{path}"'
    before = sessions_of_others(network, "server1")
    through, beside = probes(network)
    with through, beside:
        keys.say(keys.old_public, f'public_key_next = "{keys.new_public}"', file)
        time.sleep(0.5)
        # The two change places, and the controller takes the key that is now the present one.
        keys.say(keys.new_public, f'public_key_next = "{keys.old_public}"', file)
        keys.await_sessions_under(keys.new_public)
        keys.say(keys.new_public, file)
        time.sleep(1)
    through.nothing_lost()
    beside.nothing_lost()
    assert sessions_of_others(network, "server1") == before
    # Started anew it finds its key, and the others know it.
    keys.member.stop()
    keys.member.start()
    for name in ("laptop1", "storage"):
        reaches(network[name].namespace, keys.member.address)
