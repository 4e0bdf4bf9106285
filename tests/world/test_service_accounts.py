"""A pod asks the API server at kubernetes.default, and may what its ServiceAccount may."""

import json
from pathlib import Path

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
subjects: [{{kind: ServiceAccount, name: asker, namespace: default}}]
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


def test_a_pod_sends_requests_with_its_token(world: World) -> None:
    world.apply(MANIFEST)
    world.kubectl("wait", "pod/asker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    assert world.kubectl("logs", "asker").stdout == "pods 200\nsecrets 403\n"


def test_a_pod_can_do_without(world: World) -> None:
    world.apply(MANIFEST)
    world.kubectl("wait", "pod/closed", "--for=jsonpath={.status.phase}=Failed", "--timeout=30s")
    assert world.jsonpath("pod closed", "{.spec.volumes}") == ""


def test_the_worlds_own_processes_are_refused_nothing(world: World) -> None:
    pid = next(pid for pid, name in world.processes().items() if name == "pw-apiserver")
    lines = Path(f"/proc/{pid}/root/run/podwire/store/audit.log").read_text().splitlines()
    refused = [event for event in map(json.loads, lines) if event["responseStatus"]["code"] == 403]
    assert [one for one in refused if not one["user"]["username"].startswith("system:serviceaccount:")] == []
    assert refused, "the pod that asked for secrets"
