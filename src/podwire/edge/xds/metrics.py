"""Metrics of the xDS server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from podwire.component.metrics import Family
from podwire.edge.xds.measured import Measured
from podwire.edge.xds.proxy import Proxies


def families(proxies: Proxies) -> Iterator[Family]:
    """Return the metrics of all proxies."""
    all_proxies = proxies.all()
    connected = tuple(({"proxy": one.name}, float(len(one.envoys()))) for one in all_proxies)
    yield Family("podwire_xds_connected_envoys", "Envoys with an open stream.", "gauge", connected)
    yield _by_type(proxies, "podwire_xds_responses_total", "Responses sent.", lambda one: one.responses)
    yield _by_type(proxies, "podwire_xds_refusals_total", "Responses that an Envoy refused.", lambda one: one.refusals)
    seconds = tuple(({"proxy": one.name}, one.measured.seconds) for one in all_proxies)
    text = "Time from a changed resource to the last Envoy that accepted or refused it, in seconds."
    yield Family("podwire_xds_acknowledgement_seconds", text, "histogram", seconds)


def _by_type(proxies: Proxies, name: str, text: str, counts: Callable[[Measured], Counter[str]]) -> Family:
    samples = tuple(
        ({"proxy": one.name, "type": kind}, float(count))
        for one in proxies.all()
        for kind, count in sorted(counts(one.measured).items())
    )
    return Family(name, text, "counter", samples)
