from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.reads import tables
from podwire.apiserver.reads.columns import texts

REGISTRY = registry()
NOW = datetime(2026, 1, 10, 12, 0, 0, tzinfo=UTC)
Object = dict[str, Any]


def metadata(**more: Any) -> Object:
    return {"name": "web", "namespace": "shop", "creationTimestamp": "2026-01-10T11:59:15Z", **more}


def row(api_version: str, kind: str, include_object: str = "Metadata", **body: Any) -> dict[str, Any]:
    """The cells by column name."""
    resource = REGISTRY.by_kind(api_version, kind)
    assert resource is not None
    body.setdefault("metadata", metadata())
    answer = tables.table(resource, [body], include_object, now=NOW)
    names = [column["name"] for column in answer["columnDefinitions"]]
    [only] = answer["rows"]
    assert len(names) == len(only["cells"])
    return dict(zip(names, only["cells"], strict=True))


def pod(*statuses: Object, **status: Any) -> dict[str, Any]:
    spec = {"nodeName": "node-1", "containers": [{"name": "a"}, {"name": "b"}]}
    return row("v1", "Pod", spec=spec, status={"phase": "Running", "containerStatuses": list(statuses), **status})


RUNNING = {"ready": True, "restartCount": 0, "state": {"running": {}}}


@pytest.mark.proves("table-cells")
def test_a_running_pod() -> None:
    assert pod(RUNNING, RUNNING, podIPs=[{"ip": "10.244.1.2"}]) == {
        "Name": "web",
        "Ready": "2/2",
        "Status": "Running",
        "Restarts": "0",
        "Age": "45s",
        "IP": "10.244.1.2",
        "Node": "node-1",
        "Nominated Node": "<none>",
        "Readiness Gates": "<none>",
    }


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ({"waiting": {"reason": "ContainerCreating"}}, "ContainerCreating"),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "CrashLoopBackOff"),
        ({"terminated": {"exitCode": 0, "reason": "Completed"}}, "Completed"),
        ({"terminated": {"exitCode": 2}}, "ExitCode:2"),
        ({"terminated": {"exitCode": 137, "signal": 9}}, "Signal:9"),
    ],
)
def test_a_pod_shows_why_its_first_container_does_not_run(state: Object, shown: str) -> None:
    assert pod({"state": state}, {"state": state})["Status"] == shown


def test_a_half_finished_pod_is_not_ready() -> None:
    done = {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    assert pod(done, RUNNING)["Status"] == "NotReady"
    assert pod(done, RUNNING, conditions=[{"type": "Ready", "status": "True"}])["Status"] == "Running"


def test_restarts_show_when() -> None:
    again = {**RUNNING, "restartCount": 2, "lastState": {"terminated": {"finishedAt": "2026-01-10T11:57:00Z"}}}
    assert pod(again, RUNNING)["Restarts"] == "2 (3m ago)"


def test_a_deleted_pod_is_terminating() -> None:
    deleted = metadata(deletionTimestamp="2026-01-10T12:00:00Z")
    assert row("v1", "Pod", metadata=deleted, status={"phase": "Running"})["Status"] == "Terminating"
    assert row("v1", "Pod", metadata=deleted, status={"phase": "Succeeded"})["Status"] == "Succeeded"


def test_init_containers_show_their_progress() -> None:
    spec = {"initContainers": [{"name": "a"}, {"name": "b"}], "containers": [{"name": "c"}]}
    statuses = [{"name": "a", "state": {"terminated": {"exitCode": 0}}}, {"name": "b", "state": {"running": {}}}]
    shown = row("v1", "Pod", spec=spec, status={"phase": "Pending", "initContainerStatuses": statuses})
    assert (shown["Status"], shown["Ready"]) == ("Init:1/2", "0/1")
    statuses[1]["state"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    shown = row("v1", "Pod", spec=spec, status={"phase": "Pending", "initContainerStatuses": statuses})
    assert shown["Status"] == "Init:Error"


def test_sidecars_count_as_containers() -> None:
    spec = {"initContainers": [{"name": "a", "restartPolicy": "Always"}], "containers": [{"name": "c"}]}
    status = {
        "phase": "Running",
        "initContainerStatuses": [{"name": "a", "started": True, "ready": True, "state": {"running": {}}}],
        "containerStatuses": [RUNNING],
    }
    assert row("v1", "Pod", spec=spec, status=status)["Ready"] == "2/2"


@pytest.mark.proves("table-cells")
def test_services() -> None:
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]
    spec = {"type": "NodePort", "clusterIPs": ["10.96.0.7"], "ports": ports, "selector": {"b": "2", "a": "1"}}
    assert row("v1", "Service", spec=spec) == {
        "Name": "web",
        "Type": "NodePort",
        "Cluster-IP": "10.96.0.7",
        "External-IP": "<none>",
        "Port(s)": "80:30080/TCP,53/UDP",
        "Age": "45s",
        "Selector": "a=1,b=2",
    }


def test_services_outside_addresses() -> None:
    balanced: Object = {"type": "LoadBalancer"}
    assert row("v1", "Service", spec=balanced)["External-IP"] == "<pending>"
    status = {"loadBalancer": {"ingress": [{"ip": "172.19.0.2"}, {"hostname": "a.example.com"}]}}
    assert row("v1", "Service", spec=balanced, status=status)["External-IP"] == "172.19.0.2,a.example.com"
    named = {"type": "ExternalName", "externalName": "example.com"}
    assert row("v1", "Service", spec=named)["External-IP"] == "example.com"
    assert row("v1", "Service", spec=named)["Cluster-IP"] == "<none>"


@pytest.mark.proves("table-cells")
def test_deployments() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "nginx"}, {"name": "b", "image": "busybox"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    status = {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    assert list(row("apps/v1", "Deployment", spec=spec, status=status).values()) == [
        "web",
        "2/3",
        3,
        1,
        "45s",
        "a,b",
        "nginx,busybox",
        "app=web",
    ]


@pytest.mark.proves("table-cells")
def test_endpoint_slices() -> None:
    endpoints = [{"addresses": [f"10.244.1.{number}"]} for number in range(1, 6)]
    shown = row("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", ports=[{"port": 80}], endpoints=endpoints)
    assert shown["Ports"] == "80"
    assert shown["Endpoints"] == "10.244.1.1,10.244.1.2,10.244.1.3 + 2 more..."
    empty = row("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4")
    assert (empty["Ports"], empty["Endpoints"]) == ("<unset>", "<unset>")


@pytest.mark.proves("table-cells")
def test_nodes() -> None:
    labels = {"node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/worker": ""}
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "172.18.0.2"}],
        "nodeInfo": {"kubeletVersion": "v1.37.0"},
    }
    shown = row("v1", "Node", metadata=metadata(labels=labels), spec={"unschedulable": True}, status=status)
    assert shown["Status"] == "Ready,SchedulingDisabled"
    assert shown["Roles"] == "control-plane,worker"
    assert (shown["Internal-IP"], shown["External-IP"]) == ("172.18.0.2", "<none>")
    assert row("v1", "Node")["Status"] == "Unknown"


def test_network_policies() -> None:
    expressions = [{"key": "tier", "operator": "In", "values": ["b", "a"]}, {"key": "x", "operator": "DoesNotExist"}]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    shown = row("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": selector})
    assert shown["Pod-Selector"] == "app=web,tier in (a,b),!x"
    assert row("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}})["Pod-Selector"] == "<none>"


@pytest.mark.proves("table-cells")
def test_ingresses() -> None:
    rules = [{"host": "a.example.com"}, {"host": "b.example.com"}]
    shown = row("networking.k8s.io/v1", "Ingress", spec={"ingressClassName": "podwire", "rules": rules, "tls": [{}]})
    assert list(shown.values()) == ["web", "podwire", "a.example.com,b.example.com", "", "80, 443", "45s"]


def test_events() -> None:
    shown = row(
        "v1",
        "Event",
        lastTimestamp="2026-01-10T11:55:00Z",
        firstTimestamp="2026-01-10T11:00:00Z",
        count=4,
        type="Warning",
        reason="Unhealthy",
        involvedObject={"kind": "Pod", "name": "web"},
        message="Readiness probe failed\n",
        source={"component": "kubelet", "host": "node-1"},
    )
    assert list(shown.values()) == [
        "5m",
        "Warning",
        "Unhealthy",
        "pod/web",
        "",
        "kubelet, node-1",
        "Readiness probe failed",
        "60m",
        4,
        "web",
    ]


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (timedelta(seconds=0), "0s"),
        (timedelta(seconds=-1), "0s"),
        (timedelta(seconds=-5), "<invalid>"),
        (timedelta(seconds=45), "45s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(seconds=192), "3m12s"),
        (timedelta(minutes=3), "3m"),
        (timedelta(minutes=20, seconds=30), "20m"),
        (timedelta(hours=3, minutes=5), "3h5m"),
        (timedelta(hours=9, minutes=5), "9h"),
        (timedelta(hours=47), "47h"),
        (timedelta(days=5), "5d"),
        (timedelta(days=5, hours=3), "5d3h"),
        (timedelta(days=100, hours=3), "100d"),
        (timedelta(days=800), "2y70d"),
        (timedelta(days=3650), "10y"),
    ],
)
def test_ages_are_printed_as_upstream_prints_them(duration: timedelta, shown: str) -> None:
    assert texts.human(duration) == shown


@pytest.mark.proves("table-objects")
def test_rows_carry_the_object_as_requested() -> None:
    resource = REGISTRY.by_kind("v1", "ConfigMap")
    assert resource is not None
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(), "data": {"a": "b"}}
    [whole] = tables.table(resource, [obj], "Object", now=NOW)["rows"]
    assert whole["object"] == obj
    [partial] = tables.table(resource, [obj], now=NOW)["rows"]
    assert partial["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in partial["object"]
    [bare] = tables.table(resource, [obj], "None", now=NOW, columns=False)["rows"]
    assert "object" not in bare


def test_finished_pods_are_marked() -> None:
    resource = REGISTRY.by_kind("v1", "Pod")
    assert resource is not None
    [done, running] = tables.table(
        resource, [{"metadata": metadata(), "status": {"phase": phase}} for phase in ("Failed", "Running")], now=NOW
    )["rows"]
    assert done["conditions"][0]["reason"] == "Failed"
    assert "conditions" not in running


@pytest.mark.proves("table-columns")
@pytest.mark.parametrize("resource", list(REGISTRY.all()), ids=lambda resource: resource.qualified_plural)
def test_every_kind_has_a_table_even_of_an_empty_object(resource: Any) -> None:
    answer = tables.table(resource, [{"metadata": metadata()}], now=NOW)
    assert len(answer["rows"][0]["cells"]) == len(answer["columnDefinitions"])
    assert any(column["format"] == "name" for column in answer["columnDefinitions"])
