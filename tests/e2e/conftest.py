"""Fixtures: laboratories that are gone afterwards, and the engines that every test runs on."""

import os
import shutil
import signal

import pytest

import daemons
import lab as lab_module
from lab import Lab

TOOLS = ("ip", "nft", "wg", "wg-quick", "wireguard-go", "ping", "iperf3", "tcpdump", "ethtool",
         "conntrack", "setpriv", "unshare", "ss")


def pytest_configure(config):
    def give_up(reason: str):
        pytest.exit(reason, returncode=3)

    if os.geteuid() != 0:
        give_up("These tests need root (network namespaces, TUN). Run: sudo scripts/test --e2e")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        give_up(f"Missing: {', '.join(missing)}. Run: sudo scripts/setup test")
    if shutil.which(daemons.command_under_test()[0]) is None:
        give_up(f"No daemon to test: {daemons.command_under_test()[0]} does not exist. Run: sudo "
                "scripts/test --e2e, or set HAWSERD")
    # An end by SIGTERM cleans up as one by Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab_module.sweep()


def pytest_unconfigure(config):
    for lab in list(Lab.open_labs):
        lab.close()


def pytest_collection_modifyitems(config, items):
    if daemons.is_hawser():
        return
    for item in items:
        if item.get_closest_marker("hawser_only"):
            item.add_marker(pytest.mark.skip(reason="only hawserd does this"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for lab in Lab.open_labs:
            report.sections.append(("what the processes said", lab.logs()))


@pytest.fixture(scope="module", params=daemons.engines())
def engine(request):
    return request.param


@pytest.fixture(scope="module")
def shared_lab(engine):
    """One for a module and engine; for tests that leave things as they found them."""
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture
def lab(engine):
    """One for each test."""
    lab = Lab()
    yield lab
    lab.close()
