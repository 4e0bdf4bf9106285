"""The pytest plugin: worlds as fixtures, and their state in the report of a test that failed.

    pytest --podwire-scope=module --podwire-nodes=2 --podwire-keep

pytest loads it by its entry point `podwire` wherever podwire is installed; it starts nothing until a fixture is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from podwire.testing import report
from podwire.testing.folders import Folder, make, sweep
from podwire.testing.home import Home
from podwire.testing.kubectl import Kubectl
from podwire.testing.lifeline import StartedWorld, WorldStartError, start
from podwire.testing.namespaces import Namespace, fresh_namespace, remove
from podwire.testing.world import World

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Scope = Literal["session", "package", "module", "class", "function"]
SCOPES: tuple[Scope, ...] = ("session", "package", "module", "class", "function")

StartWorld = Callable[..., World]
"""`fresh_world(nodes=2, overlay="vxlan")`: a world of the test's own."""


@dataclass
class Worlds:
    """The worlds of this test process: those that run, those that a failed test used, and the failed tests' ids."""

    keep: bool
    running: list[World] = field(default_factory=list)
    failed: set[Path] = field(default_factory=set)
    tests: set[str] = field(default_factory=set)

    def kept(self, world: World) -> bool:
        """Whether this world stays after the tests, for inspection."""
        return self.keep and world.home.folder in self.failed


WORLDS = pytest.StashKey[Worlds]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Command line options, and settings of the same meaning for pytest's configuration file."""
    group = parser.getgroup("podwire", "worlds of podwire")
    group.addoption("--podwire-scope", choices=SCOPES, help="How long a test's world lives (default: session).")
    group.addoption("--podwire-nodes", type=int, metavar="N", help="Nodes of a world (default: 1).")
    group.addoption("--podwire-overlay", choices=("direct", "vxlan"), help="How packets travel between nodes.")
    group.addoption("--podwire-keep", action="store_true", help="Leave worlds running in which a test failed.")
    parser.addini("podwire_scope", f"How long a test's world lives: {', '.join(SCOPES)}.", default="session")
    parser.addini("podwire_nodes", "Nodes of a world.", default="1")
    parser.addini("podwire_overlay", "How packets travel between nodes: direct or vxlan.", default="direct")


def pytest_configure(config: pytest.Config) -> None:
    """Check the configuration. Raises UsageError for an unknown scope."""
    scope = setting(config, "scope")
    if scope not in SCOPES:
        raise pytest.UsageError(f"podwire_scope = {scope}: choose one of {', '.join(SCOPES)}")
    config.stash[WORLDS] = Worlds(keep=bool(config.getoption("--podwire-keep")))


def setting(config: pytest.Config, name: str) -> str:
    """An option of the command line, else of the configuration file."""
    option = config.getoption(f"--podwire-{name}")
    return str(config.getini(f"podwire_{name}") if option is None else option)


def world_scope(fixture_name: str, config: pytest.Config) -> Scope:  # noqa: ARG001 - pytest names the arguments
    """The scope of the fixture `world`."""
    desired = setting(config, "scope")
    return next(scope for scope in SCOPES if scope == desired)


@contextmanager
def life(config: pytest.Config, name: str, **options: object) -> Iterator[World]:
    """A world for the length of a fixture, in a folder of its own. Fails the test where it cannot be started."""
    worlds = config.stash[WORLDS]
    desired = {"nodes": setting(config, "nodes"), "overlay": setting(config, "overlay"), **options}
    arguments = [word for option, value in desired.items() for word in (f"--{option}", str(value))]
    sweep()
    folder = make()
    begun = begin(folder, name, arguments)
    if isinstance(begun, WorldStartError):
        pytest.fail(f"podwire could not start a world: {begun}", pytrace=False)
    worlds.running.append(begun.world)
    try:
        yield begun.world
    finally:
        worlds.running.remove(begun.world)
        finish(folder, begun, keep=worlds.kept(begun.world))


def begin(folder: Folder, name: str, arguments: Sequence[str]) -> StartedWorld | WorldStartError:
    """Start a world in a new folder; the folder is removed again where that fails."""
    try:
        return start(Home(folder.path), name, *arguments)
    except WorldStartError as error:
        folder.remove()
        return error
    except BaseException:
        folder.remove()
        raise


def finish(folder: Folder, begun: StartedWorld, *, keep: bool) -> None:
    """End a world and remove its folder, or leave both."""
    if keep:
        folder.keep()  # first: the folder of a world that remains must never be swept
        begun.keep()
        return
    try:
        begun.end()
    finally:
        folder.remove()


def world_name(words: str = "test") -> str:
    """A name that differs between the workers of pytest-xdist."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return f"{words}-{worker}" if worker else words


@pytest.fixture(scope=world_scope)
def world(pytestconfig: pytest.Config) -> Iterator[World]:
    """A running world, shared by the tests of `podwire_scope`: the session, a module, or one test."""
    with life(pytestconfig, world_name()) as running:
        yield running


@pytest.fixture
def fresh_world(pytestconfig: pytest.Config) -> Iterator[StartWorld]:
    """Starts worlds for this test alone: `fresh_world(nodes=3, overlay="vxlan")`; they end with the test."""
    with ExitStack() as stack:
        count = 0

        def another(*, nodes: int | None = None, overlay: str | None = None, zones: str | None = None) -> World:
            nonlocal count
            count += 1
            given = {"nodes": nodes, "overlay": overlay, "zones": zones}
            options = {name: value for name, value in given.items() if value is not None}
            return stack.enter_context(life(pytestconfig, world_name(f"fresh-{count}"), **options))

        yield another


@pytest.fixture
def namespace(world: World, request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A new namespace of the world for this test, deleted after it; kept with its world where the test failed."""
    worlds = request.config.stash[WORLDS]
    fresh = fresh_namespace(world, request.node.name)
    try:
        yield fresh
    finally:
        if not (worlds.keep and request.node.nodeid in worlds.tests):
            remove(fresh)


@pytest.fixture
def kubectl(world: World) -> Kubectl:
    """kubectl as a function: `kubectl("get", "pods").stdout`."""
    return world.kubectl


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[ApiClient]:
    """An ApiClient of the package `kubernetes` that talks to the world."""
    if find_spec("kubernetes") is None:
        pytest.fail("the fixture `client` needs the package kubernetes: 'pip install podwire[testing]'", pytrace=False)
    from kubernetes import config

    world: World = request.getfixturevalue("world")
    with config.new_client_from_config(str(world.kubeconfig)) as api:  # type: ignore[no-untyped-call]
        yield api
        api.rest_client.pool_manager.clear()  # closing the client leaves its connections open


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failure what is not ready in the worlds that the test used."""
    made = yield
    if made.failed:
        worlds = item.config.stash[WORLDS]
        worlds.tests.add(item.nodeid)
        for one in used(item, worlds):
            worlds.failed.add(one.home.folder)
            made.sections.append((f"podwire world {one.name}", section(one, keep=worlds.keep)))
    return made


def used(item: pytest.Item, worlds: Worlds) -> list[World]:
    """The running worlds that a test could touch."""
    values: list[Any] = list(getattr(item, "funcargs", {}).values())
    names = getattr(item, "fixturenames", ())
    return [
        one for one in worlds.running if one in values or "fresh_world" in names or ("world" in names and shared(one))
    ]


def shared(world: World) -> bool:
    """Whether this is the fixture `world`'s."""
    return world.name == world_name()


def section(world: World, *, keep: bool) -> str:
    """The text of a report's section."""
    text = report.state(world.kubectl)
    if keep:
        text += (
            f"\nIt stays. Look at it:  export PODWIRE_STATE={world.home.folder}/state KUBECONFIG={world.kubeconfig}"
            f"\nEnd it:  podwire down --name {world.name}; rm -r {world.home.folder}"
        )
    return text
