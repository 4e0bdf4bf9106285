"""The ConfigMap of options of the mesh."""

from __future__ import annotations

import pytest

from podwire.edge.gateway.parameters import ParameterError
from podwire.edge.model.tracing import Collector, CollectorKind, Tracing
from podwire.mesh.routes.options import tracing

OTLP = Collector(CollectorKind.OTLP, "collector.tracing.svc", 4317)


def test_options() -> None:
    assert tracing({}) is None
    data = {"tracing-collector": "otlp://collector.tracing.svc:4317"}
    assert tracing(data) == Tracing(OTLP)
    assert tracing(data | {"tracing-percent": "50"}) == Tracing(OTLP, 50.0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"replicas": "2"}, r"data\[replicas\] is not known: use tracing-collector, tracing-percent"),
        ({"tracing-percent": "50"}, "has no effect"),
        ({"tracing-collector": "otlp://127.0.0.1:4317"}, "not one of a collector"),
    ],
)
def test_what_cannot_be_read_names_the_key(data: dict[str, str], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        tracing(data)
