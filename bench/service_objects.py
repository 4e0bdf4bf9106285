"""Services with hand-made EndpointSlices, written through the API server, and changes of single endpoints."""

from __future__ import annotations

import json
import re
from typing import Any

from bench import api_writes
from bench.api_server import Served
from bench.wire import Connection, accepted, request

NODE = "node-1"
POD_RANGE, SERVICE_RANGE = "10.128.0.0/9", "10.96.0.0/16"
WRITERS = 8
MERGE_PATCH = "application/merge-patch+json"

_SERVICES = "/api/v1/namespaces/default/services"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
_ENDPOINTS = re.compile(r"\b10\.(?:12[89]|1[3-9]\d|2[0-3]\d)\.\d+\.\d+\b")

Object = dict[str, Any]


def write(served: Served, services: int, endpoints: int) -> None:
    """Write the node and so many Services of so many endpoints."""
    _write_node(served)
    numbers = range(services)
    wanted = [_creation(_SERVICES, _service(number)) for number in numbers]
    wanted += [_creation(_SLICES, _slice(number, endpoints)) for number in numbers]
    api_writes.load(served, WRITERS, wanted, "admin")


def change(number: int, endpoints: int, address: str) -> bytes:
    """The request that gives the first endpoint of a Service another address."""
    body = {"endpoints": [_endpoint(address), *_slice(number, endpoints)["endpoints"][1:]]}
    return request("PATCH", f"{_SLICES}/bench-{number}", json.dumps(body).encode(), MERGE_PATCH)


def fresh_address(turn: int) -> str:
    """An address that no endpoint has had before; there are 65,536."""
    return f"10.239.{turn >> 8 & 255}.{turn & 255}"


def endpoints_in(ruleset: str) -> int:
    """How many addresses of endpoints a listed ruleset names."""
    return len(set(_ENDPOINTS.findall(ruleset)))


def _write_node(served: Served) -> None:
    connection = Connection(served)
    connection.ask("POST", "/api/v1/nodes", {"metadata": {"name": NODE}, "spec": {"podCIDR": "10.250.1.0/24"}})
    status = {"status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]}}
    answer = connection.send(request("PATCH", f"/api/v1/nodes/{NODE}/status", json.dumps(status).encode(), MERGE_PATCH))
    if not accepted(answer):
        raise RuntimeError(f"the node's status was refused: {answer[:500]!r}")


def _creation(path: str, body: Object) -> bytes:
    return request("POST", path, json.dumps(body).encode())


def _service(number: int) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"bench-{number}"}, "spec": {"ports": ports}}


def _slice(number: int, endpoints: int) -> Object:
    """Endpoints on 100 nodes, as most of them are on others than this one."""
    first = number * endpoints
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"bench-{number}", "labels": {"kubernetes.io/service-name": f"bench-{number}"}},
        "addressType": "IPv4",
        "endpoints": [
            _endpoint(f"10.{128 + (each >> 16)}.{each >> 8 & 255}.{each & 255}", f"node-{2 + each % 99}")
            for each in range(first, first + endpoints)
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _endpoint(address: str, node: str = "node-2") -> Object:
    conditions = {"ready": True, "serving": True, "terminating": False}
    return {"addresses": [address], "conditions": conditions, "nodeName": node}
