"""kubectl describe, and work on nodes: cordon, uncordon, taint, drain."""

from __future__ import annotations

import re

import pytest

from tests.kubectl.kubectl import Kubectl, table

OLDEST_IS_LONG = True

OBJECTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: moving}}
  template:
    metadata: {labels: {app: moving}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: nginx
        ports: [{name: http, containerPort: 80}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: moving}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: a.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, max: {cpu: "1"}}]}
"""


@pytest.fixture(scope="module")
def objects(kubectl: Kubectl) -> Kubectl:
    kubectl.apply(OBJECTS)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return kubectl


def addresses(kubectl: Kubectl) -> list[str]:
    return sorted(kubectl.jsonpath("pods", "{.items[*].status.podIP}", "-l", "app=moving").split())


def fields(text: str) -> dict[str, str]:
    """The top lines `Name:  value` of a description."""
    return dict(re.findall(r"^([A-Z][\w /()-]*):[ \t]+(.*\S)[ \t]*$", text, re.MULTILINE))


@pytest.mark.proves("kubectl-describe-pod")
def test_describe_pod_has_its_state_and_events(objects: Kubectl) -> None:
    pod = objects("get", "pods", "-l", "app=moving", "-o", "name").split()[0]
    text = objects("describe", pod)
    shown = fields(text)
    assert (shown["Status"], shown["Controlled By"].partition("-")[0]) == ("Running", "ReplicaSet/web")
    assert shown["IP"] in addresses(objects)
    assert re.search(r"Readiness: +http-get http://:http/ delay=0s timeout=1s period=1s", text)
    assert re.search(r"^  Ready +True *$", text, re.MULTILINE)
    events = text.partition("\nEvents:\n")[2]
    assert re.search(r"Normal +Scheduled +\S+ +\S+ +Successfully assigned ", events)
    assert re.search(r"Normal +Started +\S+ +\S+ +(Started container main|Container started)", events)


@pytest.mark.proves("kubectl-describe-service")
def test_describe_service_and_ingress_have_endpoints(objects: Kubectl) -> None:
    ends = [f"{address}:80" for address in addresses(objects)]
    service = fields(objects("describe", "service", "web"))
    assert sorted(service["Endpoints"].split(",")) == ends
    assert (service["Port"], service["TargetPort"], service["Type"]) == ("http  80/TCP", "http/TCP", "ClusterIP")
    ingress = objects("describe", "ingress", "web")
    listed = re.search(r"web:http \((\S+)\)", ingress)
    assert listed is not None, ingress
    assert sorted(listed[1].split(",")) == ends


@pytest.mark.proves("kubectl-describe-node")
def test_describe_node_has_pods_addresses_and_lease(objects: Kubectl) -> None:
    text = objects("describe", "node", "node-1")
    shown = fields(text)
    assert (shown["Name"], shown["Unschedulable"], shown["PodCIDR"]) == ("node-1", "false", "10.244.1.0/24")
    assert re.search(r"RenewTime: +\w+, \d\d", text)
    pods = text.partition("Non-terminated Pods:")[2].partition("Allocated resources:")[0]
    assert objects.namespace in pods
    assert re.search(r"^  Ready +True ", text, re.MULTILINE)


@pytest.mark.proves("kubectl-describe-namespace")
def test_describe_namespace_and_the_rest(objects: Kubectl) -> None:
    namespace = objects("describe", "namespace", objects.namespace)
    assert fields(namespace)["Status"] == "Active"
    assert "No resource quota." in namespace
    assert re.search(r"Container +cpu +- +1 ", namespace)
    deployment = objects("describe", "deployment", "web")
    assert fields(deployment)["Replicas"] == "2 desired | 2 updated | 2 total | 2 available | 0 unavailable"
    assert "ScalingReplicaSet" in deployment
    slices = objects("describe", "endpointslice")
    assert "kubernetes.io/service-name=web" in slices


@pytest.mark.proves("kubectl-cordon")
def test_cordon_and_taint_change_the_node(objects: Kubectl) -> None:
    assert objects("cordon", "node-2") == "node/node-2 cordoned\n"
    assert objects("cordon", "node-2") == "node/node-2 already cordoned\n"
    assert table(objects("get", "node", "node-2"))[1][1] == "Ready,SchedulingDisabled"
    assert objects("uncordon", "node-2") == "node/node-2 uncordoned\n"
    assert objects("taint", "node", "node-2", "team=a:NoSchedule") == "node/node-2 tainted\n"
    again = objects.refused("taint", "node", "node-2", "team=a:NoSchedule")
    assert "already has team taint(s) with same effect(s)" in again
    assert objects.jsonpath("node node-2", "{.spec.taints[0].key}={.spec.taints[0].value}") == "team=a"
    assert objects("taint", "node", "node-2", "team-") == "node/node-2 untainted\n"


@pytest.mark.long
@pytest.mark.proves("kubectl-drain", "evictions")
def test_drain_moves_the_pods_away(objects: Kubectl) -> None:
    objects("run", "bare", "--image=nginx", '--overrides={"spec": {"nodeName": "node-2"}}')
    refused = objects.refused("drain", "node-2", "--pod-selector=run=bare")
    assert "cannot delete" in refused
    objects("uncordon", "node-2")
    drained = objects("drain", "node-2", "--pod-selector=app=moving", "--timeout=60s", "--delete-emptydir-data")
    assert drained.splitlines()[-1] == "node/node-2 drained"
    objects("rollout", "status", "deployment/web", "--timeout=60s")
    assert set(objects.jsonpath("pods", "{.items[*].spec.nodeName}", "-l", "app=moving").split()) == {"node-1"}
    objects("uncordon", "node-2")
    objects("delete", "pod", "bare", "--now", "--wait=false")
