"""An agent's memory and processor time with 1,000 Services, and 250 pods of its own node."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tools.cluster import agents
from tools.cluster.api import NotReadyError, wait
from tools.cluster.images import PAUSE_IMAGE
from tools.cluster.kubectl import is_ready, items
from tools.cluster.proof.evidence import Figure
from tools.cluster.proof.subject import Subject

NAMESPACE = "size"
SERVICES, PODS = 1000, 250
MEMORY_GOAL, PROCESSOR_GOAL = 80.0, 2.0
"""MB, and percent of a core."""
IDLE_SECONDS = 30.0
START_SECONDS = 180.0
"""Of a batch."""
BATCH = 25
"""Pods that start at the same time: more of them take the machine from all others."""
REMOVE_SECONDS = 600.0
CALLERS = 8
"""Requests at the same time."""


def measure(subject: Subject) -> None:
    """Make the objects, measure the agent of the last node, remove them. Raises NotReadyError."""
    agent = agents.agents(subject.kubectl)[-1]
    subject.api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    try:
        _create(subject, "services", [service(number) for number in range(SERVICES)])
        ready = 0
        for number in range(0, PODS, BATCH):
            _create(subject, "pods", [pod(one, agent.node) for one in range(number, min(number + BATCH, PODS))])
            ready = _wait_for_pods(subject, min(number + BATCH, PODS))
        subject.settle()
        first = agents.usage(subject.record, agent)
        began = time.monotonic()
        time.sleep(IDLE_SECONDS)
        last = agents.usage(subject.record, agent)
        percent = 100 * (last.processor - first.processor) / (time.monotonic() - began)
    finally:
        subject.kubectl("delete", "namespace", NAMESPACE, "--wait=true", f"--timeout={REMOVE_SECONDS:.0f}s")
    megabytes = last.memory / 1e6
    with_what = f"at {SERVICES:,} Services and {ready} own pods"
    evidence = subject.evidence
    evidence.figure(
        Figure(
            "size",
            f"agent's memory (PSS) {with_what}",
            f"{megabytes:.0f} MB",
            f"{MEMORY_GOAL:.0f} MB",
            megabytes <= MEMORY_GOAL,
        ),
        subject.report,
    )
    evidence.figure(
        Figure(
            "size",
            f"agent's processor time when idle, {with_what}",
            f"{percent:.1f} % of a core",
            f"{PROCESSOR_GOAL:.0f} %",
            percent < PROCESSOR_GOAL,
        ),
        subject.report,
    )


def service(number: int) -> dict[str, Any]:
    """A Service that leads to one in a hundred of the pods."""
    spec = {"selector": {"group": f"g{number % 100}"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"metadata": {"name": f"service-{number}"}, "spec": spec}


def pod(number: int, node: str) -> dict[str, Any]:
    """A pod of a node that does nothing."""
    container = {"name": "pause", "image": PAUSE_IMAGE, "imagePullPolicy": "Never"}
    spec = {
        "nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
    }  # fmt: skip
    return {"metadata": {"name": f"pod-{number}", "labels": {"group": f"g{number % 100}"}}, "spec": spec}


def _create(subject: Subject, kind: str, objects: list[dict[str, Any]]) -> None:
    with ThreadPoolExecutor(CALLERS) as threads:
        list(threads.map(lambda one: subject.api.post(f"/api/v1/namespaces/{NAMESPACE}/{kind}", one), objects))


def _wait_for_pods(subject: Subject, count: int) -> int:
    """Wait until so many pods are ready; where some are not in time, measure with those that are."""

    def ready() -> int:
        return sum(map(is_ready, items(subject.kubectl, "-n", NAMESPACE, "pods")))

    try:
        wait(f"{count} pods are ready", START_SECONDS, lambda: ready() == count, poll=1.0)
    except NotReadyError as error:
        subject.report(str(error))
    return ready()
