"""Golden pairs: objects in `pairs/NAME.yaml`, what they come to in `pairs/NAME.txt`.

The first line of a NAME.yaml names the kinds of resources that are shown: `# virtual hosts, clusters`. With
PODWIRE_WRITE_PAIRS=1 the texts are written; read the difference before it is committed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2
from google.protobuf import json_format

from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.translation import Translation
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.listeners import GatewayPort
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, VIRTUAL_HOST
from podwire.insight.url.route_lines import wants
from podwire.insight.url.served import served
from podwire.kube.core import ConfigMap, Secret
from podwire.kube.discovery import EndpointSlice
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.services import Service

PAIRS = Path(__file__).with_name("pairs")
NAMES = sorted(one.stem for one in PAIRS.glob("*.yaml"))
TYPES: dict[str, Any] = {
    **{one.kind: one.type for one in KINDS},
    "Service": Service,
    "EndpointSlice": EndpointSlice,
    "Secret": Secret,
    "ConfigMap": ConfigMap,
}
SHOWN: dict[str, tuple[str, Any]] = {
    "virtual hosts": (VIRTUAL_HOST, route_components_pb2.VirtualHost),
    "clusters": (CLUSTER, cluster_pb2.Cluster),
    "endpoints": (ENDPOINTS, endpoint_pb2.ClusterLoadAssignment),
    "listeners": (LISTENER, listener_pb2.Listener),
}
CLASS = {"kind": "GatewayClass", "metadata": {"name": "edge"}, "spec": {"controllerName": CONTROLLER_NAME}}


def objects_of(text: str) -> tuple[Objects, set[Owner]]:
    """Return the objects of a manifest, and their owners."""
    objects, owners = Objects(), set[Owner]()
    for one in (CLASS, *yaml.safe_load_all(text)):
        one["metadata"].setdefault("namespace", "" if one["kind"] == "GatewayClass" else "shop")
        owners.update(objects.put(one["kind"], msgspec.convert(one, TYPES[one["kind"]])))
    return objects, owners


def model(objects: Objects) -> Iterator[str]:
    """Yield each host of requests with its routes in their order."""
    for gateway in objects.gateways.values():
        hosts = served(gateway, objects).hosts
        for host in sorted(hosts):
            yield f"{hosts[host].table} {hosts[host].domain}"
            for route in hosts[host].routes:
                yield f"  {route.name}: {wants(route.match)} -> {type(route.action).__name__}"


def configuration(text: str, objects: Objects, owners: set[Owner]) -> Iterator[str]:
    """Yield the resources of the kinds that the first line of a manifest names."""
    ports = ProxyPorts()
    translation = Translation(objects, dict.fromkeys(("edge",), ports).__getitem__)
    ports.require(
        GatewayPort(one.key.namespace, one.key.name, listener.port, "UDP" if listener.protocol == "UDP" else "TCP")
        for one in objects.gateways.values()
        for listener in one.spec.listeners
    )
    translation.rows_of(owners)
    found = translation.resources("edge")
    for name in text.partition("\n")[0].removeprefix("# ").split(", "):
        type_url, message = SHOWN[name]
        for one in sorted((one for one in found if one.type_url == type_url), key=lambda one: one.name):
            values = json.loads(
                json_format.MessageToJson(message.FromString(one.body), preserving_proto_field_name=True)
            )
            yield f"--- {name}: {one.name}\n{yaml.safe_dump(without_logs(values), width=110)}"


def without_logs(values: Any) -> Any:
    """Leave out the format of access logs, which is the same everywhere."""
    match values:
        case dict():
            return {key: without_logs(value) for key, value in values.items() if key != "access_log"}
        case list():
            return [without_logs(one) for one in values]
        case _:
            return values


@pytest.mark.parametrize("name", NAMES)
def test_objects_come_to(name: str) -> None:
    text, expected = (PAIRS / f"{name}.yaml").read_text(), PAIRS / f"{name}.txt"
    objects, owners = objects_of(text)
    found = "\n".join((*model(objects), *configuration(text, objects, owners))).rstrip() + "\n"
    if os.environ.get("PODWIRE_WRITE_PAIRS"):
        expected.write_text(found)
    assert found == expected.read_text()


def test_each_text_has_its_objects() -> None:
    assert sorted(one.stem for one in PAIRS.glob("*.txt")) == NAMES
