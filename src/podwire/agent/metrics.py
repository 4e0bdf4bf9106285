"""What `/metrics` of an agent shows of its capabilities; the Service proxy's own are in `proxy_metrics.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podwire.component.metrics import Family, gauge


def of_rows(capabilities: Mapping[str, Iterable[object]]) -> Family:
    """How many rows each capability wants in the kernel."""
    samples = tuple(({"capability": name}, sum(1 for _ in rows)) for name, rows in capabilities.items())
    return Family("podwire_rows", "Desired rows.", "gauge", samples)


def of_readiness(*, ready: bool) -> Family:
    """Whether /readyz answers 200."""
    return gauge("podwire_ready", "1 when every capability is in sync once.", float(ready))
