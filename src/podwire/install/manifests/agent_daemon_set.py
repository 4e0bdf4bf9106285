"""The DaemonSet `podwire-agent`: the agent of each node, and the init container that places the CNI plugin."""

from __future__ import annotations

from typing import Any

from podwire.install.manifests import capabilities
from podwire.install.manifests.manifest import Manifest, common_labels, manifest, selecting_labels
from podwire.install.settings import Settings
from podwire.kernel import sysctl
from podwire.kube.kinds import DAEMON_SETS

NAME = "podwire-agent"
COMPONENT = "agent"
CONTAINER = "agent"
INIT_CONTAINER = "place-cni"
K8S_APP = {"k8s-app": NAME}
"""The label by which other programs find the pods of a node's network."""

STATE_DIR = "/var/lib/podwire"
HOST_FOLDERS = {
    # volume: (path on the node, path in the container, type)
    "state": (STATE_DIR, STATE_DIR, "DirectoryOrCreate"),
    "cni-bin": ("/opt/cni/bin", "/opt/cni/bin", "DirectoryOrCreate"),
    "cni-conf": ("/etc/cni/net.d", "/etc/cni/net.d", "DirectoryOrCreate"),
    "netns": ("/var/run/netns", "/var/run/netns", "DirectoryOrCreate"),
    # A container's own /proc/sys is read-only; this one shows the namespace of the process that reads it (proc(5)).
    "sysctl": ("/proc/sys/net", f"{sysctl.NODE_ROOT}/net", "Directory"),
    # iptables takes it before it changes rules, as --replace-kube-proxy does.
    "xtables-lock": ("/run/xtables.lock", "/run/xtables.lock", "FileOrCreate"),
}
_OF_REPLACEMENT = "xtables-lock"
"""The volume that --replace-kube-proxy alone needs."""
NODE_SECURITY: dict[str, Any] = {
    # The node's folders belong to root, and have labels that SELinux gives to no container. Without SELinux: no effect.
    "runAsUser": 0,
    "runAsGroup": 0,
    "seLinuxOptions": {"level": "s0", "type": "spc_t"},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Of pods that change the node."""
HEALTH_PORT = 10256
METRICS_PORT = 10249
GRACE_SECONDS = 15
START_SECONDS = 120
"""For a start on a busy node; after it a process that hangs is restarted within half a minute."""


def daemon_set(settings: Settings) -> Manifest:
    """The DaemonSet."""
    labels = {**K8S_APP, **common_labels(settings, COMPONENT)}
    pod = {
        "metadata": {"labels": labels, "annotations": {"kubectl.kubernetes.io/default-container": CONTAINER}},
        "spec": _pod(settings),
    }
    spec = {
        "selector": {"matchLabels": selecting_labels(COMPONENT)},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "template": pod,
    }
    return manifest(DAEMON_SETS, NAME, labels, spec=spec)


def _pod(settings: Settings) -> dict[str, Any]:
    return {
        "serviceAccountName": NAME,
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": NODE_SECURITY,
        "initContainers": [_place_cni(settings)],
        "containers": [_agent(settings)],
        "volumes": [host_volume(name) for name in _volumes(settings)],
    }


def _volumes(settings: Settings) -> list[str]:
    return [name for name in HOST_FOLDERS if settings.replace_kube_proxy or name != _OF_REPLACEMENT]


def host_volume(name: str) -> dict[str, Any]:
    """A folder of the node as a volume."""
    path, _, kind = HOST_FOLDERS[name]
    return {"name": name, "hostPath": {"path": path, "type": kind}}


def host_mount(name: str, *, read_only: bool = False) -> dict[str, Any]:
    """Where that volume is in a container. Namespaces of new pods must appear in it."""
    mount: dict[str, Any] = {"name": name, "mountPath": HOST_FOLDERS[name][1]}
    if read_only:
        mount["readOnly"] = True
    return {**mount, "mountPropagation": "HostToContainer"} if name == "netns" else mount


def _place_cni(settings: Settings) -> dict[str, Any]:
    return {
        "name": INIT_CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["cni", "install"],
        "securityContext": capabilities.security_context(*capabilities.PLACE_CNI),
        "resources": {"requests": {"cpu": "10m", "memory": "50Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [host_mount(name) for name in ("state", "cni-bin", "cni-conf")],
    }


def _agent(settings: Settings) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["agent", *agent_flags(settings)],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}],
        "ports": [_port("health", HEALTH_PORT), *([_port("metrics", METRICS_PORT)] if settings.pod_monitors else [])],
        "startupProbe": _probe("/livez", period=1, failures=START_SECONDS),
        "livenessProbe": _probe("/livez", period=10, failures=3),
        "readinessProbe": _probe("/readyz", period=2, failures=3),
        "securityContext": capabilities.security_context(*capabilities.of_agent(settings)),
        "resources": {"requests": {"cpu": "50m", "memory": "100Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *(host_mount(name) for name in _volumes(settings) if not name.startswith("cni")),
            *(host_mount(name, read_only=True) for name in ("cni-bin", "cni-conf")),  # for podwire doctor
        ],
    }


def agent_flags(settings: Settings) -> list[str]:
    """The flags of `podwire agent`; a change of them is a rolling update."""
    return [
        f"--server={settings.server}",
        f"--pod-cidrs={','.join(settings.pod_cidrs)}",
        *(f"--namespace-pool={pool}" for pool in settings.namespace_pools),
        f"--service-cidrs={','.join(settings.service_cidrs)}",
        f"--overlay={settings.overlay}",
        *([f"--overlay-accept={settings.overlay_accept}"] if settings.overlay_accept else []),
        *([f"--mtu={settings.mtu}"] if settings.mtu else []),
        *([f"--pod-access-cidrs={','.join(settings.pod_access_cidrs)}"] if settings.pod_access_cidrs else []),
        *(["--replace-kube-proxy"] if settings.replace_kube_proxy else []),
        # Prometheus comes from other hosts.
        *([f"--metrics-bind-address=0.0.0.0:{METRICS_PORT},[::]:{METRICS_PORT}"] if settings.pod_monitors else []),
        *settings.agent_flags,
    ]


def _port(name: str, number: int) -> dict[str, Any]:
    """A port of the node itself; the API server would add `hostPort` by itself on the host's network."""
    return {"name": name, "containerPort": number, "hostPort": number, "protocol": "TCP"}


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "health"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
