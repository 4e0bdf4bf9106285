"""Metrics of the Service proxy under the names that kube-proxy gives them.

Source: k8s.io/kubernetes `pkg/proxy/metrics/metrics.go`, `pkg/proxy/endpointschangetracker.go`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Generic

from podwire.agent.proxy_health import ProxyHealth
from podwire.component.metrics import Family, Histogram, counter, gauge, histogram
from podwire.engine.row import Delta, RowT
from podwire.engine.sink import Sink
from podwire.kube.discovery import TRIGGER_TIME, EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change

SYNC_BOUNDS = tuple(0.001 * 2**step for step in range(15))
PROGRAMMING_BOUNDS = (0.25, 0.5, *range(1, 60), *range(60, 120, 5), *range(120, 330, 30))


class ProxyMetrics:
    """Counts changes until they are applied. It passes both on to `health`."""

    def __init__(self, health: ProxyHealth) -> None:
        self.sync_duration = Histogram(SYNC_BOUNDS)
        self.full_duration, self.partial_duration = Histogram(SYNC_BOUNDS), Histogram(SYNC_BOUNDS)
        self.programming_duration = Histogram(PROGRAMMING_BOUNDS)
        self.conntrack_duration = Histogram(SYNC_BOUNDS)
        self.flows_ended = 0
        self.sync_failures = 0
        self._health = health
        self._started = datetime.now(UTC)
        self._services_total = self._slices_total = 0
        self._services_pending: set[NamespacedName] = set()
        self._slices_pending: dict[NamespacedName, datetime | None] = {}

    def service_changed(self, change: Change[Service]) -> None:
        """Count a change of a Service."""
        self._services_total += 1
        self._services_pending.add(_key(change))
        self._health.queued()

    def slice_changed(self, change: Change[EndpointSlice]) -> None:
        """Count a change of an EndpointSlice; of several of one slice the first trigger counts."""
        self._slices_total += 1
        key = _key(change)
        self._slices_pending[key] = self._slices_pending.get(key) or self._trigger(change)
        self._health.queued()

    def ended(self, flows: int, seconds: float) -> None:
        """Count flows that were ended because their endpoint is gone."""
        self.flows_ended += flows
        self.conntrack_duration.observe(seconds)

    async def measure(self, applied: Callable[[], Awaitable[None]]) -> None:
        """Note when what was counted until now is in the kernel: `applied` returns then. Call it again for the rest."""
        slices, self._slices_pending = self._slices_pending, {}
        self._services_pending.clear()
        self._health.applying()
        await applied()
        now = datetime.now(UTC)
        for trigger in filter(None, slices.values()):
            self.programming_duration.observe(max(0.0, (now - trigger).total_seconds()))
        self._health.updated()

    def families(self) -> Iterator[Family]:
        """All metrics of the proxy."""
        yield histogram("kubeproxy_sync_proxy_rules_duration_seconds", "Time of one sync.", self.sync_duration)
        for kind, text, duration in (
            ("full", "after the kernel was read", self.full_duration),
            ("partial", "of changes only", self.partial_duration),
        ):
            yield histogram(
                f"kubeproxy_sync_{kind}_proxy_rules_duration_seconds", f"Time of one sync {text}.", duration
            )
        yield histogram(
            "kubeproxy_network_programming_duration_seconds",
            "Time from the change of a Service or pod until the rules of this node have it.",
            self.programming_duration,
        )
        yield _timestamp("last_timestamp", "The last sync.", self._health.last_updated)
        yield _timestamp("last_queued_timestamp", "The last change that needs a sync.", self._health.last_queued)
        for name, total, pending in (
            ("endpoint", self._slices_total, len(self._slices_pending)),
            ("service", self._services_total, len(self._services_pending)),
        ):
            prefix = f"kubeproxy_sync_proxy_rules_{name}_changes"
            yield counter(f"{prefix}_total", f"Changes of a Service's {name} seen.", total)
            yield gauge(f"{prefix}_pending", f"Changes of a Service's {name} that are not synced yet.", pending)
        failures = "kubeproxy_sync_proxy_rules_nftables_sync_failures_total"
        yield counter(failures, "Syncs that the kernel refused.", self.sync_failures)
        conntrack = "kubeproxy_conntrack_reconciler"
        text = "Time of one search for flows whose endpoint is gone."
        yield histogram(f"{conntrack}_sync_duration_seconds", text, self.conntrack_duration)
        yield counter(f"{conntrack}_deleted_entries_total", "Flows ended, as their endpoint is gone.", self.flows_ended)
        for path in ("healthz", "livez"):
            yield _answers(path, self._health.answers)

    def _trigger(self, change: Change[EndpointSlice]) -> datetime | None:
        """The trigger time of a state that arrived after the start, where it is a new one."""
        if change.new is None:
            return None
        text = change.new.metadata.annotations.get(TRIGGER_TIME, "")
        if not text or (change.old is not None and change.old.metadata.annotations.get(TRIGGER_TIME) == text):
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None and moment > self._started else None


class MeasuredSink(Generic[RowT]):
    """A sink whose writes are timed."""

    def __init__(self, sink: Sink[RowT], metrics: ProxyMetrics) -> None:
        self._sink = sink
        self._metrics = metrics
        self._has_read = False

    async def read(self) -> Iterable[RowT]:
        """What the sink holds."""
        self._has_read = True
        return await self._sink.read()

    async def write(self, delta: Delta[RowT]) -> None:
        """Write, and count how long it took or that it failed."""
        started = time.monotonic()
        try:
            await self._sink.write(delta)
        except Exception:
            self._metrics.sync_failures += 1
            raise
        duration = time.monotonic() - started
        self._metrics.sync_duration.observe(duration)
        kind = self._metrics.full_duration if self._has_read else self._metrics.partial_duration
        kind.observe(duration)
        self._has_read = False


def _key(change: Change[Service] | Change[EndpointSlice]) -> NamespacedName:
    item = change.item
    return item.key


def _timestamp(name: str, text: str, moment: datetime | None) -> Family:
    seconds = moment.timestamp() if moment is not None else 0.0
    return gauge(f"kubeproxy_sync_proxy_rules_{name}_seconds", f"{text} In seconds since 1970.", seconds)


def _answers(path: str, answers: dict[tuple[str, int], int]) -> Family:
    samples = tuple(({"code": str(code)}, count) for (one, code), count in answers.items() if one == path)
    return Family(f"kubeproxy_proxy_{path}_total", f"Answers of /{path} by status.", "counter", samples)
