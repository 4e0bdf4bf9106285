import asyncio
from typing import cast

import msgspec
import pytest

from podwire.kube.client import Client, ObjectList
from podwire.kube.core import Node
from podwire.kube.discovery import SERVICE_NAME_LABEL as LABEL
from podwire.kube.discovery import EndpointSlice
from podwire.kube.kinds import ENDPOINT_SLICES, Kind
from podwire.kube.meta import NamespacedName
from podwire.lab.relay import targets
from podwire.lab.relay.forwards import Forward
from podwire.lab.relay.targets import ServingNodes, Target, targets_of

WEB = NamespacedName("shop", "web")


def node(number: int, *, ready: bool = True) -> Node:
    addresses = [f"172.18.0.{number + 1}", f"fd00:172:18::{number + 1}", f"fe80::{number}%eth0", f"node-{number}"]
    types = ["InternalIP", "InternalIP", "InternalIP", "InternalIP"]
    status = {
        "addresses": [{"type": kind, "address": one} for kind, one in zip(types, addresses, strict=True)],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
    return msgspec.convert({"metadata": {"name": f"node-{number}"}, "status": status}, Node)


NODES = [node(2), node(1), node(3, ready=False)]


def test_a_load_balancer_is_its_address_seen_from_outside() -> None:
    forward = Forward(WEB, "LoadBalancer", "TCP", 80, 80, "172.18.254.1")
    assert targets_of(forward, NODES, None) == [Target("outside", "172.18.254.1", 80)]


def test_a_node_port_is_tried_at_every_ready_node_of_its_families() -> None:
    forward = Forward(WEB, "NodePort", "TCP", 30080, 80)
    assert targets_of(forward, NODES, None) == [
        Target("outside", "172.18.0.2", 30080),
        Target("outside", "172.18.0.3", 30080),
    ]
    only6 = Forward(WEB, "NodePort", "TCP", 30080, 80, families=("IPv6",))
    assert [target.address for target in targets_of(only6, NODES, None)] == ["fd00:172:18::2", "fd00:172:18::3"]


def test_with_policy_local_only_nodes_with_an_endpoint_are_tried() -> None:
    forward = Forward(WEB, "NodePort", "TCP", 30080, 80, local=True)
    assert targets_of(forward, NODES, frozenset({"node-2", "node-3"})) == [Target("outside", "172.18.0.3", 30080)]
    assert targets_of(forward, NODES, frozenset()) == []


def test_a_cluster_address_is_reached_from_a_node() -> None:
    forward = Forward(WEB, "ClusterIP", "UDP", 53, 80, "10.96.0.10")
    assert targets_of(forward, NODES, None) == [Target("node-1", "10.96.0.10", 53), Target("node-2", "10.96.0.10", 53)]
    assert Target("node-1", "fd00:10:96::a", 53).version == 6


class Slices:
    """An API server with one endpoint, on a node of this name; counts the requests. Empty: it does not answer."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.requests = 0

    async def list(self, kind: Kind[EndpointSlice], namespace: str, **parameters: str) -> ObjectList[EndpointSlice]:
        self.requests += 1
        assert (kind, namespace, parameters) == (ENDPOINT_SLICES, "shop", {"labelSelector": f"{LABEL}=web"})
        await asyncio.sleep(0)
        if not self.node:
            raise ConnectionRefusedError
        metadata = {"name": "web-1", "namespace": "shop", "labels": {LABEL: "web"}}
        one = {"metadata": metadata, "endpoints": [{"addresses": ["10.244.1.2"], "nodeName": self.node}]}
        return ObjectList([msgspec.convert(one, EndpointSlice)])


async def test_serving_nodes_are_read_once_for_all_that_wait() -> None:
    api = Slices("node-2")
    nodes = ServingNodes(cast("Client", api))
    assert await asyncio.gather(*(nodes.of(WEB) for _ in range(5))) == [frozenset({"node-2"})] * 5
    assert api.requests == 1


async def test_without_the_api_server_the_last_known_ones_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "FRESH_SECONDS", -1.0)
    api = Slices("node-2")
    nodes = ServingNodes(cast("Client", api))
    await nodes.of(WEB)
    api.node = "node-1"
    assert await nodes.of(WEB) == frozenset({"node-1"}), "a pod has moved"
    api.node = ""
    assert await nodes.of(WEB) == frozenset({"node-1"})
    nodes.remove(WEB)
    assert await nodes.of(WEB) is None, "none is known: all nodes are tried"
