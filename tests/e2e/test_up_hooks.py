"""hawser up and down with hooks and name servers, as wg-quick runs them."""

import os
import shutil

import pytest

import daemons
from lab import AGENTS
from network_lab import hawser_command
from wg_quick_site import pair_of_sites

pytestmark = pytest.mark.hawser_only


class HookedSite:
    """A site whose hooks note when they ran, and whether its interface was there."""

    def __init__(self, lab, engine):
        self.site, self.other = pair_of_sites(lab, engine)
        self.log = self.site.dir / "hooks.log"
        self.programs = self.site.dir / "programs"
        self.programs.mkdir()
        self.path = {"PATH": f"{self.programs}:{os.environ['PATH']}"}

    def note(self, key: str, more: str = "true") -> str:
        return (f"{key} = test -e /sys/class/net/%i && there=yes; "
                f"echo {key} %i ${{there-no}} >> {self.log}; {more}\n")

    def write(self, *lines: str) -> None:
        self.site.write(self.other, more="".join(lines))

    def notes(self) -> list:
        """What they noted since the last time, without the interface's name."""
        if not self.log.exists():
            return []
        text = self.log.read_text()
        self.log.unlink()
        return [line.replace(f" {self.site.interface} ", " ") for line in text.splitlines()]

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def up(self, **more) -> object:
        return self.site.hawser("up", self.site.path, more=self.path, **more)

    def down(self, **more) -> object:
        return self.site.hawser("down", self.site.path, more=self.path, **more)


@pytest.fixture
def hooked(lab, engine):
    return HookedSite(lab, engine)


def test_hooks_run_in_their_order_for_the_interface(hooked):
    # Those of one key in the order of the file.
    hooked.write(*(hooked.note(key) for key in ("PostDown", "PreDown", "PostUp", "PreUp")),
                 hooked.note("PostUp", "[[ %i == *? ]]"))
    hooked.up()
    assert hooked.notes() == ["PreUp no", "PostUp yes", "PostUp yes"]
    hooked.down()
    assert hooked.notes() == ["PreDown yes", "PostDown no"]


@pytest.mark.parametrize("key", ["PreUp", "PostUp"])
def test_a_hook_that_fails_undoes_all(hooked, key):
    hooked.write(f"{key} = exit 3\n", hooked.note(key))
    done = hooked.up(check=False)
    said = f"{hooked.site.path}:6: {key} failed with exit status 3; all of it was undone"
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert hooked.notes() == []
    hooked.site.is_gone()


@pytest.mark.parametrize("hook", ["false; true", "false | true"])
def test_a_hook_fails_with_the_first_of_its_commands_that_does(hooked, hook):
    hooked.write(f"PostUp = {hook}\n")
    done = hooked.up(check=False)
    assert done.returncode == 1 and "PostUp failed with exit status 1" in done.stderr, done.stderr
    hooked.site.is_gone()


@pytest.mark.parametrize("key", ["PreUp", "PostUp"])
def test_a_hook_that_is_interrupted_ends_with_all_it_started(hooked, key):
    hooked.write(f"{key} = sleep 71 & setsid sleep 72 & kill -TERM $PPID; sleep 73\n")
    done = hooked.up(check=False)
    assert done.returncode == 1 and "interrupted; all of it was undone" in done.stderr, done.stderr
    hooked.site.is_gone()  # long before those would have ended by themselves


def test_down_ends_the_tunnel_though_a_hook_fails_and_says_so(hooked):
    hooked.up()
    # The hooks are those that the file has now.
    hooked.write("PreDown = exit 4\n", "PostDown = exit 5\n", hooked.note("PreDown", "exit 6"),
                 hooked.note("PostDown"), hooked.note("PreDown"))
    done = hooked.down(check=False)
    assert done.returncode == 1 and "down" in done.stdout
    # What undoes goes on, and each that failed is said.
    path = hooked.site.path
    assert [line for line in done.stderr.splitlines() if " failed with " in line] == [
        f"hawser: {path}:6: PreDown failed with exit status 4",
        f"{path}:8: PreDown failed with exit status 6",
        f"{path}:7: PostDown failed with exit status 5"]
    assert hooked.notes() == ["PreDown yes", "PreDown yes", "PostDown no"]
    hooked.site.is_gone()


def test_down_that_is_interrupted_in_a_hook_leaves_the_tunnel(hooked):
    hooked.up()
    hooked.write("PreDown = kill -TERM $PPID; sleep 60\n")
    done = hooked.down(check=False)
    assert done.returncode == 1 and "interrupted; it is still up" in done.stderr, done.stderr
    assert hooked.site.namespace.link_exists(hooked.site.interface)
    hooked.write()
    hooked.down()
    hooked.site.is_gone()


def test_what_undoes_is_not_interrupted(hooked):
    hooked.write("PostDown = kill -TERM $PPID\n", hooked.note("PostDown"))
    hooked.up()
    hooked.down()
    assert hooked.notes() == ["PostDown no"]
    hooked.site.is_gone()


def test_down_without_the_file_says_that_no_hook_was_run(hooked):
    hooked.up()
    hooked.site.path.unlink()
    done = hooked.down(check=False)
    assert done.returncode == 1 and "no hooks were run" in done.stderr, done.stderr
    hooked.site.is_gone()


def test_a_hook_may_fetch_the_private_key(hooked):
    site = hooked.site
    key = daemons.key_file(site.lab, site.private_key, "kept-elsewhere")
    hooked.write(f"PostUp = {hawser_command()} set --control-dir {site.dir / 'run'} %i "
                 f"private-key {key}\n")
    text = site.path.read_text().replace(f"PrivateKey = {site.private_key}\n", "")
    site.path.write_text(text)
    hooked.up()
    assert site.public_key in site.hawser("status", site.interface).stdout
    site.path.write_text("[Interface]\nListenPort = 1\n")
    hooked.down()
    done = hooked.up(check=False)
    assert done.returncode == 1 and "there is no PrivateKey" in done.stderr


def test_name_servers_go_through_resolvconf(hooked):
    hooked.program("resolvconf", f'echo "$@" >> {hooked.log}\n[ "$1" = -d ] || cat >> {hooked.log}')
    hooked.write("DNS = 10.7.0.2, fd07::2\nDNS = corp.example.com\n")
    done = hooked.up()
    assert "DNS" not in done.stderr
    called, *said = hooked.log.read_text().splitlines()
    record = called.split()[1]
    assert record in (hooked.site.interface, f"tun.{hooked.site.interface}")
    assert called == f"-a {record} -m 0 -x"
    assert said == ["nameserver 10.7.0.2", "nameserver fd07::2", "search corp.example.com"]
    hooked.log.unlink()
    # Also when the file has none any more; after the interface, before PostDown.
    hooked.program("resolvconf", f"test -e /sys/class/net/{hooked.site.interface} || "
                                 f'echo "$@" >> {hooked.log}')
    hooked.write(hooked.note("PostDown"))
    hooked.down()
    called, noted = hooked.log.read_text().splitlines()
    assert called == f"-d {record} -f" and noted == f"PostDown {hooked.site.interface} no"
    assert sorted(path.suffix for path in (hooked.site.dir / "run").iterdir()) == []


def test_without_name_servers_nobody_calls_resolvconf(hooked):
    hooked.program("resolvconf", f'echo "$@" >> {hooked.log}')
    hooked.write()
    hooked.up()
    hooked.down()
    assert hooked.notes() == []
    # What the file has now may have been set by wg-quick.
    hooked.up()
    hooked.write("DNS = 10.7.0.2\n")
    hooked.down()
    assert [called.split()[0] for called in hooked.notes()] == ["-d"]


def test_keys_do_not_stay_in_memory_while_hooks_run(hooked):
    site = hooked.site
    preshared = daemons.genkey()
    keys = site.dir / "keys"
    keys.write_text(f"{site.private_key}\n{preshared}\n")
    search = f"/usr/bin/python3 {AGENTS / 'find_in_memory.py'} $PPID {keys} {hooked.log}"
    hooked.write(*(f"{key} = {search} {key}\n"
                   for key in ("PreUp", "PostUp", "PreDown", "PostDown")))
    text = site.path.read_text()
    site.path.write_text(text.replace("[Peer]\n", f"[Peer]\nPresharedKey = {preshared}\n"))
    hooked.up()
    hooked.down()
    # Before the daemon has them they are needed; no text of them is.
    assert hooked.notes() == ["PreUp bytes", "PostUp", "PreDown", "PostDown"]


def test_name_servers_that_are_refused_undo_all(hooked):
    hooked.program("resolvconf", f'echo "$1" >> {hooked.log}\n[ "$1" = -d ]')
    hooked.write("DNS = 10.7.0.2\n")
    done = hooked.up(check=False)
    assert done.returncode == 1 and "resolvconf -a" in done.stderr, done.stderr
    assert hooked.log.read_text() == "-a\n-d\n"
    hooked.site.is_gone()


def test_what_is_interrupted_takes_its_name_servers_back(hooked):
    hooked.program("resolvconf", f'echo "$1" >> {hooked.log}')
    hooked.write("DNS = 10.7.0.2\nPostUp = kill -TERM $PPID; sleep 60\n")
    done = hooked.up(check=False)
    assert done.returncode == 1 and "interrupted" in done.stderr, done.stderr
    assert hooked.log.read_text() == "-a\n-d\n"


def test_without_resolvconf_name_servers_are_a_warning(hooked):
    (hooked.programs / "ip").symlink_to(shutil.which("ip"))
    hooked.path = {"PATH": str(hooked.programs)}
    hooked.write("DNS = 10.7.0.2\n")
    done = hooked.up()
    assert f"{hooked.site.path}:6: warning: there is no resolvconf here" in done.stderr
