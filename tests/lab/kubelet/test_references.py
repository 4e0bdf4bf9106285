"""Which objects a pod depends on."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.kube.core import Pod
from podwire.kube.services import Service
from podwire.lab.kubelet.references import CONFIG_MAP, SECRET, Reference, references, selects


def pod(**spec: Any) -> Pod:
    return msgspec.convert(
        {"metadata": {"namespace": "shop", "labels": {"app": "web", "tier": "front"}}, "spec": spec}, Pod
    )


def service(namespace: str = "shop", **selector: str) -> Service:
    return msgspec.convert({"metadata": {"namespace": namespace}, "spec": {"selector": selector}}, Service)


def test_containers_and_volumes_name_config_maps_and_secrets() -> None:
    container = {
        "name": "main",
        "env": [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}},
            {"name": "C", "value": "plain"},
        ],
        "envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "d"}}],
    }
    volumes = [
        {"name": "1", "configMap": {"name": "e"}},
        {"name": "2", "secret": {"secretName": "f"}},
        {"name": "3", "projected": {"sources": [{"configMap": {"name": "g"}}, {"secret": {"name": "h"}}]}},
        {"name": "4", "emptyDir": {}},
    ]
    assert references(pod(containers=[container], volumes=volumes)) == {
        *(Reference(CONFIG_MAP, name) for name in "aceg"),
        *(Reference(SECRET, name) for name in "bdfh"),
    }


def test_init_and_ephemeral_containers_count() -> None:
    def one(name: str) -> dict[str, Any]:
        return {"name": name, "envFrom": [{"configMapRef": {"name": name}}]}

    found = references(pod(containers=[], initContainers=[one("init")], ephemeralContainers=[one("debug")]))
    assert {reference.name for reference in found} == {"init", "debug"}


def test_a_service_selects_pods_of_its_namespace_by_labels() -> None:
    web = pod()
    assert selects(service(app="web"), web)
    assert not selects(service(app="other"), web)
    assert not selects(service(namespace="bank", app="web"), web)
    assert not selects(service(), web), "no selector selects nothing"
    assert not selects(None, web)
