"""Ends each process with SIGKILL under traffic, and the API server for a minute; counts what is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tools.cluster import agents
from tools.cluster.control import Verb
from tools.cluster.kubectl import items
from tools.cluster.proof.subject import Subject
from tools.cluster.traffic import Counts, Traffic

PART = "disturbances"
OUTAGE_SECONDS = 60.0
LEAST_REQUESTS = 1000
"""After each disturbance, and before it is judged."""
PROGRAMS = ("kubelet", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is done, in words and as a function; `keeps_nodes_ready` where no node may become NotReady by it."""

    name: str
    act: Callable[[Subject], None]
    keeps_nodes_ready: bool = False


def disturbances() -> tuple[Disturbance, ...]:
    """All of them, in order."""
    return (
        Disturbance("kill -9 of all agents", _kill_agents, keeps_nodes_ready=True),
        *(Disturbance(f"kill -9 of {name}", _killer(name)) for name in PROGRAMS),
        Disturbance("the API server away for a minute", _outage),
        Disturbance("the API server away for a minute, and kill -9 of all agents", _outage_without_agents),
        Disturbance("kill -9 of the API server and all agents", _kill_api_server_and_agents),
    )


def run(subject: Subject, traffic: Traffic) -> None:
    """Do all of them, each with a check of what was lost."""
    traffic.take()
    for disturbance in disturbances():
        ready_since = _ready_since(subject)
        disturbance.act(subject)
        seconds = subject.settle()
        counts = traffic.take_after(LEAST_REQUESTS)
        seen = f"{described(counts)}; all well again {seconds:.1f} s later"
        ok = counts.lost == 0
        if disturbance.keeps_nodes_ready:
            kept = _ready_since(subject) == ready_since
            seen, ok = f"{seen}; nodes {'stayed' if kept else 'did not stay'} Ready", ok and kept
        subject.check(PART, disturbance.name, seen, ok)


def described(counts: Counts) -> str:
    """The counts in words, with the first failure."""
    lost = f"{counts.lost} of {counts.total} requests lost"
    return f"{lost} ({counts.failures[0]})" if counts.failures else lost


def _ready_since(subject: Subject) -> list[str]:
    """When each node last became Ready or NotReady."""
    return [
        condition["lastTransitionTime"]
        for node in items(subject.kubectl, "nodes")
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    ]


def _kill_agents(subject: Subject) -> None:
    for agent in agents.agents(subject.kubectl):
        agents.kill(subject.record, agent)


def _killer(program: str) -> Callable[[Subject], None]:
    def kill(subject: Subject) -> None:
        for host in subject.hosts_of(program):
            subject.control(host, Verb.KILL, program)

    return kill


def _outage(subject: Subject) -> None:
    host = subject.layout.control.name
    subject.control(host, Verb.STOP, "kube-apiserver")
    time.sleep(OUTAGE_SECONDS)
    subject.control(host, Verb.START, "kube-apiserver")


def _outage_without_agents(subject: Subject) -> None:
    host = subject.layout.control.name
    running = agents.agents(subject.kubectl)
    subject.control(host, Verb.STOP, "kube-apiserver")
    for agent in running:
        agents.kill(subject.record, agent)
    time.sleep(OUTAGE_SECONDS)
    subject.control(host, Verb.START, "kube-apiserver")


def _kill_api_server_and_agents(subject: Subject) -> None:
    running = agents.agents(subject.kubectl)
    subject.control(subject.layout.control.name, Verb.KILL, "kube-apiserver")
    for agent in running:
        agents.kill(subject.record, agent)
