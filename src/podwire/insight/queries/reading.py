"""Live answers of the cluster's DNS pods: a `podwire capture` for each of them, whose packets are read here.

It needs nothing of the DNS server, so it works with any; of a pod that a rollout replaces another capture begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Sequence

from podwire.insight.flows.filters import Filter
from podwire.insight.flows.pod_names import NamedPod, PodNames
from podwire.insight.flows.reading import NAMED_PODS, NAMES_SECONDS
from podwire.insight.operations.programs import ClusterError
from podwire.insight.queries.packets import AnswerStream, DnsAnswer
from podwire.insight.queries.record import flow_of
from podwire.insight.target import Target
from podwire.kube import cluster_dns
from podwire.kube.client import Client
from podwire.policy.flows.record import Flow

LOOK_SECONDS = 5.0
"""Between two looks at which DNS pods there are."""
Write = Callable[[Flow, DnsAnswer], bool]
"""Takes one answer; False where no more is needed."""
Complain = Callable[[str], None]
"""Takes why a capture failed; another begins at the next look."""


class LiveQueries:
    """Names the clients of answers, chooses and writes them."""

    def __init__(self, client: Client, chosen: Filter, write: Write, complain: Complain, flags: Sequence[str]) -> None:
        self._client = client
        self._chosen = chosen
        self._write = write
        self._complain = complain
        self._complaints: set[str] = set()
        self._flags = tuple(flags)
        self._names = PodNames()
        self._named_at = float("-inf")
        self._captures: dict[str, asyncio.Task[None]] = {}
        self._enough = asyncio.Event()

    async def run(self) -> None:
        """Write answers until enough are written. Raises ClusterError where there is no DNS pod."""
        try:
            while not self._enough.is_set():
                await self._look()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._enough.wait()
        finally:
            for task in self._captures.values():
                task.cancel()
            await asyncio.gather(*self._captures.values(), return_exceptions=True)

    async def _look(self) -> None:
        """Capture at each DNS pod that is not captured at yet."""
        pods = await self._learn()
        servers = [str(pod.key) for pod in pods if cluster_dns.is_dns(pod.metadata.labels) and pod.status.pod_ips]
        if not servers:
            raise ClusterError(
                f"no pod has the label {cluster_dns.LABEL}={cluster_dns.NAME}: there is no cluster DNS to listen to"
            )
        for server in servers:
            if server not in self._captures or self._captures[server].done():
                self._captures[server] = asyncio.create_task(self._capture(server))

    async def _learn(self) -> list[NamedPod]:
        pods = (await self._client.list(NAMED_PODS)).items
        self._names, self._named_at = PodNames(pods), time.monotonic()
        return pods

    async def _capture(self, server: str) -> None:
        command = (sys.executable, "-m", "podwire", "capture", server, *self._flags)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        stream = AnswerStream()
        try:
            while piece := await process.stdout.read(1 << 16):
                for answer in stream.feed(piece):
                    await self._show(answer)
            errors = (await process.stderr.read()).decode(errors="replace")
            if await process.wait():
                self._failed(server, errors)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def _failed(self, server: str, errors: str) -> None:
        """Complain of a capture that failed, of each reason once. Its count of packets is no reason."""
        lines = [one for one in errors.splitlines() if one.strip() and not one.endswith(" packets")]
        if (text := f"{server}: {lines[-1] if lines else 'the capture failed'}") not in self._complaints:
            self._complaints.add(text)
            self._complain(text)

    async def _show(self, answer: DnsAnswer) -> None:
        if self._enough.is_set():
            return
        flow = flow_of(answer)
        if not self._names.knows(flow) and time.monotonic() - self._named_at > NAMES_SECONDS:
            with contextlib.suppress(OSError, TimeoutError):  # answers are shown without names then
                await self._learn()
        flow = self._names.completed(flow)
        if self._chosen.admits(flow) and not self._write(flow, answer):
            self._enough.set()


def show(target: Target, flags: Sequence[str], chosen: Filter, write: Write, complain: Complain) -> None:
    """Write live answers until enough are written, or it is interrupted. `flags` name the target to a capture."""

    async def question(client: Client) -> None:
        await LiveQueries(client, chosen, write, complain, flags).run()

    target.read(question)
