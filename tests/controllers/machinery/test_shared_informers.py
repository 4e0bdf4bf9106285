import asyncio

import pytest

from podwire.controllers.machinery import shared_informers as module
from podwire.controllers.machinery.shared_informers import Informers, supervised
from podwire.kube.core import ConfigMap
from podwire.kube.informer import ListenerError
from podwire.kube.kinds import CONFIG_MAPS, PODS, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.watch import Change
from tests.controllers.fake_api import FakeApi, running

ANY_POD = Kind("v1", "Pod", "pods", Object)


async def test_one_store_serves_all_who_can_read_its_type() -> None:
    informers = Informers(FakeApi())
    assert informers.of(PODS) is informers.of(PODS)
    assert informers.of(ANY_POD) is informers.of(PODS)


async def test_a_store_of_bare_metadata_does_not_serve_those_who_read_more() -> None:
    informers = Informers(FakeApi())
    assert informers.of(ANY_POD) is not informers.of(PODS)


async def test_a_kind_that_is_asked_for_later_is_followed_at_once() -> None:
    api = FakeApi()
    api.put(CONFIG_MAPS, "m", "shop")
    informers = Informers(api)
    async with running(informers):
        store = informers.of(CONFIG_MAPS)
        async with asyncio.timeout(5):
            await informers.synced()
        assert NamespacedName("shop", "m") in store.objects


async def test_a_listener_that_fails_ends_the_process_s_work() -> None:
    """It has missed a change: an informer that went on with what it knows would never tell it again."""
    api = FakeApi()
    informers = Informers(api)

    def broken(_: Change[ConfigMap]) -> None:
        raise RuntimeError("broken")

    informers.of(CONFIG_MAPS).informer.subscribe(broken)
    api.put(CONFIG_MAPS, "m", "shop")
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(20):
            await informers.run()
    assert raised.group_contains(ListenerError)


async def test_work_that_fails_is_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FIRST_RESTART_SECONDS", 0.001)
    tries = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise RuntimeError("broken")
        third.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(supervised("the work", work))
    async with asyncio.timeout(5):
        await third.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert caplog.text.count("the work failed") == 2
