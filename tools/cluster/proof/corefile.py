"""The cluster's DNS while its Corefile changes: each of its pods uses a new one, and keeps the last good one."""

from __future__ import annotations

from tools.cluster import enter
from tools.cluster.api import wait
from tools.cluster.dns_answer import command
from tools.cluster.installation import DNS_NAME
from tools.cluster.kubectl import items
from tools.cluster.proof.operations import DNS_PODS
from tools.cluster.proof.subject import Subject

PART = "dns"
SECONDS = 60.0
ANSWER_SECONDS = 1.0
NAME, LATE = "printer.office.test", "scanner.office.test"
CONFIG_MAP = ("-n", "kube-system", "configmap", "coredns")
EVENTS = ("-n", "kube-system", "events", "--field-selector", "reason=CorefileRejected")
COREFILE = """.:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa
    hosts {
        192.0.2.7 %s
        fallthrough
    }
    reload
    %s
}
"""
PLAIN = """.:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa
    forward . /etc/resolv.conf
    reload
}
"""


def run(subject: Subject) -> None:
    """Give the cluster a Corefile, one that cannot be used, and a plain one."""
    if items(subject.kubectl, *CONFIG_MAP[:-1], f"--field-selector=metadata.name={CONFIG_MAP[-1]}"):
        subject.check(PART, "the Corefile", "the cluster has one that is not the proof's", ok=False)
        return
    _apply(subject, COREFILE % (NAME, ""))
    try:
        seconds = wait("each pod answers the new name", SECONDS, lambda: _all_answer(subject, NAME), poll=0.5)
        subject.check(PART, "a name that the Corefile adds", f"each pod answers it after {seconds:.1f} s", ok=True)
        _apply(subject, COREFILE % (LATE, "unknown"))
        wait("the Corefile is rejected by an event", SECONDS, lambda: bool(items(subject.kubectl, *EVENTS)), poll=0.5)
        kept = _all_answer(subject, NAME) and _all_answer(subject, DNS_NAME) and not _all_answer(subject, LATE)
        seen = "the last good one answers, an event names the fault" if kept else "it was not kept"
        subject.check(PART, "a Corefile with an unknown plugin", seen, kept)
        _apply(subject, PLAIN)
        wait("the names of the Corefile are gone", SECONDS, lambda: not _any_answers(subject, NAME), poll=0.5)
        answered = _all_answer(subject, DNS_NAME)
        seen = "its names are gone, those of the cluster are answered" if answered else "names of the cluster are not"
        subject.check(PART, "a Corefile without them", seen, answered)
    finally:
        subject.kubectl("delete", *CONFIG_MAP)


def _apply(subject: Subject, corefile: str) -> None:
    text = subject.kubectl(
        "create", *CONFIG_MAP, f"--from-literal=Corefile={corefile}", "--dry-run=client", "-o", "yaml"
    )
    subject.kubectl("apply", "-f", "-", text=text)


def _addresses(subject: Subject) -> list[str]:
    return [pod["status"]["podIP"] for pod in items(subject.kubectl, *DNS_PODS)]


def _answers(subject: Subject, address: str, name: str) -> bool:
    """Whether a DNS pod answers a name with an address, sent from a node."""
    node = next(host.name for host in subject.layout.hosts if host.is_node)
    words = " ".join(command(address, name, ANSWER_SECONDS))
    return enter.run(subject.layout, node, "sh", "-c", f"{words} && echo yes || true").strip() == "yes"


def _all_answer(subject: Subject, name: str) -> bool:
    return all(_answers(subject, address, name) for address in _addresses(subject))


def _any_answers(subject: Subject, name: str) -> bool:
    return any(_answers(subject, address, name) for address in _addresses(subject))
