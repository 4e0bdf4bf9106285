"""What the real kubectl sends as protobuf is the object that it prints as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podwire.apiserver.answers import Answer
from podwire.apiserver.base.requests import Request
from podwire.apiserver.bodies.protobuf import envelope
from podwire.apiserver.bodies.reader import without_nulls
from tests.apiserver.conftest import Served

COMMANDS = (
    "namespace shop",
    "deployment web --image=nginx --replicas=3 --port=80",
    "configmap settings --from-literal=a=b --from-literal=empty=",
    "secret generic hidden --from-literal=a=b",
    "secret docker-registry registry --docker-username=u --docker-password=p --docker-server=example.org",
    "service clusterip web --tcp=80:8080 --tcp=5353:dns",
    "service nodeport doors --tcp=80:http --node-port=30080",
    "service externalname far --external-name=example.org",
    "role reader --verb=get,list --resource=pods --resource-name=web",
    "clusterrole reader --verb=get --non-resource-url=/metrics",
    "rolebinding readers --role=reader --user=ann --serviceaccount=default:builder",
    "clusterrolebinding readers --clusterrole=reader --group=readers",
    "serviceaccount builder",
    "job once --image=busybox -- sleep 1",
    "cronjob often --image=busybox --schedule=*/5_*_*_*_* --restart=OnFailure",
    "quota few --hard=pods=2,requests.cpu=500m",
    "poddisruptionbudget most --selector=app=web --min-available=50%",
    "ingress site --rule=example.org/api*=web:80,tls=cert --annotation=a=b --default-backend=web:http",
    "priorityclass high --value=1000 --global-default=false --description=more",
)


@pytest.fixture
def sent(served: Served, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that the server has had with a protobuf body."""
    found: list[Request] = []
    handle = served.server.api.handle

    async def recording(request: Request) -> Answer:
        if request.headers.get("content-type") == envelope.MEDIA_TYPE:
            found.append(request)
        return await handle(request)

    monkeypatch.setattr(served.server.api, "handle", recording)
    return found


@pytest.mark.proves("kubectl-create-typed", "protobuf-bodies")
async def test_what_kubectl_creates_is_what_it_shows(served: Served, sent: list[Request]) -> None:
    shown: list[Any] = []
    for command in COMMANDS:
        arguments = [argument.replace("_", " ") for argument in command.split()]
        at = arguments.index("--") if "--" in arguments else len(arguments)
        dry = [*arguments[:at], "--dry-run=client", "-o", "json", *arguments[at:]]
        shown.append(without_nulls(json.loads(await served.kubectl("create", *dry))))
        created = await served.kubectl("create", *arguments)
        assert "created" in created
    read = [envelope.read(request.body) for request in sent]
    assert len(read) == len(COMMANDS)
    for one, other in zip(read, shown, strict=True):
        other["metadata"].setdefault("namespace", one["metadata"].get("namespace"))
        assert one == without_nulls(other)


async def test_kubectl_requests_its_identity_and_its_rights(served: Served, sent: list[Request]) -> None:
    assert (await served.kubectl("auth", "can-i", "create", "pods", "--subresource=exec")).strip() == "yes"
    assert "kubernetes-admin" in await served.kubectl("auth", "whoami")
    assert "*.*" in await served.kubectl("auth", "can-i", "--list")
    assert [envelope.read(request.body)["kind"] for request in sent] == [
        "SelfSubjectAccessReview",
        "SelfSubjectReview",
        "SelfSubjectRulesReview",
    ]
