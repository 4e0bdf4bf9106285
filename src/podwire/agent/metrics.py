"""What `/metrics` of an agent shows of its capabilities; the Service proxy's own are in `proxy_metrics.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from podwire.component.metrics import Family, Kind
from podwire.engine.reconcile import Reconciler


def of_reconcilers(reconcilers: Sequence[Reconciler[Any, Any]]) -> Iterator[Family]:
    """How the kernel is kept equal to the desired rows, by target."""

    def family(name: str, text: str, kind: Kind, value: Callable[[Reconciler[Any, Any]], float]) -> Family:
        samples = tuple(({"target": one.name}, value(one)) for one in reconcilers)
        return Family(f"podwire_reconciler_{name}", text, kind, samples)

    yield family("turns_total", "Rounds of derive and write.", "counter", lambda one: one.counters.turns)
    yield family("failures_total", "Writes and readbacks that failed.", "counter", lambda one: one.counters.failures)
    yield family("refused_total", "Rows refused, each time.", "counter", lambda one: one.counters.refused)
    yield family("repaired_total", "Rows changed by others.", "counter", lambda one: one.counters.repaired)
    yield family("refused_rows", "Rows that the kernel refuses now.", "gauge", lambda one: len(one.table.refusals()))
    yield _rows(reconcilers)


def _rows(reconcilers: Sequence[Reconciler[Any, Any]]) -> Family:
    samples = tuple(
        ({"target": one.name, "type": kind.__name__.removesuffix("Row").lower()}, count)
        for one in reconcilers
        for kind, count in sorted(one.table.held_by_type().items(), key=lambda item: item[0].__name__)
    )
    return Family("podwire_rows", "Rows that the kernel holds.", "gauge", samples)
