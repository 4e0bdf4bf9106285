"""podwire on a cluster: its image on each node, its own manifests, and the wait until all of it works."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from podwire import __version__
from tools.cluster import dns_answer, enter
from tools.cluster.api import NotReadyError, wait
from tools.cluster.kubectl import environment, is_ready, items
from tools.cluster.kubectl import of as kubectl_of
from tools.cluster.layout import BALANCER_RANGES, DNS_ADDRESS, Layout
from tools.cluster.record import Record
from tools.cluster.start import REPOSITORY
from tools.conformance.world import PROGRAMS

PODWIRE = str(PROGRAMS / "podwire")
READY_SECONDS = 180.0
NO_GATEWAYS = "none"
GATEWAY_CHOICES = ("standard", "experimental", NO_GATEWAYS)
DNS_NAME = "kubernetes.default.svc.cluster.local"
AGENTS = ("-n", "kube-system", "pods", "-l", "k8s-app=podwire-agent")


class NoImageError(Exception):
    """The image is not built. The text has the remedy."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from the start of the installation until ..."""

    nodes_ready: float
    dns_answers: float


def images(gateway_api: str) -> tuple[Path, ...]:
    """The archives of podwire's images, as `make image` writes them. Raises NoImageError."""
    names = ("podwire",) if gateway_api == NO_GATEWAYS else ("podwire", "podwire-gateway")
    paths = tuple(REPOSITORY / "dist" / f"{name}-{__version__}-{platform.machine()}.oci.tar" for name in names)
    for path in paths:
        if not path.exists():
            raise NoImageError(f"{path} is not there: run `make image`")
    return paths


def install(record: Record, gateway_api: str, report: Callable[[str], None]) -> Times:
    """Run `podwire install`, wait until nodes are Ready and DNS answers on each of them. The nodes have the images.

    Load balancers get addresses too: there is no cloud that would give them.

    Raises CalledProcessError, NotReadyError.
    """
    report("podwire install")
    began = time.monotonic()
    balancers = ",".join(BALANCER_RANGES)
    # Kubernetes' own tests use external IPs, which are refused by default.
    flags = [f"--agent-flag=--announce-cidrs={balancers}", "--agent-flag=--allow-external-ips"]
    podwire(record.layout, "install", "--lb-pool", balancers, "--gateway-api", gateway_api, *flags)
    wait("all nodes are Ready", READY_SECONDS, lambda: nodes_ready(record.layout))
    ready = time.monotonic() - began
    for host in record.layout.hosts:
        if host.is_node:
            wait_for_dns(record.layout, host.name)
    times = Times(ready, time.monotonic() - began)
    report(f"nodes are Ready after {times.nodes_ready:.1f} s, DNS answers after {times.dns_answers:.1f} s")
    return times


def podwire(layout: Layout, *words: str) -> None:
    """Run podwire against the cluster; its report is shown on standard error. Raises CalledProcessError."""
    subprocess.run([PODWIRE, *words], check=True, env=environment(layout.kubeconfig), stdout=sys.stderr)


def nodes_ready(layout: Layout) -> bool:
    """Whether every node is Ready."""
    nodes = items(kubectl_of(layout.kubeconfig), "nodes")
    return len(nodes) == layout.nodes and all(map(is_ready, nodes))


def wait_for_dns(layout: Layout, host: str) -> None:
    """Wait until DNS answers on a node by its Service's address. Raises NotReadyError."""
    try:
        enter.run(layout, host, *dns_answer.command(DNS_ADDRESS, DNS_NAME, READY_SECONDS))
    except subprocess.CalledProcessError as error:
        raise NotReadyError(f"DNS at {DNS_ADDRESS} does not answer on {host}: see the pods of kube-system") from error
