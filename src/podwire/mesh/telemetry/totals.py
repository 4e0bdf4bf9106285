"""Sums of what Envoys have counted, by the labels that held when it was counted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from podwire.component.metrics import Family, Histogram
from podwire.mesh.telemetry import counted
from podwire.mesh.telemetry.samples import Sample, tags

MOST_SERIES = 10_000
"""Sets of labels; what is beyond is counted with `unknown` in all of them."""
_BUCKET, _SUM, _COUNT = "_bucket", "_sum", "_count"
_TEXTS = {
    counted.REQUESTS: "Requests of HTTP that a route or a policy has read.",
    counted.DURATION: "Duration of requests in milliseconds.",
    counted.REQUEST_BYTES: "Bytes of the bodies of requests.",
    counted.RESPONSE_BYTES: "Bytes of the bodies of responses.",
    counted.OPENED: "Connections that have reached their server.",
    counted.CLOSED: "Connections that have ended, those without a server too.",
    counted.SENT: "Bytes that servers have sent on connections that have ended.",
    counted.RECEIVED: "Bytes that servers have received on connections that have ended.",
}

Labels = tuple[tuple[str, str], ...]
Resolve = Callable[[str, Mapping[str, str]], Iterable[Mapping[str, str]]]
"""From the name of a metric and the tags of Envoy to the labels of each series that it is a part of."""


class Totals:
    """What was counted since the start. A read of Envoy adds the difference to the one before."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self._last: dict[tuple[str, str, str], float] = {}
        """By name, tags and bound: values of Envoy at the last read."""
        self._sums: dict[tuple[str, Labels], dict[str, float]] = {}
        """By metric and labels: the sum of each part, such as the bound of a bucket; of a counter of the empty one."""
        self.folded = 0
        """Sets of tags of the last read whose labels had no place."""

    def take(self, page: Iterable[Sample], resolve: Resolve) -> None:
        """Add what is new; labels that no counter of Envoy has any more are dropped."""
        last, self._last = self._last, {}
        self.folded = 0
        resolved: dict[tuple[str, str], tuple[tuple[str, Labels], ...]] = {}
        used: set[tuple[str, Labels]] = set()
        for one in page:
            name, part = _metric(one)
            key = (one.name, one.tags, one.bound)
            self._last[key] = one.value
            places = resolved.get((name, one.tags))
            if places is None:
                labels = resolve(name, tags(one.tags))
                places = resolved[name, one.tags] = tuple(self._place(name, each) for each in labels)
                used.update(places)
            before = last.get(key, 0.0)
            new = one.value - before if one.value >= before else one.value  # an Envoy that began again counts from 0
            for place in places:
                parts = self._sums.setdefault(place, {})
                parts[part] = parts.get(part, 0.0) + new
        for place in self._sums.keys() - used:
            del self._sums[place]

    def _place(self, name: str, found: Mapping[str, str]) -> tuple[str, Labels]:
        place = (name, tuple(found.items()))
        if place in self._sums or len(self._sums) < self._most:
            return place
        self.folded += 1
        return name, tuple((label, "unknown") for label in found)

    def families(self) -> Iterator[Family]:
        """Yield the metrics, under Istio's names."""
        by_name: dict[str, list[tuple[Labels, dict[str, float]]]] = {}
        for (name, found), parts in self._sums.items():
            by_name.setdefault(name, []).append((found, parts))
        for name, text in _TEXTS.items():
            full = f"{counted.PREFIX}_{name}"
            if name in counted.HISTOGRAMS:
                values = tuple((dict(found), _histogram(parts)) for found, parts in by_name.get(name, ()))
                yield Family(full, text, "histogram", values)
            else:
                numbers = tuple((dict(found), parts.get("", 0.0)) for found, parts in by_name.get(name, ()))
                yield Family(full, text, "counter", numbers)
        yield Family(
            "podwire_mesh_folded_series",
            f"What Envoy counts that is counted as unknown, beyond {self._most} sets of labels.",
            "gauge",
            (({}, self.folded),),
        )


def _metric(one: Sample) -> tuple[str, str]:
    """Return the metric of a value, and which part of it the value is."""
    for suffix in (_BUCKET, _SUM, _COUNT):
        name = one.name.removesuffix(suffix)
        if name in counted.HISTOGRAMS:
            return name, one.bound or suffix
    return one.name, ""


def _histogram(parts: Mapping[str, float]) -> Histogram:
    bounds = sorted(float(one) for one in parts if one not in (_SUM, _COUNT, "+Inf"))
    made = Histogram(bounds)
    by_bound = {float(one): value for one, value in parts.items() if one not in (_SUM, _COUNT)}
    below = 0.0
    for index, bound in enumerate((*bounds, float("inf"))):
        made.counts[index] = int(by_bound.get(bound, below) - below)
        below = by_bound.get(bound, below)
    made.sum = parts.get(_SUM, 0.0)
    return made
