"""The cluster that a proof is about, with all that its parts need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from tools.cluster import agents, control
from tools.cluster.api import Api, wait
from tools.cluster.kubectl import Kubectl, is_ready, items
from tools.cluster.kubectl import of as kubectl_of
from tools.cluster.layout import Layout
from tools.cluster.proof.evidence import Evidence
from tools.cluster.record import Record

SETTLE_SECONDS = 120.0


@dataclass(frozen=True)
class Subject:
    """A running cluster with podwire, what was seen of it, and where progress is reported."""

    record: Record
    evidence: Evidence
    report: Callable[[str], None]

    @property
    def layout(self) -> Layout:
        """The plan."""
        return self.record.layout

    @cached_property
    def kubectl(self) -> Kubectl:
        """kubectl for it."""
        return kubectl_of(self.layout.kubeconfig)

    @cached_property
    def api(self) -> Api:
        """Its API server."""
        return Api(self.layout.kubeconfig)

    def check(self, part: str, name: str, seen: str, ok: bool) -> None:
        """Add a check and report it."""
        self.evidence.check(part, name, seen, ok, self.report)

    @property
    def has_shop(self) -> bool:
        """Whether the shop was applied."""
        return "shop" in self.evidence.parts

    def settle(self) -> float:
        """Wait until programs, nodes and agents are as after the start; return the seconds. Raises NotReadyError."""
        return wait("the cluster is as after its start", SETTLE_SECONDS, self._is_settled)

    def control(self, host: str, verb: control.Verb, program: str) -> None:
        """Kill, stop or start a program."""
        control.request(self.layout.socket(host), verb, program)

    def hosts_of(self, program: str) -> list[str]:
        """The hosts that a program runs on."""
        return [host for host in self._hosts() if program in self._programs(host)]

    def _is_settled(self) -> bool:
        running = all(pid for host in self._hosts() for pid in self._programs(host).values())
        return (
            running
            and self.api.is_ready()
            and all(map(is_ready, items(self.kubectl, "nodes")))
            and len(agents.agents(self.kubectl)) == self.layout.nodes
            and all(map(is_ready, items(self.kubectl, "-n", "kube-system", "pods")))
        )

    def _hosts(self) -> list[str]:
        return [host.name for host in self.layout.hosts]

    def _programs(self, host: str) -> dict[str, int]:
        states = control.request(self.layout.socket(host), control.Verb.STATUS)
        return {state.name: state.pid for state in states}
