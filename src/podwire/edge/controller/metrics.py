"""Metrics of the gateway controller beside those of its xDS server."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.component.metrics import Family


def of_controller(*, leading: bool) -> Iterator[Family]:
    """Whether this process leads."""
    yield Family("podwire_gateway_leading", "1 while this process leads.", "gauge", (({}, leading),))
