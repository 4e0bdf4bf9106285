"""kubectl get --watch and wait; and how each release's informers ask: LIST and WATCH, or one streaming watch."""

from __future__ import annotations

import re
import subprocess
import threading

import pytest

from tests.kubectl.kubectl import Kubectl, line, table

CREATED = "configmap/{} created\n"


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read lines until one has these words."""
    while words not in (said := line(process)):
        assert said or process.poll() is None, f"it ended without {words}"


@pytest.mark.proves("kubectl-get-watch", "table-cells")
def test_get_watch_shows_rows_as_they_change(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "first", "--from-literal=a=1")
    kubectl("label", "cm", "first", "watched=yes")
    with kubectl.started("get", "cm", "-l", "watched=yes", "--watch", "--output-watch-events") as watching:
        assert line(watching).split() == ["EVENT", "NAME", "DATA", "AGE"]
        assert line(watching).split()[:3] == ["ADDED", "first", "1"]
        kubectl("patch", "cm", "first", "-p", '{"data": {"b": "2"}}')
        assert line(watching).split()[:3] == ["MODIFIED", "first", "2"]
        kubectl("label", "cm", "first", "watched-")
        assert line(watching).split()[:2] == ["DELETED", "first"]
        kubectl("label", "cm", "first", "watched=yes")
        assert line(watching).split()[:2] == ["ADDED", "first"]


@pytest.mark.proves("kubectl-get-watch")
def test_watch_only_begins_with_changes(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "quiet")
    with kubectl.started("get", "cm", "quiet", "--watch-only", "-o", "name") as watching:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.append(line(watching)))
        reader.start()
        count = 0
        while not lines and count < 100:
            count += 1
            kubectl("annotate", "cm", "quiet", f"count={count}", "--overwrite")
            reader.join(0.2)
        assert lines == ["configmap/quiet"]


@pytest.mark.proves("kubectl-wait")
def test_wait_for_conditions_values_and_ends(kubectl: Kubectl) -> None:
    kubectl("run", "web", "--image=nginx", "--labels=app=web")
    assert kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=60s") == "pod/web condition met\n"
    running = "--for=jsonpath={.status.phase}=Running"
    assert kubectl("wait", "pod", "-l", "app=web", running, "--timeout=60s") == "pod/web condition met\n"
    assert kubectl("wait", "pod/web", "--for=condition=Ready=true", "--timeout=5s") == "pod/web condition met\n"
    late = kubectl.refused("wait", "pod/web", "--for=jsonpath={.status.phase}=Failed", "--timeout=1s")
    assert late == "error: timed out waiting for the condition on pods/web\n"
    with kubectl.started("wait", "pod/web", "--for=delete", "--timeout=60s", "-v=8") as waiting:
        read_until(waiting, "watch=true")
        kubectl("delete", "pod", "web", "--now", "--wait=false")
        read_until(waiting, "pod/web condition met")
        assert waiting.wait(30) == 0
    absent = kubectl.refused("wait", "pod/web", "--for=condition=Ready", "--timeout=1s")
    assert absent == 'Error from server (NotFound): pods "web" not found\n'


@pytest.mark.proves("kubectl-wait")
def test_wait_for_creation(kubectl: Kubectl) -> None:
    with kubectl.started("wait", "configmap/later", "--for=create", "--timeout=60s") as waiting:
        kubectl("create", "configmap", "later")
        assert line(waiting) == "configmap/later condition met"
        assert waiting.wait(30) == 0


@pytest.mark.proves("client-go-informers", "watch-list")
def test_informers_list_and_watch_or_stream(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "seen", "--from-literal=a=1")
    wait = ("wait", "configmap/seen", "--for=jsonpath={.data.a}=2", "--timeout=60s", "-v=8")
    with kubectl.started(*wait) as waiting:
        requested: list[str] = []
        while not any("watch=true" in url for url in requested):
            requested += re.findall(r"/namespaces/\S*configmaps\?\S*", line(waiting))
        kubectl("patch", "cm", "seen", "-p", '{"data": {"a": "2"}}')
        assert waiting.wait(60) == 0
    streams = [url for url in requested if "sendInitialEvents=true" in url]
    assert bool(streams) is kubectl.newest, requested
    if not kubectl.newest:
        assert "watch=true" not in requested[0]
        assert "resourceVersion=" in next(url for url in requested if "watch=true" in url)


@pytest.mark.proves("kubectl-events")
def test_events_are_listed_filtered_and_watched(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "eventful", "--image=nginx")
    kubectl("wait", "deployment/eventful", "--for=condition=Available", "--timeout=60s")
    rows = table(kubectl("events", "--for=deployment/eventful"))
    assert rows[0] == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert rows[1][1:4] == ["Normal", "ScalingReplicaSet", "Deployment/eventful"]
    assert rows[1][4].startswith("Scaled up replica set eventful-")
    assert "SuccessfulCreate" in kubectl("events")
    warnings = table(kubectl("events", "--types=Warning"))
    assert {row[1] for row in warnings[1:]} == {"Warning"}
    assert table(kubectl("get", "events", "--field-selector=involvedObject.kind=Deployment"))[0] == rows[0]
