"""How long a pod takes from its creation to its first packet: with podwire, and with the reference bridge plugin.

Both on the same node with the same kubelet, one pod of each after the other, in turn the one and the other first. A
pod's only program connects to the node as soon as it runs; the time is that of the connection. The bridge's
configuration is read before podwire's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

from tools.cluster import enter, images
from tools.cluster.configuration import CNI_NETWORKS
from tools.cluster.images import CALLER_IMAGE
from tools.cluster.layout import Host
from tools.cluster.proof.evidence import Figure
from tools.cluster.proof.subject import Subject

ROUNDS = 20
PORT = 9999
ACCEPT_SECONDS = 60.0
REMOVE_SECONDS = 60.0
TOLERANCE = 1.05
"""Of two medians that are alike."""
NETWORK_FILE = f"{CNI_NETWORKS}/00-bridge.conflist"
BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "bridge",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
                "ranges": [[{"subnet": "10.250.0.0/24"}], [{"subnet": "fd00:10:250::/64"}]],
            },
        }
    ],
}
"""Both families, as podwire's pods have them."""
CONTAINERD_RELOADS_SECONDS = 1.0

LISTENER = """
import socket, sys, time
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listener:
    listener.settimeout(float(sys.argv[3]))
    print("listens", flush=True)
    connection, _ = listener.accept()
    print(time.time(), flush=True)
"""
"""Runs on the node: prints the time of the first connection. All share one clock."""


def measure(subject: Subject) -> None:
    """Start pods of both kinds in turn; adds the medians, and whether podwire's is not slower."""
    host = next(host for host in reversed(subject.layout.hosts) if host.is_node)
    images.load_on(subject.layout, host.name, subject.record.built, images.caller(subject.record.built))
    seconds: dict[str, list[float]] = {"podwire": [], "bridge": []}
    try:
        for number in range(ROUNDS):
            for kind in sorted(seconds, reverse=bool(number % 2)):
                _choose(subject, host, kind)
                seconds[kind].append(_start_one(subject, host, f"{kind}-{number}"))
    finally:
        _choose(subject, host, "podwire")
        enter.run(
            subject.layout, host.name, "sh", "-c", "ip link delete cni0; rm -rf /var/lib/cni/networks/bridge; true"
        )
    ours, theirs = (statistics.median(taken) for taken in seconds.values())
    value = f"{ours * 1000:.0f} ms; with the bridge plugin {theirs * 1000:.0f} ms"
    name = f"a pod created to its first packet, median of {ROUNDS}"
    subject.evidence.figure(Figure("pod-start", name, value, "not slower", ours <= theirs * TOLERANCE), subject.report)


def pod(name: str, host: Host) -> dict[str, Any]:
    """A pod of the node whose program connects to the node."""
    container = {
        "name": "caller", "image": CALLER_IMAGE, "imagePullPolicy": "Never", "args": [f"{host.address4}:{PORT}"],
    }  # fmt: skip
    spec = {
        "nodeName": host.name, "containers": [container], "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
    }  # fmt: skip
    return {"metadata": {"name": name}, "spec": spec}


def _start_one(subject: Subject, host: Host, name: str) -> float:
    """Create a pod and remove it; the seconds from its creation to its connection."""
    words = (sys.executable, "-c", LISTENER, host.address4, str(PORT), str(ACCEPT_SECONDS))
    call = enter.command(subject.layout, host.name, words)
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None, "a pipe was requested"
        listener.stdout.readline()
        created = time.time()
        subject.api.post("/api/v1/namespaces/default/pods", pod(name, host))
        connected = float(listener.stdout.readline() or "nan")
    subject.kubectl("delete", "pod", name, "--grace-period=0", "--wait=true", f"--timeout={REMOVE_SECONDS:.0f}s")
    return connected - created


def _choose(subject: Subject, host: Host, kind: str) -> None:
    """Have containerd use a network: it reads the folder again when that changes."""
    if kind == "podwire":
        command = f"rm -f {NETWORK_FILE}"
    else:
        command = f"printf %s '{json.dumps(BRIDGE)}' >{NETWORK_FILE}.new && mv {NETWORK_FILE}.new {NETWORK_FILE}"
    enter.run(subject.layout, host.name, "sh", "-c", command)
    time.sleep(CONTAINERD_RELOADS_SECONDS)
