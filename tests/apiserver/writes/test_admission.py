"""What the server fills in from other objects."""

from typing import Any

import pytest

from tests.apiserver.conftest import Talk

CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
DEFAULT = {"ingressclass.kubernetes.io/is-default-class": "true"}


def ingress_class(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "spec": {"controller": "example.com/mine"}}


def ingress(name: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"defaultBackend": backend, **spec}}


@pytest.mark.proves("default-ingress-class")
async def test_an_ingress_without_a_class_gets_the_default_one(talk: Talk) -> None:
    await talk.ok("POST", CLASSES, ingress_class("other"))
    assert "ingressClassName" not in (await talk.ok("POST", INGRESSES, ingress("a")))["spec"]
    await talk.ok("POST", CLASSES, ingress_class("b-usual", annotations=DEFAULT))
    await talk.ok("POST", CLASSES, ingress_class("a-usual", annotations=DEFAULT))
    made = await talk.ok("POST", INGRESSES, ingress("b"))
    assert made["spec"]["ingressClassName"] == "a-usual"
    named = await talk.ok("POST", INGRESSES, ingress("c", ingressClassName="other"))
    assert named["spec"]["ingressClassName"] == "other"
    annotated = await talk.ok("POST", INGRESSES, ingress("d", {"kubernetes.io/ingress.class": "x"}))
    assert "ingressClassName" not in annotated["spec"]
