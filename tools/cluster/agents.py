"""The containers of agents and of others on the nodes: end them with SIGKILL, and measure their processes.

It is done by containerd, so that the API server may be away.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from tools.cluster import enter
from tools.cluster.installation import AGENTS
from tools.cluster.kubectl import Kubectl, items
from tools.cluster.record import Record

READER = """
import json, os, sys
found = {}
for pid in sys.argv[1:]:
    lines = open(f"/proc/{pid}/smaps_rollup").read().splitlines()
    pss = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    found[pid] = [pss * 1024, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")]
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Agent:
    """A container on its node, such as an agent's."""

    node: str
    container: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory of an agent's processes in bytes (PSS: shared pages in parts), and their processor time in seconds."""

    memory: int
    processor: float


def agents(kubectl: Kubectl) -> list[Agent]:
    """The running agents, in the order of their nodes' names. Raises KubectlError."""
    return running(kubectl, "agent", *AGENTS)


def running(kubectl: Kubectl, name: str, *where: str) -> list[Agent]:
    """The running containers of this name in the pods of `kubectl get WHERE`. Raises KubectlError."""
    found = [
        Agent(pod["spec"]["nodeName"], status["containerID"].removeprefix("containerd://"))
        for pod in items(kubectl, *where)
        for status in pod["status"].get("containerStatuses", ())
        if status["name"] == name and "running" in status["state"]
    ]
    return sorted(found, key=lambda agent: agent.node)


def kill(record: Record, agent: Agent) -> None:
    """End the container's first process with SIGKILL: the others end with it. Raises CalledProcessError."""
    _ctr(record, agent, "tasks", "kill", "--signal=SIGKILL", agent.container)


def usage(record: Record, agent: Agent) -> Usage:
    """What the agent's processes use now. Raises CalledProcessError."""
    printed = _ctr(record, agent, "tasks", "ps", agent.container)
    pids = [line.split()[0] for line in printed.splitlines()[1:] if line.strip()]
    text = enter.run(record.layout, agent.node, sys.executable, "-c", READER, *pids)
    found = json.loads(text).values()
    return Usage(sum(memory for memory, _ in found), sum(processor for _, processor in found))


def _ctr(record: Record, agent: Agent, *words: str) -> str:
    return enter.run(record.layout, agent.node, str(record.built["ctr"]), "--namespace=k8s.io", *words)
