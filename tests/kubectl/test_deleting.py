"""kubectl delete: by name, file, selector and all; what follows its owner, what waits, what does not."""

from __future__ import annotations

import pytest

from tests.kubectl.kubectl import Kubectl
from tests.world.harness import eventually

OLDEST_IS_LONG = True

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{set: {set}}}}}\n---\n"

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{set: {set}}}}}
spec:
  terminationGracePeriodSeconds: {grace}
  containers: [{{name: main, image: busybox, command: [sh, -c, "{command}"]}}]
---
"""


def maps(kubectl: Kubectl, group: str, *names: str) -> str:
    text = "".join(MAP.format(name=name, set=group) for name in names)
    kubectl.apply(text)
    return text


def owned(kubectl: Kubectl, name: str) -> str:
    """A ReplicaSet with one pod; answers the pod's name."""
    kubectl("create", "deployment", name, "--image=nginx")
    kubectl("wait", f"deployment/{name}", "--for=condition=Available", "--timeout=60s")
    return kubectl("get", "pods", "-l", f"app={name}", "-o", "name").strip()


@pytest.mark.proves("kubectl-delete", "delete-answers")
def test_by_name_by_file_by_selector_and_all(kubectl: Kubectl) -> None:
    text = maps(kubectl, "some", "a", "b", "c", "d")
    where = f" from {kubectl.namespace} namespace" if kubectl.newest else ""
    assert kubectl("delete", "cm", "a") == f'configmap "a" deleted{where}\n'
    assert kubectl("delete", "cm/b", "-o", "name") == "configmap/b\n"
    assert kubectl("delete", "cm", "-l", "set=some,x!=y", "--field-selector=metadata.name=c").count("deleted") == 1
    gone = kubectl.run("delete", "-f", "-", stdin=text)
    assert (gone.stdout.count("deleted"), gone.stderr.count("NotFound")) == (1, 3)
    assert kubectl("delete", "-f", "-", "--ignore-not-found", stdin=text) == ""
    maps(kubectl, "all", "e", "f")
    assert '"e" deleted' in kubectl("delete", "cm", "--all")
    missing = kubectl.refused("delete", "cm", "absent")
    assert missing == 'Error from server (NotFound): configmaps "absent" not found\n'
    assert kubectl("delete", "cm", "-l", "set=none").startswith("No resources found")


@pytest.mark.proves("kubectl-delete")
def test_a_dry_run_deletes_nothing(kubectl: Kubectl) -> None:
    maps(kubectl, "dry", "stays")
    assert kubectl("delete", "cm", "stays", "--dry-run=server").endswith("(server dry run)\n")
    assert kubectl("get", "cm", "stays", "-o", "name") == "configmap/stays\n"


@pytest.mark.proves("kubectl-delete", "delete-finalizers")
def test_a_finalizer_holds_until_it_is_removed(kubectl: Kubectl) -> None:
    maps(kubectl, "held", "held")
    kubectl("patch", "cm", "held", "--type=merge", "-p", '{"metadata": {"finalizers": ["example.com/hold"]}}')
    kubectl("delete", "cm", "held", "--wait=false")
    waiting = kubectl.refused("delete", "cm", "held", "--timeout=1s")
    assert "timed out waiting for the condition" in waiting
    assert kubectl.jsonpath("cm held", "{.metadata.deletionTimestamp}") != ""
    kubectl("patch", "cm", "held", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
    assert kubectl("get", "cm", "held", "--ignore-not-found") == ""


@pytest.mark.proves("kubectl-delete", "delete-foreground-orphan", "garbage-collection")
def test_foreground_background_and_orphan(kubectl: Kubectl) -> None:
    orphan, kept = owned(kubectl, "kept"), ("delete", "deployment,rs", "-l", "app=kept", "--cascade=orphan")
    kubectl(*kept)
    assert kubectl("get", "all", "-l", "app=kept", "-o", "name").strip() == orphan
    assert kubectl.jsonpath(orphan, "{.metadata.ownerReferences}") == ""
    kubectl("delete", orphan, "--now", "--wait=false")
    owned(kubectl, "whole")
    kubectl("delete", "deployment", "whole", "--cascade=foreground", "--timeout=60s")
    assert kubectl("get", "pods,rs", "-l", "app=whole", "-o", "name") == ""
    owned(kubectl, "later")
    kubectl("delete", "deployment", "later")
    eventually(lambda: kubectl("get", "pods,rs", "-l", "app=later", "-o", "name") == "", 60, "the dependents' end")


@pytest.mark.proves("kubectl-delete", "delete-pods")
def test_pods_have_their_grace_and_may_be_denied_it(kubectl: Kubectl) -> None:
    deaf = "trap '' TERM; while true; do sleep 1; done"
    names = ("patient", "now", "forced")
    kubectl.apply("".join(POD.format(name=name, set="pods", grace=600, command=deaf) for name in names))
    kubectl("wait", "pod", "-l", "set=pods", "--for=condition=Ready", "--timeout=60s")
    kubectl("delete", "pod", "patient", "--wait=false")
    assert kubectl.jsonpath("pod patient", "{.metadata.deletionGracePeriodSeconds}") == "600"
    kubectl("delete", "pod", "now", "--now", "--timeout=60s")
    forced = kubectl.run("delete", "pod", "forced", "patient", "--force", "--grace-period=0")
    assert "Immediate deletion does not wait for confirmation" in forced.stderr
    assert forced.returncode == 0
    assert kubectl("get", "pods", "-l", "set=pods", "-o", "name") == ""


@pytest.mark.proves("kubectl-delete", "delete-namespaces")
def test_a_namespace_takes_all_with_it(kubectl: Kubectl) -> None:
    name = f"doomed-{kubectl.namespace}"
    kubectl("create", "namespace", name)
    kubectl("create", "deployment", "web", "--image=nginx", "-n", name)
    kubectl("delete", "namespace", name, "--timeout=90s")
    assert kubectl("get", "namespace", name, "--ignore-not-found") == ""
    assert "not found" in kubectl.refused("create", "configmap", "late", "-n", name)
