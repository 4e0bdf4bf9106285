"""The probes of one run of a container, until it ends or they end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import msgspec
from msgspec.structs import replace

from podwire.kube.core import Container, Probe
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.kubelet.pod_status import Health
from podwire.lab.kubelet.probe import Prober, Schedule, Tally, Verdict


class Listeners(msgspec.Struct, frozen=True):
    """Receives each change of health, events, and that the container must end: within the probe's own grace, if any."""

    changed: Callable[[Health], None]
    emit: Callable[[PodEvent], None]
    kill: Callable[[int | None], Awaitable[None]]


def initial_health(container: Container) -> Health:
    """Return the health of a container that has just started."""
    started = container.startup_probe is None
    return Health(started=started, ready=started and container.readiness_probe is None)


class ContainerProbes:
    """Runs all probes of a container. Run it once for each run of the container and cancel it with that."""

    def __init__(self, prober: Prober, listeners: Listeners) -> None:
        self._container = prober.container
        self._prober = prober
        self._listeners = listeners
        self._health = initial_health(prober.container)

    async def run(self) -> None:
        """Return when cancelled, or when a probe has ended the container."""
        self._listeners.changed(self._health)
        if self._container.startup_probe is not None and not await self._startup(self._container.startup_probe):
            return
        probes = []
        if self._container.readiness_probe is not None:
            probes.append(self._readiness(self._container.readiness_probe))
        if self._container.liveness_probe is not None:
            probes.append(self._liveness(self._container.liveness_probe))
        await asyncio.gather(*probes)

    async def _startup(self, probe: Probe) -> bool:
        """Return whether the container started. One that does not is ended."""
        async with aclosing(self._verdicts("Startup", probe, eager=True)) as verdicts:
            async for verdict in verdicts:
                if verdict is Verdict.SUCCESS:
                    self._set(replace(self._health, started=True, ready=self._container.readiness_probe is None))
                    return True
                if verdict is Verdict.FAILURE:
                    await self._end("startup", probe)
                    return False
        return False

    async def _readiness(self, probe: Probe) -> None:
        async with aclosing(self._verdicts("Readiness", probe, eager=True)) as verdicts:
            async for verdict in verdicts:
                self._set(replace(self._health, ready=verdict is Verdict.SUCCESS))

    async def _liveness(self, probe: Probe) -> None:
        async with aclosing(self._verdicts("Liveness", probe, eager=False)) as verdicts:
            async for verdict in verdicts:
                if verdict is Verdict.FAILURE:
                    await self._end("liveness", probe)
                    return

    async def _verdicts(self, kind: str, probe: Probe, *, eager: bool) -> AsyncGenerator[Verdict, None]:
        """Yield the verdict after each answer that counts."""
        loop = asyncio.get_running_loop()
        tally, schedule = Tally(), Schedule(float(probe.period_seconds), eager)
        await asyncio.sleep(probe.initial_delay_seconds)
        while True:
            answer = await self._prober.probe(probe)
            now = loop.time()
            if schedule.counts(now, success=answer.success):
                tally = tally.add(probe, success=answer.success)
                if not answer.success:
                    self._listeners.emit(PodEvent("Unhealthy", f"{kind} probe failed: {answer.message}", warning=True))
                yield tally.verdict
            schedule = schedule.after(now, success=answer.success)
            await asyncio.sleep(schedule.wait)

    async def _end(self, kind: str, probe: Probe) -> None:
        message = f"Container {self._container.name} failed {kind} probe, will be restarted"
        self._listeners.emit(PodEvent("Killing", message))
        await self._listeners.kill(probe.termination_grace_period_seconds)

    def _set(self, health: Health) -> None:
        if health != self._health:
            self._health = health
            self._listeners.changed(health)
