from typing import Any

import msgspec
import pytest

from podwire.controllers.nodes import node_affinity
from podwire.controllers.nodes.node_selection import Loads, Placed, Unplaced, place
from podwire.kube.core import PodSpec
from podwire.kube.scheduling import Taint, Toleration
from tests.controllers.build import node, pod

TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "gpu", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu", "value": "yes", "effect": "NoExecute"}, False),
        ({"key": "cpu", "operator": "Exists"}, False),
        ({}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], tolerated: bool) -> None:
    taint = msgspec.convert(TAINT, Taint)
    found = node_affinity.untolerated([msgspec.convert(toleration, Toleration)], [taint])
    assert found == (None if tolerated else taint)


def test_a_taint_keeps_pods_away_that_do_not_tolerate_it() -> None:
    tainted = node("node-1", TAINT)
    message = "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}."
    assert place(pod(), "", [tainted], Loads()) == Unplaced(message)
    tolerant = pod(spec={"tolerations": [{"key": "gpu", "operator": "Exists"}]})
    assert place(tolerant, "", [tainted], Loads()) == Placed("node-1")


def affinity(*terms: dict[str, Any]) -> PodSpec:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return msgspec.convert({"affinity": {"nodeAffinity": required}}, PodSpec)


def line(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("terms", "chosen"),
    [
        ([{"matchFields": [line("metadata.name", "In", "node-1")]}], True),
        ([{"matchFields": [line("metadata.name", "In", "node-2")]}], False),
        ([{"matchExpressions": [line("disk", "In", "ssd"), line("cores", "Gt", "3")]}], True),
        ([{"matchExpressions": [line("disk", "In", "ssd"), line("cores", "Gt", "4")]}], False),
        ([{"matchExpressions": [line("cores", "Lt", "5")]}], True),
        ([{"matchExpressions": [line("disk", "Lt", "5")]}], False),
        ([{"matchExpressions": [line("disk", "DoesNotExist")]}, {"matchExpressions": [line("cores", "Exists")]}], True),
        ([{}], False),
        ([], False),
    ],
)
def test_required_affinity(terms: list[dict[str, Any]], chosen: bool) -> None:
    assert node_affinity.selects(affinity(*terms), node("node-1", disk="ssd", cores="4")) is chosen
