"""A namespace that is being deleted, with real packets: an isolated pod stays isolated until it has ended."""

from collections.abc import Iterator

import pytest

from podwire.testing.namespaces import Namespace, fresh_namespace, remove
from tests.world.harness import World, eventually

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 120
  containers:
  - name: web
    image: nginx
    ports: [{{containerPort: 80}}]
    lifecycle:
      preStop: {{exec: {{command: [sh, -c, "until [ -e /tmp/end ]; do sleep 0.1; done"]}}}}
---
"""
DENY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: closed}}, policyTypes: [Ingress]}
"""
CLIENT = "apiVersion: v1\nkind: Pod\nmetadata: {name: client}\nspec: {containers: [{name: c, image: nginx}]}"
CONDITIONS = '{range .status.conditions[?(@.status=="True")]}{.type}: {.message}{"\\n"}{end}'


@pytest.fixture
def doomed(cluster: World) -> Iterator[Namespace]:
    namespace = fresh_namespace(cluster, "doomed")
    yield namespace
    for name in ("closed", "open"):
        namespace.kubectl("delete", "pod", name, "--force", "--grace-period=0", "--ignore-not-found", check=False)
    remove(namespace)


@pytest.mark.proves("delete-namespaces")
def test_an_isolated_pod_of_a_deleted_namespace_is_isolated_until_it_ends(quarter: World, doomed: Namespace) -> None:
    quarter.apply(CLIENT)
    doomed.apply("".join(POD.format(name=name) for name in ("closed", "open")) + DENY)
    quarter.wait(quarter.namespace)
    doomed.wait()
    client = f"{quarter.namespace}/client"
    assert doomed.allowed(client, f"{doomed}/open:80")
    assert doomed.denied(client, f"{doomed}/closed:80")

    doomed.kubectl("delete", "namespace", doomed.name, "--wait=false")
    left = "NamespaceContentRemaining: Some resources are remaining: pods. has 2 resource instances\n"
    eventually(
        lambda: doomed.world.jsonpath(f"namespace {doomed}", CONDITIONS) == left, 20, "the condition of the namespace"
    )
    assert doomed.allowed(client, f"{doomed}/open:80")
    assert doomed.denied(client, f"{doomed}/closed:80")
    assert doomed.kubectl("get", "networkpolicy", "deny", "-o", "name").stdout

    for name in ("closed", "open"):
        # The pod may end before this command has: its status does not matter.
        doomed.kubectl("exec", name, "--", "touch", "/tmp/end", check=False)
    doomed.kubectl("wait", "--for=delete", f"namespace/{doomed}", "--timeout=30s")
