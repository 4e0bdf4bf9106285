"""Changes of what exists: patch, edit, label, annotate and set."""

from __future__ import annotations

import json

import pytest

from tests.kubectl.kubectl import Kubectl, table

OLDEST_IS_LONG = True

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: fast, size: small}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "nginx:1"}
      - {name: side, image: "busybox:1", command: [sleep, "60"]}
"""


@pytest.fixture(scope="module")
def objects(kubectl: Kubectl) -> Kubectl:
    kubectl.apply(OBJECTS)
    return kubectl


def containers(kubectl: Kubectl) -> dict[str, dict[str, object]]:
    spec = kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]
    return {container["name"]: container for container in spec["containers"]}


@pytest.mark.proves("kubectl-patch", "strategic-merge-directives")
def test_a_strategic_patch_merges_lists_by_their_keys(objects: Kubectl) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "busybox:2"}]}}}}
    assert objects("patch", "deployment", "web", "-p", json.dumps(patch)) == "deployment.apps/web patched\n"
    found = containers(objects)
    assert (found["main"]["image"], found["side"]["image"]) == ("nginx:1", "busybox:2")
    assert objects("patch", "deployment", "web", "-p", json.dumps(patch)) == "deployment.apps/web patched (no change)\n"


@pytest.mark.proves("kubectl-patch", "patch-types")
def test_merge_and_json_patches(objects: Kubectl) -> None:
    objects("patch", "cm", "settings", "--type=merge", "-p", '{"data": {"size": null, "color": "red"}}')
    assert objects.json("get", "cm", "settings")["data"] == {"mode": "fast", "color": "red"}
    operations = [
        {"op": "test", "path": "/data/color", "value": "red"},
        {"op": "replace", "path": "/data/color", "value": "blue"},
    ]
    objects("patch", "cm", "settings", "--type=json", "-p", json.dumps(operations))
    failed = objects.refused("patch", "cm", "settings", "--type=json", "-p", json.dumps(operations))
    assert failed.startswith("The request is invalid: ")
    assert objects.jsonpath("cm settings", "{.data.color}") == "blue"
    shown = objects(
        "patch", "cm", "settings", "--type=merge", "-p", '{"data": {"x": "y"}}', "--dry-run=server", "-o", "yaml"
    )
    assert '  x: "y"' in shown
    assert objects.jsonpath("cm settings", "{.data.x}") == ""


@pytest.mark.proves("kubectl-patch")
def test_subresources_are_patched_alone(objects: Kubectl) -> None:
    scale = ("patch", "deployment", "web", "--subresource=scale", "--type=merge", "-p", '{"spec": {"replicas": 1}}')
    assert objects(*scale) == "scale.autoscaling/web patched\n"
    assert objects.jsonpath("deployment web", "{.spec.replicas}") == "1"
    objects("scale", "deployment", "web", "--replicas=0")
    status = '{"spec": {"paused": true}, "status": {"collisionCount": 7}}'
    objects("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", status)
    assert objects.jsonpath("deployment web", "{.status.collisionCount}{.spec.paused}") == "7"


def editor(kubectl: Kubectl, script: str) -> str:
    """A program that changes the file it is given, for EDITOR."""
    name = kubectl.write("editor", f"#!/bin/sh\n{script}\n")
    path = kubectl.folder / name
    path.chmod(0o755)
    return str(path)


@pytest.mark.proves("kubectl-edit")
def test_edit_sends_what_the_editor_left(objects: Kubectl) -> None:
    change = editor(objects, "sed -i 's/mode: fast/mode: slow/' \"$1\"")
    assert objects("edit", "cm", "settings", EDITOR=change) == "configmap/settings edited\n"
    assert objects.jsonpath("cm settings", "{.data.mode}") == "slow"
    nothing = objects.run("edit", "cm", "settings", EDITOR=editor(objects, "true"))
    assert (nothing.returncode, nothing.stderr) == (0, "Edit cancelled, no changes made.\n")


@pytest.mark.proves("kubectl-edit")
def test_edit_shows_the_refusal_and_lets_correct_it(objects: Kubectl) -> None:
    seen = objects.folder / "seen"
    script = (
        f"if grep -q 'was not valid' $1; then cp $1 {seen}; sed -i 's/Seconds: -1/Seconds: 1/' $1\n"
        "else sed -i '0,/^  replicas: 0/s//  minReadySeconds: -1\\n&/' $1; fi"
    )
    result = objects.run("edit", "deployment", "web", EDITOR=editor(objects, script))
    assert result.stderr == 'error: deployments.apps "web" is invalid\n'
    assert result.stdout == "deployment.apps/web edited\n"
    shown = '# deployments.apps "web" was not valid:\n# * spec.minReadySeconds: Invalid value: -1: must be greater than'
    assert shown in seen.read_text()
    assert objects.jsonpath("deployment web", "{.spec.minReadySeconds}") == "1"


@pytest.mark.proves("kubectl-label")
def test_labels_are_set_changed_listed_and_removed(objects: Kubectl) -> None:
    assert objects("label", "cm", "other", "a=1", "b=2") == "configmap/other labeled\n"
    kept = objects.refused("label", "cm", "other", "a=9")
    assert kept == "error: 'a' already has a value (1), and --overwrite is false\n"
    objects("label", "cm", "other", "a=9", "b-", "--overwrite")
    assert objects("label", "cm", "other", "--list") == "a=9\n"
    assert objects("label", "cm", "other", "b-") == 'label "b" not found.\nconfigmap/other not labeled\n'
    assert objects("label", "cm", "-l", "a=9", "a-") == "configmap/other unlabeled\n"
    assert "labels" not in objects.json("get", "cm", "other")["metadata"]
    wrong = objects.refused("label", "cm", "other", "a key=1")
    assert wrong.startswith('The ConfigMap "other" is invalid: metadata.labels: Invalid value: "a key": name part must')
    old = objects.refused("label", "cm", "other", "c=1", "--resource-version=1")
    assert old.startswith('Error from server (Conflict): Operation cannot be fulfilled on configmaps "other": ')


@pytest.mark.proves("kubectl-label")
def test_annotations_too(objects: Kubectl) -> None:
    assert objects("annotate", "cm", "other", "note=two words") == "configmap/other annotated\n"
    assert "already has a value (two words)" in objects.refused("annotate", "cm", "other", "note=x")
    objects("annotate", "cm", "other", "note=x", "--overwrite")
    assert objects.jsonpath("cm other", "{.metadata.annotations.note}") == "x"
    objects("annotate", "cm", "other", "note-")
    assert "note" not in objects.json("get", "cm", "other")["metadata"]["annotations"]


@pytest.mark.proves("kubectl-set")
def test_set_changes_the_pods_template(objects: Kubectl) -> None:
    assert objects("set", "image", "deployment/web", "main=nginx:7") == "deployment.apps/web image updated\n"
    objects("set", "env", "deployment/web", "-c", "main", "A=1", "B=2")
    objects("set", "env", "deployment/web", "-c", "main", "B-", "--from=configmap/settings", "--prefix=S_")
    objects("set", "resources", "deployment/web", "-c", "side", "--limits=cpu=100m", "--requests=memory=8Mi")
    objects("set", "serviceaccount", "deployment/web", "default")
    main, side = containers(objects)["main"], containers(objects)["side"]
    assert main["image"] == "nginx:7"
    assert objects("set", "env", "deployment/web", "-c", "main", "--list").splitlines()[:2] == [
        "# Deployment web, container main",
        "A=1",
    ]
    source = {"configMapKeyRef": {"key": "mode", "name": "settings"}}
    assert {"name": "S_MODE", "valueFrom": source} in main["env"]  # type: ignore[operator]
    assert side["resources"] == {"limits": {"cpu": "100m"}, "requests": {"cpu": "100m", "memory": "8Mi"}}
    missing = objects.refused("set", "image", "deployment/web", "absent=nginx")
    assert missing == 'error: unable to find container named "absent"\n'


@pytest.mark.proves("kubectl-set")
def test_set_selector_changes_a_service(objects: Kubectl) -> None:
    assert objects("set", "selector", "service/web", "app=next") == "service/web selector updated\n"
    assert table(objects("get", "svc", "web", "-o", "wide"))[1][-1] == "app=next"
