import asyncio

import pytest

from podwire.kube.core import ConfigMap
from podwire.kube.informer import ListenerError
from podwire.kube.kinds import CONFIG_MAPS, PODS, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.shared_informers import SharedInformers
from podwire.kube.watch import Change
from tests.kube.fake_api import FakeApi, running

ANY_POD = Kind("v1", "Pod", "pods", Object)


async def test_one_store_serves_all_users_of_its_type() -> None:
    informers = SharedInformers(FakeApi())
    assert informers.of(PODS) is informers.of(PODS)
    assert informers.of(ANY_POD) is informers.of(PODS)


async def test_a_store_of_bare_metadata_does_not_serve_users_of_a_fuller_type() -> None:
    informers = SharedInformers(FakeApi())
    assert informers.of(ANY_POD) is not informers.of(PODS)


async def test_a_kind_that_is_requested_later_is_followed_at_once() -> None:
    api = FakeApi()
    api.put(CONFIG_MAPS, "m", "shop")
    informers = SharedInformers(api)
    async with running(informers):
        store = informers.of(CONFIG_MAPS)
        async with asyncio.timeout(60):
            await informers.synced()
        assert NamespacedName("shop", "m") in store.objects


async def test_a_listener_that_fails_ends_the_process_s_work() -> None:
    """It has missed a change: an informer that went on with what it knows would never tell it again."""
    api = FakeApi()
    informers = SharedInformers(api)

    def broken(_: Change[ConfigMap]) -> None:
        raise RuntimeError("broken")

    informers.of(CONFIG_MAPS).informer.subscribe(broken)
    api.put(CONFIG_MAPS, "m", "shop")
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(60):
            await informers.run()
    assert raised.group_contains(ListenerError)
