"""PyPI `kr8s` against a whole world: the client that requests plain discovery, pages of 100 and watches without end."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any

import kr8s
import pytest
from kr8s.objects import ConfigMap, Deployment, Pod, Service, new_class, objects_from_files

from podwire.testing import Namespace, World, eventually

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:.*Supported versions for kr8s:UserWarning")]
"""It knows Kubernetes up to a version before the one that a world answers as."""

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}],
            },
        },
    },
}

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kettles.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: kettles, singular: kettle, kind: Kettle, shortNames: [kt]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {litres: {type: integer, maximum: 3}}}
          status: {type: object, properties: {hot: {type: boolean}}}
"""


@pytest.fixture(scope="module")
def api(world: World) -> Any:
    return kr8s.api(kubeconfig=str(world.kubeconfig))


@pytest.fixture
def place(api: Any, namespace: Namespace) -> Iterator[Namespace]:
    """A namespace, and the client's own idea of where it is."""
    api.namespace = namespace.name
    yield namespace
    api.namespace = "default"


def made(kind: Any, api: Any, body: dict[str, Any]) -> Any:
    thing = kind(body, api=api)
    thing.create()
    return thing


@pytest.mark.proves("client-kr8s")
def test_a_deployment_is_made_scaled_watched_and_waited_for(api: Any, place: Namespace) -> None:
    web = made(Deployment, api, {**DEPLOYMENT, "metadata": {"name": "web", "namespace": place.name}})
    web.wait("condition=Available", timeout=60)
    web.scale(3)
    assert web.replicas == 3
    web.wait("jsonpath='{.status.readyReplicas}'=3", timeout=60)
    assert [pod.ready() for pod in web.pods()] == [True] * 3
    web.patch({"metadata": {"labels": {"tier": "front"}}})
    web.patch([{"op": "test", "path": "/metadata/labels/tier", "value": "front"}], type="json")
    assert web.labels.tier == "front"
    with pytest.raises(kr8s.ServerError, match="test"):
        web.patch([{"op": "test", "path": "/metadata/labels/tier", "value": "back"}], type="json")
    web.annotate(note="kept")
    web.label({"app": "web"})
    assert Deployment.get("web", namespace=place.name, api=api).annotations.note == "kept"
    web.delete()
    web.wait("delete", timeout=60)
    assert not web.exists()


@pytest.mark.proves("client-kr8s", "exec-v4", "python-port-forward")
def test_a_pod_is_entered_read_and_forwarded(api: Any, place: Namespace) -> None:
    container = {"name": "main", "image": "busybox", "command": ["sh", "-c", "echo begun; sleep infinity"]}
    web = {"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}
    spec = {"containers": [container, web], "terminationGracePeriodSeconds": 0}
    pod = made(Pod, api, {"metadata": {"name": "tools", "namespace": place.name}, "spec": spec})
    pod.wait("condition=Ready", timeout=60)
    ran = pod.exec(["sh", "-c", "echo out; echo err >&2"], container="main")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"out\n", b"err\n")
    assert pod.exec(["sh", "-c", "exit 5"], container="main", check=False).returncode == 5
    eventually(lambda: list(pod.logs(container="main")) == ["begun"], what="the log")
    with (
        pod.portforward(remote_port=80, local_port="auto") as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer,
    ):
        assert b"stand-in for nginx" in answer.read()


@pytest.mark.proves("client-kr8s", "list-chunks")
def test_lists_longer_than_a_page_are_whole(api: Any, place: Namespace) -> None:
    items = [f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m-{n:03}}}}}" for n in range(120)]
    place.apply("\n---\n".join(items) + "\n")
    names = [one.name for one in api.get("configmaps", namespace=place.name)]
    assert [name for name in names if name.startswith("m-")] == [f"m-{number:03}" for number in range(120)]
    chosen = api.get("cm", namespace=place.name, field_selector={"metadata.name": "m-007"})
    assert [one.name for one in chosen] == ["m-007"]


@pytest.mark.proves("client-kr8s")
def test_a_watch_returns_each_change(api: Any, place: Namespace) -> None:
    first = made(ConfigMap, api, {"metadata": {"name": "a", "namespace": place.name}, "data": {"x": "1"}})
    seen = api.watch("configmaps", namespace=place.name, label_selector="watched=yes")
    first.label(watched="yes")
    assert next((kind, one.name) for kind, one in seen) == ("ADDED", "a")
    first.patch({"data": {"x": "2"}})
    assert next((kind, one.data.x) for kind, one in seen) == ("MODIFIED", "2")
    first.remove_label("watched")
    assert next((kind, one.name) for kind, one in seen) == ("DELETED", "a")
    seen.close()


@pytest.mark.proves("client-kr8s")
def test_a_missing_object_and_a_refused_one_are_exceptions(api: Any, place: Namespace) -> None:
    absent: Any = Pod
    with pytest.raises(kr8s.NotFoundError):
        absent.get("absent", namespace=place.name, api=api)
    with pytest.raises(kr8s.ServerError, match="Invalid value"):
        made(ConfigMap, api, {"metadata": {"name": "No Name", "namespace": place.name}})


@pytest.mark.proves("client-kr8s", "plain-discovery")
def test_kinds_are_found_by_plain_discovery(api: Any, place: Namespace, tmp_path: Any) -> None:
    path = tmp_path / "crd.yaml"
    path.write_text(CRD)
    (definition,) = objects_from_files(str(path), api=api)
    definition.create()
    definition.wait("condition=Established", timeout=60)
    kinds = {one["name"]: one for one in api.api_resources()}
    assert kinds["deployments"]["shortNames"] == ["deploy"]
    kettle_class = new_class("Kettle", "example.com/v1", asyncio=False)
    kettle = made(kettle_class, api, {"metadata": {"name": "k", "namespace": place.name}, "spec": {"litres": 2}})
    kettle.patch({"status": {"hot": True}, "spec": {"litres": 1}}, subresource="status")
    assert (kettle.status.hot, kettle.spec.litres) == (True, 2), "a status write leaves the spec alone"
    with pytest.raises(kr8s.ServerError, match="less than or equal to 3"):
        kettle.patch({"spec": {"litres": 9}})
    assert [one.name for one in api.get("kettles.example.com", namespace=place.name)] == ["k"]
    definition.delete()


@pytest.mark.proves("client-kr8s")
def test_the_server_reports_its_version_and_the_user(api: Any, place: Namespace) -> None:
    place.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {app: s}, ports: [{port: 80}]}}\n"
    )
    service: Any = Service.get("s", namespace=place.name, api=api)
    assert service.spec.clusterIP.startswith("10.96.")
    assert api.version()["gitVersion"].startswith("v1.37")
    assert api.whoami() == "kubernetes-admin"
