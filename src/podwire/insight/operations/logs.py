"""The logs of podwire's pods in a cluster, of all nodes in one stream of lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus

import aiohttp
import msgspec

from podwire.insight.operations.programs import NAMESPACE, ClusterError, Program, ProgramPod, all_pods, pods_of
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import PODS
from podwire.lab.base.text_columns import table

Write = Callable[[bytes], object]

AGAIN_SECONDS = 1.0
"""Before a log that is followed is opened again, when its container has ended or the connection was lost."""


class LogRequest(msgspec.Struct, frozen=True):
    """Which logs: of a program, on some nodes or on all. `tail` is the number of lines of each, None all."""

    program: Program
    nodes: tuple[str, ...] = ()
    follow: bool = False
    tail: int | None = None


async def listing(client: Client) -> str:
    """Return the pods whose logs there are, as a table."""
    pods = await all_pods(client)
    if not pods:
        raise ClusterError(f"namespace {NAMESPACE} has no pod of podwire: it is not installed; run 'podwire install'")
    rows = [(pod.program.value, pod.node or "-", pod.key.name, pod.trouble or "ready") for pod in pods]
    return "".join(f"{line}\n" for line in table([("PROGRAM", "NODE", "POD", "STATE"), *rows]))


async def write_all(client: Client, request: LogRequest, write: Write) -> list[str]:
    """Write the logs, each line with its node before it where there are several; return what could not be read.

    With `follow` it returns only when it is cancelled. Raises ClusterError without pods or without the right.
    """
    pods = chosen(await pods_of(client, request.program), request)
    reading = (_write(client, pod, request, Prefixed(write, prefix(pod, pods))) for pod in pods)
    return list(filter(None, await asyncio.gather(*reading)))


def chosen(pods: Sequence[ProgramPod], request: LogRequest) -> list[ProgramPod]:
    """Return the pods of the request's nodes. Raises ClusterError for a node without one."""
    for node in request.nodes:
        if node not in (pod.node for pod in pods):
            there = ", ".join(sorted({pod.node for pod in pods if pod.node})) or "no node"
            raise ClusterError(f"--node {node}: has no pod of {request.program}; there are on {there}")
    found = [pod for pod in pods if pod.node and (not request.nodes or pod.node in request.nodes)]
    if not found:
        raise ClusterError(f"namespace {NAMESPACE} has no pod with {request.program.selector} on a node")
    return found


def prefix(pod: ProgramPod, pods: Iterable[ProgramPod]) -> bytes:
    """Return what distinguishes a pod's lines from those of the others: its node, or its name where two share one."""
    others = [one for one in pods if one.key != pod.key]
    if not others:
        return b""
    return f"{pod.key.name if pod.node in (one.node for one in others) else pod.node} | ".encode()


class Prefixed:
    """Writes whole lines, each with a prefix, so that several streams can share an output."""

    def __init__(self, write: Write, prefix: bytes) -> None:
        self._write = write
        self._prefix = prefix
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Write the lines that this piece completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if lines:
            self._write(b"".join(self._prefix + line + b"\n" for line in lines))

    def end(self) -> None:
        """Write what is left without an end of line."""
        if self._rest:
            self.feed(b"\n")


async def _write(client: Client, pod: ProgramPod, request: LogRequest, lines: Prefixed) -> str:
    """Write one log; return why it could not be read to its end."""
    options = {"container": request.program.value}
    if request.tail is not None:
        options["tailLines"] = str(request.tail)
    if request.follow:
        options["follow"] = "true"
    path = PODS.path(pod.key.namespace, pod.key.name, "log")
    while True:
        try:
            async for piece in client.stream(path, **options):
                lines.feed(piece)
        except ApiError as error:
            if error.code == HTTPStatus.FORBIDDEN:
                raise ClusterError(f"{error}; a Role in {NAMESPACE} must let this account get pods/log") from error
            if not request.follow or error.code == HTTPStatus.NOT_FOUND:
                return f"pod {pod.key} on {pod.node}: {error}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not request.follow:
                return f"pod {pod.key} on {pod.node}: {error!r}"
        lines.end()
        if not request.follow:
            return ""
        options["sinceSeconds"] = "1"
        options.pop("tailLines", None)
        await asyncio.sleep(AGAIN_SECONDS)
