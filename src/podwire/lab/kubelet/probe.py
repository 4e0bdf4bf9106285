"""Probes: run them against a container, and count the answers.

Source: "Configure Liveness, Readiness and Startup Probes" on kubernetes.io; kubelet `prober/worker.go`. Until a
readiness or startup probe succeeds for the first time it is repeated sooner than its period, in rising pauses, so
that a pod is ready when its program is; such early failures do not count.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
from msgspec.structs import replace

from podwire.kube.core import Container, IntOrString, Probe
from podwire.kube.numbers import read_port
from podwire.lab.kubelet.probe_actions import Answer, grpc_check, http_get

FIRST_PAUSE_SECONDS = 0.025

Execute = Callable[[tuple[str, ...], float], Awaitable[int]]
"""Runs a command in the container within so many seconds and answers its exit code. Raises TimeoutError."""


class Verdict(enum.Enum):
    """The result of the answers so far."""

    UNKNOWN = "unknown"
    SUCCESS = "success"
    FAILURE = "failure"


class Tally(msgspec.Struct, frozen=True):
    """Consecutive answers of one probe. Pure: each answer makes a new one."""

    verdict: Verdict = Verdict.UNKNOWN
    successes: int = 0
    failures: int = 0

    def add(self, probe: Probe, *, success: bool) -> Tally:
        """The tally after one more answer that counts."""
        if success:
            count = self.successes + 1
            reached = count >= probe.success_threshold
            return Tally(Verdict.SUCCESS if reached else self.verdict, count, 0)
        count = self.failures + 1
        return Tally(Verdict.FAILURE if count >= probe.failure_threshold else self.verdict, 0, count)


class Schedule(msgspec.Struct, frozen=True):
    """When a probe is repeated. Times are seconds of one steady clock; `counted` is the last answer that counted."""

    period: float
    eager: bool
    pause: float = FIRST_PAUSE_SECONDS
    counted: float | None = None

    def counts(self, now: float, *, success: bool) -> bool:
        """Whether an answer at this time counts: each success, and one failure a period."""
        return success or not self.eager or self.counted is None or now - self.counted >= self.period

    def after(self, now: float, *, success: bool) -> Schedule:
        """The schedule after an answer; the first success ends the short pauses."""
        counted = now if self.counts(now, success=success) else self.counted
        return replace(self, eager=self.eager and not success, pause=min(self.period, self.pause * 2), counted=counted)

    @property
    def wait(self) -> float:
        """Seconds until the next probe."""
        return self.pause if self.eager else self.period


class Prober(msgspec.Struct, frozen=True):
    """Probes one container. `address` is its pod's; `execute` runs a command in it."""

    container: Container
    address: str
    execute: Execute

    async def probe(self, probe: Probe) -> Answer:
        """Probe once. Never raises for what the container does."""
        try:
            # A gRPC probe has one limit to connect and one to call, as upstream.
            async with asyncio.timeout(None if probe.grpc is not None else probe.timeout_seconds):
                return await self._probe(probe)
        except TimeoutError:
            return Answer(False, f"no answer within {probe.timeout_seconds} s")
        except (OSError, aiohttp.ClientError, ValueError) as error:
            return Answer(False, str(error) or type(error).__name__)

    async def _probe(self, probe: Probe) -> Answer:
        if probe.http_get is not None:
            return await http_get(probe.http_get, self.address, self._port(probe.http_get.port))
        if probe.grpc is not None:
            return await grpc_check(probe.grpc, self.address, probe.timeout_seconds)
        if probe.tcp_socket is not None:
            host = probe.tcp_socket.host or self.address
            _, writer = await asyncio.open_connection(host, self._port(probe.tcp_socket.port))
            writer.close()
            return Answer(True)
        if probe.exec is not None:
            code = await self.execute(probe.exec.command, probe.timeout_seconds)
            return Answer(code == 0, f"command {' '.join(probe.exec.command)} ended with {code}")
        return Answer(False, "the probe names no httpGet, tcpSocket, grpc or exec")

    def _port(self, port: IntOrString) -> int:
        return port_number(self.container, port)


def port_number(container: Container, port: IntOrString) -> int:
    """A port by number or by the name that the container gives it. Raises ValueError."""
    if isinstance(port, int):
        return port
    for entry in container.ports:
        if entry.name == port:
            return entry.container_port
    if number := read_port(port):
        return number
    raise ValueError(f"port {port!r}: container {container.name} has no port of this name")
