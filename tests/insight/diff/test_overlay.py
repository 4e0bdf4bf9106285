"""Written objects applied to a live cluster: what they take the place of, and what stays."""

from __future__ import annotations

import msgspec

from podwire.insight.diff import answer
from podwire.insight.diff.objects import differences
from podwire.insight.diff.overlay import applied
from podwire.insight.snapshot.endpoints import backings
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.written import NAME_LABEL
from podwire.kube.meta import NamespacedName
from tests.insight.snapshot.written_text import snapshot

LIVE = """
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: NAME}
spec: {tier: Admin, priority: PRIORITY, subject: {namespaces: {}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME, namespace: shop}
spec: {podSelector: {matchLabels: {read: "PRIORITY"}}}
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop}
spec: {selector: {app: NAME}, ports: [{port: PRIORITY}]}
---
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: shop, labels: {app: NAME}}
spec: {containers: [{name: c}]}
status: {podIPs: [{ip: 10.244.0.PRIORITY}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: NAME, namespace: shop}
spec: {defaultBackend: {service: {name: NAME, port: {number: PRIORITY}}}}
---
apiVersion: v1
kind: Node
metadata: {name: NAME}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: NAME, namespace: shop, labels: {kubernetes.io/service-name: NAME}}
addressType: IPv4
endpoints: [{addresses: [10.244.0.PRIORITY]}]
ports: [{port: 80}]
---
"""


def objects(**priorities: int) -> str:
    return "".join(LIVE.replace("NAME", name).replace("PRIORITY", str(one)) for name, one in priorities.items())


def live(**priorities: int) -> Snapshot:
    return msgspec.structs.replace(snapshot(objects(**priorities)), is_planned=False)


def names(found: Snapshot) -> dict[str, dict[str, object]]:
    return {
        "tiers": {one.metadata.name: one.spec["priority"] for one in found.cluster_policies},
        "policies": {one.metadata.name: one.spec.pod_selector.match_labels["read"] for one in found.policies},
        "services": {one.metadata.name: one.spec.ports[0].port for one in found.services},
        "workloads": {one.name: one.pods[0].addresses for one in found.workloads},
        "ingresses": {one.value["metadata"]["name"]: one.value["spec"] for one in found.others},
        "nodes": {one.metadata.name: None for one in found.nodes},
        "slices": {one.metadata.name: one.endpoints[0].addresses for one in found.slices},
    }


def test_an_object_takes_the_place_of_its_name_and_all_others_stay_whatever_the_kind() -> None:
    found = applied(snapshot(objects(b=21, c=31)), live(a=1, b=2))
    assert names(found) == names(live(a=1, b=21, c=31))


def test_pruning_ends_what_the_namespaces_have_else_but_nothing_without_a_namespace() -> None:
    found = names(applied(snapshot(objects(b=21)), live(a=1, b=2), prune=True))
    both, one = names(live(a=1, b=21)), names(live(b=21))
    assert found == {**one, "tiers": both["tiers"], "nodes": both["nodes"]}
    other = live(a=1).policies[0]
    elsewhere = msgspec.structs.replace(other, metadata=msgspec.structs.replace(other.metadata, namespace="else"))
    kept = applied(snapshot(objects(b=2)), msgspec.structs.replace(live(), policies=(elsewhere,)), prune=True)
    assert elsewhere in kept.policies


def test_endpoints_follow_the_selector_where_its_pods_are_written() -> None:
    service = objects(a=1).split("---\n")[2]
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: new, namespace: shop, labels: {app: a}}\nspec: {}\n"
    found = applied(snapshot(pod), live(a=1, b=2))
    assert [one.metadata.name for one in found.slices] == ["b"]
    key = NamespacedName("shop", "a")
    behind = backings(next(one for one in found.services if one.key == key), found.services[0].spec.ports[0], found)
    assert {one.workload.name for one in behind if one.workload} == {"a", "new"}
    assert [one.metadata.name for one in applied(snapshot(service), live(a=1, b=2)).slices] == ["b"]


def test_live_objects_that_stay_are_no_difference() -> None:
    before = live(a=1, b=2)
    lines = differences(before, applied(snapshot(objects(b=21)), before))
    assert [(one.kind, one.name, one.change) for one in lines] == [
        ("ClusterNetworkPolicy", "b", "changed"),
        ("NetworkPolicy", "shop/b", "changed"),
        ("Service", "shop/b", "changed"),
    ]


def test_a_cluster_whose_dns_has_other_labels_gets_no_other_dns() -> None:
    before = live(a=1, b=2)
    after = applied(snapshot(objects(b=21)), before)
    old, new = answer.with_dns(before, after)
    found = answer.differences(old, new, ("live", "new"))
    assert not found.connections
    assert "kube-system/kube-dns" not in {one.name for one in found.objects}
    assert answer.differences(before, after, ("live", "new")).connections  # one of both states alone has it


def test_labels_of_a_namespace_change_as_kubectl_apply_changes_them() -> None:
    def namespace(labels: str) -> Snapshot:
        return snapshot(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {labels}}}\n")

    before = msgspec.structs.replace(
        namespace("{ours: a, gone: a, theirs: a}"),
        is_planned=False,
        applied_labels={"shop": frozenset(("ours", "gone"))},
    )
    after = applied(namespace("{ours: b}"), before)
    assert after.namespaces["shop"] == {NAME_LABEL: "shop", "ours": "b", "theirs": "a"}
    (line,) = differences(before, after)
    assert (line.kind, line.name, line.change, line.place) == ("Namespace", "shop", "changed", "a.yaml:1")
    assert differences(before, applied(namespace("{ours: a, gone: a}"), before)) == ()
    unwritten = differences(before, applied(snapshot(objects(a=1)), before))
    assert {one.kind for one in unwritten} == {"ClusterNetworkPolicy", "NetworkPolicy", "Service"}


def test_policies_of_the_mesh_and_egress_gateways_are_applied_too() -> None:
    def text(name: str, port: str) -> str:
        head = "---\napiVersion: mesh.podwire.dev/v1alpha1\nmetadata: {name: NAME, namespace: shop}\n"
        found = "".join(f"{head}kind: {kind}\nspec: {{}}\n" for kind in ("AuthorizationPolicy", "TransportPolicy"))
        found += "---\napiVersion: podwire.dev/v1alpha1\nkind: EgressGateway\nmetadata: {name: NAME}\n"
        found += "spec: {podSelector: {matchLabels: {app: 'PORT'}}}\n"
        return found.replace("NAME", name).replace("PORT", port)

    before = msgspec.structs.replace(snapshot(text("a", "1")), is_planned=False)
    assert (len(before.mesh.all), len(before.egress_gateways)) == (2, 1)
    after = applied(snapshot(text("b", "2")), before)
    assert sorted((one.change, one.kind, one.name) for one in differences(before, after)) == [
        ("added", "AuthorizationPolicy", "shop/b"),
        ("added", "EgressGateway", "b"),
        ("added", "TransportPolicy", "shop/b"),
    ]
    assert [one.kind for one in differences(before, applied(snapshot(text("a", "2")), before))] == ["EgressGateway"]
    assert {one.key.name for one in applied(snapshot(text("b", "2")), before, prune=True).mesh.all} == {"b"}
