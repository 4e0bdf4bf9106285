"""How the agents of a cluster are started, as far as Services depend on it: the arguments in their DaemonSet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
import msgspec

from podwire.agent.flags import NodePortAddresses
from podwire.component.flags import RangeList
from podwire.kube.apps import DaemonSet
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import DAEMON_SETS
from podwire.kube.meta import NamespacedName
from podwire.services.node_view import PRIMARY

AGENTS = NamespacedName("kube-system", "podwire-agent")
CONTAINER = "agent"


class AgentSettings(msgspec.Struct, frozen=True):
    """What all agents of a cluster have in common."""

    nodeport_addresses: tuple[str, ...] = (PRIMARY,)
    allow_external_ips: bool = False
    announced: tuple[str, ...] = ()
    """Ranges of load balancers' addresses that are announced by ARP and neighbour discovery."""


async def read(client: Client) -> AgentSettings:
    """Return the settings of the cluster's agents: the defaults where there is no DaemonSet, or it may not be read."""
    try:
        return of_agents(await client.get(DAEMON_SETS, AGENTS))
    except ApiError:
        return AgentSettings()


def of_agents(agents: DaemonSet) -> AgentSettings:
    """Return the settings in the arguments of the container; what cannot be read has its default."""
    given: dict[str, str] = {}
    for container in agents.spec.template.spec.get("containers", ()):
        if container.get("name") == CONTAINER:
            given = dict(_flags([str(one) for one in container.get("args") or ()]))
    try:
        nodeports = NodePortAddresses().convert(given.get("--nodeport-addresses", PRIMARY), None, None)
        announced = RangeList(any_number=True).convert(given.get("--announce-cidrs", ""), None, None)
    except click.UsageError:
        return AgentSettings()
    return AgentSettings(nodeports, "--allow-external-ips" in given, tuple(map(str, announced)))


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Flags with their values, of both forms: `--flag value` and `--flag=value`."""
    following = (*arguments[1:], "")
    for argument, after in zip(arguments, following, strict=True):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            yield name, value if equals or after.startswith("--") else after
