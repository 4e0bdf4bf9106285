"""PyPI `kubernetes`, the official client of Python, against a whole world."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import kubernetes
import pytest
from kubernetes import watch
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError
from kubernetes.informer import SharedInformer
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes.stream import portforward

from podwire.testing import Namespace, World, eventually
from tests.clients.conversation import converse

api: Any = kubernetes.client
"""Each field of its models may be None by its types."""

POD = """
apiVersion: v1
kind: Pod
metadata: {name: shell, labels: {app: shell}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: busybox, command: [sh, -c, "echo one; echo two; sleep infinity"]}
  - {name: web, image: nginx, ports: [{containerPort: 80}]}
"""

CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "lamps.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "lamps", "singular": "lamp", "kind": "Lamp"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"colour": {"type": "string", "default": "white"}}}
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture(scope="module")
def shell(world: World) -> World:
    world.apply(POD)
    world.wait(world.namespace)
    return world


def deployment(replicas: int = 1) -> Any:
    labels = {"app": "web"}
    container = api.V1Container(name="web", image="nginx", ports=[api.V1ContainerPort(container_port=80)])
    template = api.V1PodTemplateSpec(
        metadata=api.V1ObjectMeta(labels=labels),
        spec=api.V1PodSpec(containers=[container], termination_grace_period_seconds=1),
    )
    return api.V1Deployment(
        metadata=api.V1ObjectMeta(name="web"),
        spec=api.V1DeploymentSpec(
            replicas=replicas, selector=api.V1LabelSelector(match_labels=labels), template=template
        ),
    )


def config_map(name: str, **data: str) -> Any:
    return api.V1ConfigMap(metadata=api.V1ObjectMeta(name=name, labels={"kind": "test"}), data=data)


@pytest.mark.proves("python-kubernetes")
def test_typed_objects_go_there_and_back(client: ApiClient, namespace: Namespace) -> None:
    apps = api.AppsV1Api(client)
    made = apps.create_namespaced_deployment(namespace.name, deployment())
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    scaled = apps.patch_namespaced_deployment_scale("web", namespace.name, {"spec": {"replicas": 2}})
    assert scaled.spec.replicas == 2
    sidecar = {"name": "sidecar", "image": "busybox", "command": ["sleep", "infinity"]}
    patch = {"spec": {"template": {"spec": {"containers": [sidecar]}}}}
    patched = apps.patch_namespaced_deployment("web", namespace.name, patch)
    assert [one.name for one in patched.spec.template.spec.containers] == ["sidecar", "web"], "merged by name"
    operations = [{"op": "replace", "path": "/spec/template/spec/containers", "value": [sidecar]}]
    replaced = apps.patch_namespaced_deployment("web", namespace.name, operations)
    assert [one.name for one in replaced.spec.template.spec.containers] == ["sidecar"]
    read = apps.read_namespaced_deployment("web", namespace.name)
    assert read.metadata.creation_timestamp.tzinfo is not None
    assert {entry.operation for entry in read.metadata.managed_fields} == {"Update"}
    apps.delete_namespaced_deployment("web", namespace.name, propagation_policy="Foreground")
    eventually(lambda: not apps.list_namespaced_deployment(namespace.name).items, what="the end of the deployment")


@pytest.mark.proves("python-kubernetes")
def test_refusals_are_exceptions_with_code_and_reason(client: ApiClient, namespace: Namespace) -> None:
    core = api.CoreV1Api(client)
    first = core.create_namespaced_config_map(namespace.name, config_map("a", x="1"))

    def refused(what: Any, *arguments: Any) -> tuple[int, bool]:
        with pytest.raises(ApiException) as error:
            what(*arguments)
        return int(error.value.status), '"kind":"Status"' in str(error.value.body).replace(" ", "")

    core.replace_namespaced_config_map("a", namespace.name, config_map("a", x="2"))
    assert refused(core.replace_namespaced_config_map, "a", namespace.name, first) == (409, True)
    assert refused(core.create_namespaced_config_map, namespace.name, config_map("a")) == (409, True)
    assert refused(core.read_namespaced_config_map, "b", namespace.name) == (404, True)
    assert refused(core.create_namespaced_config_map, namespace.name, config_map("No Name")) == (422, True)
    assert refused(core.create_namespaced_config_map, "nowhere", config_map("a")) == (404, True)


@pytest.mark.proves("python-kubernetes")
def test_lists_are_chunked_and_selected(client: ApiClient, namespace: Namespace) -> None:
    core = api.CoreV1Api(client)
    for number in range(5):
        core.create_namespaced_config_map(namespace.name, config_map(f"m-{number}"))
    page = core.list_namespaced_config_map(namespace.name, label_selector="kind=test", limit=2)
    names = [one.metadata.name for one in page.items]
    assert page.metadata._continue
    while page.metadata._continue:
        page = core.list_namespaced_config_map(
            namespace.name, label_selector="kind=test", limit=2, _continue=page.metadata._continue
        )
        names += [one.metadata.name for one in page.items]
    assert names == [f"m-{number}" for number in range(5)]
    one = core.list_namespaced_config_map(namespace.name, field_selector="metadata.name=m-3").items
    assert [found.metadata.name for found in one] == ["m-3"]
    core.delete_collection_namespaced_config_map(namespace.name, label_selector="kind=test")
    assert not core.list_namespaced_config_map(namespace.name, label_selector="kind=test").items


@pytest.mark.proves("python-kubernetes", "watch-resume-after-restart")
def test_a_watch_continues_at_its_version_after_the_server_was_killed(client: ApiClient, namespace: Namespace) -> None:
    core = api.CoreV1Api(client)
    core.create_namespaced_config_map(namespace.name, config_map("a", x="0"))
    start = core.list_namespaced_config_map(namespace.name).metadata.resource_version
    core.replace_namespaced_config_map("a", namespace.name, config_map("a", x="1"))
    watcher = watch.Watch()

    def following(since: Any) -> Generator[tuple[str, str]]:
        for event in watcher.stream(
            core.list_namespaced_config_map, namespace.name, resource_version=since, timeout_seconds=30
        ):
            yield event["type"], event["object"].data["x"]

    seen = following(start)
    assert next(seen) == ("MODIFIED", "1")
    seen.close()
    core.replace_namespaced_config_map("a", namespace.name, config_map("a", x="2"))
    namespace.world.kill("apiserver")
    core.delete_namespaced_config_map("a", namespace.name)
    seen = following(watcher.resource_version)
    assert [next(seen), next(seen)] == [("MODIFIED", "2"), ("DELETED", "2")]
    seen.close()


@pytest.mark.long
@pytest.mark.proves("python-kubernetes")
def test_an_informer_keeps_its_copy_over_the_servers_death(client: ApiClient, namespace: Namespace) -> None:
    core = api.CoreV1Api(client)
    core.create_namespaced_config_map(namespace.name, config_map("before"))
    informer = SharedInformer(core.list_namespaced_config_map, namespace.name, label_selector="kind=test")
    deleted: list[str] = []
    informer.add_event_handler("DELETED", lambda one: deleted.append(one.metadata.name))

    def names() -> list[str]:
        return sorted(one.metadata.name for one in informer.cache.list())

    informer.start()
    try:
        eventually(lambda: names() == ["before"], what="the first list")
        namespace.world.kill("apiserver")
        core.create_namespaced_config_map(namespace.name, config_map("after"))
        core.delete_namespaced_config_map("before", namespace.name)
        eventually(lambda: names() == ["after"], 60, "what happened after the death")
        assert deleted == ["before"]
    finally:
        informer.stop()


@pytest.mark.proves("python-kubernetes", "exec-exit-code")
def test_exec_gives_streams_and_the_exit_code(client: ApiClient, shell: World) -> None:
    assert converse(api.CoreV1Api(client), shell.namespace, "shell", "main") == ("got it\n", "no\n", 3)


@pytest.mark.proves("python-kubernetes", "python-port-forward")
def test_ports_are_forwarded_and_errors_reported(client: ApiClient, shell: World) -> None:
    core = api.CoreV1Api(client)
    forward = portforward(core.connect_get_namespaced_pod_portforward, "shell", shell.namespace, ports="80,7999")
    connection = forward.socket(80)
    connection.settimeout(60)
    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    with contextlib.suppress(TimeoutError):
        while data := connection.recv(65536):
            answer += data
    assert b"stand-in for nginx" in answer
    eventually(lambda: forward.error(7999) is not None, what="the error of the port where nobody listens")
    assert "Connection refused" in forward.error(7999)
    assert forward.error(80) is None
    forward.close()


@pytest.mark.proves("python-kubernetes")
def test_logs_are_read_and_followed(client: ApiClient, shell: World) -> None:
    core, where = api.CoreV1Api(client), ("shell", shell.namespace)
    eventually(lambda: "two" in core.read_namespaced_pod_log(*where, container="main"), what="the log")
    assert core.read_namespaced_pod_log(*where, container="main", tail_lines=1) == "two\n"
    following = watch.Watch().stream(core.read_namespaced_pod_log, *where, container="main")
    assert [next(following), next(following)] == ["one", "two"]
    following.close()
    with pytest.raises(ApiException) as error:
        core.read_namespaced_pod_log(*where, container="absent")
    assert error.value.status == 400


@pytest.mark.proves("python-kubernetes", "python-dynamic-client")
def test_the_dynamic_client_learns_a_custom_kind(client: ApiClient, namespace: Namespace) -> None:
    extensions = api.ApiextensionsV1Api(client)
    extensions.create_custom_resource_definition(CRD)

    def established() -> bool:
        found = extensions.read_custom_resource_definition("lamps.example.com").status
        return any(one.type == "Established" and one.status == "True" for one in found.conditions or [])

    eventually(established, what="the definition's condition Established")
    lamps = DynamicClient(client).resources.get(api_version="example.com/v1", kind="Lamp")
    body = {"apiVersion": "example.com/v1", "kind": "Lamp", "metadata": {"name": "a"}, "spec": {"junk": 1}}
    made = lamps.create(body=body, namespace=namespace.name)
    assert made.spec.to_dict() == {"colour": "white"}, "defaulted and pruned"
    patch = {"metadata": {"name": "a"}, "spec": {"colour": "red"}}
    merge = "application/merge-patch+json"
    assert lamps.patch(body=patch, namespace=namespace.name, content_type=merge).spec.colour == "red"
    applied = lamps.server_side_apply(
        body={**body, "spec": {"colour": "blue"}}, namespace=namespace.name, field_manager="me", force_conflicts=True
    )
    assert applied.spec.colour == "blue"
    with pytest.raises(ConflictError):
        lamps.server_side_apply(
            body={**body, "spec": {"colour": "green"}}, namespace=namespace.name, field_manager="you"
        )
    events = lamps.watch(namespace=namespace.name, timeout=60)
    assert next(event["object"].spec.colour for event in events) == "blue"
    lamps.delete(name="a", namespace=namespace.name)
    with pytest.raises(NotFoundError):
        lamps.get(name="a", namespace=namespace.name)
    extensions.delete_custom_resource_definition("lamps.example.com")


@pytest.mark.proves("python-kubernetes", "leases-with-conflicts")
def test_one_of_two_candidates_leads(client: ApiClient, namespace: Namespace) -> None:
    api.Configuration.set_default(client.configuration)

    def candidate(name: str) -> LeaderElection:
        def nothing() -> None:
            """Neither starting nor ending to lead is acted on here."""

        return LeaderElection(Config(LeaseLock("leader", namespace.name, name), 3, 2, 1, nothing, nothing))

    first, second = candidate("first"), candidate("second")
    assert first.try_acquire_or_renew()
    assert not second.try_acquire_or_renew(), "the lease is the first one's"
    assert first.try_acquire_or_renew(), "renewed"
    lease = api.CoordinationV1Api(client).read_namespaced_lease("leader", namespace.name)
    assert lease.spec.holder_identity == "first"
    eventually(second.try_acquire_or_renew, 60, "the second one's turn, when the first one has been quiet")
    assert not first.election_config.lock.update("leader", namespace.name, first.observed_record), "409 on a stale one"
