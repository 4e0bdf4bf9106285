"""Why the cluster's DNS does not answer, by the state and log of its pod."""

from __future__ import annotations

from pathlib import Path

from podwire.kube import cluster_dns
from podwire.kube.client import Client
from podwire.lab.base import paths
from podwire.lab.host.pod_reports import ON_THEIR_WAY, POD_REPORTS, ContainerReport, PodReport
from podwire.lab.shim.cri_log import decode

NAMESPACE = "kube-system"
LONGEST_LINE = 300


async def dns_trouble(client: Client) -> str:
    """What is wrong with a DNS pod, with the last line of its log; empty if nothing is."""
    selector = ",".join(f"{name}={value}" for name, value in cluster_dns.LABELS.items())
    pods = (await client.list(POD_REPORTS, NAMESPACE, labelSelector=selector)).items
    if not pods:
        return f"there is no pod with the label {selector} in {NAMESPACE} yet"
    troubles = (trouble(pod, container) for pod in pods for container in pod.status.container_statuses)
    return next(filter(None, troubles), "")


def trouble(pod: PodReport, container: ContainerReport, nodes: Path = paths.WORLD / "nodes") -> str:
    """Why a container does not run; empty where it does, or has not been tried."""
    waiting = container.state.waiting
    failed = waiting is not None and waiting.reason not in ON_THEIR_WAY
    if waiting is not None and failed:
        reason = f"{waiting.reason}: {waiting.message}"
    elif container.restart_count:
        reason = f"was started {container.restart_count + 1} times"
    else:
        return ""
    last = last_line(nodes / pod.spec.node_name / "pods" / pod.metadata.uid / "logs" / container.name)
    return f"pod {pod.metadata.name}, container {container.name}: {reason}" + (
        f"; its log ends: {last}" if last else ""
    )


def last_line(folder: Path) -> str:
    """The last line in the logs of a container's runs."""
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for path in reversed(logs):
        entries = filter(None, map(decode, path.read_bytes().splitlines()))
        lines = [entry.content.decode("utf-8", "replace").strip() for entry in entries]
        if found := next((line for line in reversed(lines) if line), ""):
            return found[:LONGEST_LINE]
    return ""
