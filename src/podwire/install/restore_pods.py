"""The pods that remove podwire from nodes: one a node, placed there by name, so that no scheduler is needed. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

from podwire.install.manifests import capabilities
from podwire.install.manifests.agent_daemon_set import NODE_SECURITY, STATE_DIR, host_mount, host_volume
from podwire.install.manifests.manifest import Manifest, manifest, selecting_labels
from podwire.install.pod_states import POD_STATES, PodState, problem

COMPONENT = "restore"
NAME_PREFIX = "podwire-restore-"
CONTAINER = "restore"
_LONGEST_NAME = 63
_PARENT = "/node/var/lib"
"""Where the folder above the state folder is, so that this one can be removed itself."""


def name(node: str) -> str:
    """The name of a node's pod, which has to fit into a label."""
    whole = f"{NAME_PREFIX}{node}"
    if len(whole) <= _LONGEST_NAME:
        return whole
    return f"{whole[: _LONGEST_NAME - 9].rstrip('.-')}-{hashlib.sha256(node.encode()).hexdigest()[:8]}"


def restore_pod(node: str, image: str) -> Manifest:
    """The pod. It runs once, on a node that is tainted or has no pod network too."""
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["cni", "remove", f"--state-dir={_PARENT}{STATE_DIR.removeprefix('/var/lib')}"],
        "securityContext": capabilities.security_context(*capabilities.RESTORE),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "parent", "mountPath": _PARENT},
            *(host_mount(volume) for volume in ("cni-bin", "cni-conf", "sysctl")),
        ],
    }
    spec = {
        "nodeName": node,
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 5,
        "securityContext": NODE_SECURITY,
        "containers": [container],
        "volumes": [
            {"name": "parent", "hostPath": {"path": "/var/lib", "type": "Directory"}},
            *(host_volume(volume) for volume in ("cni-bin", "cni-conf", "sysctl")),
        ],
    }
    return manifest(POD_STATES, name(node), selecting_labels(COMPONENT), spec=spec)


def outcome(pod: PodState) -> str | None:
    """Why the pod's node is not restored; empty where it is, None while the pod works."""
    if pod.status.phase == "Succeeded":
        return ""
    ended = next((one.state.terminated for one in pod.containers if one.state.terminated is not None), None)
    if pod.status.phase == "Failed":
        words = ended.message.strip() if ended is not None and ended.message else pod.status.message
        return words or pod.status.reason or "its pod failed"
    found = problem(pod)
    return f"{found.reason}; {found.remedy}" if found.hard else None
