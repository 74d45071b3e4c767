"""Starting a network's hosts: in any order, alone, observed by others; and starts that must fail."""

import os
import random
import shutil
import signal

import pytest

import daemons
import traffic
from lab import wait_until
from network_lab import (CONTROLLERS, LINES_OF_OTHERS, NETWORK, PEERS, PORT, Network, NotifySocket,
                         block_names, etc_of, hawser_command, line_of, reaches, refused, try_start)

pytestmark = pytest.mark.hawser_only

ORDERS = {
    "controllers last": (*PEERS, *CONTROLLERS),
    "mixed": ("laptop1", "server2", "storage", "printer", "server1"),
    "backwards": tuple(reversed((*CONTROLLERS, *PEERS))),
}
NAME_APPEARS_S = 20


@pytest.fixture(scope="module")
def network(shared_lab, engine):
    """Nothing runs; whoever starts something ends it."""
    return Network(shared_lab, engine)


@pytest.fixture(autouse=True)
def one_failure_is_not_the_next_ones(network):
    yield
    for member in network:
        for pid in member.namespace.pids():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: member.namespace.pids() == [], 10, f"nothing runs on {member.name}")
        member.hosts_path.write_text(LINES_OF_OTHERS)
    network.write()


def start_and_end(network, order) -> None:
    network.start(order).is_connected()
    network.stop()


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_starts_connects_all(network, order):
    start_and_end(network, ORDERS[order])


@pytest.mark.slow
def test_twenty_random_orders_connect_all(network):
    generator = random.Random(20)
    for _ in range(20):
        order = [*CONTROLLERS, *PEERS]
        generator.shuffle(order)
        print(order)
        start_and_end(network, order)


# --- ready means ready ---

def is_set_up(member) -> None:
    """Interface, addresses, routes, peers and names are in."""
    interface = member.network.interface
    assert "state UP" in member.namespace.ip("link", "show", "dev", interface) or \
        "LOWER_UP" in member.namespace.ip("link", "show", "dev", interface)
    assert member.interface_addresses() == member.expected_addresses()
    routes = member.namespace.ip("-6", "route", "show", "dev", interface)
    for address in member.expected_addresses():
        assert address.split("/")[1] in ("40", "56") and f"/{address.split('/')[1]} " in routes
    others = {*CONTROLLERS, *PEERS} if member.is_controller else {*CONTROLLERS}
    assert member.peer_names() == others - {member.name}
    assert len(member.names()) == len(member.network.members)


def ended(member) -> None:
    wait_until(lambda: member.namespace.pids() == [], 10, f"{member.name} has ended")
    wait_until(lambda: not member.namespace.link_exists(member.network.interface), 2,
               "no interface is left")


@pytest.mark.parametrize("name", ["server1", "laptop1"])
def test_in_the_background_a_lone_host_is_ready_when_the_parent_returns(network, name):
    member = network[name]
    pid = member.start_in_background()
    is_set_up(member)
    os.kill(pid, signal.SIGTERM)
    ended(member)


@pytest.mark.parametrize("name", ["server1", "laptop1"])
def test_the_service_manager_hears_of_each_state(network, name):
    member = network[name]
    manager = NotifySocket(member.dir / "notify")
    try:
        member.start(env={"NOTIFY_SOCKET": str(manager.path)})
        message = manager.wait_for("READY")
        assert message["READY"] == "1"
        assert int(message["MAINPID"]) == member.daemon.process.pid
        is_set_up(member)
        member.daemon.process.signal(signal.SIGHUP)
        assert manager.wait_for("RELOADING")["RELOADING"] == "1"
        assert manager.wait_for("READY")["READY"] == "1"
        member.stop()
        assert manager.wait_for("STOPPING") == {"STOPPING": "1"}
    finally:
        manager.close()
        manager.path.unlink()
    ended(member)


def test_a_hangup_reloads_also_under_nohup(network):
    member = network["server1"]
    manager = NotifySocket(member.dir / "notify")
    process = member.namespace.spawn(
        "nohup", "nohup", *daemons.command_under_test(), "-f", f"--engine={network.engine}",
        *member.options(), env={**member.environment(), "NOTIFY_SOCKET": str(manager.path)})
    try:
        assert manager.wait_for("READY")["READY"] == "1"
        process.signal(signal.SIGHUP)
        assert manager.wait_for("RELOADING")["RELOADING"] == "1"
        assert manager.wait_for("READY")["READY"] == "1"
    finally:
        process.end()
        manager.close()
        manager.path.unlink()


def test_when_ready_is_told_everything_is_in(network):
    """Looked at from outside in the moment of the message, not after the control socket answers."""
    member = network["laptop1"]
    manager = NotifySocket(member.dir / "notify")
    process = member.namespace.spawn(
        "ready", *daemons.command_under_test(), "-f", f"--engine={network.engine}",
        *member.options(), env={**member.environment(), "NOTIFY_SOCKET": str(manager.path)})
    try:
        assert manager.wait_for("READY")["READY"] == "1"
        is_set_up(member)
    finally:
        process.end()
        manager.close()
        manager.path.unlink()
    ended(member)


def test_the_interface_speaks_only_where_somebody_sends(network):
    """No link-local address, and so nothing of the kernel's own for which the plan has nobody."""
    network.start(("server1", "laptop1"))
    member = network["laptop1"]
    reaches(member.namespace, network["server1"].address)
    assert "fe80:" not in member.namespace.ip("-6", "address", "show", "dev", network.interface)
    assert "no-route" not in member.daemon.drops()
    for name in ("laptop1", "server1"):
        network[name].stop()


# --- host names ---

def test_names_come_and_go_and_survive_a_kill(network):
    member = network["laptop1"]
    expected = {f"{other.name}.{NETWORK}": other.address for other in network}
    member.hosts_path.chmod(0o640)
    member.start()
    assert member.names() == expected
    assert member.hosts_path.read_text().startswith(LINES_OF_OTHERS)
    assert member.hosts_path.stat().st_mode & 0o777 == 0o640

    member.daemon.crash()
    assert member.names() == expected  # whole, nobody was there to take it out
    stale = member.hosts_path.read_text().replace(f"printer.{NETWORK}", f"plotter.{NETWORK}")
    member.hosts_path.write_text(stale)
    member.start()
    text = member.hosts_path.read_text()
    assert text.count("# BEGIN hawser") == 1 and "plotter" not in text
    assert member.names() == expected
    member.stop()
    assert member.hosts_path.read_text() == LINES_OF_OTHERS
    assert [path.name for path in member.dir.glob("hosts*")] == ["hosts"]


def test_half_a_block_that_a_kill_left_is_replaced(network):
    member = network["laptop1"]
    member.hosts_path.write_text(LINES_OF_OTHERS + f"# BEGIN hawser {NETWORK}\nfd00::1\tserver1.v")
    member.start()
    assert len(member.names()) == len(network.members)
    member.stop()
    assert member.hosts_path.read_text() == LINES_OF_OTHERS


def test_many_kills_never_leave_less_than_a_whole_hosts_file(network):
    """Killed at ever another moment while it writes the file again and again."""
    member = network["laptop1"]
    for number in range(6):
        member.start()
        with member.uapi() as uapi:
            for turn in range(4):
                network.write(network.text() if turn % 2 else
                              network.text().replace(f'name = "{NETWORK}"',
                                                     f'name = "{NETWORK}"\ndomain = "d{number}"'))
                uapi.send("do=reload\n\n")
            if number % 2:
                uapi.read_reply()
        member.daemon.crash()
        text = member.hosts_path.read_text()
        assert text.startswith(LINES_OF_OTHERS)
        assert len(block_names(text)) == len(network.members), text
    network.write()
    member.start().stop()
    assert member.hosts_path.read_text() == LINES_OF_OTHERS


# --- endpoints by name ---

def test_a_name_that_nobody_knows_yet_is_resolved_later(network):
    """In the namespace's own /etc/hosts, which is also where the host names go."""
    laptop, server = network["laptop1"], network["server1"]
    etc = etc_of(laptop.namespace, hosts=LINES_OF_OTHERS, resolv__conf="nameserver 127.0.0.1\n")
    network.write(network.text({"server1": f"controller.example:{PORT}"}))
    try:
        server.start()
        laptop.start("--hosts-file=/etc/hosts")
        peers = laptop.status()[2]
        assert "endpoint" not in peers["server1"]
        assert peers["server1"]["configured_endpoint"] == f"controller.example:{PORT}"
        # The daemon wrote into the same file, in place: it is a mount of its own.
        text = (etc / "hosts").read_text()
        assert len(block_names(text)) == len(network.members)
        wait_until(lambda: "cannot be resolved" in laptop.daemon.process.output(), 5, "a warning")
        with open(etc / "hosts", "a") as hosts:
            hosts.write(f"{server.outer4}\tcontroller.example\n")
        reaches(laptop.namespace, server.address, NAME_APPEARS_S)
        # And what it wrote itself is what people use.
        reaches(laptop.namespace, f"server1.{NETWORK}")
        laptop.stop()
        server.stop()
        assert (etc / "hosts").read_text() == \
            LINES_OF_OTHERS + f"{server.outer4}\tcontroller.example\n"
    finally:
        network.write()


# --- starts that fail ---

@pytest.fixture
def alone(network):
    """A host whose start fails; afterwards nothing of it is there."""
    member = network["server1"]
    before = {path.name for path in member.dir.iterdir()}
    yield member
    network.write()
    assert not member.namespace.link_exists(network.interface)
    assert member.hosts_path.read_text() == LINES_OF_OTHERS
    assert {path.name for path in member.dir.iterdir()} <= before | {"state"}


def start_fails(member, *words, background: bool = False, instead: tuple = ()) -> None:
    refused(try_start(member.namespace, member.network.engine, *member.options(*instead),
                      background=background), *words)
    assert member.namespace.pids() == []


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
def test_without_the_network_file_it_does_not_start(network, alone, background):
    network.path.unlink()
    start_fails(alone, network.path, "No such file", background=background)


def test_without_the_key_file_it_does_not_start(network, alone):
    missing = alone.dir / "no-key"
    start_fails(alone, missing, "No such file", instead=(f"--private-key-file={missing}",))


def test_a_key_that_is_not_this_hosts_is_refused(network, alone):
    other = network["server2"].key_path
    line = line_of(network.text(), f'"{alone.public_key}"')
    start_fails(alone, f"{network.path}:{line}:", "server1", "private key",
                instead=(f"--private-key-file={other}",))


def test_a_host_that_the_file_does_not_have_is_refused(network, alone):
    start_fails(alone, "server3", "server", instead=("--host=server3",))


def test_every_error_of_the_file_is_named_with_its_line(network, alone):
    text = network.text().replace("port = 51820", "prot = 51820", 1)
    text += "".join(f'\n[controllers.{name}]\npublic_key = "{daemons.pubkey(daemons.genkey())}"\n'
                    f'endpoint = "192.0.2.9:1"\n' for name in ("server34", "server245"))
    network.write(text)
    start_fails(alone, f"{network.path}:{line_of(text, 'prot')}:", "prot", "port", "server34",
                "server245")


def test_an_empty_network_file_is_not_an_empty_network(network, alone):
    network.write("")
    start_fails(alone, network.path)


def test_a_port_in_use_names_its_holder(network, alone):
    echo = alone.namespace.agent("probe", "echo", "0.0.0.0", PORT)
    traffic.await_ready(echo)
    done = try_start(alone.namespace, network.engine, *alone.options())
    refused(done, PORT, "in use", f"pid {echo.pid}")
    echo.kill()


def test_an_mtu_that_ipv6_does_not_have_is_refused(network, alone):
    start_fails(alone, "--mtu 1000", "1280", instead=("--mtu=1000",))


def test_a_hosts_file_that_cannot_be_written_is_a_warning_and_tried_again(network):
    member = network["laptop1"]
    folder = member.dir / "later"
    member.start(f"--hosts-file={folder}/hosts")
    assert str(folder) in member.status()[0]["hosts_problem"]
    assert member.daemon.process.output().count("runs without host names") == 1
    assert member.reload()["errno"] == "0"
    folder.mkdir()
    path = folder / "hosts"
    wait_until(lambda: path.exists() and len(block_names(path.read_text())) == len(network.members),
               10, "the names come")
    wait_until(lambda: "hosts_problem" not in member.status()[0], 3, "the status is well again")
    member.stop()
    assert not path.exists()
    folder.rmdir()


def hold_lock_as_nobody(member, *paths) -> list:
    """What any local user can do: open for reading, and flock(2) for good."""
    holders = []
    for path in paths:
        holders.append(member.namespace.spawn(
            "flock", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "flock", "--exclusive", path, "sleep", "60"))
        wait_until(lambda path=path: member.namespace.run(
            "flock", "--nonblock", path, "true", check=False).returncode != 0, 5, "it is locked")
    return holders


def test_no_user_can_hold_up_start_reload_or_end_with_a_lock(network):
    member = network["laptop1"]
    member.hosts_path.chmod(0o644)
    holders = hold_lock_as_nobody(member, member.dir, member.hosts_path)
    assert holders[0].alive and holders[1].alive
    member.start()
    assert len(member.names()) == len(network.members)
    network.write(network.text().replace(f'name = "{NETWORK}"',
                                         f'name = "{NETWORK}"\ndomain = "other"'))
    assert member.reload(confirm=1)["errno"] == "0"
    assert "laptop1.other" in member.names()
    wait_until(lambda: f"laptop1.{NETWORK}" in member.names(), 5, "the old state returns")
    member.stop()
    assert member.hosts_path.read_text() == LINES_OF_OTHERS
    for holder in holders:
        holder.kill()


def test_a_reading_group_may_ask_for_the_status_and_for_nothing_else(network):
    member = network["printer"]  # another test has the laptop's /etc
    etc = etc_of(member.namespace, group="root:x:0:\n")
    member.start()
    assert not list(member.dir.glob("*.status"))  # on a host without the group
    member.stop()
    (etc / "group").write_text("root:x:0:\nhawser:x:4242:\n")
    member.start()

    def as_user(*command, groups=("--groups", "4242")):
        return member.namespace.run("setpriv", "--reuid=65534", "--regid=65534", *groups, *command,
                                    check=False)

    where = f"--control-dir={member.dir}"
    command = daemons.for_everybody(member.namespace.lab, hawser_command())
    done = as_user(command, "status", where)
    assert done.returncode == 0 and "server1" in done.stdout, done.stderr
    assert as_user(command, "wait", "--peers", where).returncode == 0
    for words in (("reload",), ("confirm",)):
        done = as_user(command, *words, where)
        assert done.returncode != 0 and "ermission denied" in done.stderr, done.stderr
    done = as_user(command, "status", where, groups=("--clear-groups",))
    assert done.returncode != 0 and "group hawser" in done.stderr, done.stderr

    path = member.dir / f"{network.interface}.status"
    assert path.stat().st_mode & 0o777 == 0o660 and path.stat().st_gid == 4242
    assert (member.dir / f"{network.interface}.sock").stat().st_mode & 0o777 == 0o600
    with daemons.Uapi(path) as uapi:
        assert uapi.request("get=1") == [("errno", "13")]
        assert uapi.set("listen_port=1") == 13
        assert ("errno", "0") in uapi.request("get=status")
    member.stop()
    assert not path.exists()
    shutil.rmtree(etc)


@pytest.mark.parametrize("option", ["control-dir", "state-dir"])
def test_a_directory_that_others_may_change_is_refused(network, alone, option):
    folder = alone.dir / "open"
    folder.mkdir()
    for change in (lambda: folder.chmod(0o777), lambda: folder.chmod(0o775),
                   lambda: (folder.chmod(0o755), os.chown(folder, 65534, 65534))):
        change()
        start_fails(alone, folder, f"--{option}", "run: ch", instead=(f"--{option}={folder}",))
        assert list(folder.iterdir()) == []
    folder.rmdir()


@pytest.mark.parametrize("same_folder", [True, False], ids=["same folder", "other folder"])
def test_the_second_daemon_for_one_interface_says_so_and_ends(network, same_folder):
    member = network["laptop1"].start()
    options = member.options()
    if not same_folder:
        options = member.options(f"--control-dir={network.lab.dir / 'other-control'}")
    names = member.names()
    done = try_start(member.namespace, network.engine, *options)
    refused(done, network.interface)
    if same_folder:
        assert f"pid {member.daemon.process.pid}" in done.stderr
    is_set_up(member)  # the first one is none the worse
    assert member.names() == names
    member.stop()
    ended(member)
