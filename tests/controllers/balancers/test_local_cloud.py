from __future__ import annotations

import pytest

from podwire.controllers.balancers.local_cloud import LocalCloud
from podwire.controllers.balancers.pools import BalancerPools
from podwire.controllers.balancers.provider import BalancerError
from podwire.controllers.balancers.request import AWS_SCHEME
from podwire.kube.services import Service
from tests.controllers.balancers.build import balanced

POOLS = BalancerPools(("10.0.0.0/30",), ("10.1.0.0/30",))
OLD, NEW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


async def addresses(cloud: LocalCloud, service: Service) -> list[str]:
    return [entry.ip for entry in (await cloud.ensure(service, ())).ingress]


async def test_of_two_that_have_one_address_the_oldest_keeps_it() -> None:
    cloud = LocalCloud(POOLS)
    young, old = balanced("a", "10.0.0.2", created=NEW), balanced("b", "10.0.0.2", created=OLD)
    await cloud.start([young, old])
    assert await addresses(cloud, young) == ["10.0.0.1"]
    assert await addresses(cloud, old) == ["10.0.0.2"]


async def test_of_two_that_request_one_address_the_oldest_gets_it_at_the_start() -> None:
    cloud = LocalCloud(POOLS)
    young = balanced("a", created=NEW, loadBalancerIP="10.0.0.2")
    old = balanced("b", created=OLD, loadBalancerIP="10.0.0.2")
    await cloud.start([young, old])
    with pytest.raises(BalancerError, match="in use by Service shop/b"):
        await cloud.ensure(young, ())
    assert await addresses(cloud, old) == ["10.0.0.2"]


async def test_what_others_have_is_not_given_to_those_that_have_nothing() -> None:
    cloud = LocalCloud(POOLS)
    waiting, having = balanced("a", created=OLD), balanced("b", "10.0.0.1", created=NEW)
    await cloud.start([waiting, having])
    assert await addresses(cloud, waiting) == ["10.0.0.2"]
    assert await addresses(cloud, having) == ["10.0.0.1"]


@pytest.mark.parametrize(("address", "internal"), [("10.1.0.1", True), ("10.0.0.1", False)])
async def test_a_service_whose_request_became_invalid_keeps_its_address(address: str, internal: bool) -> None:
    cloud = LocalCloud(POOLS)
    broken = balanced("a", address, annotations={AWS_SCHEME: "private"})
    await cloud.start([broken])
    with pytest.raises(BalancerError, match="use internal or internet-facing") as refusal:
        await cloud.ensure(broken, ())
    assert [entry.ip for entry in refusal.value.remaining or ()] == [address]
    other = balanced("b", annotations={AWS_SCHEME: "internal"} if internal else {})
    assert await addresses(cloud, other) == [address[:-1] + "2"]


async def test_a_service_that_is_being_deleted_holds_its_address_until_then() -> None:
    cloud = LocalCloud(POOLS)
    ending = balanced("a", "10.0.0.1", metadata={"deletionTimestamp": NEW})
    await cloud.start([ending])
    assert await addresses(cloud, balanced("b")) == ["10.0.0.2"]
    assert await cloud.delete(ending)
    assert not await cloud.delete(ending)
    assert await addresses(cloud, balanced("c")) == ["10.0.0.1"]
