"""Traffic of a cluster that is disturbed: servers on each node, a client that counts what it loses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tools.cluster import enter
from tools.cluster.api import wait
from tools.cluster.demo_image import CLIENT, NAME, PYTHON
from tools.cluster.kubectl import Kubectl, is_ready, items
from tools.cluster.layout import Layout

NAMESPACE = "traffic"
SERVER_PORT, REPORT_PORT, DENIED_PORT = 8080, 8081, 8082
SERVERS = 4
READY_SECONDS = 90.0
READ = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the clients saw from one reading to the next."""

    answered: int
    lost: int
    longest_gap: float
    failures: tuple[str, ...]

    @property
    def total(self) -> int:
        """All requests."""
        return self.answered + self.lost


def manifest() -> list[dict[str, Any]]:
    """The namespace, the servers and their Service of both families; a policy closes one of their two ports."""
    labels = {"app": "server"}
    container = {
        "name": "server",
        "image": NAME,
        "args": [str(SERVER_PORT), str(DENIED_PORT)],
        "imagePullPolicy": "Never",
        "readinessProbe": {"tcpSocket": {"port": SERVER_PORT}, "periodSeconds": 1},
    }
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    spread["labelSelector"] = {"matchLabels": labels}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "topologySpreadConstraints": [spread], "terminationGracePeriodSeconds": 1},
    }
    deployment = {"replicas": SERVERS, "selector": {"matchLabels": labels}, "template": template}
    service = {
        "selector": labels, "ports": [{"port": 80, "targetPort": SERVER_PORT}], "ipFamilyPolicy": "RequireDualStack",
    }  # fmt: skip
    policy = {"podSelector": {"matchLabels": labels}, "ingress": [{"ports": [{"port": SERVER_PORT}]}]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _named("networking.k8s.io/v1", "NetworkPolicy", "server", policy),
        _named("apps/v1", "Deployment", "server", deployment),
        _named("v1", "Service", "server", service),
    ]


def clients(targets: tuple[str, ...]) -> list[dict[str, Any]]:
    """A pod that sends to the targets, as a DaemonSet: one on each node."""
    container = {
        "name": "client", "image": NAME, "imagePullPolicy": "Never",
        "command": [PYTHON, CLIENT, str(REPORT_PORT), *targets],
    }  # fmt: skip
    template = {
        "metadata": {"labels": {"app": "client"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    spec = {"selector": {"matchLabels": {"app": "client"}}, "template": template}
    return [_named("apps/v1", "DaemonSet", "client", spec)]


def targets_of(service: Mapping[str, Any], pods: list[dict[str, Any]]) -> tuple[str, ...]:
    """What the clients send to: the Service by each family and by its name, pods directly, and a closed port.

    Some open a connection for each request, others keep one for all.
    """
    addresses = [_bracketed(address) for address in service["spec"]["clusterIPs"]]
    direct = [pod["status"]["podIP"] for pod in pods]
    return (
        *(f"new={address}:80" for address in addresses),
        f"name=server.{NAMESPACE}:80",
        *(f"kept={address}:80" for address in addresses),
        *(f"kept={address}:{SERVER_PORT}" for address in direct[:2]),
        *(f"denied={address}:{DENIED_PORT}" for address in direct[:2]),
    )


class Traffic:
    """Running clients, and the counts that were read last."""

    def __init__(self, layout: Layout, kubectl: Kubectl) -> None:
        self._layout = layout
        self._kubectl = kubectl
        self._reports: tuple[str, ...] = ()
        self._seen: dict[str, dict[str, Any]] = {}

    def start(self, more: Callable[[], tuple[str, ...]] = tuple) -> None:
        """Start servers and clients; returns when each client has had answers. Raises KubectlError, NotReadyError.

        `more` is called when the servers run, and returns further targets.
        """
        self._apply(manifest())
        self._wait_for("server", SERVERS)
        service = json.loads(self._kubectl("get", "service", "server", "-n", NAMESPACE, "-o", "json"))
        self._apply(clients((*targets_of(service, self._pods("server")), *more())))
        self._wait_for("client", self._layout.nodes)
        self._reports = tuple(pod["status"]["podIP"] for pod in self._pods("client"))
        wait("every client has answers", READY_SECONDS, self._all_have_answers)
        self.take()

    def take(self) -> Counts:
        """The counts since the last call."""
        now = self._read()
        before = {key: self._seen.get(key, {"answered": 0, "lost": 0}) for key in now}
        self._seen = now
        failures = sorted(
            f"{key}: {count['last_failure']}" for key, count in now.items() if count["lost"] > before[key]["lost"]
        )
        return Counts(
            answered=sum(count["answered"] - before[key]["answered"] for key, count in now.items()),
            lost=sum(count["lost"] - before[key]["lost"] for key, count in now.items()),
            longest_gap=max(count["longest_gap"] for count in now.values()),
            failures=tuple(failures),
        )

    def take_after(self, requests: int) -> Counts:
        """Wait until so many more requests have ended, then take. Raises NotReadyError."""
        begun = _ended(self._read())
        wait(f"{requests} more requests", READY_SECONDS, lambda: _ended(self._read()) - begun >= requests)
        return self.take()

    def stop(self) -> None:
        """Remove servers and clients."""
        self._kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=120s")

    def _read(self) -> dict[str, dict[str, Any]]:
        """The counts of all clients, read on the first node: the API server may be away."""
        node = next(host.name for host in self._layout.hosts if host.is_node)
        found = {}
        for address in self._reports:
            text = enter.run(self._layout, node, sys.executable, "-c", READ, f"http://{address}:{REPORT_PORT}/")
            found.update({f"{address} {target}": count for target, count in json.loads(text).items()})
        return found

    def _all_have_answers(self) -> bool:
        return all(count["answered"] > 0 for count in self._read().values())

    def _apply(self, documents: list[dict[str, Any]]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": documents}
        self._kubectl("apply", "-f", "-", text=json.dumps(listed))

    def _pods(self, app: str) -> list[dict[str, Any]]:
        return items(self._kubectl, "pods", "-n", NAMESPACE, "-l", f"app={app}")

    def _wait_for(self, app: str, count: int) -> None:
        wait(f"{count} pods app={app}", READY_SECONDS, lambda: sum(map(is_ready, self._pods(app))) == count)


def _ended(counts: Mapping[str, Mapping[str, Any]]) -> int:
    """All requests that have ended."""
    return sum(count["answered"] + count["lost"] for count in counts.values())


def _named(version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
