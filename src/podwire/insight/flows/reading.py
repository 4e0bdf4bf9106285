"""Lines of the journals of nodes: of a world from its files, of a cluster through the pods of its agents."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from podwire.insight.flows.filters import Filter
from podwire.insight.flows.pod_names import NamedPod, PodNames
from podwire.insight.operations.node_commands import reached, run_on
from podwire.insight.operations.programs import ProgramPod
from podwire.insight.operations.rows import STATE
from podwire.insight.target import Target
from podwire.kube.client import Client
from podwire.kube.kinds import Kind
from podwire.kube.remote_command import Output, RemoteCommandError
from podwire.lab.base import paths
from podwire.lab.host import nsenter
from podwire.lab.host.worlds import World, WorldError
from podwire.policy.flows import record
from podwire.policy.flows.journal import JournalReader
from podwire.policy.flows.record import Flow

NAMED_PODS = Kind("v1", "Pod", "pods", NamedPod)
POLL_SECONDS = 0.2
"""How often journals are read for new lines."""
NAMES_SECONDS = 2.0
"""Before pods are listed again, when a record has an address that is not known."""
Write = Callable[[Flow], None]


class FlowRequest(msgspec.Struct, frozen=True):
    """Which records: chosen by a filter, the last ones of all (None: all), and those that come."""

    chosen: Filter = Filter()
    last: int | None = None
    follow: bool = False


class Flows:
    """Chooses and names records, and writes them in the order of their times, then as they come."""

    def __init__(self, client: Client, request: FlowRequest, write: Write) -> None:
        self._client = client
        self._request = request
        self._write = write
        self._names = PodNames()
        self._named_at = float("-inf")

    async def show(self, lines: Sequence[bytes], *, first: bool = False) -> None:
        """Write those of the lines that are chosen; of the first ones only the last."""
        flows = sorted(filter(None, map(_decoded, lines)), key=lambda flow: flow.time)
        await self._learn(flows)
        shown = [flow for flow in map(self._names.completed, flows) if self._request.chosen.admits(flow)]
        if first and self._request.last is not None:
            shown = shown[len(shown) - min(self._request.last, len(shown)) :]
        for flow in shown:
            self._write(flow)

    async def _learn(self, flows: Sequence[Flow]) -> None:
        """List the pods, where some end is not known and that was not done just before."""
        if all(map(self._names.knows, flows)) or time.monotonic() - self._named_at < NAMES_SECONDS:
            return
        self._named_at = time.monotonic()
        with contextlib.suppress(OSError, TimeoutError):  # records are shown without names then
            self._names = PodNames((await self._client.list(NAMED_PODS)).items)


def show(target: Target, request: FlowRequest, nodes: Sequence[str], write: Write) -> list[str]:
    """Write the records of these nodes, by default of all; return what could not be read.

    With `follow` it returns when it is interrupted. Raises ClusterError, WorldError and UnreachableError.
    """

    async def question(client: Client) -> list[str]:
        flows = Flows(client, request, write)
        if target.world is not None:
            await _of_world(folders(target.world, nodes), request, flows)
            return []
        return await _of_cluster(client, request, flows, nodes)

    return target.read(question)


def folders(world: World, nodes: Sequence[str] = ()) -> list[Path]:
    """The state folders of a world's nodes, as this machine sees them. Raises WorldError."""
    names = nsenter.node_names(world)
    unknown = [name for name in nodes if name not in names]
    if unknown:
        raise WorldError(f"--node {unknown[0]}: is none of {', '.join(names)}")
    root = Path(f"/proc/{world.pid}/root")
    return [root / paths.node(name).relative_to("/") for name in nodes or names]


async def _of_world(places: Sequence[Path], request: FlowRequest, flows: Flows) -> None:
    readers = [JournalReader(place) for place in places]
    await flows.show([line for reader in readers for line in reader.read()], first=True)
    while request.follow:
        await asyncio.sleep(POLL_SECONDS)
        await flows.show([line for reader in readers for line in reader.read()])


async def _of_cluster(client: Client, request: FlowRequest, flows: Flows, nodes: Sequence[str]) -> list[str]:
    found = await reached(client, nodes)
    kept: list[bytes] = []
    problems = await asyncio.gather(*(_kept(client, pod, kept) for pod in found.agents.values()))
    await flows.show(kept, first=True)
    if request.follow:
        since = record_time()
        await asyncio.gather(*(_follow(client, pod, flows, since) for pod in found.agents.values()))
    return [*found.unreached.values(), *filter(None, problems)]


async def _kept(client: Client, pod: ProgramPod, into: list[bytes]) -> str:
    """Add the lines that a node keeps; return why that was not possible."""
    output, complaint = bytearray(), bytearray()
    try:
        status = await run_on(client, pod, ("flows",), Output(output.extend, complaint.extend))
    except RemoteCommandError as error:
        return str(error)
    into += bytes(output).splitlines()
    return complaint.decode("utf-8", "replace").strip() if status else ""


async def _follow(client: Client, pod: ProgramPod, flows: Flows, since: str) -> None:
    """Show the records of a node that come, until cancelled; the stream is opened again when it ends."""
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    rest = b""

    def feed(piece: bytes) -> None:
        nonlocal rest
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            lines.put_nowait(line)

    async def stream() -> None:
        while True:
            with contextlib.suppress(RemoteCommandError):
                await run_on(client, pod, ("flows", "-f", "--since", since), Output(feed, lambda _: None), _open())
            await asyncio.sleep(NAMES_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stream())
        while True:
            await flows.show([await lines.get()])


async def _open() -> AsyncIterator[bytes]:
    """An input without content that ends with the call: its end ends the verb on the node."""
    await asyncio.Event().wait()
    yield b""


def of_this_node(write: Callable[[bytes], object], *, since: str, follow: bool, state: Path = STATE) -> None:
    """Write the lines of this machine's journal; with `follow` until standard input ends."""
    reader = JournalReader(state)
    ended = threading.Event()
    if follow:
        threading.Thread(target=_await_end_of_input, args=(ended,), daemon=True).start()
    while True:
        for line in reader.read():
            flow = _decoded(line) if since else None
            if not since or (flow is not None and flow.time >= since):
                write(line + b"\n")
        if not follow or ended.wait(POLL_SECONDS):
            return


def _await_end_of_input(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


def record_time() -> str:
    """The time now, as records have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _decoded(line: bytes) -> Flow | None:
    """The record of a line; None for one that another release wrote otherwise."""
    try:
        return record.decode(line)
    except msgspec.DecodeError:
        return None
