"""The worlds of this user on this host: found by their folders, alive while their first process lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec

from podwire.lab.base import paths
from podwire.lab.base.proc_stat import start_time
from podwire.policy.choices import OnEstablished

DEFAULT_NAME = "default"
END_SECONDS = 10.0


class WorldError(Exception):
    """A world does not exist, exists already, or cannot be ended. The text has the remedy."""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a world.

    `pid` is its first process as the host sees it, `started` that process's start time in clock ticks after boot:
    both together identify a process, also that of `low_ports`, which is 0 where there is none.
    """

    name: str
    pid: int
    started: int
    nodes: int
    overlay: str
    api_port: int
    version: str
    low_ports: tuple[int, int] = (0, 0)
    external_ips: bool = False
    """Whether `externalIPs` of Services have an effect."""
    default_deny: bool = False
    """Whether agents deny what nothing admits."""
    policy_on_established: OnEstablished = "cut"
    """What becomes of connections that policies forbid while they exist."""
    announced: tuple[str, ...] = ()
    """Ranges whose load balancer addresses the nodes announce."""

    @property
    def folder(self) -> Path:
        """The world's folder on the host."""
        return folder(self.name)

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig that holds this world only."""
        return self.folder / "kubeconfig"

    @property
    def context(self) -> str:
        """The name of its context in the user's kubeconfig."""
        return context_name(self.name)

    @property
    def alive(self) -> bool:
        """Whether the first process still runs."""
        return start_time(self.pid) == self.started


def folder(name: str) -> Path:
    """Where a world of this name is remembered."""
    return paths.state_root() / "worlds" / name


def context_name(name: str) -> str:
    """The kubeconfig context of a world."""
    return f"podwire-{name}"


def check_name(name: str) -> str:
    """The name itself; raises WorldError where it is no DNS label."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", name):
        raise WorldError(f"--name {name}: use lower case letters, digits and '-', at most 40, such as 'shop'")
    return name


def remember(world: World) -> None:
    """Write the world down; it is found from now on."""
    fresh = world.folder / "world.json.new"
    fresh.write_bytes(msgspec.json.encode(world))
    fresh.rename(world.folder / "world.json")


def known() -> Iterator[World]:
    """Every world that is written down, alive or not."""
    for path in sorted((paths.state_root() / "worlds").glob("*/world.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            yield msgspec.json.decode(path.read_bytes(), type=World)


def living() -> list[World]:
    """The worlds that run, by name."""
    return [world for world in known() if world.alive]


def find(name: str) -> World:
    """A living world by name; raises WorldError with the names there are."""
    running = living()
    for world in running:
        if world.name == name:
            return world
    names = ", ".join(world.name for world in running)
    there = f"there are: {names} (choose one with --name)" if names else "start one with 'podwire up'"
    raise WorldError(f"no world '{name}' is running; {there}")


def end(world: World) -> None:
    """Kill the first process and wait until the kernel has ended everything with it. Raises WorldError."""
    if not _ended(world.pid, world.started, signal.SIGKILL):
        raise WorldError(f"world '{world.name}': process {world.pid} does not end after SIGKILL; see 'ps {world.pid}'")
    if not _ended(*world.low_ports):  # it ends by itself
        raise WorldError(
            f"world '{world.name}': process {world.low_ports[0]} does not end; see 'ps {world.low_ports[0]}'"
        )


def _ended(pid: int, started: int, number: int = 0) -> bool:
    """Whether a process ends within END_SECONDS, after a signal if there is one."""
    try:
        descriptor = os.pidfd_open(pid) if pid else None
    except ProcessLookupError:
        descriptor = None
    if descriptor is None:
        return True
    try:
        if start_time(pid) != started:
            return True
        if number:
            signal.pidfd_send_signal(descriptor, number)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(END_SECONDS * 1000))
    finally:
        os.close(descriptor)


def remove(name: str) -> None:
    """Remove what the host remembers of a world."""
    shutil.rmtree(folder(name), ignore_errors=True)


def starting(name: str) -> bool:
    """Whether the `up` that makes this world is still at work."""
    return _starting(folder(name))


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Lock the folder of worlds: no other process claims or removes one inside the block. Released at any death."""
    root = paths.state_root() / "worlds"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def stale() -> list[str]:
    """Names of folders whose world is gone: killed, or never finished starting."""
    alive = {world.name for world in living()}
    root = paths.state_root() / "worlds"
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    return [name for name in names if name not in alive and not _starting(root / name)]


def _starting(path: Path) -> bool:
    """Whether the `up` that made this folder is still at work."""
    try:
        pid, started = map(int, (path / "starting").read_text().split())
    except (OSError, ValueError):
        return False
    return start_time(pid) == started
