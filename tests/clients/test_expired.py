"""Clients whose place in the history is forgotten: the server answers 410, and they list again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import kubernetes
import pytest
import pytest_asyncio
from kubernetes import watch
from kubernetes.client.exceptions import ApiException
from kubernetes.informer import SharedInformer
from lightkube import ApiError, AsyncClient, KubeConfig
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import on_error_retry

from podwire.apiserver.main import running
from podwire.apiserver.storage.history import Window
from podwire.testing import eventually
from tests.apiserver.conftest import configuration, free_listener, write_files, write_kubeconfig


@pytest_asyncio.fixture
async def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Of a server that remembers three events."""
    files = write_files(tmp_path_factory.mktemp("server"))
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,), window=Window(events=3))):
        yield str(write_kubeconfig(files, f"https://127.0.0.1:{listener.getsockname()[1]}"))


@pytest.fixture
def core(kubeconfig: str) -> Iterator[Any]:
    """CoreV1Api of that server."""
    with kubernetes.config.new_client_from_config(kubeconfig) as client:
        api: Any = kubernetes.client
        yield api.CoreV1Api(client)
        client.rest_client.pool_manager.clear()


def make(core: Any, *names: str) -> str:
    """ConfigMaps of these names; answers the version of the last."""
    version = ""
    for name in names:
        made = core.create_namespaced_config_map("default", {"metadata": {"name": name}})
        version = made.metadata.resource_version
    return version


@contextlib.contextmanager
def at_work(informer: SharedInformer) -> Iterator[None]:
    informer.start()
    try:
        yield
    finally:
        informer.stop()


@pytest.mark.proves("watch-too-old", "python-kubernetes")
async def test_the_python_client_raises_after_a_second_410(core: Any) -> None:
    def lost() -> tuple[int, str]:
        old = make(core, "a")
        make(core, *"bcdef")
        with pytest.raises(ApiException) as error:
            next(watch.Watch().stream(core.list_namespaced_config_map, "default", resource_version=old))
        return int(error.value.status), str(error.value.reason)

    code, reason = await asyncio.to_thread(lost)
    assert code == 410
    assert reason.startswith("Expired: too old resource version")


@pytest.mark.proves("watch-too-old", "python-kubernetes")
async def test_an_informer_that_was_away_too_long_lists_again(core: Any) -> None:
    informer = SharedInformer(core.list_namespaced_config_map, "default", resync_period=2)  # a bound for its stop
    errors: list[int] = []
    informer.add_event_handler("ERROR", lambda error: errors.append(error.status))

    def names() -> list[str]:
        return sorted(one.metadata.name for one in informer.cache.list() if one.metadata.name in "abcdef")

    def away() -> None:
        make(core, "a")
        with at_work(informer):
            eventually(lambda: names() == ["a"], what="the first list")
        make(core, *"bcdef")
        core.delete_namespaced_config_map("a", "default")
        with at_work(informer):
            eventually(lambda: names() == list("bcdef"), what="the list after 410")

    await asyncio.to_thread(away)
    assert errors == [410]


@pytest.mark.proves("watch-too-old", "client-lightkube")
async def test_lightkubes_watch_begins_again_where_its_user_set_that(core: Any, kubeconfig: str) -> None:
    config: Any = KubeConfig.from_file(kubeconfig).get()
    old = await asyncio.to_thread(make, core, "a")
    await asyncio.to_thread(make, core, *"bcdef")
    wanted: dict[str, Any] = {"namespace": "default", "fields": {"metadata.name": "a"}, "resource_version": old}
    async with AsyncClient(config) as client:
        with pytest.raises(ApiError, match="too old resource version") as error:
            await anext(aiter(client.watch(ConfigMap, **wanted)))
        assert error.value.status.code == 410
        kind, found = await anext(aiter(client.watch(ConfigMap, on_error=on_error_retry, **wanted)))
    assert found.metadata is not None
    assert (kind, found.metadata.name) == ("ADDED", "a")
