"""Limits and requests of containers as texts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.kube.core import Pod
from podwire.kube.volumes import ResourceFieldSelector
from podwire.lab.images.environment import ConfigurationError, Sources, variables
from podwire.lab.images.resource_fields import ResourceFieldError, resource_field

MAIN = {
    "name": "main",
    "resources": {
        "limits": {"cpu": "1250m", "memory": "64Mi"},
        "requests": {"cpu": "250m", "ephemeral-storage": "1Gi"},
    },
}
POD = msgspec.convert({"spec": {"containers": [MAIN, {"name": "free"}]}}, Pod)
NODE = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "100Gi"}


def value(resource: str, divisor: str = "0", container: str = "main") -> str:
    selector = ResourceFieldSelector(resource=resource, divisor=divisor, container_name=container)
    return resource_field(POD, None, selector, NODE)


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.cpu", "0", "2"),
        ("limits.cpu", "1m", "1250"),
        ("requests.cpu", "1", "1"),
        ("limits.memory", "1", "67108864"),
        ("limits.memory", "1Mi", "64"),
        ("limits.memory", "100Mi", "1"),
        ("requests.ephemeral-storage", "1Mi", "1024"),
        ("limits.ephemeral-storage", "1Gi", "100"),
        ("limits.hugepages-2Mi", "1", "0"),
    ],
)
def test_values_are_divided_and_rounded_up(resource: str, divisor: str, expected: str) -> None:
    assert value(resource, divisor) == expected


def test_without_a_limit_it_is_what_the_node_can_allocate() -> None:
    assert (value("limits.cpu", container="free"), value("limits.memory", "1Gi", "free")) == ("4", "8")
    assert value("requests.cpu", container="free") == "0"


@pytest.mark.parametrize(("resource", "container"), [("limits.gpu", "main"), ("size", "main"), ("limits.cpu", "none")])
def test_what_does_not_exist(resource: str, container: str) -> None:
    with pytest.raises(ResourceFieldError):
        value(resource, container=container)


def test_variables_of_a_container_name_itself_and_others() -> None:
    def env(**selector: str) -> dict[str, Any]:
        return {"name": "V", "valueFrom": {"resourceFieldRef": selector}}

    def read(**selector: str) -> str:
        entry = {"name": "c", "env": [env(**selector)], "resources": {"limits": {"cpu": "3"}}}
        pod = msgspec.convert({"spec": {"containers": [entry, MAIN]}}, Pod)
        return variables(pod, pod.spec.containers[0], Sources(allocatable=NODE), {})["V"]

    assert read(resource="limits.cpu") == "3"
    assert read(resource="limits.memory", divisor="1Mi", containerName="main") == "64"
    with pytest.raises(ConfigurationError, match="container none not found"):
        read(resource="limits.cpu", containerName="none")
