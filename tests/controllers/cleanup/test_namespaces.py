from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podwire.controllers.cleanup.namespaces import Namespaces
from podwire.controllers.machinery.shared_informers import Informers
from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS
from podwire.kube.meta import NamespacedName
from tests.controllers.fake_api import FakeApi, running
from tests.controllers.fake_node import FakeRuntime

SHOP = NamespacedName("", "shop")


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, folder: Path) -> AsyncIterator[None]:
    authority = folder / "ca.crt"
    authority.write_text("the authority")
    informers = Informers(api)
    async with running(informers, Namespaces(api, informers, str(authority)), FakeRuntime(api)):
        yield


def furnished(api: FakeApi, namespace: str) -> bool:
    account = NamespacedName(namespace, "default") in api.objects.get(SERVICE_ACCOUNTS.resource, {})
    published = api.objects.get(CONFIG_MAPS.resource, {}).get(NamespacedName(namespace, "kube-root-ca.crt"), {})
    return account and published.get("data") == {"ca.crt": "the authority"}


@pytest.mark.proves("namespace-first-objects")
async def test_each_namespace_starts_with_an_account_and_the_authority(api: FakeApi, tmp_path: Path) -> None:
    api.put(NAMESPACES, "default")
    async with at_work(api, tmp_path):
        api.put(NAMESPACES, "shop")
        await api.until(lambda: furnished(api, "default") and furnished(api, "shop"))


async def test_what_is_deleted_or_forged_comes_back(api: FakeApi, tmp_path: Path) -> None:
    api.put(NAMESPACES, "shop")
    async with at_work(api, tmp_path):
        await api.until(lambda: furnished(api, "shop"))
        api.remove(SERVICE_ACCOUNTS, NamespacedName("shop", "default"))
        await api.until(lambda: furnished(api, "shop"))
        api.put(CONFIG_MAPS, "kube-root-ca.crt", "shop", data={"ca.crt": "forged"})
        await api.until(lambda: furnished(api, "shop"))


@pytest.mark.proves("delete-namespaces")
async def test_a_deleted_namespace_is_emptied_and_then_goes_and_others_stay(api: FakeApi, tmp_path: Path) -> None:
    for name in ("shop", "other"):
        api.put(NAMESPACES, name)
        api.put(SECRETS, "s", name)
        api.put(PODS, "p", name, spec={})
    async with at_work(api, tmp_path):
        await api.until(lambda: furnished(api, "shop") and furnished(api, "other"))
        await api.delete(NAMESPACES, SHOP)
        await api.until(lambda: len(api.all(NAMESPACES)) == 1)
        left = {key.namespace for found in api.objects.values() for key in found}
        assert left == {"", "other"}
        assert furnished(api, "other")


async def test_a_namespace_waits_for_content_that_cannot_go_yet(api: FakeApi, tmp_path: Path) -> None:
    api.put(NAMESPACES, "shop")
    api.put(SECRETS, "held", "shop", metadata={"finalizers": ["example.com/hold"]})
    async with at_work(api, tmp_path):
        await api.until(lambda: furnished(api, "shop"))
        await api.delete(NAMESPACES, SHOP)
        await api.until(lambda: not api.all(SERVICE_ACCOUNTS) and not api.all(CONFIG_MAPS))
        assert len(api.all(NAMESPACES)) == 1
        held = NamespacedName("shop", "held")
        await api.patch(SECRETS, held, {"metadata": {"finalizers": None}})
        await api.until(lambda: not api.all(NAMESPACES))
