"""What is read of a running cluster for answers about the mesh."""

from __future__ import annotations

from podwire.insight.mesh_policies.reading import mesh_of
from podwire.insight.snapshot import live
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.meta import NamespacedName
from podwire.mesh.identity.trust_objects import TRUST
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES
from podwire.mesh.model.workload import Workload
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
