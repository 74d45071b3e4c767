"""The daemon's beginning and end, and an interface that changes under it."""

import os
import signal
from pathlib import Path

import pytest

import daemons
import hosts
import traffic
from capture import Capture
from lab import AGENTS, PYTHON, add_address, wait_until


@pytest.fixture
def daemon(lab, engine):
    return daemons.hawserd(lab.namespace("host"), engine).start()


def gone(daemon, status: int = 0) -> None:
    assert daemon.process.wait() == status, daemon.process.output()
    daemon.process.must_end_well = False
    assert not daemon.socket_path.exists()
    # The kernel lets go of an io_uring's files a moment after the process.
    wait_until(lambda: not daemon.namespace.link_exists(daemon.interface), 2, "no interface is left")


@pytest.mark.smoke
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(daemon, number):
    daemon.process.signal(number)
    gone(daemon)


@pytest.mark.hawser_only
def test_nobody_waits_for_who_reads_the_log(lab, engine, tmp_path):
    """Standard error is a full pipe that nobody reads."""
    pipe = tmp_path / "stderr"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(held, b"x")
    a, b = hosts.Host(lab, 1, "a"), hosts.Host(lab, 2, "b")
    lab.switch().plug(a.namespace, "eth0", *a.outer_addresses())
    a.run_hawserd(engine, prefix=["sh", "-c", 'exec "$@" 2>"$0"', str(pipe)])
    a.bring_up()
    a.wg("set", "peer", b.public_key, "allowed-ips", b.allowed_only(),
         "endpoint", f"{b.outer4}:{b.port}", "persistent-keepalive", 1)
    sent = a.transfer(b)[1]
    wait_until(lambda: a.transfer(b)[1] >= sent + 2 * 148, 20, "initiations go on")
    assert a.daemon.stop() == 0
    os.close(held)


def test_deleting_the_interface_ends_it(daemon):
    daemon.namespace.ip("link", "delete", daemon.interface)
    # A service manager that restarts what failed brings it back.
    gone(daemon, status=1 if daemons.is_hawser() else 0)


@pytest.mark.hawser_only
def test_user_signals_show_the_status_or_do_nothing(daemon):
    daemon.process.signal(signal.SIGUSR2)
    daemon.process.signal(signal.SIGUSR1)
    wait_until(lambda: f"status: interface: {daemon.interface}" in daemon.process.output(), 5,
               "the status is in the log")
    assert "status:   workers: " in daemon.process.output()
    assert daemon.ready()
    daemon.process.signal(signal.SIGTERM)
    gone(daemon)


@pytest.mark.hawser_only
def test_in_the_background_a_log_file_has_the_lines(lab, engine):
    namespace = lab.namespace("host")
    interface = lab.tunnel_name()
    path = lab.dir / "log"
    namespace.run(*daemons.command_under_test(), f"--engine={engine}", f"--log-file={path}",
                  interface, env={**os.environ, "HAWSER_STATE_DIR": str(lab.dir / "state")})
    assert f"{interface} is ready" in path.read_text()
    path.rename(lab.dir / "log.1")
    os.kill(namespace.pids()[0], signal.SIGTERM)
    wait_until(lambda: path.exists() and "dropped packets" in path.read_text(), 10, "a new file")
    assert path.stat().st_mode & 0o137 == 0


@pytest.mark.hawser_only
def test_what_hardly_was_meant_is_said(lab, engine):
    namespace = lab.namespace("host")
    state = lab.dir / "file"
    state.touch()
    daemon = daemons.hawserd(
        namespace, engine, "--workers=300", "--mtu=1000", "--address=10.0.0.1",
        f"--state-dir={state}/state",
        env={"LOG_LEVEL": "foo", "HAWSER_LISTENPORT": "1"}).start()
    text = daemon.process.output()
    for words in ("LOG_LEVEL", "HAWSER_LISTEN_PORT?", "--address 10.0.0.1", "--workers 300",
                  "--mtu 1000", f"{state}/state"):
        assert words in text, f"no {words!r} in: {text}"


@pytest.mark.hawser_only
def test_an_interface_of_others_is_not_said_to_be_removed(lab, engine):
    namespace = lab.namespace("host")
    namespace.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
    done = namespace.run(*daemons.command_under_test(), "-f", f"--engine={engine}", "eth0",
                         check=False, env={**os.environ, "HAWSER_STATE_DIR": str(lab.dir / "state")})
    assert done.returncode != 0
    assert "eth0" in done.stderr and "not a TUN device" in done.stderr
    assert "del" not in done.stderr


def test_removing_the_control_socket_ends_it(daemon):
    daemon.socket_path.unlink()
    gone(daemon)


@pytest.mark.hawser_only
def test_the_control_socket_is_for_root_only(daemon):
    assert daemon.socket_path.stat().st_mode & 0o777 == 0o600
    assert daemon.socket_path.parent.stat().st_mode & 0o777 == 0o755


def test_in_the_background_the_parent_returns_when_all_is_ready(lab, engine):
    namespace = lab.namespace("host")
    interface = lab.tunnel_name()
    done = namespace.run(*daemons.command_under_test(), interface,
                         env={**os.environ, "HAWSER_ENGINE": engine,
                              "HAWSER_STATE_DIR": str(lab.dir / "state")})
    assert done.returncode == 0
    assert namespace.link_exists(interface)
    namespace.run("wg", "show", interface)
    pids = namespace.pids()
    assert len(pids) == 1
    namespace.ip("link", "delete", interface)
    wait_until(lambda: not os.path.exists(f"/proc/{pids[0]}"), 10, "the daemon has ended")


@pytest.mark.hawser_only
def test_a_background_start_that_fails_says_why(lab, engine):
    namespace = lab.namespace("host")
    interface = lab.tunnel_name()
    namespace.ip("link", "add", interface, "type", "bridge")
    done = namespace.run(*daemons.command_under_test(), f"--engine={engine}", interface, check=False)
    assert done.returncode != 0
    assert interface in done.stderr
    assert namespace.pids() == []
    namespace.ip("link", "delete", interface)


@pytest.fixture
def moved(lab, engine):
    """UDP stays in the first namespace; the inside is another one: (ours, theirs, inside)."""
    ours, theirs = hosts.pair(lab, engine)
    inside = lab.namespace("inside")
    ours.namespace.ip("link", "set", ours.interface, "netns", inside.name)
    inside.ip("link", "set", ours.interface, "mtu", "1420", "up")
    add_address(inside, ours.interface, f"{ours.inner4}/24")
    add_address(inside, ours.interface, f"{ours.inner6}/64")
    hosts.connect(ours, theirs)
    return ours, theirs, inside


def test_a_moved_interface_goes_on_working(moved):
    _, theirs, inside = moved
    for address in theirs.inner:
        traffic.reaches(inside, address)
    traffic.stream(inside, theirs.namespace, theirs.inner4, 2 << 20)


@pytest.mark.hawser_only
def test_the_mtu_of_a_moved_interface_is_followed(moved):
    ours, theirs, inside = moved
    traffic.reaches(inside, theirs.inner4)
    # Padding ends at the MTU: a packet as long as a new, odd MTU leaves unpadded.
    inside.ip("link", "set", ours.interface, "mtu", "1403")

    def longest_leaves_unpadded() -> bool:
        with Capture(theirs.namespace, "eth0", f"udp and src {ours.outer4}") as capture:
            traffic.all_answered(inside, theirs.inner4, 2, options=("-s", 1403 - 28))
            wait_until(lambda: len(capture.udp()) >= 2, 5, "two datagrams")
        return {len(packet.payload) for packet in capture.udp()} == {1403 + 32}
    wait_until(longest_leaves_unpadded, 5, "the new MTU is followed")


@pytest.mark.hawser_only
def test_down_and_up_of_a_moved_interface_are_followed(moved):
    ours, theirs, inside = moved
    traffic.reaches(inside, theirs.inner4)
    before = theirs.exact_handshake_time(ours)
    inside.ip("link", "set", ours.interface, "down")
    traffic.does_not_reach(theirs.namespace, ours.inner4)
    inside.ip("link", "set", ours.interface, "up")
    traffic.reaches(inside, theirs.inner4)
    assert theirs.exact_handshake_time(ours) > before  # down has cleared the session


@pytest.mark.hawser_only
@pytest.mark.parametrize("kind", ["plain", "headers"])
def test_a_tun_device_that_somebody_else_opened_is_taken_over(lab, engine, kind):
    ours, theirs = hosts.Host(lab, 1, "ours"), hosts.Host(lab, 2, "theirs")
    lab.link(ours.namespace, "eth0", theirs.namespace, "eth0")
    for host in (ours, theirs):
        for address in host.outer_addresses():
            add_address(host.namespace, "eth0", address)
    interface = lab.tunnel_name()
    ours.run_hawserd(engine, interface=interface,
                     prefix=(PYTHON, AGENTS / "with_tun_fd.py", interface, kind)).bring_up()
    theirs.run_stock().bring_up()
    hosts.connect(ours, theirs)
    for address in theirs.inner:
        traffic.reaches(ours.namespace, address)
        traffic.stream(ours.namespace, theirs.namespace, address, 2 << 20)


def test_without_ipv6_on_the_host_it_still_works(lab, engine):
    ours, theirs = hosts.Host(lab, 1, "ours"), hosts.Host(lab, 2, "theirs")
    ours.namespace.run("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1",
                       "net.ipv6.conf.default.disable_ipv6=1")
    lab.link(ours.namespace, "eth0", theirs.namespace, "eth0")
    for host in (ours, theirs):
        add_address(host.namespace, "eth0", host.outer_addresses()[0])
    ours.run_hawserd(engine)
    ours.wg("set", "private-key", ours.key_file(), "listen-port", ours.port)
    add_address(ours.namespace, ours.interface, f"{ours.inner4}/24")
    ours.namespace.ip("link", "set", ours.interface, "up")
    theirs.run_stock().bring_up()
    hosts.connect(ours, theirs)
    traffic.reaches(ours.namespace, theirs.inner4)
    traffic.stream(theirs.namespace, ours.namespace, ours.inner4, 1 << 20)


@pytest.mark.hawser_only
def test_the_handshake_thread_gives_way_to_the_workers(daemon):
    """So that a flood of initiations slows other handshakes before it slows transport data."""
    def niceness() -> dict:
        return {(task / "comm").read_text().strip(): os.getpriority(os.PRIO_PROCESS, int(task.name))
                for task in Path(f"/proc/{daemon.process.pid}/task").iterdir()}

    wait_until(lambda: niceness()["handshake"] > niceness()["worker-0"], 5, "it gives way")
    assert niceness()["worker-0"] == os.getpriority(os.PRIO_PROCESS, 0)
