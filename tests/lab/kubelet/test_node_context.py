"""What the pods of a node share: an index of Services, and the variables that name them."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from podwire.kube.core import ConfigMap, Secret
from podwire.kube.informer import Informer
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.lab.kubelet.node_context import Objects


class Source:
    """An informer that a test feeds."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []

    def subscribe(self, listener: Any) -> None:
        self.listeners.append(listener)

    def send(self, old: Service | None, new: Service | None) -> None:
        for listener in self.listeners:
            listener(Change(old, new))


def service(name: str, namespace: str, port: int = 80) -> Service:
    spec = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": [{"port": port}]}
    return msgspec.convert({"metadata": {"name": name, "namespace": namespace}, "spec": spec}, Service)


def objects() -> tuple[Objects, Source]:
    source = Source()
    idle = cast("Informer[ConfigMap]", Source()), cast("Informer[Secret]", Source())
    return Objects(*idle, cast("Informer[Service]", source)), source


def test_services_are_found_by_namespace() -> None:
    subject, source = objects()
    web, other = service("web", "shop"), service("web", "bank")
    source.send(None, web)
    source.send(None, other)
    assert subject.by_namespace == {"shop": {"web": web}, "bank": {"web": other}}
    source.send(web, None)
    assert subject.by_namespace == {"bank": {"web": other}}


def test_links_are_made_once_and_again_after_a_change() -> None:
    subject, source = objects()
    before, after = service("web", "shop"), service("web", "shop", 8080)
    source.send(None, before)
    links = subject.links("shop")
    assert links["WEB_SERVICE_PORT"] == "80"
    source.send(None, service("db", "bank"))
    assert subject.links("shop") is links, "a change elsewhere costs nothing"
    source.send(before, after)
    assert subject.links("shop")["WEB_SERVICE_PORT"] == "8080"
    source.send(after, None)
    assert subject.links("shop") == {}
