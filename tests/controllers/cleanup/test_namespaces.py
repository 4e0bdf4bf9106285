from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podwire.controllers.cleanup.namespaces import Namespaces
from podwire.kube.client import ApiError
from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES, NETWORK_POLICIES, PODS, SECRETS, SERVICE_ACCOUNTS
from podwire.kube.meta import NamespacedName
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.fake_node import FakeRuntime
from tests.kube.fake_api import FakeApi, running

SHOP = NamespacedName("", "shop")


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, folder: Path, runtime: FakeRuntime | None = None) -> AsyncIterator[None]:
    authority = folder / "ca.crt"
    authority.write_text("the authority")
    informers = SharedInformers(api)
    async with running(informers, Namespaces(api, informers, str(authority)), runtime or FakeRuntime(api)):
        yield


def reasons(api: FakeApi) -> set[str]:
    """The reasons of all conditions of all namespaces."""
    return {c["reason"] for item in api.all(NAMESPACES) for c in item["status"].get("conditions", [])}


def has_defaults(api: FakeApi, namespace: str) -> bool:
    account = NamespacedName(namespace, "default") in api.objects.get(SERVICE_ACCOUNTS.resource, {})
    published = api.objects.get(CONFIG_MAPS.resource, {}).get(NamespacedName(namespace, "kube-root-ca.crt"), {})
    return account and published.get("data") == {"ca.crt": "the authority"}


@pytest.mark.proves("namespace-first-objects")
async def test_each_namespace_has_an_account_and_the_root_certificate_from_the_start(
    api: FakeApi, tmp_path: Path
) -> None:
    api.put(NAMESPACES, "default")
    async with at_work(api, tmp_path):
        api.put(NAMESPACES, "shop")
        await api.until(lambda: has_defaults(api, "default") and has_defaults(api, "shop"))


async def test_a_deleted_account_and_a_changed_certificate_are_restored(api: FakeApi, tmp_path: Path) -> None:
    api.put(NAMESPACES, "shop")
    async with at_work(api, tmp_path):
        await api.until(lambda: has_defaults(api, "shop"))
        api.remove(SERVICE_ACCOUNTS, NamespacedName("shop", "default"))
        await api.until(lambda: has_defaults(api, "shop"))
        api.put(CONFIG_MAPS, "kube-root-ca.crt", "shop", data={"ca.crt": "forged"})
        await api.until(lambda: has_defaults(api, "shop"))


@pytest.mark.proves("delete-namespaces")
async def test_a_deleted_namespace_is_removed_with_its_content_and_others_stay(api: FakeApi, tmp_path: Path) -> None:
    for name in ("shop", "other"):
        api.put(NAMESPACES, name)
        api.put(SECRETS, "s", name)
        api.put(PODS, "p", name, spec={})
    async with at_work(api, tmp_path):
        await api.until(lambda: has_defaults(api, "shop") and has_defaults(api, "other"))
        await api.delete(NAMESPACES, SHOP)
        await api.until(lambda: len(api.all(NAMESPACES)) == 1)
        left = {key.namespace for found in api.objects.values() for key in found}
        assert left == {"", "other"}
        assert has_defaults(api, "other")


@pytest.mark.proves("delete-namespaces")
async def test_policies_of_a_deleted_namespace_exist_as_long_as_its_pods(api: FakeApi, tmp_path: Path) -> None:
    api.put(NAMESPACES, "shop")
    api.put(NETWORK_POLICIES, "deny", "shop", spec={"podSelector": {}})
    api.put(PODS, "slow", "shop", spec={"terminationGracePeriodSeconds": 10**9})
    async with at_work(api, tmp_path, FakeRuntime(api, ends_pods=False)):
        await api.until(lambda: has_defaults(api, "shop"))
        await api.delete(NAMESPACES, SHOP)
        await api.until(lambda: "SomeResourcesRemain" in reasons(api))
        await api.until(lambda: api.calls["DELETE", "pods"] > 1)
        assert api.calls["DELETE", "networkpolicies"] == api.calls["DELETE", "secrets"] == 0
        assert len(api.all(NETWORK_POLICIES)) == 1
        api.remove(PODS, NamespacedName("shop", "slow"))
        await api.until(lambda: not api.all(NAMESPACES))
        assert not api.all(NETWORK_POLICIES)


async def test_the_status_counts_what_is_left_of_a_namespace(api: FakeApi, tmp_path: Path) -> None:
    api.put(NAMESPACES, "shop")
    for name in ("a", "b"):
        api.put(SECRETS, name, "shop", metadata={"finalizers": ["example.com/hold"]})
    async with at_work(api, tmp_path):
        await api.until(lambda: has_defaults(api, "shop"))
        await api.delete(NAMESPACES, SHOP)
        await api.until(lambda: "SomeFinalizersRemain" in reasons(api))
        messages = [condition["message"] for condition in api.all(NAMESPACES)[0]["status"]["conditions"]]
        assert messages == [
            "All resources successfully discovered",
            "All legacy kube types successfully parsed",
            "All content successfully deleted, may be waiting on finalization",
            "Some resources are remaining: secrets. has 2 resource instances",
            "Some content in the namespace has finalizers remaining: example.com/hold in 2 resource instances",
        ]


async def test_a_kind_that_cannot_be_deleted_is_in_the_status_and_holds_up_no_other(
    api: FakeApi, tmp_path: Path
) -> None:
    api.put(NAMESPACES, "shop")
    api.put(SECRETS, "s", "shop")
    api.put(NETWORK_POLICIES, "deny", "shop", spec={"podSelector": {}})
    async with at_work(api, tmp_path):
        await api.until(lambda: has_defaults(api, "shop"))
        api.refuse["DELETE", "secrets"] = ApiError(500, "InternalError", "the disk is full")
        await api.delete(NAMESPACES, SHOP)
        await api.until(lambda: "ContentDeletionFailed" in reasons(api))
        (message,) = (c["message"] for c in api.all(NAMESPACES)[0]["status"]["conditions"] if c["status"] == "True")
        assert message == "Failed to delete all resource types, 1 remaining: the disk is full"
        assert not api.all(NETWORK_POLICIES)
        api.refuse.clear()
        await api.until(lambda: not api.all(NAMESPACES))


async def test_a_namespace_waits_for_content_that_cannot_go_yet(api: FakeApi, tmp_path: Path) -> None:
    api.put(NAMESPACES, "shop")
    api.put(SECRETS, "held", "shop", metadata={"finalizers": ["example.com/hold"]})
    async with at_work(api, tmp_path):
        await api.until(lambda: has_defaults(api, "shop"))
        await api.delete(NAMESPACES, SHOP)
        await api.until(lambda: not api.all(SERVICE_ACCOUNTS) and not api.all(CONFIG_MAPS))
        assert len(api.all(NAMESPACES)) == 1
        held = NamespacedName("shop", "held")
        await api.patch(SECRETS, held, {"metadata": {"finalizers": None}})
        await api.until(lambda: not api.all(NAMESPACES))
