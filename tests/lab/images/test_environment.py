from __future__ import annotations

import base64

import msgspec
import pytest

from podwire.kube.core import ConfigMap, Container, Pod, Secret
from podwire.lab.images.environment import ConfigurationError, Sources, expand, variables

SOURCES = Sources(
    config_maps={
        "conf": ConfigMap(data={"a": "1", "b=c": "never"}, binary_data={"raw": base64.b64encode(b"2").decode()})
    },
    secrets={"key": Secret(data={"s": base64.b64encode(b"hidden").decode()}), "bad": Secret(data={"s": "%"})},
    pod_addresses=("10.0.0.1", "fd00::1"),
    node_addresses=("172.18.0.2",),
)
POD = msgspec.convert(
    {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u",
            "labels": {"app": "web"},
            "annotations": {"x": "y"},
        },
        "spec": {"nodeName": "node-1"},
    },
    Pod,
)


def of(*env: object, **container: object) -> dict[str, str]:
    return variables(POD, msgspec.convert({"name": "c", "env": env, **container}, Container), SOURCES, {"PATH": "/bin"})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$(A)-$(B)", "1-$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A $", "$A $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ],
)
def test_references(text: str, wanted: str) -> None:
    assert expand(text, {"A": "1"}) == wanted


def test_later_variables_see_earlier_ones_and_win() -> None:
    assert of({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}, {"name": "A", "value": "$(B)"}) == {
        "PATH": "/bin",
        "A": "12",
        "B": "12",
    }


def test_whole_objects_come_first_and_with_their_prefix() -> None:
    whole = [{"configMapRef": {"name": "conf"}, "prefix": "P_"}, {"secretRef": {"name": "key"}}]
    assert of({"name": "s", "value": "own"}, envFrom=whole) == {"PATH": "/bin", "P_a": "1", "P_raw": "2", "s": "own"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['x']", "y"),
        ("metadata.labels['none']", ""),
        ("status.podIPs", "10.0.0.1,fd00::1"),
        ("status.hostIP", "172.18.0.2"),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "default"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    assert of({"name": "F", "valueFrom": {"fieldRef": {"fieldPath": path}}})["F"] == value


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "a"}}, 'configmap "none" not found'),
        ({"configMapKeyRef": {"name": "conf", "key": "z"}}, "couldn't find key z in configmap conf"),
        ({"secretKeyRef": {"name": "none", "key": "a"}}, 'secret "none" not found'),
        ({"secretKeyRef": {"name": "bad", "key": "s"}}, "no base64"),
        ({"fieldRef": {"fieldPath": "spec.x"}}, "fieldRef spec.x: use one of"),
    ],
)
def test_what_is_missing_is_named(source: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        of({"name": "A", "valueFrom": source})


def test_what_is_optional_is_left_out() -> None:
    for name, key in (("none", "a"), ("conf", "z")):
        source = {"configMapKeyRef": {"name": name, "key": key, "optional": True}}
        assert of({"name": "A", "valueFrom": source}) == {"PATH": "/bin"}
    assert of(envFrom=[{"secretRef": {"name": "none", "optional": True}}]) == {"PATH": "/bin"}
