"""The mesh's pods on nodes: the DaemonSet `podwire-system/podwire-mesh` and its ServiceAccount. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.mesh.identity.admission import AUDIENCE, NODE_ACCOUNT

KEY = NODE_ACCOUNT
"""Namespace and name of the DaemonSet and of the ServiceAccount."""
LABELS = {"app.kubernetes.io/name": "podwire-mesh", "app.kubernetes.io/managed-by": "podwire"}
TOKEN_PATH = "/var/run/secrets/mesh.podwire.dev"  # noqa: S105 a folder
TOKEN_FILE = f"{TOKEN_PATH}/token"
TOKEN_SECONDS = 3600
WORKLOAD_API = "/run/podwire/workload-api"
"""Folder on each node with the socket of the Workload API; applications mount it by hostPath, read-only."""
FILES_PATH = "/run/envoy"
GRACE_SECONDS = 30


class NodeSettings(msgspec.Struct, frozen=True):
    """What the pods of all nodes have in common.

    Attributes:
        image: of the container.
        command: the words before its flags.
        server: URL of the API server, as nodes reach it; empty: the pod's own way.
        signer: `host:port` of the signer.
        signer_name: DNS name in the signer's certificate.
        trust_domain: of all ids.
        capabilities: of the container; the program needs the node's network, and reads whose network a caller has.
        cpu, memory: requested.

    """

    image: str
    signer: str
    signer_name: str
    command: tuple[str, ...] = ()
    server: str = ""
    trust_domain: str = "cluster.local"
    capabilities: tuple[str, ...] = ("NET_ADMIN", "NET_BIND_SERVICE", "SYS_PTRACE")
    cpu: str = "50m"
    memory: str = "96Mi"


def service_account() -> dict[str, Any]:
    """Return the ServiceAccount, to which a role is bound."""
    return {"metadata": {"name": KEY.name, "labels": LABELS}}


def daemon_set(settings: NodeSettings) -> dict[str, Any]:
    """Return the DaemonSet. One node after another is changed: a node without its pod refuses captured connections."""
    return {
        "metadata": {"name": KEY.name, "labels": LABELS},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/name": LABELS["app.kubernetes.io/name"]}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": {"metadata": {"labels": LABELS}, "spec": _pod(settings)},
        },
    }


def _pod(settings: NodeSettings) -> dict[str, Any]:
    token = {"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}}
    return {
        "serviceAccountName": KEY.name,
        "hostNetwork": True,
        "hostPID": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "enableServiceLinks": False,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "seLinuxOptions": {"level": "s0", "type": "spc_t"},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings)],
        "volumes": [
            {"name": "signer-token", "projected": {"defaultMode": 0o400, "sources": [token]}},
            {"name": "workload-api", "hostPath": {"path": WORKLOAD_API, "type": "DirectoryOrCreate"}},
            {"name": "files", "emptyDir": {"medium": "Memory"}},
        ],
    }


def _container(settings: NodeSettings) -> dict[str, Any]:
    flags = {
        "node": "$(NODE_NAME)",
        "server": settings.server,
        "signer": settings.signer,
        "signer-name": settings.signer_name,
        "signer-token": TOKEN_FILE,
        "trust-domain": settings.trust_domain,
        "workload-api": WORKLOAD_API,
        "folder": FILES_PATH,
    }
    return {
        "name": "mesh",
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [*settings.command, *(f"--{name}={value}" for name, value in flags.items() if value)],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}],
        "resources": {"requests": {"cpu": settings.cpu, "memory": settings.memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": [*settings.capabilities]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "signer-token", "mountPath": TOKEN_PATH, "readOnly": True},
            {"name": "workload-api", "mountPath": WORKLOAD_API},
            {"name": "files", "mountPath": FILES_PATH},
        ],
    }
