"""What an ephemeral world gets of manifests: all that the network sees, and nothing that keeps a pod from running."""

from typing import Any

import pytest

from podwire.insight.sources.manifests import Manifest, objects
from podwire.insight.sources.text import Text
from podwire.insight.verify import stand_ins

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop, labels: {team: blue}}
spec:
  replicas: 12
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      serviceAccountName: api
      nodeSelector: {disk: ssd}
      hostNetwork: false
      subdomain: apis
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
      initContainers:
        - {name: migrate, image: tools, command: [migrate]}
        - {name: proxy, image: envoy, restartPolicy: Always, ports: [{name: admin, containerPort: 9901}]}
      containers:
        - name: api
          image: private/api:1
          command: [/api]
          envFrom: [{secretRef: {name: missing}}]
          securityContext: {privileged: true}
          resources: {requests: {cpu: "64"}}
          readinessProbe: {exec: {command: [never]}}
          ports: [{name: http, containerPort: 8080, hostPort: 80, protocol: TCP}]
"""
OTHERS = """
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {clusterIP: 10.43.0.9, clusterIPs: [10.43.0.9], loadBalancerIP: 192.0.2.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {clusterIP: None, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}}
---
apiVersion: v1
kind: Namespace
metadata: {name: visitors, labels: {may-enter: shop}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: jobs}
spec:
  schedule: "@daily"
  jobTemplate: {spec: {template: {metadata: {labels: {app: nightly}}, spec: {containers: [{name: run, image: x}]}}}}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
"""


def manifests(text: str) -> tuple[Manifest, ...]:
    return tuple(objects(Text("x.yaml", text)))


def found(text: str) -> dict[str, Any]:
    stages = stand_ins.stages(manifests(text), 2)
    return {one.name: one.body for stage in stages for one in stage}


def test_a_pod_keeps_what_the_network_sees_of_it() -> None:
    body = found(DEPLOYMENT)["Deployment shop/api"]
    assert body["metadata"] == {"name": "api", "namespace": "shop", "labels": {"team": "blue"}}
    assert body["spec"]["replicas"] == 2
    assert body["spec"]["selector"] == {"matchLabels": {"app": "api"}}
    template = body["spec"]["template"]
    assert template["metadata"] == {"labels": {"app": "api"}}
    assert template["spec"] == {
        "hostNetwork": False,
        "subdomain": "apis",
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "api",
                "image": stand_ins.IMAGE,
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            },
            {"name": "proxy", "image": stand_ins.IMAGE, "ports": [{"name": "admin", "containerPort": 9901}]},
        ],
    }


def test_services_lose_addresses_of_their_own_cluster_and_headless_ones_stay_headless() -> None:
    bodies = found(OTHERS)
    assert bodies["Service shop/api"]["spec"] == {"ports": [{"port": 80}]}
    assert bodies["Service default/nobody"]["spec"] == {"clusterIP": "None", "ports": [{"port": 80}]}


def test_policies_come_before_pods_and_namespaces_before_both() -> None:
    stages = stand_ins.stages(manifests(f"{DEPLOYMENT}---{OTHERS}"), 2)
    assert [sorted({one.kind[1] for one in stage}) for stage in stages] == [
        ["Namespace"],
        ["NetworkPolicy", "Service"],
        ["Deployment", "Job"],
    ]
    assert {one.name for one in stages[0]} == {"Namespace visitors", "Namespace shop", "Namespace jobs"}
    visitors = next(one for one in stages[0] if one.name == "Namespace visitors")
    assert visitors.body["metadata"]["labels"] == {"may-enter": "shop"}


def test_a_cron_job_runs_at_once_and_its_pods_do_not_restart() -> None:
    body = found(OTHERS)["Job jobs/nightly"]
    assert body["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert "selector" not in body["spec"]


def test_kinds_that_a_world_does_not_get_are_listed() -> None:
    assert stand_ins.left_out(manifests(f"{OTHERS}---{DEPLOYMENT}")) == ["1 Widget"]


@pytest.mark.parametrize(("replicas", "expected"), [("0", 1), ("1", 1), ("3", 2), ("null", 1)])
def test_replicas_are_as_many_as_nodes_at_most(replicas: str, expected: int) -> None:
    stages = stand_ins.stages(manifests(DEPLOYMENT.replace("replicas: 12", f"replicas: {replicas}")), 2)
    assert stand_ins.pods_of(stages[-1], 2) == expected


def test_a_daemon_set_has_a_pod_on_each_node_and_a_stateful_set_its_ordinals() -> None:
    daemons = DEPLOYMENT.replace("kind: Deployment", "kind: DaemonSet").replace("  replicas: 12\n", "")
    assert stand_ins.pods_of(stand_ins.stages(manifests(daemons), 3)[-1], 3) == 3
    ordered = DEPLOYMENT.replace("kind: Deployment", "kind: StatefulSet").replace("replicas: 12", "replicas: 4")
    last = stand_ins.stages(manifests(ordered), 2)[-1]
    assert stand_ins.pods_of(last, 2) == 4
    assert last[0].body["spec"]["podManagementPolicy"] == "Parallel"


@pytest.mark.parametrize("field", ["spec: 3", "spec: {template: {spec: {containers: [4]}}}", "metadata: {name: x}"])
def test_a_template_of_another_form_is_left_to_the_api_server(field: str) -> None:
    text = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: x}}\n{field}\n"
    assert stand_ins.stages(tuple(objects(Text("x.yaml", text.replace("metadata: {name: x}\nmeta", "meta")))), 2)


def test_with_policies_of_the_mesh_pods_have_their_service_accounts() -> None:
    policy = "---\napiVersion: mesh.podwire.dev/v1alpha1\nkind: TransportPolicy\nmetadata: {name: a, namespace: shop}\n"
    account = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: api, namespace: shop}\n"
    with_mesh = objects(Text("a.yaml", DEPLOYMENT + policy + account))
    made = {one.name: one for stage in stand_ins.stages(with_mesh, 2) for one in stage}
    assert {"TransportPolicy shop/a", "ServiceAccount shop/api"} <= made.keys()
    assert made["Deployment shop/api"].body["spec"]["template"]["spec"]["serviceAccountName"] == "api"
    assert stand_ins.left_out(with_mesh) == []
    without = objects(Text("a.yaml", DEPLOYMENT + account))
    made = {one.name: one for stage in stand_ins.stages(without, 2) for one in stage}
    assert "serviceAccountName" not in made["Deployment shop/api"].body["spec"]["template"]["spec"]
