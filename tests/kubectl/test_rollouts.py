"""kubectl scale and rollout, for Deployments, StatefulSets and DaemonSets."""

from __future__ import annotations

import re

import pytest

from tests.kubectl.kubectl import Kubectl, table

OLDEST_IS_LONG = True

POD = """
    metadata: {labels: {app: NAME}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: main, image: "nginx:1"}]}
"""

SETS = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template: {POD.replace("NAME", "web")}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  replicas: 2
  serviceName: db
  selector: {{matchLabels: {{app: db}}}}
  template: {POD.replace("NAME", "db")}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: log}}
spec:
  selector: {{matchLabels: {{app: log}}}}
  template: {POD.replace("NAME", "log")}
"""

ALL = ("deployment/web", "statefulset/db", "daemonset/log")


@pytest.fixture(scope="module")
def sets(kubectl: Kubectl) -> Kubectl:
    kubectl.apply(SETS)
    for name in ALL:
        finished(kubectl, name)
    return kubectl


def finished(kubectl: Kubectl, name: str) -> str:
    """What rollout status says last."""
    return kubectl("rollout", "status", name, "--timeout=60s").splitlines()[-1]


def revisions(kubectl: Kubectl, name: str) -> list[str]:
    history = kubectl("rollout", "history", name)
    assert re.match(rf"\w+\.apps/{name.partition('/')[2]} \nREVISION  CHANGE-CAUSE\n", history), history
    return [row[0] for row in table(history)[2:]]


def images(kubectl: Kubectl, name: str) -> set[str]:
    app = name.partition("/")[2]
    return set(kubectl.jsonpath("pods", "{.items[*].spec.containers[0].image}", "-l", f"app={app}").split())


def all_have(kubectl: Kubectl, image: str) -> None:
    """Wait until every pod runs the image."""
    for name in ALL:
        finished(kubectl, name)
    assert [images(kubectl, name) for name in ALL] == [{image}] * 3


@pytest.mark.proves("kubectl-rollout-status", "deployments", "statefulsets", "daemonsets")
def test_status_says_when_all_pods_are_new(sets: Kubectl) -> None:
    assert finished(sets, "deployment/web") == 'deployment "web" successfully rolled out'
    assert finished(sets, "daemonset/log") == 'daemon set "log" successfully rolled out'
    assert finished(sets, "statefulset/db") == "partitioned roll out complete: 2 new pods have been updated..."


@pytest.mark.proves("kubectl-rollout-undo", "kubectl-rollout-status")
def test_an_update_makes_a_revision_and_undo_goes_back(sets: Kubectl) -> None:
    assert [revisions(sets, name) for name in ALL] == [["1"]] * 3
    sets("set", "image", *ALL, "main=nginx:2")
    all_have(sets, "nginx:2")
    for name in ALL:
        assert revisions(sets, name) == ["1", "2"]
        template = sets("rollout", "history", name, "--revision=2")
        assert "with revision #2" in template
        assert "nginx:2" in template
    printed = sets("rollout", "undo", *ALL)
    assert printed == "".join(f"{name.replace('/', '.apps/')} rolled back\n" for name in ALL)
    all_have(sets, "nginx:1")
    sets("rollout", "undo", "deployment/web", "--to-revision=2")
    finished(sets, "deployment/web")
    assert images(sets, "deployment/web") == {"nginx:2"}
    missing = sets.refused("rollout", "undo", "deployment/web", "--to-revision=99")
    assert missing.endswith("error: unable to find specified revision 99 in history\n")


@pytest.mark.long
@pytest.mark.proves("kubectl-rollout-restart")
def test_restart_replaces_every_pod(sets: Kubectl) -> None:
    path = "{.items[*].metadata.uid}"
    before = set(sets.jsonpath("pods", path, "-l", "app in (web,log)").split())
    printed = sets("rollout", "restart", "deployment/web", "daemonset/log")
    assert printed == "deployment.apps/web restarted\ndaemonset.apps/log restarted\n"
    finished(sets, "deployment/web")
    finished(sets, "daemonset/log")
    after = set(sets.jsonpath("pods", path, "-l", "app in (web,log)").split())
    assert len(after) == 4
    assert not before & after


@pytest.mark.long
@pytest.mark.proves("kubectl-rollout-restart")
def test_a_paused_deployment_waits(sets: Kubectl) -> None:
    assert sets("rollout", "pause", "deployment/web") == "deployment.apps/web paused\n"
    assert sets.refused("rollout", "pause", "deployment/web") == 'error: deployments.apps "web" is already paused\n'
    sets("set", "image", "deployment/web", "main=nginx:9")
    assert "can't restart paused deployment" in sets.refused("rollout", "restart", "deployment/web")
    assert "you cannot rollback a paused deployment" in sets.refused("rollout", "undo", "deployment/web")
    assert images(sets, "deployment/web") == {"nginx:2"}
    assert sets("rollout", "resume", "deployment/web") == "deployment.apps/web resumed\n"
    finished(sets, "deployment/web")
    assert images(sets, "deployment/web") == {"nginx:9"}
    assert "is not paused" in sets.refused("rollout", "resume", "deployment/web")


@pytest.mark.proves("kubectl-scale")
def test_scale_changes_the_number_of_pods_if_it_is_as_expected(sets: Kubectl) -> None:
    wrong = sets.refused("scale", "deployment", "web", "--current-replicas=7", "--replicas=3")
    assert wrong == "error: Expected replicas to be 7, was 2\n"
    printed = sets("scale", "deployment/web", "statefulset/db", "--current-replicas=2", "--replicas=3")
    assert printed == "deployment.apps/web scaled\nstatefulset.apps/db scaled\n"
    finished(sets, "statefulset/db")
    finished(sets, "deployment/web")
    assert sets("get", "pods", "-l", "app=db", "-o", "name").split() == ["pod/db-0", "pod/db-1", "pod/db-2"]
    sets("scale", "deployment,statefulset", "--all", "--replicas=0")
    sets("wait", "pod", "-l", "app in (web,db)", "--for=delete", "--timeout=60s")
    missing = sets.refused("scale", "deployment", "absent", "--replicas=1")
    assert missing.endswith('deployments.apps "absent" not found\n')


@pytest.mark.proves("kubectl-rollout-status")
def test_status_gives_up_when_there_is_no_progress(sets: Kubectl) -> None:
    sets("create", "deployment", "stuck", "--image=busybox", "--", "/no/such/program")
    sets("patch", "deployment", "stuck", "-p", '{"spec": {"progressDeadlineSeconds": 1}}')
    reported = sets.refused("rollout", "status", "deployment/stuck", "--timeout=60s")
    assert reported == 'error: deployment "stuck" exceeded its progress deadline\n'
    sets("delete", "deployment", "stuck", "--wait=false")
