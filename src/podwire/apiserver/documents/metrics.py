"""`/metrics` in Prometheus' text format: requests by kind and outcome, objects, watch streams.

Names are upstream's where it has the same (k8s.io/apiserver `pkg/endpoints/metrics/metrics.go`). The format is written
here: the client library would take memory in each process that is forked from the one that imports it.
Source: prometheus.io "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from podwire.apiserver.base.requests import Response

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Gauge = Callable[[], Mapping[str, int]]
"""Values by the value of one label; an empty one means no label."""


Served = tuple[str, str, str, str, str]
"""What a request was about, the values of LABELS. All but the verb are empty for what is no served resource."""

LABELS = ("verb", "group", "version", "resource", "subresource")


class ServerMetrics:
    """Counters of one server, and gauges that are read when they are fetched."""

    def __init__(self) -> None:
        self._started = time.time()
        self._requests: dict[tuple[Served, int], int] = {}
        self._gauges: dict[tuple[str, str, str], Gauge] = {}

    def count(self, served: Served, code: int) -> None:
        """Count one request that was answered."""
        key = (served, code)
        self._requests[key] = self._requests.get(key, 0) + 1

    def gauge(self, name: str, help_text: str, label: str, values: Gauge) -> None:
        """Offer a gauge; `label` may be empty."""
        self._gauges[name, help_text, label] = values

    def answer(self) -> Response:
        """All metrics as they are now."""
        return Response("\n".join((*self._lines(), "")).encode(), content_type=CONTENT_TYPE)

    def _lines(self) -> Iterator[str]:
        yield from _head("apiserver_request_total", "Requests by verb, kind and HTTP code.", "counter")
        for (served, code), number in sorted(self._requests.items()):
            labels = {**dict(zip(LABELS, served, strict=True)), "code": str(code)}
            yield f"apiserver_request_total{{{_labels(labels)}}} {number}"
        for (name, help_text, label), values in self._gauges.items():
            yield from _head(name, help_text, "gauge")
            for value, number in sorted(values().items()):
                yield f"{name}{{{_labels({label: value})}}} {number}" if label else f"{name} {number}"
        yield from _head("process_start_time_seconds", "Start of the server, in seconds since 1970.", "gauge")
        yield f"process_start_time_seconds {self._started:.3f}"


def _head(name: str, help_text: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
