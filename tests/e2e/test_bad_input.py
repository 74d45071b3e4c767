"""Everything wrong gets one clear line and a failure, and changes nothing."""

import os
import socket
import time

import pytest

import daemons
import hosts
import traffic
from lab import AGENTS, PYTHON, run, wait_until

EPROTO, EINVAL, EADDRINUSE = 71, 22, 98
HUGE_REQUEST = 100 << 20
MEMORY_BOUND_KIB = 256 << 10  # the largest request that is taken is 64 MiB


@pytest.fixture(scope="module")
def namespace(shared_lab):
    return shared_lab.namespace("host")


@pytest.fixture(scope="module")
def daemon(shared_lab, namespace, engine):
    running = daemons.hawserd(namespace, engine).start()
    running.wg("set", "private-key",
               daemons.key_file(shared_lab, daemons.genkey(), "bad-input.key"),
               "listen-port", 51820, "peer", daemons.pubkey(daemons.genkey()),
               "allowed-ips", "10.9.0.0/24,fd09::/64")
    return running


def try_start(namespace, *arguments, prefix=(), env=None):
    """A start that is expected to fail, in the foreground."""
    environment = {**os.environ, "LOG_LEVEL": "error",
                   "HAWSER_STATE_DIR": str(namespace.lab.dir / "state"), **(env or {})}
    return namespace.run(*prefix, *daemons.command_under_test(), "-f", *arguments, check=False,
                         timeout=15, env=environment)


def refused(done, *words: str) -> None:
    """It failed, and said so in one line that has these words."""
    text = (done.stdout + done.stderr).strip()
    assert done.returncode != 0, text
    assert len(text.splitlines()) == 1, text
    for word in words:
        assert word.lower() in text.lower(), f"no {word!r} in: {text}"


# --- the command line and the host ---

@pytest.mark.hawser_only
def test_a_port_in_use_names_its_holder(namespace, engine, daemon):
    interface = namespace.lab.tunnel_name()
    done = try_start(namespace, f"--engine={engine}", "--listen-port=51820", interface)
    refused(done, "51820", "in use", f"pid {daemon.process.pid}")
    assert not namespace.link_exists(interface)


def test_a_port_in_use_is_refused_to_wg_and_the_old_one_stays(namespace, daemon):
    echo = namespace.agent("probe", "echo", "0.0.0.0", 51821)
    traffic.await_ready(echo)
    done = namespace.run("wg", "set", daemon.interface, "listen-port", 51821, check=False)
    assert done.returncode != 0 and "in use" in done.stderr
    if daemons.is_hawser():
        assert daemon.wg("show", "listen-port").strip() == "51820"
        wait_until(lambda: f"pid {echo.pid}" in daemon.process.output(), 5, "the holder in the log")
    echo.kill()
    daemon.wg("set", "listen-port", 51820)


@pytest.mark.hawser_only
def test_no_permission_says_what_is_missing(namespace, engine):
    done = try_start(namespace, f"--engine={engine}", namespace.lab.tunnel_name(),
                     prefix=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"))
    refused(done, "CAP_NET_ADMIN")


@pytest.mark.hawser_only
@pytest.mark.parametrize("name", ["sixteen-letters-", "a/b", "with space", ".."])
def test_a_name_that_is_none_is_refused(namespace, engine, name):
    done = try_start(namespace, f"--engine={engine}", name)
    refused(done, name)


@pytest.mark.hawser_only
def test_a_taken_name_is_refused(namespace, engine, daemon):
    done = try_start(namespace, f"--engine={engine}", daemon.interface)
    refused(done, daemon.interface)
    daemon.wg("show")  # the one that has it goes on

    bridge = namespace.lab.tunnel_name()
    namespace.ip("link", "add", bridge, "type", "bridge")
    refused(try_start(namespace, f"--engine={engine}", bridge), bridge)
    assert namespace.link_exists(bridge)
    namespace.ip("link", "delete", bridge)


@pytest.mark.hawser_only
def test_no_tun_device_file_is_said(namespace, engine):
    hide = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh")
    done = try_start(namespace, f"--engine={engine}", namespace.lab.tunnel_name(), prefix=hide)
    refused(done, "/dev/net/tun")


@pytest.mark.hawser_only
@pytest.mark.parametrize("arguments, words", [
    (("--forwrad=direct", "wgx"), ("--forwrad", "--forward")),
    (("--engine=fast", "wgx"), ("engine", "fast", "epoll")),
    (("--listen-port=70000", "wgx"), ("listen-port", "70000")),
    (("--mtu=12", "wgx"), ("mtu", "12")),
    (("--forward=sideways", "wgx"), ("forward", "sideways", "direct")),
    (("--address=10.9.0.300", "wgx"), ("address", "10.9.0.300")),
    ((), ("interface",)),
    (("one", "two"), ("two",)),
], ids=lambda value: "_".join(value)[:24] if value else "nothing")
def test_a_wrong_argument_is_named(namespace, engine, arguments, words):
    refused(try_start(namespace, *arguments), *words)


@pytest.mark.hawser_only
def test_a_wrong_value_in_the_environment_is_named(namespace):
    done = try_start(namespace, namespace.lab.tunnel_name(), env={"HAWSER_ENGINE": "fast"})
    refused(done, "HAWSER_ENGINE", "fast")


@pytest.mark.hawser_only
@pytest.mark.parametrize("mode, text, words", [
    (0o644, None, ("chmod 600",)),
    (0o640, None, ("chmod 600",)),
    (0o600, "not a key\n", ("key",)),
    (0o600, "AAAA", ("key",)),
    (0o600, "", ("key",)),
], ids=["world-readable", "group-readable", "malformed", "short", "empty"])
def test_a_bad_key_file_is_refused(namespace, engine, mode, text, words):
    path = namespace.lab.dir / f"key-{mode:o}"
    path.write_text(daemons.genkey() + "\n" if text is None else text)
    path.chmod(mode)
    done = try_start(namespace, f"--engine={engine}", f"--private-key-file={path}",
                     namespace.lab.tunnel_name())
    refused(done, str(path), *words)
    if text is None:
        assert path.read_text().strip() not in done.stderr


@pytest.mark.hawser_only
def test_a_missing_key_file_is_named(namespace, engine):
    done = try_start(namespace, f"--engine={engine}", "--private-key-file=/nowhere/key",
                     namespace.lab.tunnel_name())
    refused(done, "/nowhere/key")


@pytest.mark.hawser_only
def test_without_io_uring_auto_falls_back_and_says_why(lab, engine):
    namespace = lab.namespace("host")
    deny = (PYTHON, AGENTS / "deny_io_uring.py")
    daemon = daemons.hawserd(namespace, "auto", prefix=deny).start()
    assert daemon.status_value("engine") == "epoll"
    lines = [line for line in daemon.process.output().splitlines() if "io_uring" in line]
    assert len(lines) == 1 and "epoll" in lines[0] and "not permitted" in lines[0], lines
    done = try_start(namespace, "--engine=io_uring", lab.tunnel_name(), prefix=deny)
    refused(done, "io_uring", "epoll")


# --- the control socket ---

def private_state(daemon) -> set:
    return hosts.config_parts(daemon.wg("showconf"))


@pytest.mark.parametrize("lines, errno", [
    (["private_key=zz"], EINVAL),
    (["private_key=" + "0" * 63], EINVAL),
    (["private_key=" + "0" * 66], EINVAL),
    (["listen_port=65536"], EINVAL),
    (["listen_port=-1"], EINVAL),
    (["fwmark=x"], EINVAL),
    (["no_such_key=1"], EINVAL),
    (["public_key=1234"], EINVAL),
    (["public_key=" + "a1" * 32, "endpoint=nonsense"], EINVAL),
    (["public_key=" + "a1" * 32, "endpoint=192.0.2.1:70000"], EINVAL),
    (["public_key=" + "a1" * 32, "allowed_ip=10.0.0.0/33"], EINVAL),
    (["public_key=" + "a1" * 32, "allowed_ip=ten/8"], EINVAL),
    (["public_key=" + "a1" * 32, "persistent_keepalive_interval=65536"], EINVAL),
    (["public_key=" + "a1" * 32, "protocol_version=2"], EINVAL),
    (["public_key=" + "a1" * 32, "preshared_key=ff"], EINVAL),
    (["a line without the sign"], EPROTO),
], ids=lambda value: value[-1][:24] if isinstance(value, list) else "")
def test_a_malformed_request_is_refused_as_a_whole(daemon, lines, errno):
    before = private_state(daemon)
    with daemon.uapi() as uapi:
        assert uapi.set(*lines) == errno
        if daemons.is_hawser():
            # What is right before and after what is wrong is not applied either.
            assert uapi.set("fwmark=9", "public_key=" + "b2" * 32, *lines, "listen_port=1") == errno
            uapi.get()  # and the connection goes on
    if daemons.is_hawser():
        assert private_state(daemon) == before
    else:
        with daemon.uapi() as uapi:
            uapi.set("public_key=" + "a1" * 32, "remove=true")


@pytest.mark.hawser_only  # the stand-in lets everybody wait
def test_half_a_request_changes_nothing_and_delays_nobody(daemon):
    before = private_state(daemon)
    halves = []
    for text in ("set=1\nfwmark=5\n", "set=1\nprivate_ke", "s", "set=1\nreplace_peers=true\n"):
        half = daemon.uapi()
        half.send(text)
        halves.append(half)
    assert private_state(daemon) == before
    for half in halves:
        half.close()
    assert private_state(daemon) == before


@pytest.mark.hawser_only
def test_many_silent_connections_do_not_lock_an_operator_out(daemon):
    fds = daemon.num_fds()
    silent = [daemon.uapi() for _ in range(300)]
    daemon.wg("show")
    for connection in silent:
        connection.close()
    wait_until(lambda: daemon.num_fds() <= fds, 5, "the connections are gone")


@pytest.mark.hawser_only
@pytest.mark.parametrize("piece", [b"fwmark=1\n", b"x"], ids=["lines", "one-line"])
def test_a_request_of_100_mb_is_refused_within_bounded_memory(daemon, piece):
    before = private_state(daemon)
    peak, answer = 0, b""
    with daemon.uapi() as uapi:
        uapi.send("set=1\n")
        chunk = piece * ((1 << 20) // len(piece))
        try:
            for _ in range(HUGE_REQUEST // len(chunk) + 1):
                uapi.socket.sendall(chunk)
                peak = max(peak, daemon.rss_kib())
            uapi.send("\n\n")
            answer = uapi.socket.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert answer == b"" or b"errno=-" in answer, answer
    assert peak < MEMORY_BOUND_KIB
    assert private_state(daemon) == before


@pytest.mark.hawser_only
def test_a_hundred_megabytes_of_peers_are_refused_within_bounded_memory(daemon):
    before = private_state(daemon)
    peak, answer, sent, number = 0, b"", 0, 0
    with daemon.uapi() as uapi:
        uapi.send("set=1\n")
        try:
            while sent < HUGE_REQUEST:
                lines = "".join(f"public_key={number + index:064x}\n" for index in range(1, 5001))
                number += 5000
                uapi.send(lines)
                sent += len(lines)
                peak = max(peak, daemon.rss_kib())
            uapi.send("\n")
            answer = uapi.socket.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert answer == b"" or b"errno=-" in answer, answer
    assert peak < 4 * MEMORY_BOUND_KIB
    assert private_state(daemon) == before


def test_bytes_that_are_no_text_are_refused(daemon):
    before = private_state(daemon)
    for data in (b"\x00" * 100 + b"\n\n", os.urandom(3000) + b"\n\n", b"\n\n\n", b"=\n\n", b"get=2\n\n"):
        with daemon.uapi() as uapi:
            uapi.socket.settimeout(1)
            uapi.socket.sendall(data)
            try:
                answer = uapi.socket.recv(4096)
                assert answer == b"" or b"errno=" in answer, answer
            except (ConnectionResetError, socket.timeout):
                pass
    assert private_state(daemon) == before
