"""podwire's own verbs on a cluster: what they show of all nodes, what they find, and what they leave behind."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from podwire.kernel import pcap
from tools.cluster import enter
from tools.cluster.api import wait
from tools.cluster.installation import PODWIRE
from tools.cluster.kubectl import items
from tools.cluster.proof.subject import Subject

PART = "operations"
SECONDS = 60.0
DNS_PODS = ("-n", "kube-system", "pods", "-l", "k8s-app=kube-dns")
FAULTS = {
    # what is done on a node, what takes it back, and what must be found: the check, and whether of that node
    "a smaller mtu": ("ip link set eth0 mtu 1400", "ip link set eth0 mtu 1500", ("path-mtu", False)),
    "forwarding switched off": (
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        ("sysctls", True),
    ),
    "a network configuration that sorts first": (
        """echo '{"type": "bridge"}' > /etc/cni/net.d/00-other.conf""",
        "rm /etc/cni/net.d/00-other.conf",
        ("cni-configuration", True),
    ),
    "rules of another plugin": (
        "nft 'add table ip other; add chain ip other cali-FORWARD'",
        "nft 'delete table ip other'",
        ("foreign-rules", True),
    ),
}


def run(subject: Subject) -> None:
    """Do all of it. Each fault is taken back before the next."""
    nodes = [host.name for host in subject.layout.hosts if host.is_node]
    shown = json.loads(_verb(subject, "status", "-o", "json"))
    ready = [node["name"] for node in shown["nodes"] if node["ready"] and node["agent"] == "ready"]
    subject.check(PART, "podwire status", f"agents ready on {', '.join(ready)}", ready == nodes)
    rows = {line.split()[0] for line in _verb(subject, "rows", "services").splitlines()}
    subject.check(PART, "podwire rows", f"rows of {', '.join(sorted(rows))}", rows == set(nodes))
    explained = json.loads(_verb(subject, "explain", "service", "kube-system/kube-dns", "--kernel", "-o", "json"))
    differences = explained["kernel"]
    subject.check(PART, "podwire explain --kernel", f"{len(differences)} differences", not differences)
    found = _findings(subject)
    subject.check(PART, "podwire doctor", _described(found), not found)
    for name, (act, undo, (check, there)) in FAULTS.items():
        _fault(subject, nodes, name, (act, undo), (check, nodes[-1] if there else nodes[0]))
    found = _findings(subject)
    subject.check(PART, "podwire doctor afterwards", _described(found), not found)
    for how in (signal.SIGINT, signal.SIGKILL):
        _capture(subject, how)


def _verb(subject: Subject, *words: str, status: int = 0) -> str:
    """The output of a verb. Raises CalledProcessError where it ends with another status."""
    command = [PODWIRE, *words, "--kubeconfig", str(subject.layout.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, status}:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


def _findings(subject: Subject) -> set[tuple[str, str]]:
    """Check and object of what the doctor finds; a kernel without SCTP is the machine's."""
    report: dict[str, Any] = json.loads(_verb(subject, "doctor", "-o", "json", status=1))
    found = (finding for verdict in report["verdicts"] for finding in verdict["findings"])
    return {(one["check"], one["object"]) for one in found if one["check"] != "kernel"}


def _described(found: set[tuple[str, str]]) -> str:
    return ", ".join(f"{check} of {place}" for check, place in sorted(found)) or "nothing is found"


def _fault(subject: Subject, nodes: list[str], name: str, commands: tuple[str, str], wanted: tuple[str, str]) -> None:
    act, undo = commands
    enter.run(subject.layout, nodes[-1], "sh", "-c", act)
    try:
        found = _findings(subject)
    finally:
        enter.run(subject.layout, nodes[-1], "sh", "-c", undo)
    subject.check(PART, f"podwire doctor, with {name} on {nodes[-1]}", _described(found), wanted in found)


def _capture(subject: Subject, how: signal.Signals) -> None:
    """Capture a DNS pod, end the program by a signal; nothing of it may be left on the node."""
    pod = items(subject.kubectl, *DNS_PODS)[0]
    name, node = f"kube-system/{pod['metadata']['name']}", pod["spec"]["nodeName"]
    with _capturing(subject, name) as (process, file):
        wait("a packet is captured", SECONDS, lambda: file.stat().st_size > pcap.HEADER_BYTES)
        process.send_signal(how)
        process.wait()
        size = file.stat().st_size
    wait("the capture has ended on its node", SECONDS, lambda: "podwire capture" not in _processes(subject, node))
    seen = f"{size} bytes of {name}; ended on {node} too"
    subject.check(PART, f"podwire capture, ended by {how.name}", seen, size > pcap.HEADER_BYTES)


@contextmanager
def _capturing(subject: Subject, pod: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pcap"
        file.touch()
        words = [PODWIRE, "capture", pod, "-w", str(file), "--kubeconfig", str(subject.layout.kubeconfig)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
            try:
                yield process, file
            finally:
                process.kill()


def _processes(subject: Subject, node: str) -> str:
    return enter.run(subject.layout, node, "ps", "-eo", "args")
