import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from podwire.agent.proxy_health import ProxyHealth
from podwire.agent.proxy_metrics import MeasuredSink, ProxyMetrics
from podwire.engine.row import Delta, Row
from podwire.engine.sink import FakeSink, SinkError
from podwire.kube.discovery import TRIGGER_TIME, EndpointSlice
from podwire.kube.meta import ObjectMeta
from podwire.kube.services import Service
from podwire.kube.watch import Change


def slice_of(trigger: datetime | str | None = None, name: str = "a") -> EndpointSlice:
    text = trigger.isoformat() if isinstance(trigger, datetime) else trigger
    return EndpointSlice(metadata=ObjectMeta(name=name, annotations={TRIGGER_TIME: text} if text else {}))


def value(metrics: ProxyMetrics, name: str) -> object:
    return next(family.samples[0][1] for family in metrics.families() if family.name == f"kubeproxy_{name}")


async def nothing() -> None:
    pass


async def test_changes_are_pending_until_they_are_applied() -> None:
    metrics = ProxyMetrics(ProxyHealth("a"))
    pending, total = "sync_proxy_rules_service_changes_pending", "sync_proxy_rules_service_changes_total"
    for _ in range(2):
        metrics.service_changed(Change(None, Service(metadata=ObjectMeta(name="web"))))
    assert (value(metrics, pending), value(metrics, total)) == (1, 2)
    gate = asyncio.Event()

    async def applied() -> None:
        await gate.wait()

    measuring = asyncio.create_task(metrics.measure(applied))
    await asyncio.sleep(0)
    metrics.service_changed(Change(None, Service(metadata=ObjectMeta(name="late"))))
    gate.set()
    await measuring
    assert (value(metrics, pending), value(metrics, total)) == (1, 3), "what came meanwhile is not applied yet"
    await metrics.measure(nothing)
    assert value(metrics, pending) == 0


async def test_programming_time_counts_from_the_first_trigger_after_the_start() -> None:
    metrics = ProxyMetrics(ProxyHealth("a"))
    soon = datetime.now(UTC) + timedelta(seconds=0.001)
    await asyncio.sleep(0.002)
    metrics.slice_changed(Change(None, slice_of(soon)))
    metrics.slice_changed(Change(slice_of(soon), slice_of(soon + timedelta(hours=1))))
    for ignored in (soon - timedelta(hours=1), "yesterday", "2026-01-02T03:04:05", None):
        metrics.slice_changed(Change(None, slice_of(ignored, name=str(ignored))))
    unchanged = slice_of(soon, name="unchanged")
    metrics.slice_changed(Change(unchanged, unchanged))
    await metrics.measure(nothing)
    assert sum(metrics.programming_duration.counts) == 1
    assert metrics.programming_duration.sum < 60


async def test_writes_are_timed_and_refused_ones_counted() -> None:
    metrics = ProxyMetrics(ProxyHealth("a"))
    inner: FakeSink[Row] = FakeSink()
    sink: MeasuredSink[Row] = MeasuredSink(inner, metrics)
    await sink.write(Delta((), ()))
    inner.fail = 1
    with pytest.raises(SinkError):
        await sink.write(Delta((), ()))
    assert list(await sink.read()) == []
    assert sum(metrics.sync_duration.counts) == 1
    for _ in range(2):
        await sink.write(Delta((), ()))
    assert (sum(metrics.full_duration.counts), sum(metrics.partial_duration.counts)) == (1, 2)
    assert value(metrics, "sync_proxy_rules_nftables_sync_failures_total") == 1


def test_flows_that_were_ended_are_counted() -> None:
    metrics = ProxyMetrics(ProxyHealth("a"))
    for flows in (2, 0):
        metrics.ended(flows, 0.001)
    assert value(metrics, "conntrack_reconciler_deleted_entries_total") == 2
    assert sum(metrics.conntrack_duration.counts) == 2
