"""PyPI `kubernetes_asyncio` against a whole world: the official models over aiohttp, exec over WebSocket v4 only.

Its exec hands out text without the exit code unless the messages are read one by one. Its dynamic client hands out a
refusal as an object of kind Status where one would expect an exception.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from podwire.testing import Namespace, World
from podwire.testing.namespaces import fresh_namespace
from tests.clients.shell_pod import SHELL_POD

pytestmark = pytest.mark.long

CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "bells.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "bells", "singular": "bell", "kind": "Bell"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"tone": {"type": "string", "default": "a", "enum": ["a", "b"]}},
                            }
                        },
                    }
                },
            }
        ],
    },
}

APPLY = "application/apply-patch+yaml"


@pytest.fixture(scope="module")
def place(world: World) -> Namespace:
    """The module's namespace, with one pod that is ready."""
    namespace = fresh_namespace(world, "asyncio")
    namespace.apply(SHELL_POD)
    namespace.kubectl.wait("pod/shell", "condition=Ready")
    return namespace


@pytest.fixture(scope="module")
def library() -> ModuleType:
    """The package: here and not above, as it takes a second or two that other tests' processes need not spend."""
    import kubernetes_asyncio.client
    import kubernetes_asyncio.config
    import kubernetes_asyncio.dynamic
    import kubernetes_asyncio.stream
    import kubernetes_asyncio.watch

    return kubernetes_asyncio


@pytest_asyncio.fixture
async def api(library: Any, world: World) -> AsyncIterator[Any]:
    async with await library.config.new_client_from_config(str(world.kubeconfig)) as client:
        yield client


@pytest.fixture
def core(library: Any, api: Any) -> Any:
    return library.client.CoreV1Api(api)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"kind": "test"}},
        "data": data,
    }


async def refusal(library: Any, call: Any) -> tuple[int, str, str]:
    """Status, reason and message of the exception that a call must end with."""
    with pytest.raises(library.client.ApiException) as error:
        await call
    body = json.loads(error.value.body)
    assert body["kind"] == "Status"
    return int(error.value.status), body["reason"], body["message"]


async def received(events: Any) -> tuple[str, str, str]:
    """The next event of a watch: its type, and its object's class and data."""
    event = await anext(events)
    return event["type"], type(event["object"]).__name__, event["object"].data["x"]


@pytest.mark.proves("client-kubernetes-asyncio")
async def test_typed_objects_go_there_and_back(library: Any, api: Any, place: Namespace) -> None:
    models, apps, labels = library.client, library.client.AppsV1Api(api), {"app": "web"}
    container = models.V1Container(name="web", image="nginx")
    template = models.V1PodTemplateSpec(
        metadata=models.V1ObjectMeta(labels=labels), spec=models.V1PodSpec(containers=[container])
    )
    spec = models.V1DeploymentSpec(replicas=0, selector=models.V1LabelSelector(match_labels=labels), template=template)
    body = models.V1Deployment(metadata=models.V1ObjectMeta(name="web"), spec=spec)
    made = await apps.create_namespaced_deployment(place.name, body)
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    sidecar = {"name": "sidecar", "image": "busybox"}
    patch = {"spec": {"template": {"spec": {"containers": [sidecar]}}}}
    patched = await apps.patch_namespaced_deployment("web", place.name, patch)
    assert [one.name for one in patched.spec.template.spec.containers] == ["sidecar", "web"], "merged by name"
    operations = [{"op": "replace", "path": "/spec/template/spec/containers", "value": [sidecar]}]
    await apps.patch_namespaced_deployment("web", place.name, operations)
    read = await apps.read_namespaced_deployment("web", place.name)
    assert [one.name for one in read.spec.template.spec.containers] == ["sidecar"]
    assert read.metadata.creation_timestamp.tzinfo is not None
    await apps.delete_namespaced_deployment("web", place.name)
    assert not (await apps.list_namespaced_deployment(place.name)).items


@pytest.mark.proves("client-kubernetes-asyncio")
async def test_lists_are_chunked_and_selected(core: Any, place: Namespace) -> None:
    names = [f"m-{number}" for number in range(5)]
    await asyncio.gather(*(core.create_namespaced_config_map(place.name, config_map(name)) for name in names))
    listed, more = [], ""
    while more is not None:
        page = await core.list_namespaced_config_map(place.name, label_selector="kind=test", limit=2, _continue=more)
        listed += [one.metadata.name for one in page.items]
        more = page.metadata._continue
    assert listed == names
    one = await core.list_namespaced_config_map(place.name, field_selector="metadata.name=m-3")
    assert [found.metadata.name for found in one.items] == ["m-3"]
    await core.delete_collection_namespaced_config_map(place.name, label_selector="kind=test")
    assert not (await core.list_namespaced_config_map(place.name, label_selector="kind=test")).items


@pytest.mark.proves("client-kubernetes-asyncio")
async def test_refusals_are_exceptions_with_a_status(library: Any, api: Any, core: Any, place: Namespace) -> None:
    first = await core.create_namespaced_config_map(place.name, config_map("a", x="1"))
    await core.replace_namespaced_config_map("a", place.name, config_map("a", x="2"))
    stale = core.replace_namespaced_config_map("a", place.name, first)
    assert (await refusal(library, stale))[:2] == (409, "Conflict")
    twice = core.create_namespaced_config_map(place.name, config_map("a"))
    assert (await refusal(library, twice))[:2] == (409, "AlreadyExists")
    misnamed = core.create_namespaced_config_map(place.name, config_map("No Name"))
    assert (await refusal(library, misnamed))[:2] == (422, "Invalid")
    absent = core.read_namespaced_config_map("b", place.name)
    assert await refusal(library, absent) == (404, "NotFound", 'configmaps "b" not found')
    async with library.client.ApiClient(api.configuration, "Impersonate-User", "stranger") as nobody:
        forbidden = library.client.CoreV1Api(nobody).read_namespaced_config_map("a", place.name)
        code, reason, message = await refusal(library, forbidden)
    assert (code, reason) == (403, "Forbidden")
    assert 'User "stranger" cannot get resource "configmaps"' in message
    assert (await core.read_namespaced_config_map("a", place.name)).data == {"x": "2"}, "the asker himself may"


@pytest.mark.proves("client-kubernetes-asyncio")
async def test_apply_keeps_a_field_to_its_manager(library: Any, core: Any, place: Namespace) -> None:
    def apply(manager: str, value: str, **more: Any) -> Any:
        body = config_map("applied", x=value)
        return core.patch_namespaced_config_map(
            "applied", place.name, body, field_manager=manager, _content_type=APPLY, **more
        )

    made = await apply("me", "1")
    assert [(one.manager, one.operation) for one in made.metadata.managed_fields] == [("me", "Apply")]
    code, reason, message = await refusal(library, apply("you", "2"))
    assert (code, reason) == (409, "Conflict")
    assert 'conflict with "me": .data.x' in message
    assert (await apply("you", "2", force=True)).data == {"x": "2"}


@pytest.mark.proves("client-kubernetes-asyncio", "watch-resume-after-restart")
async def test_a_watch_continues_after_the_server_was_killed(library: Any, core: Any, place: Namespace) -> None:
    await core.create_namespaced_config_map(place.name, config_map("watched", x="1"))
    wanted = {"field_selector": "metadata.name=watched", "timeout_seconds": 60}
    async with library.watch.Watch() as watch:
        events = watch.stream(core.list_namespaced_config_map, place.name, **wanted)
        assert await received(events) == ("ADDED", "V1ConfigMap", "1")
        await core.patch_namespaced_config_map("watched", place.name, {"data": {"x": "2"}})
        assert await received(events) == ("MODIFIED", "V1ConfigMap", "2")
        seen = watch.resource_version
    await asyncio.to_thread(place.world.kill, "apiserver")
    await core.delete_namespaced_config_map("watched", place.name)
    async with library.watch.Watch() as watch:
        events = watch.stream(core.list_namespaced_config_map, place.name, resource_version=seen, **wanted)
        assert await received(events) == ("DELETED", "V1ConfigMap", "2")


@pytest.mark.proves("client-kubernetes-asyncio")
async def test_logs_are_read_and_followed(library: Any, core: Any, place: Namespace) -> None:
    async with library.watch.Watch() as watch:
        lines = watch.stream(core.read_namespaced_pod_log, "shell", place.name)
        assert [await anext(lines), await anext(lines)] == ["one\n", "two\n"]
    assert await core.read_namespaced_pod_log("shell", place.name, tail_lines=1) == "two\n"
    absent = core.read_namespaced_pod_log("shell", place.name, container="absent")
    assert (await refusal(library, absent))[:2] == (400, "BadRequest")


@pytest.mark.proves("client-kubernetes-asyncio", "exec-v4", "exec-exit-code")
async def test_exec_gives_streams_and_the_exit_code(library: Any, api: Any, place: Namespace) -> None:
    async with library.stream.WsApiClient(api.configuration) as client:
        core = library.client.CoreV1Api(client)
        words: dict[str, Any] = {"stdin": True, "stdout": True, "stderr": True, "tty": False}
        command = ["sh", "-c", "read x; echo got $x; echo no >&2; exit 3"]
        run = await core.connect_get_namespaced_pod_exec(
            "shell", place.name, command=command, _preload_content=False, **words
        )
        said = dict.fromkeys(range(4), b"")
        async with run as socket:
            await socket.send_bytes(b"\0it\n")
            async for message in socket:
                said[message.data[0]] += message.data[1:]
        assert (said[1], said[2]) == (b"got it\n", b"no\n")
        assert client.parse_error_data(said[3]) == 3
        words["stdin"] = False
        both = await core.connect_get_namespaced_pod_exec("shell", place.name, command=["sh", "-c", "echo a"], **words)
        assert both == "a\n"
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await core.connect_get_namespaced_pod_exec("absent", place.name, command=["true"], **words)
        assert error.value.status == 404


@pytest.mark.proves("client-kubernetes-asyncio", "plain-discovery")
async def test_the_dynamic_client_learns_a_custom_kind(library: Any, api: Any, place: Namespace) -> None:
    extensions = library.client.ApiextensionsV1Api(api)
    await extensions.create_custom_resource_definition(CRD)
    await asyncio.to_thread(place.kubectl.wait, "crd/bells.example.com", "condition=Established")
    bells = await (await library.dynamic.DynamicClient(api)).resources.get(api_version="example.com/v1", kind="Bell")

    def bell(**spec: Any) -> dict[str, Any]:
        return {"apiVersion": "example.com/v1", "kind": "Bell", "metadata": {"name": "one"}, "spec": spec}

    made = await bells.create(body=bell(junk=1), namespace=place.name)
    assert made.spec.to_dict() == {"tone": "a"}, "defaulted and pruned"
    merge = "application/merge-patch+json"
    patched = await bells.patch(body=bell(tone="b"), namespace=place.name, content_type=merge)
    assert patched.spec.tone == "b"
    await bells.patch(body=bell(tone="z"), namespace=place.name, content_type=merge)
    (listed,) = (await bells.get(namespace=place.name)).items
    assert listed.spec.tone == "b", "what the schema forbids is not stored"
    await bells.delete(name="one", namespace=place.name)
    assert not (await bells.get(namespace=place.name)).items
    await extensions.delete_custom_resource_definition("bells.example.com")
