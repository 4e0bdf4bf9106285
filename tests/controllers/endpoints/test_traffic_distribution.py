from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.controllers.endpoints.traffic_distribution import (
    TOPOLOGY_AWARE_HINTS,
    TOPOLOGY_MODE,
    Distribution,
    distribution,
    with_hints,
)
from podwire.kube.discovery import Endpoint
from podwire.kube.services import Service


@pytest.mark.parametrize(
    ("field", "annotations", "expected"),
    [
        (None, {}, Distribution.NONE),
        ("PreferClose", {}, Distribution.SAME_ZONE),
        ("PreferSameZone", {}, Distribution.SAME_ZONE),
        ("PreferSameNode", {}, Distribution.SAME_NODE),
        ("PreferLocal", {}, Distribution.NONE),
        (None, {TOPOLOGY_MODE: "Auto"}, Distribution.AUTO),
        (None, {TOPOLOGY_AWARE_HINTS: "auto"}, Distribution.AUTO),
        ("PreferClose", {TOPOLOGY_MODE: "auto"}, Distribution.AUTO),
        ("PreferClose", {TOPOLOGY_MODE: "Disabled"}, Distribution.SAME_ZONE),
        (None, {TOPOLOGY_AWARE_HINTS: "disabled", TOPOLOGY_MODE: "Auto"}, Distribution.NONE),
        (None, {TOPOLOGY_MODE: "AUTO"}, Distribution.NONE),
    ],
)
def test_what_a_service_requests(field: str | None, annotations: dict[str, str], expected: Distribution) -> None:
    body = {"metadata": {"annotations": annotations}, "spec": {"trafficDistribution": field}}
    assert distribution(msgspec.convert(body, Service)) is expected


def endpoint(*, ready: bool = True, **fields: Any) -> Endpoint:
    return msgspec.convert({"addresses": ["10.0.0.1"], "conditions": {"ready": ready}, **fields}, Endpoint)


HERE: dict[str, Any] = {"zone": "north", "nodeName": "node-1"}
ZONE = {"forZones": [{"name": "north"}]}
NODE = {"forNodes": [{"name": "node-1"}]}


@pytest.mark.parametrize(
    ("one", "wanted", "expected"),
    [
        (endpoint(**HERE), Distribution.SAME_ZONE, ZONE),
        (endpoint(**HERE), Distribution.SAME_NODE, ZONE | NODE),
        (endpoint(nodeName="node-1"), Distribution.SAME_NODE, NODE),
        (endpoint(nodeName="node-1"), Distribution.SAME_ZONE, {}),
        (endpoint(zone="north"), Distribution.SAME_NODE, ZONE),
        (endpoint(ready=False, **HERE), Distribution.SAME_NODE, {}),
        (endpoint(**HERE), Distribution.NONE, {}),
        (endpoint(**HERE), Distribution.AUTO, {}),
    ],
)
def test_the_hints_of_an_endpoint(one: Endpoint, wanted: Distribution, expected: dict[str, Any]) -> None:
    (found,) = with_hints([one], wanted)
    assert msgspec.json.decode(msgspec.json.encode(found.hints)) == expected
    assert msgspec.structs.replace(found, hints=one.hints) == one
