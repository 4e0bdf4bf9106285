"""What is read of a running cluster for answers about the mesh."""

from __future__ import annotations

import json

from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.insight.mesh_policies.reading import mesh_of
from podwire.insight.snapshot import live
from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES, SECRETS
from podwire.kube.meta import NamespacedName
from podwire.mesh.identity.trust_objects import TRUST
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES
from podwire.mesh.model.workload import Workload
from podwire.redirection import enrolment
from tests.kube.fake_api import FakeApi

WEB = Workload(NamespacedName("shop", "web"), (), "web")


async def identity(api: FakeApi) -> str:
    return mesh_of(await live.read(api)).identity(WEB)


async def test_the_trust_domain_is_that_of_the_cluster() -> None:
    api = FakeApi()
    api.put(AUTHORIZATION_POLICIES, "web", "shop", spec={})
    assert await identity(api) == "spiffe://cluster.local/ns/shop/sa/web"
    api.put(CONFIG_MAPS, TRUST.name, TRUST.namespace, data={"trust-domain": "shop.example"})
    assert await identity(api) == "spiffe://shop.example/ns/shop/sa/web"


async def test_routes_of_the_mesh_are_read_where_they_count() -> None:
    api = FakeApi()
    kinds = {one.kind: one for one in KINDS}
    for name in ("HTTPRoute", "GRPCRoute", "TLSRoute"):
        api.put(kinds[name], "web", "shop", spec={})
    assert (await live.read_with_routes(api)).others == ()
    api.put(NAMESPACES, "shop", metadata={"labels": {enrolment.LABEL: enrolment.ENABLED}})
    found = await live.read_with_routes(api)
    assert sorted(one.kind[1] for one in found.others) == ["GRPCRoute", "HTTPRoute"]
    assert (await live.read(api)).others == ()


async def test_secrets_are_read_that_listeners_refer_to() -> None:
    api = FakeApi()
    kinds = {one.kind: one for one in KINDS}
    tls = {"mode": "Terminate", "certificateRefs": [{"name": "certificate"}]}
    listeners = [{"name": "https", "port": 443, "protocol": "HTTPS", "tls": tls}]
    api.put(kinds["Gateway"], "public", "edge", spec={"gatewayClassName": "podwire", "listeners": listeners})
    for name in ("certificate", "other"):
        api.put(SECRETS, name, "edge", data={"tls.crt": "eA=="})
    (secret,) = [one for one in (await live.read_with_requests(api)).others if one.kind[1] == "Secret"]
    assert (secret.value["metadata"]["name"], secret.value["data"]) == ("certificate", {"tls.crt": "eA=="})


async def test_labels_are_told_apart_by_who_gave_them() -> None:
    api = FakeApi()
    applied = {"metadata": {"name": "shop", "labels": {"team": "a"}}}
    for name, text in (("shop", json.dumps(applied)), ("bare", '{"metadata": {"labels": null}}'), ("broken", "{")):
        annotations = {"kubectl.kubernetes.io/last-applied-configuration": text}
        api.put(NAMESPACES, name, metadata={"labels": {"team": "a", "mesh": "on"}, "annotations": annotations})
    found = await live.read(api)
    assert found.applied_labels == {"shop": {"team"}, "bare": frozenset(), "broken": frozenset()}
