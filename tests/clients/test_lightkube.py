"""PyPI `lightkube` against a whole world: generated models, no discovery, exec over WebSocket v5, apply by a manager.

Exec is shown with AsyncClient only. Client's leaves a thread behind that reads the socket which has just been closed;
it takes a part of what the next connection, or whatever gets that descriptor's number, receives. Nor can AsyncClient
tell why the log that it shall follow is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from httpx2.websockets import WebSocketUpgradeError
from lightkube import ApiError, AsyncClient, Client, KubeConfig
from lightkube.codecs import load_all_yaml
from lightkube.config.models import User
from lightkube.generic_resource import get_generic_resource
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod, ServiceAccountToken
from lightkube.types import PatchType, on_error_retry

from podwire.testing import Namespace, World
from podwire.testing.namespaces import fresh_namespace
from tests.clients.shell_pod import SHELL_POD

pytestmark = pytest.mark.long

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: clocks.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: clocks, singular: clock, kind: Clock}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {hours: {type: integer, maximum: 24, default: 12}}}
          status: {type: object, properties: {ticking: {type: boolean}}}
"""


@pytest.fixture(scope="module")
def place(world: World) -> Namespace:
    """The module's namespace."""
    namespace = fresh_namespace(world, "lightkube")
    namespace.apply(SHELL_POD)
    return namespace


@pytest.fixture(scope="module")
def config(world: World) -> Any:
    return KubeConfig.from_file(world.kubeconfig).get()


@pytest.fixture(scope="module")
def client(config: Any, place: Namespace) -> Iterator[Client]:
    with Client(config, namespace=place.name) as client:
        yield client


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, labels={"kind": "test"}), data=data)


def deployment() -> Deployment:
    labels = {"app": "web"}
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=[Container(name="web", image="nginx")])
    )
    spec = DeploymentSpec(replicas=0, selector=LabelSelector(matchLabels=labels), template=template)
    return Deployment(metadata=ObjectMeta(name="web"), spec=spec)


def refusal(what: Any, *arguments: Any, **more: Any) -> tuple[int, str, str]:
    """Code, reason and message of the ApiError that a call must end with."""
    with pytest.raises(ApiError) as error:
        what(*arguments, **more)
    status = error.value.status
    return int(status.code or 0), str(status.reason), str(status.message)


@pytest.mark.proves("client-lightkube")
def test_typed_objects_go_there_and_back(client: Client) -> None:
    made: Any = client.create(deployment())
    assert made.spec.strategy.rollingUpdate.maxSurge == "25%"
    sidecar = {"name": "sidecar", "image": "busybox"}
    patch = {"spec": {"template": {"spec": {"containers": [sidecar]}}}}
    merged: Any = client.patch(Deployment, "web", patch)
    assert [one.name for one in merged.spec.template.spec.containers] == ["sidecar", "web"], "merged by name"
    replaced: Any = client.patch(Deployment, "web", patch, patch_type=PatchType.MERGE)
    assert [one.name for one in replaced.spec.template.spec.containers] == ["sidecar"]
    pause = [{"op": "add", "path": "/spec/paused", "value": True}]
    paused: Any = client.patch(Deployment, "web", pause, patch_type=PatchType.JSON)
    assert paused.spec.paused is True
    scaled: Any = client.replace(Deployment.Scale(metadata=ObjectMeta(name="web"), spec=ScaleSpec(replicas=1)), "web")
    assert scaled.spec.replicas == 1
    labelled: Any = client.set(Deployment, "web", labels={"tier": "front"})
    assert labelled.metadata.labels == {"tier": "front"}
    assert labelled.metadata.creationTimestamp.tzinfo is not None
    client.delete(Deployment, "web")
    assert not list(client.list(Deployment))


@pytest.mark.proves("client-lightkube")
def test_lists_are_chunked_and_selected(client: Client) -> None:
    names = [f"m-{number}" for number in range(5)]
    for name in names:
        client.create(config_map(name))
    listed: Any = client.list(ConfigMap, labels={"kind": "test"}, chunk_size=2)
    assert [one.metadata.name for one in listed] == names
    assert int(listed.resourceVersion) > 0
    one: Any = client.list(ConfigMap, fields={"metadata.name": "m-3"})
    assert [found.metadata.name for found in one] == ["m-3"]
    client.deletecollection(ConfigMap)
    assert not list(client.list(ConfigMap, labels={"kind": "test"}))


@pytest.mark.proves("client-lightkube")
def test_refusals_are_exceptions_with_a_status(client: Client, config: Any, place: Namespace) -> None:
    first = client.create(config_map("a", x="1"))
    client.replace(config_map("a", x="2"))
    assert refusal(client.replace, first)[:2] == (409, "Conflict")
    assert refusal(client.create, config_map("a"))[:2] == (409, "AlreadyExists")
    assert refusal(client.create, config_map("No Name"))[:2] == (422, "Invalid")
    assert refusal(client.get, ConfigMap, "b") == (404, "NotFound", 'configmaps "b" not found')
    requested = ServiceAccountToken(spec=TokenRequestSpec(audiences=[], expirationSeconds=600), metadata=ObjectMeta())
    token: Any = client.create(requested, "default")
    account = KubeConfig.from_one(cluster=config.cluster, user=User(token=token.status.token), fname=config.fname)
    with Client(account.get(), namespace=place.name) as other:
        code, reason, message = refusal(other.get, ConfigMap, "a")
    assert (code, reason) == (403, "Forbidden")
    assert f'User "system:serviceaccount:{place.name}:default" cannot get resource "configmaps"' in message
    assert client.get(ConfigMap, "a").data == {"x": "2"}, "the asker himself may"


@pytest.mark.proves("client-lightkube")
def test_apply_keeps_a_field_to_its_manager(client: Client) -> None:
    with pytest.raises(ValueError, match='"field_manager" is required'):
        client.apply(config_map("applied"))
    made: Any = client.apply(config_map("applied", x="1"), field_manager="me")
    assert [(one.manager, one.operation) for one in made.metadata.managedFields] == [("me", "Apply")]
    with pytest.raises(ApiError) as error:
        client.apply(config_map("applied", x="2"), field_manager="you")
    details: Any = error.value.status.details
    assert error.value.status.code == 409
    assert [(one.reason, one.field) for one in details.causes] == [("FieldManagerConflict", ".data.x")]
    client.apply(config_map("applied", x="2"), field_manager="you", force=True, dry_run=True)
    assert client.get(ConfigMap, "applied").data == {"x": "1"}, "a dry run stores nothing"
    assert client.apply(config_map("applied", x="2"), field_manager="you", force=True).data == {"x": "2"}


@pytest.mark.proves("client-lightkube", "watch-resume-after-restart")
def test_a_watch_continues_after_the_server_was_killed(client: Client, place: Namespace) -> None:
    client.create(config_map("watched", x="1"))
    seen: Any = client.watch(ConfigMap, fields={"metadata.name": "watched"}, on_error=on_error_retry)

    def received() -> tuple[str, str]:
        kind, one = next(seen)
        return kind, one.data["x"]

    assert received() == ("ADDED", "1")
    client.patch(ConfigMap, "watched", {"data": {"x": "2"}})
    assert received() == ("MODIFIED", "2")
    place.world.kill("apiserver")
    place.kubectl("delete", "configmap", "watched")
    assert received() == ("DELETED", "2")
    seen.close()


@pytest.mark.proves("client-lightkube")
def test_a_pod_is_waited_for_and_its_log_read_and_followed(client: Client) -> None:
    ready: Any = client.wait(Pod, "shell", for_conditions=["Ready"])
    assert ready.status.phase == "Running"
    following = iter(client.log("shell", follow=True, newlines=False))
    assert [next(following), next(following)] == ["one", "two"]
    assert list(client.log("shell", tail_lines=1)) == ["two\n"]
    assert refusal(lambda: list(client.log("shell", container="absent")))[:2] == (400, "BadRequest")
    assert refusal(lambda: list(client.log("absent", follow=True)))[:2] == (404, "NotFound")


@pytest.mark.proves("client-lightkube", "exec-exit-code")
async def test_exec_gives_streams_and_the_exit_code(config: Any, place: Namespace) -> None:
    command = ["sh", "-c", "cat; echo no >&2; exit 3"]
    async with AsyncClient(config, namespace=place.name) as client:
        await client.wait(Pod, "shell", for_conditions=["Ready"])
        ran = await client.exec("shell", command=command, stdin="it\n", stdout=True, stderr=True, timeout=60)
        assert (ran.stdout, ran.stderr, ran.exit_code) == ("it\n", "no\n", 3), "the input ended: v5 can say so"
        with pytest.raises(ApiError, match="exit status 3"):
            await client.exec("shell", command=["sh", "-c", "exit 3"], raise_on_error=True, timeout=60)
        with pytest.raises(httpx2.ReadTimeout):
            await client.exec("shell", command=["sleep", "60"], timeout=0.2)
        with pytest.raises(WebSocketUpgradeError) as error:
            await client.exec("absent", command=["true"])
        assert error.value.response.status_code == 404


@pytest.mark.proves("client-lightkube")
def test_a_custom_kind_is_generic(client: Client) -> None:
    (definition,) = load_all_yaml(CRD, create_resources_for_crds=True)
    client.create(definition)
    client.wait(CustomResourceDefinition, "clocks.example.com", for_conditions=["Established"])
    clock: Any = get_generic_resource("example.com/v1", "Clock")
    made = client.create(clock(metadata={"name": "one"}, spec={"junk": 1}))
    assert made.spec == {"hours": 12}, "defaulted and pruned"
    change = {"status": {"ticking": True}, "spec": {"hours": 24}}
    reported: Any = client.patch(clock.Status, "one", change, patch_type=PatchType.MERGE)
    assert (reported.status, reported.spec) == ({"ticking": True}, {"hours": 12}), (
        "a status write leaves the spec alone"
    )
    late = {"spec": {"hours": 25}}
    code, _, message = refusal(client.patch, clock, "one", late, patch_type=PatchType.MERGE)
    assert code == 422
    assert "spec.hours" in message
    assert [one.metadata.name for one in client.list(clock)] == ["one"]
    client.delete(CustomResourceDefinition, "clocks.example.com")
