"""A node with one proxy of Services: a fresh network namespace, beside the API server's, and the program in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox import Host

from bench.api_server import Served
from bench.isolation import end_with_parent, processor_seconds, proportional_set_size
from bench.kernel_watch import Generations
from bench.peer_programs import built
from bench.service_objects import NODE, POD_RANGE, SERVICE_RANGE, endpoints_in
from podwire.kernel.namespaces import remove_network_namespace
from podwire.lab.host.credentials import ADMIN
from tools.conformance import programs

API_ADDRESS = "172.18.0.1"
QUIET_SECONDS = 4.0
PATIENCE_SECONDS = 600.0
PODWIRE = Path(sys.executable).with_name("podwire")

Command = Callable[[Path, Path], list[str]]
"""From the kubeconfig and a folder of its own to the command line."""


@dataclass
class NodeProxy:
    """A proxy that runs alone on its node."""

    host: Host
    folder: Path
    process: subprocess.Popen[str]
    began: float

    def cold_seconds(self, endpoints: int) -> float:
        """From the start of the process to the last transaction, when so many endpoints are in the kernel."""
        generations = Generations(self.host.path)
        while True:
            changed = generations.last_change(QUIET_SECONDS)
            if endpoints_in(self.host.run("nft", "list", "ruleset", timeout=PATIENCE_SECONDS).stdout) >= endpoints:
                return changed - self.began
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args!r} ended with status {self.process.returncode}")
            if time.perf_counter() - self.began > PATIENCE_SECONDS:
                raise TimeoutError(f"{self.process.args!r} has not written all endpoints")

    def processor_seconds(self) -> float:
        """Processor time so far, with that of programs that it ran."""
        return processor_seconds(self.process.pid, children=True)

    def megabytes(self) -> float:
        """Proportional set size."""
        return proportional_set_size(self.process.pid) / (1 << 20)


def join_network() -> None:
    """Make the network of the API server in this namespace: a bridge for the nodes."""
    for line in ("link add br0 type bridge", f"address add {API_ADDRESS}/16 dev br0", "link set br0 up"):
        subprocess.run(["ip", *line.split()], check=True)


@contextlib.contextmanager
def node_proxy(served: Served, command: Command) -> Iterator[NodeProxy]:
    """Start the proxy on a new node; both are gone afterwards."""
    host = Host(NODE)
    folder = Path("/run/bench-node")
    folder.mkdir()
    for line in (f"link add {NODE} type veth peer name eth0 netns {host.path}", f"link set {NODE} master br0 up"):
        subprocess.run(["ip", *line.split()], check=True)
    for line in ("address add 172.18.0.2/16 dev eth0", "link set eth0 up", f"route add default via {API_ADDRESS}"):
        host.run("ip", *line.split())
    arguments = command(_kubeconfig(served, folder), folder)
    with (folder / "log").open("w") as log:
        began = time.perf_counter()
        process = host.popen(*arguments, env=_environment(), stdout=log, stderr=log, preexec_fn=end_with_parent)
        try:
            yield NodeProxy(host, folder, process, began)
        finally:
            process.terminate()
            process.wait()
            remove_network_namespace(host.path)
            shutil.rmtree(folder)
            subprocess.run(["ip", "link", "delete", NODE], check=False, capture_output=True)


def _environment() -> dict[str, str]:
    """Return the environment of this process, in which Python may keep what it compiles."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def agent(kubeconfig: Path, folder: Path) -> list[str]:
    """podwire's whole agent, as on a node of a cluster: pods, Services and policies."""
    given = {
        "--kubeconfig": kubeconfig,
        "--node-name": NODE,
        "--pod-cidrs": POD_RANGE,
        "--service-cidrs": SERVICE_RANGE,
        "--state-dir": folder / "state",
    }
    return [str(PODWIRE), "agent", *(str(part) for pair in given.items() for part in pair)]


def kube_proxy(kubeconfig: Path, folder: Path) -> list[str]:
    """kube-proxy in nftables mode with its defaults; it may not set limits of connection tracking here."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": NODE,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    file = folder / "kube-proxy.json"
    file.write_text(json.dumps(configuration))
    return [str(built(programs.KUBE_PROXY)), "--config", str(file)]


def _kubeconfig(served: Served, folder: Path) -> Path:
    files = {
        "client-certificate": served.folder / f"{ADMIN}.crt",
        "client-key": served.folder / f"{ADMIN}.key",
    }
    cluster = {
        "server": f"https://{API_ADDRESS}:{served.port}",
        "certificate-authority": str(served.folder / "ca.crt"),
    }
    path = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "bench", "user": {key: str(file) for key, file in files.items()}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
    path.write_text(json.dumps(document))
    return path
