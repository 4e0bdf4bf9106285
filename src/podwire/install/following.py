"""Wait until an installation works, and report each node; or stop with what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from podwire.install import agent_daemon_set, dns_deployment, rollout
from podwire.install.applying import InstallError, Say
from podwire.install.manifest import COMPONENT_LABEL, NAME, NAME_LABEL
from podwire.install.pod_states import POD_STATES, PodState, Problem
from podwire.install.rollout import Progress
from podwire.install.settings import NAMESPACE, Settings
from podwire.kube.client import Client
from podwire.kube.kinds import CONTROLLER_REVISIONS, DAEMON_SETS, DEPLOYMENTS, NODES
from podwire.kube.meta import NamespacedName

LOOK_SECONDS = 1.0
HARD_SECONDS = 6.0
"""How long a problem that does not end by waiting has to last: kubelets report some for a moment."""


async def follow(client: Client, settings: Settings, say: Say, patience: float) -> None:
    """Return when every node that is up and DNS are ready.

    Raises InstallError with all reasons, at once for what waiting does not help, else after `patience` seconds without
    progress.
    """
    waiting = _Waiting(say, patience)
    while True:
        agents = await _agents(client)
        parts = [agents, *([await _dns(client)] if settings.dns else [])]
        if waiting.is_over(parts):
            break
        await asyncio.sleep(LOOK_SECONDS)
    for name in agents.down:
        say(f"node {name} is down: its agent starts when it is back")


class _Waiting:
    """What was reported, and since when nothing has changed."""

    def __init__(self, say: Say, patience: float) -> None:
        self._say = say
        self._patience = patience
        self._done: set[str] = set()
        self._moved = self._now()
        self._hard_since: float | None = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def is_over(self, parts: list[Progress]) -> bool:
        """Report what is new. Raises InstallError where it does not go on."""
        for name in (name for part in parts for name in part.done if name not in self._done):
            self._done.add(name)
            self._moved = self._now()
            self._say(f"{name if ' ' in name else f'node {name}'}: ready")
        problems = [one for part in parts for one in part.problems]
        if not problems:
            return True
        hard = [one for one in problems if one.hard]
        self._hard_since = (self._hard_since or self._now()) if hard else None
        if self._hard_since is not None and self._now() - self._hard_since > HARD_SECONDS:
            raise InstallError(_text(hard, parts))
        if self._now() - self._moved > self._patience:
            raise InstallError(f"nothing has changed for {self._patience:.0f} s. {_text(problems, parts)}")
        return False


def _text(problems: Iterable[Problem], parts: Iterable[Progress]) -> str:
    blocked = (text for part in parts if (text := rollout.blocked_by(part)))
    return "\n".join((*dict.fromkeys(map(str, problems)), *blocked))


async def _agents(client: Client) -> Progress:
    key = NamespacedName(NAMESPACE, agent_daemon_set.NAME)
    daemon_set, revisions, nodes, pods = await asyncio.gather(
        client.get(DAEMON_SETS, key),
        client.list(CONTROLLER_REVISIONS, NAMESPACE),
        client.list(NODES),
        pods_of(client, agent_daemon_set.COMPONENT),
    )
    return rollout.of_agents(nodes.items, pods, rollout.newest_revision(revisions.items, daemon_set))


async def _dns(client: Client) -> Progress:
    key = NamespacedName(NAMESPACE, dns_deployment.NAME)
    deployment, pods = await asyncio.gather(client.get(DEPLOYMENTS, key), pods_of(client, dns_deployment.COMPONENT))
    return rollout.of_deployment(deployment, pods)


async def pods_of(client: Client, component: str) -> list[PodState]:
    """The pods of one of podwire's components."""
    selector = f"{NAME_LABEL}={NAME},{COMPONENT_LABEL}={component}"
    return (await client.list(POD_STATES, NAMESPACE, labelSelector=selector)).items
