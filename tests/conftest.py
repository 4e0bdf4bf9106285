from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from podwire.testing import World
from podwire.testing.namespaces import fresh_namespace, remove
from tests.thoroughness import examples
from tests.world.harness import Home, running

pytest_plugins = ["pytester"]

# gRPC starts threads in each child of a process that uses it; a process with threads cannot enter a user namespace.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# A quarter of what a kubectl of a test costs is garbage collection that its short life does not need.
os.environ.update({"GOGC": "off", "GOMEMLIMIT": "256MiB"})

settings.register_profile(
    "podwire", deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("podwire")

SLOWEST_FIRST = ("suite", "world", "testing", "clients", "kubectl", "policy", "pods", "services", "lab", "controllers")
"""Folders of tests that start worlds or wait for packets."""


def pytest_configure() -> None:
    """Let signals end the programs under test: nohup(1) and shells in the background start tests with some ignored."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without garbage collections: nothing of what is made then is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: at the end, short ones keep all workers busy (tests/workers.py).

    Those that share a world come before all others, so that it ends early: idle it takes 3 % of a core.
    """
    sharing = {item.path for item in items if "cluster" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (item.path not in sharing, rank(item)))


def pytest_collection_finish() -> None:
    """Keep what was collected out of garbage collections: sandboxed tests are forks, which would copy all of it.

    Little of it is garbage, and to find that would take half a second of each process.
    """
    gc.freeze()


def rank(item: pytest.Item) -> int:
    """The place of a test's folder in SLOWEST_FIRST."""
    file, _, _ = item.nodeid.partition("::")
    folder = next((part for part in file.split("/") if part in SLOWEST_FIRST), "")
    return SLOWEST_FIRST.index(folder) if folder else len(SLOWEST_FIRST)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def fresh_home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of two nodes, shared by all tests of this process that keep to namespaces of their own."""
    yield from running(Home(tmp_path_factory.mktemp("cluster")), "cluster", "--nodes", "2")


@pytest.fixture(scope="module")
def quarter(request: pytest.FixtureRequest, cluster: World) -> Iterator[World]:
    """The shared world as seen from a new namespace, which is named after the module of tests."""
    namespace = fresh_namespace(cluster, request.module.__name__.rpartition(".")[2].replace("_", "-"))
    yield namespace.world
    remove(namespace)
