"""The systemd unit, as far as systemd judges it without running."""

import shutil
from pathlib import Path

import pytest

import daemons
from lab import Lab, run
from network_lab import hawser_command

pytestmark = pytest.mark.hawser_only

UNIT = Path(__file__).parents[2] / "packaging" / "hawserd@.service"
# Where the unit's programs are looked for, after an installation.
PROGRAMS = "/usr/local/bin"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_every_line_of_the_unit():
    lab = Lab()
    try:
        programs = lab.dir / "programs"
        programs.mkdir()
        (programs / "hawserd").symlink_to(Path(daemons.command_under_test()[-1]).resolve())
        (programs / "hawser").symlink_to(Path(hawser_command()).resolve())
        unit = shutil.copy(UNIT, lab.dir / UNIT.name)
        done = run("unshare", "--mount", "sh", "-c",
                   f"mount --bind {programs} {PROGRAMS} && systemd-analyze verify --man=no {unit}",
                   check=False)
    finally:
        lab.close()
    # Other units of this machine may have their own faults.
    said = [line for line in done.stderr.splitlines() if "hawser" in line]
    assert said == [] and done.returncode in (0, 1), done.stderr
