"""Policies on requests that connect: exec, attach, port-forward and proxy (operation CONNECT)."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base.requests import Request
from podwire.apiserver.streams.connect_options import connect_options
from podwire.apiserver.streams.relays import Relay
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import pod
from tests.apiserver.writes.admission_policies.samples import binding, bound, denied, policy, rule

PODS = "/api/v1/namespaces/default/pods"
WEB_SOCKET = {"upgrade": "websocket"}
DENIED = "ValidatingAdmissionPolicy 'checked' with binding 'everywhere' denied request: "


async def running(talk: Talk) -> None:
    """Create a pod that has a node."""
    await talk.ok("POST", PODS, pod("web"))
    target = {"target": {"apiVersion": "v1", "kind": "Node", "name": "n1"}}
    await talk.ok("POST", f"{PODS}/web/binding", target)


def connecting(*resources: str) -> tuple[Any, ...]:
    return (rule(*resources, operations=("CONNECT",)),)


@pytest.mark.proves("admission-connect")
async def test_a_command_is_denied_by_its_options(talk: Talk) -> None:
    await running(talk)
    checked = "object.kind == 'PodExecOptions' && object.command == ['ls'] && !has(object.tty)"
    await bound(talk, policy(checked, rules=connecting("pods/exec")))
    assert isinstance(await talk.answer("GET", f"{PODS}/web/exec?command=ls", **WEB_SOCKET), Relay)
    for query in ("command=sh", "command=ls&tty=true", "command=ls&command=-l"):
        for method in ("GET", "POST"):
            assert "failed expression" in await denied(talk, method, f"{PODS}/web/exec?{query}", **WEB_SOCKET)


@pytest.mark.parametrize(
    ("subresource", "expression", "right", "wrong"),
    [
        ("attach", "object.container == 'main'", "container=main", ""),
        ("portforward", "object.ports.all(one, one < 100)", "ports=80,81", "ports=80,443"),
        ("exec", "request.name == 'web' && request.namespace == 'default' && has(object.command)", "command=a", ""),
        ("exec", "request.kind.kind == 'PodExecOptions' && has(object.command)", "command=a", ""),
        ("exec", "request.subResource == 'exec' && has(object.command)", "command=a", ""),
        ("exec", "request.operation == 'CONNECT' && oldObject == null && has(object.command)", "command=a", ""),
        ("exec", "namespaceObject.metadata.name == 'default' && has(object.command)", "command=a", ""),
    ],
)
async def test_what_expressions_read(talk: Talk, subresource: str, expression: str, right: str, wrong: str) -> None:
    await running(talk)
    await bound(talk, policy(expression, rules=connecting(f"pods/{subresource}")))
    assert isinstance(await talk.answer("GET", f"{PODS}/web/{subresource}?{right}", **WEB_SOCKET), Relay)
    assert await denied(talk, "GET", f"{PODS}/web/{subresource}?{wrong}", **WEB_SOCKET)


async def test_each_subresource_and_operation_is_matched_by_itself(talk: Talk) -> None:
    await running(talk)
    await bound(talk, policy("false", rules=(*connecting("pods/attach"), rule("pods/exec", operations=("CREATE",)))))
    assert isinstance(await talk.answer("GET", f"{PODS}/web/exec?command=ls", **WEB_SOCKET), Relay)
    assert isinstance(await talk.answer("GET", f"{PODS}/web/log"), Relay)
    assert await denied(talk, "GET", f"{PODS}/web/attach", **WEB_SOCKET) == "failed expression: false"


async def test_only_pods_of_a_name_or_a_namespace(talk: Talk) -> None:
    await running(talk)
    named = {**connecting("pods/exec")[0], "resourceNames": ["db"]}
    elsewhere = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-public"}}}
    await bound(talk, policy("false", rules=(named,)), binding(matchResources=elsewhere))
    assert isinstance(await talk.answer("GET", f"{PODS}/web/exec?command=ls", **WEB_SOCKET), Relay)
    assert (await talk.refused("GET", f"{PODS}/db/exec?command=ls", **WEB_SOCKET))[0] == 404
    path = f"{PODS.replace('default', 'kube-public')}/db/exec?command=ls"
    assert await denied(talk, "GET", path, **WEB_SOCKET), "whether the pod exists is not shown"


async def test_a_label_selector_fits_no_options(talk: Talk) -> None:
    await running(talk)
    unlabelled = {"objectSelector": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}}
    await bound(talk, policy("false", rules=connecting("pods/exec")), binding(matchResources=unlabelled))
    assert isinstance(await talk.answer("GET", f"{PODS}/web/exec?command=ls", **WEB_SOCKET), Relay)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("namespaces/default/services/kubernetes", "ServiceProxyOptions"),
        ("namespaces/default/pods/web", "PodProxyOptions"),
        ("nodes/n1", "NodeProxyOptions"),
    ],
)
async def test_requests_through_the_proxy(talk: Talk, path: str, kind: str) -> None:
    resource = f"{path.split('/')[-2]}/proxy"
    await bound(talk, policy(f"object.kind != '{kind}' || object.path != '/secret'", rules=connecting(resource)))
    assert await denied(talk, "POST", f"/api/v1/{path}/proxy/secret")
    answer = await talk.answer("GET", f"/api/v1/{path}/proxy/open")
    assert DENIED not in str(answer)


def test_parameters_that_are_not_given_are_no_fields() -> None:
    query = {"tty": ("false",), "stdin": ("1",), "ports": ("80,x", "81")}
    request = Request("GET", "/", None, query)
    named = {"apiVersion": "v1"}
    assert connect_options(request, "Pod", "exec", "") == {**named, "kind": "PodExecOptions", "stdin": True}
    ports = {**named, "kind": "PodPortForwardOptions", "ports": [80, 81]}
    assert connect_options(request, "Pod", "portforward", "") == ports
    assert connect_options(request, "Node", "proxy", "") == {**named, "kind": "NodeProxyOptions"}
