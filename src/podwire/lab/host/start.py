"""`podwire up` from the host's side: make the folder, the first process, the keys, and wait until it is usable."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from podwire import __version__
from podwire.announcement.bgp import program as bird
from podwire.kernel import nftables
from podwire.lab.base import paths
from podwire.lab.base.proc_stat import start_time
from podwire.lab.host import launch, userns, worlds
from podwire.lab.host.policy_options import PolicyOptions
from podwire.lab.host.role_specs import LOW_PORTS, world_roles
from podwire.lab.host.service_options import ServiceOptions, parse_range
from podwire.lab.network import pools
from podwire.lab.network.topology import Topology
from podwire.lab.relay import low_ports
from podwire.lab.relay.published import parse_all
from podwire.lab.supervisor.init import KEEP, WorldSpec
from podwire.policy.choices import OnEstablished, Scope

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of `podwire up`. Times are seconds.

    `lifeline` is the read end of a pipe: the world ends when its other end is closed. `zones` and `lb_pool` are lists
    with commas. `gateway_api` is a release channel, or none. A private world is in no kubeconfig but its own.
    """

    name: str
    nodes: int
    overlay: str
    api_port: int
    timeout: float
    lifeline: int | None = None
    zones: str = ""
    lb_pool: str = ""
    service_node_port_range: str = "30000-32767"
    allow_external_ips: bool = False
    publish: tuple[str, ...] = ()
    bgp: bool = False
    gateway_api: str = "standard"
    is_private: bool = False
    flow_records: Scope = "dropped"
    policy_on_established: OnEstablished = "cut"
    default_deny: bool = False
    cluster_domain: str = "cluster.local"


def start(options: UpOptions, report: Progress) -> worlds.World:
    """Start a world and return when its network is usable. On any failure nothing of it is left."""
    worlds.check_name(options.name)
    topology, services, policies = _topology(options), _services(options), _policies(options)
    if not nftables.available():
        raise launch.LaunchError(str(nftables.NftablesMissingError()))
    with _claimed(options.name) as (folder, undo):
        id_map = userns.available_map()
        if not id_map.full:
            report("warning: no subordinate ids for this user (see /etc/subuid): pods can only run as root")
        published = launch.published_sockets(services.published)
        listener = launch.api_listener(options.api_port)
        low, low_process = _low_ports()
        reader, writer = os.pipe()
        ours, theirs = _lifeline(options)
        spec = WorldSpec(
            name=options.name,
            roles=world_roles(topology, services, folder, paths.images(), (*published, *low), policies),
            descriptors={
                "api": listener.fileno(),
                "progress": writer,
                **{name: one.fileno() for name, one in published.items()},
                **low,
            },
            logs=folder / "logs",
            nodes=tuple(node.name for node in topology.all_nodes()),
            lifeline=theirs,
        )
        port = listener.getsockname()[1]
        report("starting the first process")
        world = _launch(spec, options, id_map, port, low_process)
        for one in (listener, *published.values()):
            one.close()
        for descriptor in low.values():
            os.close(descriptor)
        os.close(theirs)
        os.close(writer)
        try:
            shared = None if options.is_private else undo
            _finish(world, topology, lambda: _wait(reader, options.timeout, report, world), shared)
            if ours is not None:
                os.write(ours, KEEP)
        finally:
            os.close(reader)
            if ours is not None:
                os.close(ours)
        return world


def _lifeline(options: UpOptions) -> tuple[int | None, int]:
    """Our end of a new pipe and the world's; ours is None if the caller of podwire holds it."""
    if options.lifeline is None:
        theirs, ours = os.pipe()
        return ours, theirs
    try:
        return None, os.dup(options.lifeline)
    except OSError as error:
        raise launch.LaunchError(
            f"--lifeline {options.lifeline}: {error.strerror}; pass the read end of a pipe on to podwire"
        ) from None


def _topology(options: UpOptions) -> Topology:
    zones = tuple(options.zones.split(",")) if options.zones else ()
    try:
        found = Topology(
            nodes=options.nodes,
            overlay=options.overlay,
            zones=zones,
            public=pools.parse(options.lb_pool),
            domain=options.cluster_domain.removesuffix("."),
        )
        found.check_pools()
    except ValueError as error:
        raise launch.LaunchError(str(error)) from None
    return found


def _low_ports() -> tuple[dict[str, int], tuple[int, int]]:
    """Start the process for ports below 1024 where it is of use: a descriptor by its name, and its id and start."""
    if not low_ports.is_of_use():
        return {}, (0, 0)
    descriptor, pid = low_ports.start()
    return {LOW_PORTS: descriptor}, (pid, start_time(pid) or 0)


def _policies(options: UpOptions) -> PolicyOptions:
    return PolicyOptions(options.flow_records, options.policy_on_established)


def _services(options: UpOptions) -> ServiceOptions:
    try:
        if options.bgp:
            bird.find()
        node_ports, published = parse_range(options.service_node_port_range), parse_all(options.publish)
        channel = "" if options.gateway_api == "none" else options.gateway_api
        external, deny = options.allow_external_ips, options.default_deny
        return ServiceOptions(node_ports, external, published, options.bgp, channel, deny)
    except FileNotFoundError as error:
        raise launch.LaunchError(f"--bgp: {error}") from None
    except ValueError as error:
        raise launch.LaunchError(str(error)) from None


@contextmanager
def _claimed(name: str) -> Iterator[tuple[Path, ExitStack]]:
    """The world's new folder, and what else is to be undone when the block fails: then nothing of the world is left."""
    if worlds.stale():
        # Imported here: it needs yaml, which the first process shall not carry.
        from podwire.lab.host import stop

        stop.prune()
    folder = worlds.folder(name)
    with worlds.exclusive():
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise worlds.WorldError(
                f"world '{name}' is running already; 'podwire down --name {name}' ends it, --name starts another"
            ) from None
        (folder / "starting").write_text(f"{os.getpid()} {start_time(os.getpid())}")
    (folder / "logs").mkdir()
    undo = ExitStack()
    try:
        yield folder, undo
    except BaseException:
        _end(name)
        undo.close()
        worlds.remove(name)
        raise


def _end(name: str) -> None:
    """End the world where a signal came between two steps; it imports nothing, as the signal may have cut an import."""
    for world in worlds.living():
        if world.name == name:
            worlds.end(world)


def _launch(
    spec: WorldSpec, options: UpOptions, id_map: userns.IdMap, port: int, low_process: tuple[int, int]
) -> worlds.World:
    pid = launch.first_process(spec, id_map)
    world = worlds.World(
        name=options.name,
        pid=pid,
        started=start_time(pid) or 0,
        nodes=options.nodes,
        overlay=options.overlay,
        policy_on_established=options.policy_on_established,
        api_port=port,
        version=__version__,
        low_ports=low_process,
        external_ips=options.allow_external_ips,
        default_deny=options.default_deny,
        announced=tuple(map(str, pools.parse(options.lb_pool))),
    )
    worlds.remember(world)
    return world


def _finish(world: worlds.World, topology: Topology, ready: Callable[[], None], undo: ExitStack | None) -> None:
    """Make keys and kubeconfig while the world starts, and wait by `ready` until it is usable.

    With `undo` it is added to the user's kubeconfig too.
    """
    # Imported here, while the zygote imports its own: the first process was forked without them.
    from podwire.lab.host import credentials, kubeconfig

    access = credentials.create(world, topology)
    ready()
    kubeconfig.add(world.kubeconfig, access)
    if undo is not None:
        undo.enter_context(suppress(kubeconfig.KubeconfigError))
        undo.callback(kubeconfig.remove, kubeconfig.user_file(), world.context)
        kubeconfig.add(kubeconfig.user_file(), access)
    (world.folder / "starting").unlink()


def _wait(reader: int, timeout: float, report: Progress, world: worlds.World) -> None:
    """Follow the world's steps until it reports ready. Raises LaunchError."""
    deadline = time.monotonic() + timeout
    pending, step = b"", "starting the zygote"
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            raise launch.LaunchError(
                f"not usable after {timeout:g} s; the last step was: {step}.{_last_words(world.folder / 'logs')}"
            )
        chunk = os.read(reader, 4096)
        if not chunk:
            raise launch.LaunchError(f"the world's first process ended.{_last_words(world.folder / 'logs')}")
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message.get("ready"):
                return
            if "failed" in message:
                raise launch.LaunchError(_failure(world.folder / "logs", str(message["failed"]), step))
            step = str(message["step"])
            report(step)


def _failure(logs: Path, role: str, step: str) -> str:
    """Why a role that runs once failed: the end of its own log has the reason."""
    path = logs / f"{role}.log"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    reason = next((line for line in reversed(lines) if line.strip()), "its log is empty")
    return f"{role} failed: {reason} (after: {step})"


def _last_words(logs: Path) -> str:
    """Return the last meaningful lines of the logs, for an error message."""
    words = []
    for path in sorted(logs.glob("*.log")):
        lines = [line for line in path.read_text(errors="replace").splitlines() if line and " INFO " not in line]
        words += [f"\n  {path.stem}: {line}" for line in lines[-3:]]
    return "".join(words)
