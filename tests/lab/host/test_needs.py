"""What a world waits for after its manifests are applied."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.lab.host import manifests, needs
from podwire.lab.host.needs import Need
from podwire.redirection.enrolment import DISABLED, ENABLED, LABEL, REDIRECTED


def item(
    kind: str, name: str, namespace: str = "", *, spec: dict[str, Any] | None = None, **labels: str
) -> dict[str, Any]:
    named = {LABEL if key == "mesh" else REDIRECTED if key == "redirected" else key: one for key, one in labels.items()}
    metadata = {"name": name, "labels": named, **({"namespace": namespace} if namespace else {})}
    return {"kind": kind, "metadata": metadata, "spec": spec or {}, "status": {"phase": "Running"}}


def test_running_pods_that_are_enrolled_and_not_led_to_envoy_are_waited_for() -> None:
    items = [
        item("Namespace", "in", mesh=ENABLED),
        item("Namespace", "out"),
        item("Pod", "new", "in"),
        item("Pod", "led", "in", redirected=ENABLED),
        item("Pod", "kept-out", "in", mesh=DISABLED),
        item("Pod", "of-node", "in", spec={"hostNetwork": True}),
        {**item("Pod", "ended", "in"), "status": {"phase": "Succeeded"}},
        item("Pod", "by-label", "out", mesh=ENABLED),
        item("Pod", "stranger", "out"),
        item("Service", "web", "out", spec={"selector": {"app": "web"}}, mesh=ENABLED),
        item("Pod", "by-service", "out", app="web"),
    ]
    assert needs.outside_of_mesh(items) == ["in/new", "out/by-label", "out/by-service"]


def test_gateways_are_read_only_where_one_was_applied() -> None:
    assert needs.GATEWAYS not in needs.needs("deployment.apps/web created\ningress.networking.k8s.io/a created\n")
    assert needs.GATEWAYS in needs.needs("gateway.gateway.networking.k8s.io/web created\n")


def test_a_gateway_of_another_class_is_not_waited_for() -> None:
    rows = "default/a|podwire|False\ndefault/b|podwire|True\ndefault/c|other|\ndefault/d|podwire|\n"
    assert needs.GATEWAYS.pending(lambda *_: rows) == ["default/a", "default/d"]


def test_an_ingress_of_a_class_of_the_world_is_waited_for() -> None:
    rows = "default/a|nginx||\ndefault/b|nginx||192.0.2.1\ndefault/c|other||\ndefault/d||podwire|\n"
    assert needs.INGRESSES.pending(lambda *_: rows) == ["default/a", "default/d"]


def test_a_world_that_does_not_answer_has_nothing_pending() -> None:
    assert needs.MESH.pending(lambda *_: "") == []


def test_what_is_pending_is_shown_when_it_changes_and_named_at_the_deadline(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwire.edge.controller.missing_packages.missing_here", lambda: ())
    answers = [["a", "b", "c"], ["a", "b", "c"], ["c"], []]
    shown: list[str] = []
    need = Need("waiting", lambda _: answers.pop(0), "{} is not there")
    assert manifests._wait_for(need, lambda *_: "", float("inf"), shown.append) == 0
    assert shown == ["waiting: a and 2 more", "waiting: c"]
    assert manifests._wait_for(Need("waiting", lambda _: ["a"], "{} is not there"), lambda *_: "", 0, shown.append) == 1
    assert capsys.readouterr().err == "podwire: a is not there\n"
