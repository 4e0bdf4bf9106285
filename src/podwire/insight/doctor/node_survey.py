"""Gather the facts of the node whose network namespace this thread is in. A part that fails leaves the others."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from podwire.agent import agent_status, rows_socket
from podwire.agent.agent_status import AgentStatus
from podwire.insight.doctor import api_access, dns_query, machine, mesh_node, path_probe
from podwire.insight.doctor.node_facts import ApiFact, LinkFact, NodeFacts, NodeRequest, ProbeFact, Right
from podwire.kernel import feature_check
from podwire.kernel.nftables import NftablesError, NftablesMissingError
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials, CredentialsError

FAILURES = (OSError, NftablesError, NftablesMissingError, CredentialsError, ValueError)


class _Parts:
    """Facts by name as far as they could be gathered."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.problems: dict[str, str] = {}

    def add(self, name: str, function: Callable[[], Any]) -> None:
        """Call a function for one part; an error is kept in place of the fact."""
        try:
            self.facts[name] = function()
        except FAILURES as error:
            self.problems[name] = str(error) or type(error).__name__


def gather(request: NodeRequest) -> NodeFacts:
    """Return all facts. Needs root; blocks for a second, longer where something does not answer."""
    parts = _Parts()
    folder = Path(request.cni_configuration)
    parts.add("features", feature_check.check)
    parts.add("sysctls", machine.parameters)
    parts.add("conntrack", machine.conntrack)
    parts.add("uplink", lambda: machine.uplink(request.addresses))
    parts.add("links", machine.pod_links)
    parts.add("rules", machine.rules)
    parts.add("cni_files", lambda: tuple(machine.cni_files(folder)))
    parts.add("cni_others", lambda: machine.other_plugins(Path(request.cni_plugins)))
    parts.add("probes", lambda: _probes(request, parts.facts.get("uplink")))
    parts.add("dns", lambda: tuple(dns_query.answers(request.dns)))
    parts.add("mesh", mesh_node.read)
    foreign, dropping = parts.facts.pop("rules", ((), ()))
    agent, agent_problem = _agent(request)
    api, denied = _api(request.credentials, request.role, parts)
    plugin, works = machine.plugin(Path(request.cni_plugins))
    return NodeFacts(
        node=request.node or os.uname().nodename,
        time=time.time(),
        installed=request.installed,
        kernel=os.uname().release,
        foreign=foreign,
        dropping=dropping,
        cni_folder=str(folder),
        cni_plugin=plugin,
        cni_plugin_works=works,
        agent=agent,
        agent_problem=agent_problem,
        api=api,
        denied=denied,
        problems=parts.problems,
        **parts.facts,
    )


def _probes(request: NodeRequest, uplink: LinkFact | None) -> Iterable[ProbeFact]:
    return path_probe.probe(request.peers, uplink.mtu) if uplink is not None else ()


def _agent(request: NodeRequest) -> tuple[AgentStatus | None, str]:
    """The state of the agent, or why it is not known."""
    if not request.installed:
        return None, ""
    try:
        line = rows_socket.read(Path(request.rows_socket), agent_status.CAPABILITY)
        return msgspec.json.decode(line, type=AgentStatus), ""
    except OSError as error:
        return None, str(error)
    except msgspec.MsgspecError as error:
        return None, f"its version answers otherwise: {error}"


def _api(credentials: Credentials | None, role: str, parts: _Parts) -> tuple[ApiFact | None, tuple[Right, ...]]:
    if credentials is None:
        return None, ()
    parts.add("expiries", lambda: tuple(api_access.expiries(credentials)))
    fact = asyncio.run(api_access.reached(credentials))
    if fact.problem:
        return fact, ()

    async def review() -> tuple[Right, ...]:
        async with Client(credentials, "podwire-doctor") as client:
            return await api_access.denied(client, role)

    try:
        return fact, asyncio.run(review())
    except api_access.UNANSWERED as error:
        parts.problems["rights"] = str(error) or type(error).__name__
        return fact, ()
