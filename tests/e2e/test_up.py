"""A wg-quick file run with hawser up and ended with hawser down; hawser set; hawser import."""

import signal

import pytest

import daemons
from lab import wait_until
from network_lab import hawser as plain_hawser
from network_lab import reaches
from wg_quick_site import PORT, pair_of_sites

pytestmark = pytest.mark.hawser_only

@pytest.fixture
def sites(lab, engine):
    return pair_of_sites(lab, engine)


def test_a_wg_quick_file_comes_up_and_goes_without_a_trace(sites):
    for site in sites:
        done = site.hawser("up", site.path)
        assert f"{site.interface}: up" in done.stdout
    first, second = sites
    reaches(first.namespace, "10.7.0.2")
    link = first.namespace.ip("address", "show", "dev", first.interface)
    assert "mtu 1380" in link and "inet 10.7.0.1/24" in link
    assert first.interface in first.namespace.ip("route", "show", "10.2.0.0/16")
    again = first.hawser("up", first.path, check=False)
    assert again.returncode == 1 and "already" in again.stderr
    for site in sites:
        # The file, or the interface's name.
        assert site.hawser("down", site.path if site is first else site.interface).returncode == 0
        assert not site.namespace.link_exists(site.interface)
        assert site.namespace.ip("route", "show", "10.2.0.0/16") == ""
        wait_until(lambda: not site.namespace.pids(), 10, "its daemon has ended")
        assert list((site.dir / "run").glob("*.sock")) == []


def test_what_cannot_be_done_is_refused_before_anything_is(sites):
    site = sites[0]
    for more, said in (("PostUpp = true", ":6: unknown key PostUpp"), ("Table = 0", ":6: Table"),
                       ("Nonsense = 1", ":6: unknown key Nonsense")):
        site.write(sites[1], more=more)
        done = site.hawser("up", site.path, check=False)
        assert done.returncode == 1 and f"{site.path}{said}" in done.stderr, done.stderr
        assert not site.namespace.link_exists(site.interface)
    assert not site.namespace.pids()


def test_the_environment_of_another_daemon_does_no_harm(sites):
    site = sites[0]
    other = {"WG_PROCESS_FOREGROUND": "1", "HAWSER_FOREGROUND": "1", "HAWSER_HOST": "elsewhere",
             "HAWSER_NETWORK": "/nowhere.toml", "HAWSER_LISTEN_PORT": "7"}
    assert site.hawser("up", site.path, more=other).returncode == 0
    assert f"{PORT}" in site.hawser("status", site.interface).stdout


def test_down_leaves_alone_what_wg_quick_gave_a_default_route(sites):
    site = sites[0]
    site.write(sites[1], more="FwMark = 51820\nTable = off")
    site.hawser("up", site.path)
    site.namespace.ip("rule", "add", "not", "fwmark", "51820", "table", "51820")
    done = site.hawser("down", site.path, check=False)
    assert done.returncode == 1 and f"wg-quick down {site.interface}" in done.stderr, done.stderr
    assert site.namespace.link_exists(site.interface)
    site.namespace.ip("rule", "del", "not", "fwmark", "51820", "table", "51820")
    site.hawser("down", site.path)


def test_a_failure_half_way_is_undone(sites):
    site = sites[0]
    # The port is somebody else's.
    other = daemons.hawserd(site.namespace, site.engine, f"--listen-port={PORT}").start()
    done = site.hawser("up", site.path, check=False)
    assert done.returncode == 1 and "all of it was undone" in done.stderr, done.stderr
    assert not site.namespace.link_exists(site.interface)
    assert site.namespace.pids() == [other.process.pid]
    assert other.stop() == 0


# Whoever is killed is hawser: before its daemon begins, while it starts, and when it is ready.
MOMENTS = {
    "a program that goes nowhere": 'kill -TERM $PPID\nexec sleep 60\n',
    "while it starts": 'kill -TERM $PPID\nexec {program} "$@"\n',
    "when it is in the background": '{program} "$@"\nkill -TERM $PPID\nexit 0\n',
    "a program that has failed": 'kill -TERM $PPID\nexit 1\n',
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_half_way_undoes_it(sites, moment):
    site = sites[0]
    daemon = site.dir / "interrupting"
    daemon.write_text("#!/bin/sh\n" +
                      MOMENTS[moment].format(program=daemons.command_under_test()[-1]))
    daemon.chmod(0o755)
    done = site.hawser("up", site.path, "--daemon", daemon, check=False)
    said = f"{site.interface}: interrupted; all of it was undone"
    assert done.returncode == 1 and said in done.stderr, done
    assert not site.namespace.pids()
    site.is_gone()


def test_who_starts_it_may_ignore_how_children_end(sites):
    site = sites[0]
    deaf = ("env", "--ignore-signal=CHLD")
    assert site.hawser("up", site.path, prefix=deaf).returncode == 0
    assert site.hawser("down", site.path, prefix=deaf).returncode == 0
    daemon = site.dir / "failing"
    daemon.write_text("#!/bin/sh\nexit 1\n")
    daemon.chmod(0o755)
    done = site.hawser("up", site.path, "--daemon", daemon, prefix=deaf, check=False)
    assert done.returncode == 1 and "did not start" in done.stderr, done.stderr


def test_a_daemon_that_does_not_see_its_socket_go_is_ended(sites):
    site = sites[0]
    (site.dir / "run").mkdir()
    daemon = site.namespace.agent("blind_daemon", site.dir / "run", site.interface)
    wait_until(lambda: list((site.dir / "run").glob("*.sock")), 10, "it listens")
    assert site.hawser("down", site.interface).returncode == 0
    assert daemon.wait() == 0
    assert not site.namespace.link_exists(site.interface)


def test_only_who_has_the_interface_open_is_ended_by_signal(sites):
    site = sites[0]
    (site.dir / "run").mkdir()
    maker = site.namespace.agent("blind_daemon", site.dir / "run", site.interface, "handed-over")
    wait_until(lambda: list((site.dir / "run").glob("*.sock")), 10, "it listens")
    done = site.hawser("down", site.interface, check=False)
    said = f"it got no signal: pid {maker.pid} (python3) made its control socket"
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert maker.alive and site.namespace.link_exists(site.interface)
    maker.signal(signal.SIGTERM)
    assert maker.wait() == 3


def test_down_from_another_network_namespace_is_refused_and_says_where(sites):
    first, second = sites
    first.hawser("up", first.path)
    elsewhere = second.namespace

    def down(namespace, check=False):
        return plain_hawser(namespace, "down", "--control-dir", first.dir / "run", first.interface,
                            check=check)

    (daemon,) = first.namespace.pids()
    for has_namesake in (False, True):
        if has_namesake:
            elsewhere.ip("tuntap", "add", first.interface, "mode", "tun")
        done = down(elsewhere)
        assert done.returncode == 1 and "nothing was done" in done.stderr, done.stderr
        assert f"nsenter --net=/proc/{daemon}/ns/net hawser down {first.interface}" in done.stderr
        assert first.namespace.link_exists(first.interface)
    elsewhere.ip("link", "delete", first.interface)
    # One that was moved is ended where it is.
    first.namespace.ip("link", "set", first.interface, "netns", elsewhere.name)
    done = down(first.namespace)
    assert done.returncode == 1 and "moved to another network namespace" in done.stderr
    assert f"pid {daemon} (hawserd" in done.stderr
    assert "down" in down(elsewhere, check=True).stdout
    assert not elsewhere.link_exists(first.interface)
    first.is_gone()


def test_set_changes_what_runs(sites):
    first, second = sites
    for site in sites:
        site.hawser("up", site.path)
    reaches(first.namespace, "10.7.0.2")
    psk = first.dir / "psk"
    first.hawser("keygen", "--preshared", psk)
    for site, other in ((first, second), (second, first)):
        site.hawser("set", site.interface, "fwmark", "0", "peer", other.public_key, "preshared-key",
                    psk, "allowed-ips", "+10.99.0.0/16,-10.2.0.0/16", "persistent-keepalive", 15)
    status = first.hawser("status", first.interface).stdout
    assert "10.99.0.0/16" in status and "10.2.0.0/16" not in status and "every 15 s" in status
    assert "10.7.0.2/32" in status
    reaches(first.namespace, "10.7.0.2")
    first.hawser("set", first.interface, "peer", second.public_key, "remove")
    assert second.public_key not in first.hawser("status", first.interface).stdout
    for words, said in ((("peer", "me"), "base64"), (("lissten-port", "1"), "listen-port")):
        done = first.hawser("set", first.interface, *words, check=False)
        assert done.returncode == 2 and said in done.stderr


def test_import_makes_files_that_run(sites):
    first, second = sites
    done = first.hawser("import", first.path, "--out", first.dir, "--host", "site1", "--endpoint",
                        f"192.0.2.1:{PORT}")
    network, key = (first.dir / f"{first.interface}.{kind}" for kind in ("toml", "key"))
    assert str(network) in done.stdout
    assert key.stat().st_mode & 0o777 == 0o600
    assert first.private_key not in network.read_text()
    head, *members = network.read_text().split("[members.")
    assert "port" not in head and all(f"port = {PORT}" in member for member in members)
    second.hawser("up", second.path)
    daemon = daemons.hawserd(first.namespace, first.engine, f"--network={network}", "--host=site1",
                             f"--private-key-file={key}", "--hosts-file=none",
                             f"--control-dir={first.dir / 'run'}", interface=first.interface,
                             socket_dir=first.dir / "run").start()
    reaches(first.namespace, "10.7.0.2")
    # What a network's file says is changed there.
    refused = first.hawser("set", first.interface, "listen-port", 1, check=False)
    assert refused.returncode == 1 and "edit the network file" in refused.stderr
    refused = first.hawser("down", first.interface, check=False)
    assert refused.returncode == 1 and "runs a network" in refused.stderr
    again = first.hawser("import", first.path, "--out", first.dir, "--host", "site1", "--endpoint",
                         f"192.0.2.1:{PORT}", check=False)
    assert again.returncode == 1 and "nothing was written" in again.stderr
    assert daemon.stop() == 0
