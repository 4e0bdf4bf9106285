"""Written objects as a cluster would have them: pods of workloads, endpoints, notes, places, what is refused."""

from __future__ import annotations

import pytest

from podwire.insight.snapshot import endpoints, names
from podwire.insight.snapshot.ends import EndError
from podwire.insight.snapshot.snapshot import Topic
from podwire.insight.sources.manifests import ManifestError
from podwire.kube.meta import NamespacedName
from tests.insight.snapshot.written_text import snapshot

TEMPLATE = "{metadata: {labels: {app: web}}, spec: {containers: [{name: a, ports: [{name: http, containerPort: 80}]}]}}"


def workload(kind: str, version: str, spec: str) -> str:
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: web, namespace: shop}}\nspec: {spec}\n"


@pytest.mark.parametrize(
    ("kind", "version", "spec", "replicas"),
    [
        ("Deployment", "apps/v1", f"{{replicas: 3, template: {TEMPLATE}}}", 3),
        ("Deployment", "apps/v1", f"{{replicas: 0, template: {TEMPLATE}}}", 0),
        ("StatefulSet", "apps/v1", f"{{template: {TEMPLATE}}}", 1),
        ("DaemonSet", "apps/v1", f"{{template: {TEMPLATE}}}", 1),
        ("ReplicaSet", "apps/v1", f"{{template: {TEMPLATE}}}", 1),
        ("Job", "batch/v1", f"{{parallelism: 2, template: {TEMPLATE}}}", 2),
        ("CronJob", "batch/v1", f"{{jobTemplate: {{spec: {{template: {TEMPLATE}}}}}}}", 1),
        ("ReplicationController", "v1", f"{{template: {TEMPLATE}}}", 1),
        ("Pod", "v1", "{containers: [{name: a, ports: [{name: http, containerPort: 80}]}]}", 1),
    ],
)
def test_each_kind_of_workload_has_its_pods(kind: str, version: str, spec: str, replicas: int) -> None:
    (found,) = snapshot(workload(kind, version, spec)).workloads
    assert (found.owner.kind, found.replicas, found.number("http", "TCP")) == (kind, replicas, 80)
    assert found.labels.get("app") == (None if kind == "Pod" else "web")


def test_a_pod_of_a_stateful_set_is_by_itself_where_a_selector_reads_its_name() -> None:
    several = workload("StatefulSet", "apps/v1", f"{{replicas: 2, template: {TEMPLATE}}}")
    service = """
apiVersion: v1
kind: Service
metadata: {name: first, namespace: shop}
spec: {selector: {statefulset.kubernetes.io/pod-name: web-0}, ports: [{port: 80}]}
"""
    assert len(snapshot(several).workloads) == 1
    found = snapshot(several, service)
    assert len(found.workloads) == 2
    assert len(list(endpoints.selected(found.services[0], found))) == 1


def test_pods_that_are_written_with_their_owner_count_once() -> None:
    pod = """
apiVersion: v1
kind: Pod
metadata:
  name: web-5d4-x
  namespace: shop
  labels: {app: web, pod-template-hash: 5d4}
  ownerReferences: [{kind: ReplicaSet, name: web-5d4, controller: true}]
spec: {containers: [{name: a}]}
status: {podIP: 10.1.2.3}
"""
    (found,) = snapshot(workload("Deployment", "apps/v1", f"{{template: {TEMPLATE}}}"), pod).workloads
    assert str(found.owner) == "Deployment shop/web"
    assert [(one.name, one.addresses) for one in found.pods] == [("web-5d4-x", ("10.1.2.3",))]
    assert dict(found.labels) == {"app": "web"}


def test_the_later_of_two_equal_objects_counts_and_is_noted() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: PORT}]}\n"
    found = snapshot(service.replace("PORT", "80"), service.replace("PORT", "81"))
    assert [one.spec.ports[0].port for one in found.services] == [81]
    assert [str(one.text) for one in found.notes] == [
        "Service default/web is written more than once (a.yaml:1, b.yaml:1): the last one counts"
    ]


def test_custom_resources_are_counted_and_foreign_policies_noted() -> None:
    custom = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a}\n---\n"
    found = snapshot(custom + "apiVersion: x.example.com/v1\nkind: Rocket\nmetadata: {name: b}\n")
    assert [(one.kind, one.count, one.place) for one in found.unknown] == [
        ("CiliumNetworkPolicy.cilium.io", 1, "a.yaml:1"),
        ("Rocket.x.example.com", 1, "a.yaml:5"),
    ]
    assert [one.text.partition(":")[0] for one in found.notes] == ["CiliumNetworkPolicy of cilium.io (a.yaml"]


def test_pods_of_foreign_kinds_are_missing_and_noted() -> None:
    rollout = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web, namespace: shop}\nspec: SPEC\n---\n"
    )
    pods = rollout.replace("SPEC", "{template: {spec: {containers: [{name: web}]}}}")
    found = snapshot(pods, rollout.replace("web", "other").replace("SPEC", "{workloadRef: {name: other}}"))
    assert [(one.kind, one.count, list(map(str, one.with_pods))) for one in found.unknown] == [
        ("Rollout.argoproj.io", 2, ["shop/web"])
    ]
    (note,) = found.notes
    assert note.topic is Topic.UNKNOWN_WORKLOAD_KIND
    assert note.text.endswith("write each as a Deployment with the same template too")
    with pytest.raises(EndError, match=r"web: is a Rollout.argoproj.io .*:1\), which is not read"):
        names.resolve("web", found, is_client=True)
    with pytest.raises(EndError, match="other: nothing has this name"):
        names.resolve("other", found, is_client=True)


def test_a_namespace_that_is_not_written_is_noted_where_its_labels_are_read() -> None:
    policy = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {KEY: a}}}]}]}
"""
    (note,) = snapshot(policy.replace("KEY", "team")).notes
    assert note.text == "not written, and taken to have no labels: namespaces shop; policies read team"
    assert snapshot(policy.replace("KEY", "kubernetes.io/metadata.name")).notes == ()


def test_a_field_has_the_line_where_it_is_written() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata:\n    name: web\n"
    found = snapshot(text + "  spec:\n    ports:\n    - port: 80\n      targetPort: http\n")
    key = NamespacedName("default", "web")
    assert found.place("Service", key, "spec", "ports", 0, "targetPort") == "a.yaml:11"
    assert found.place("Service", key) == "a.yaml:4"
    assert found.place("Service", NamespacedName("x", "y"), "spec", "ports", 0) == "Service x/y spec.ports[0]"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("apiVersion: v1\nkind: Service\nspec: {}\n", "a.yaml:1: Service needs metadata.name, a text: add it"),
        ("apiVersion: v1\nkind: Pod\nmetadata: []\n", "a.yaml:1: Pod needs metadata.name"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports:\n  - port: eighty\n",
            "a.yaml:6: Service web: Expected `int`, got `str` (spec.ports[0].port)",
        ),
        (
            workload("Deployment", "apps/v1", "\n  template:\n    spec:\n      containers: 1"),
            "a.yaml:7: Deployment web: Expected `array`, got `int` (spec.containers)",
        ),
    ],
)
def test_an_object_of_the_wrong_form_has_its_line(text: str, error: str) -> None:
    with pytest.raises(ManifestError) as raised:
        snapshot(text)
    assert str(raised.value).startswith(error)


def test_a_pod_of_a_stateful_set_that_a_cluster_policy_names_is_a_workload_of_its_own() -> None:
    pods = (
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\n"
        "spec: {replicas: 2, template: {metadata: {labels: {app: db}}, spec: {}}}\n---\n"
    )
    tier = (
        "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: first}\n"
        "spec:\n  tier: Admin\n  priority: 1\n  subject: {pods: {namespaceSelector: {}, podSelector: "
        "{matchLabels: {statefulset.kubernetes.io/pod-name: db-0}}}}\n"
        "  ingress: [{action: Deny, from: [{namespaces: {}}]}]\n"
    )
    assert len(snapshot(pods).workloads) == 1
    found = snapshot(pods, tier).workloads
    assert [one.labels["statefulset.kubernetes.io/pod-name"] for one in found] == ["db-0", "db-1"]
