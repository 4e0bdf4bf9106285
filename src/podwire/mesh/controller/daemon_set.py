"""The mesh's pods on nodes: the DaemonSet `podwire-system/podwire-mesh` and its ServiceAccount. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.mesh.identity.exchange import AUDIENCE, NODE_ACCOUNT
from podwire.mesh.model.node_pod import ENVOY_PROBE_PORT, FILES_PATH, NODE_PROBE_PORT, PROXY, SOCKET

KEY = NODE_ACCOUNT
"""Namespace and name of the DaemonSet and of the ServiceAccount."""
LABELS = {"app.kubernetes.io/name": "podwire-mesh", "app.kubernetes.io/managed-by": "podwire"}
TOKEN_PATH = "/var/run/secrets/mesh.podwire.dev"  # noqa: S105 a folder
TOKEN_FILE = f"{TOKEN_PATH}/token"
TOKEN_SECONDS = 3600
WORKLOAD_API = "/run/podwire/workload-api"
"""Folder on each node with the socket of the Workload API; applications mount it by hostPath, read-only."""
GRACE_SECONDS = 30
METRICS_PORT = "metrics"
"""Name of the port, where other machines reach it."""


class NodeSettings(msgspec.Struct, frozen=True):
    """What the pods of all nodes have in common.

    Attributes:
        image: of the container that configures Envoy.
        envoy_image: of Envoy's container.
        command, envoy_command: the words before their flags.
        server: URL of the API server, as nodes reach it; empty: the pod's own way.
        signer: `host:port` of the signer.
        signer_name: DNS name in the signer's certificate.
        trust_domain: of all ids.
        bind_address: where their metrics and probes answer; empty: on a loopback address of the node.
        capabilities: of the container; the program needs the node's network, and reads whose network a caller has.
        cpu, memory: requested.

    """

    image: str
    signer: str
    signer_name: str
    command: tuple[str, ...] = ()
    envoy_image: str = ""
    envoy_command: tuple[str, ...] = ()
    server: str = ""
    trust_domain: str = "cluster.local"
    bind_address: str = ""
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
        "containers": [_envoy(settings), _container(settings)],
        "volumes": [
            {"name": "signer-token", "projected": {"defaultMode": 0o400, "sources": [token]}},
            {"name": "workload-api", "hostPath": {"path": WORKLOAD_API, "type": "DirectoryOrCreate"}},
            {"name": "files", "emptyDir": {"medium": "Memory"}},
        ],
    }


def _envoy(settings: NodeSettings) -> dict[str, Any]:
    """Envoy itself. It serves with what it has while the other container is away."""
    flags = {
        "node": "$(NODE_NAME)",
        "proxy": PROXY,
        "server": f"{FILES_PATH}/{SOCKET}",
        "port": "0",
        "server-name": "",
        "credentials": "",
        "folder": FILES_PATH,
        "address": "127.0.0.1",
        "probe-port": str(ENVOY_PROBE_PORT),
        "is-mesh": "true",
    }
    probe = {"httpGet": {"host": "127.0.0.1", "path": "/ready", "port": ENVOY_PROBE_PORT}, "periodSeconds": 1}
    return {
        "name": "envoy",
        "image": settings.envoy_image,
        "imagePullPolicy": "IfNotPresent",
        "args": [*settings.envoy_command, *(f"--{name}={value}" for name, value in flags.items())],
        "env": [_NODE_NAME],
        "readinessProbe": {**probe, "failureThreshold": 2},
        "resources": {"requests": {"cpu": settings.cpu, "memory": settings.memory}},
        # Its sockets have the addresses of pods: IP_TRANSPARENT needs NET_ADMIN.
        "securityContext": _security(("NET_ADMIN",)),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "files", "mountPath": FILES_PATH}],
    }


def _security(capabilities: tuple[str, ...]) -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": [*capabilities]},
    }


_NODE_NAME = {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}


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
        "bind-address": settings.bind_address,
    }
    ports = [{"name": METRICS_PORT, "containerPort": NODE_PROBE_PORT, "protocol": "TCP"}]
    return {
        "name": "mesh",
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [*settings.command, *(f"--{name}={value}" for name, value in flags.items() if value)],
        "env": [_NODE_NAME],
        **({"ports": ports} if settings.bind_address else {}),
        "resources": {"requests": {"cpu": settings.cpu, "memory": settings.memory}},
        "securityContext": _security(settings.capabilities),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "signer-token", "mountPath": TOKEN_PATH, "readOnly": True},
            {"name": "workload-api", "mountPath": WORKLOAD_API},
            {"name": "files", "mountPath": FILES_PATH},
        ],
    }
