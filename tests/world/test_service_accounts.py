"""A pod sends requests to kubernetes.default, and has the rights of its ServiceAccount."""

import json
from pathlib import Path
from typing import Any

import pytest

from podwire.lab.host.credentials import clients
from podwire.lab.network.topology import Topology
from tests.world.harness import World

ASK = """
import ssl, sys, urllib.error, urllib.request

folder = "/var/run/secrets/kubernetes.io/serviceaccount"
token, namespace = (open(f"{folder}/{name}").read() for name in ("token", "namespace"))
trusted = ssl.create_default_context(cafile=f"{folder}/ca.crt")
for what in ("pods", "secrets"):
    url = f"https://kubernetes.default/api/v1/namespaces/{namespace}/{what}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        print(what, urllib.request.urlopen(request, context=trusted, timeout=60).status)
    except urllib.error.HTTPError as refusal:
        print(what, refusal.code)
"""

MANIFEST = f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: asker}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader}}
rules: [{{verbs: [list], apiGroups: [""], resources: [pods]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: asker, namespace: NAMESPACE}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: program}}
data:
  ask.py: |{ASK.replace(chr(10), chr(10) + "    ")}
---
apiVersion: v1
kind: Pod
metadata: {{name: asker}}
spec:
  restartPolicy: Never
  serviceAccountName: asker
  volumes: [{{name: program, configMap: {{name: program}}}}]
  containers:
  - name: ask
    image: python
    command: [python3, /program/ask.py]
    volumeMounts: [{{name: program, mountPath: /program}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: closed}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  containers: [{{name: look, image: busybox, command: [ls, /var/run/secrets]}}]
"""


@pytest.fixture(scope="module")
def pods(quarter: World) -> World:
    quarter.apply(MANIFEST.replace("NAMESPACE", quarter.namespace))
    return quarter


def test_a_pod_sends_requests_with_its_token(pods: World) -> None:
    pods.kubectl.wait("pod/asker", "jsonpath={.status.phase}=Succeeded")
    assert pods.kubectl("logs", "asker").stdout == "pods 200\nsecrets 403\n"


def test_a_pod_can_do_without(pods: World) -> None:
    pods.kubectl.wait("pod/closed", "jsonpath={.status.phase}=Failed")
    assert pods.jsonpath("pod closed", "{.spec.volumes}") == ""


def test_the_worlds_own_processes_are_refused_nothing(pods: World) -> None:
    """Whatever they have done for the tests before, in the world that these share."""
    pods.kubectl.wait("pod/asker", "jsonpath={.status.phase}=Succeeded")
    pid = next(pid for pid, name in pods.processes().items() if name == "pw-apiserver")
    lines = Path(f"/proc/{pid}/root/run/podwire/store/audit.log").read_text().splitlines()
    left = set(pods.kubectl("get", "namespaces", "--field-selector=status.phase=Active", "-o", "name").stdout.split())
    refused = [
        event
        for event in map(json.loads, lines)
        if event["responseStatus"]["code"] == 403 and f"namespace/{_namespace(event) or pods.namespace}" in left
    ]
    users = {event["user"]["username"] for event in refused if "impersonatedUser" not in event}
    own = [user for user, _ in clients(Topology(nodes=2)).values()]
    assert users & set(own) == set()
    assert f"system:serviceaccount:{pods.namespace}:asker" in users, "the pod that requested secrets"


def _namespace(event: dict[str, Any]) -> str:
    """Objects cannot be created in a namespace that is being deleted: such refusals are not of rights."""
    return str(event.get("objectRef", {}).get("namespace", ""))
