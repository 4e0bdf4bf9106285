"""Wait until an installation works, and report each node; or stop with what is wrong."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable

from podwire.install import rollout
from podwire.install.cluster_objects import InstallError, Report
from podwire.install.manifests import agent_daemon_set
from podwire.install.manifests.manifest import COMPONENT_LABEL, NAME, NAME_LABEL
from podwire.install.pod_states import POD_STATES, PodState, Problem
from podwire.install.rollout import Progress
from podwire.install.settings import NAMESPACE
from podwire.kube.client import Client
from podwire.kube.kinds import CONTROLLER_REVISIONS, DAEMON_SETS, DEPLOYMENTS, NODES
from podwire.kube.meta import NamespacedName

LOOK_SECONDS = 1.0
HARD_SECONDS = 6.0
"""How long a problem that does not end by waiting has to last: kubelets report some for a moment."""


async def agents(client: Client, report: Report, patience: float) -> None:
    """Return when every node that is up has its agent, and is Ready.

    Raises InstallError with all reasons, at once for what waiting does not help, else after `patience` seconds without
    progress.
    """
    progress = await _follow(lambda: _agents(client), _Waiting(report, patience))
    for name in progress.down:
        report(f"node {name} is down: its agent starts when it is back")


async def deployments(client: Client, keys: Iterable[NamespacedName], report: Report, patience: float) -> None:
    """Return when all pods of these Deployments are ready. Raises InstallError as `agents` does."""
    for key in keys:
        await _follow(functools.partial(_deployment, client, key), _Waiting(report, patience))


async def _follow(look: Callable[[], Awaitable[Progress]], waiting: _Waiting) -> Progress:
    while True:
        progress = await look()
        if waiting.is_over(progress):
            return progress
        await asyncio.sleep(LOOK_SECONDS)


class _Waiting:
    """What was reported, and since when nothing has changed."""

    def __init__(self, report: Report, patience: float) -> None:
        self._report = report
        self._patience = patience
        self._done: set[str] = set()
        self._moved = self._now()
        self._hard_since: float | None = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def is_over(self, progress: Progress) -> bool:
        """Report what is new. Raises InstallError where it does not go on."""
        for name in (name for name in progress.done if name not in self._done):
            self._done.add(name)
            self._moved = self._now()
            self._report(f"{name if ' ' in name else f'node {name}'}: ready")
        if progress.complete:
            return True
        hard = [one for one in progress.problems if one.hard]
        self._hard_since = (self._hard_since or self._now()) if hard else None
        if self._hard_since is not None and self._now() - self._hard_since > HARD_SECONDS:
            raise InstallError(_text(hard, progress))
        if self._now() - self._moved > self._patience:
            raise InstallError(f"nothing has changed for {self._patience:.0f} s. {_text(progress.problems, progress)}")
        return False


def _text(problems: Iterable[Problem], progress: Progress) -> str:
    return "\n".join(filter(None, (*dict.fromkeys(map(str, problems)), rollout.blocked_by(progress))))


async def _agents(client: Client) -> Progress:
    key = NamespacedName(NAMESPACE, agent_daemon_set.NAME)
    daemon_set, revisions, nodes, pods = await asyncio.gather(
        client.get(DAEMON_SETS, key),
        client.list(CONTROLLER_REVISIONS, NAMESPACE),
        client.list(NODES),
        pods_of(client, agent_daemon_set.COMPONENT),
    )
    return rollout.of_agents(nodes.items, pods, rollout.newest_revision(revisions.items, daemon_set))


async def _deployment(client: Client, key: NamespacedName) -> Progress:
    deployment = await client.get(DEPLOYMENTS, key)
    labels = ",".join(f"{name}={value}" for name, value in deployment.spec.selector.match_labels.items())
    pods = await client.list(POD_STATES, key.namespace, labelSelector=labels)
    return rollout.of_deployment(deployment, pods.items)


async def pods_of(client: Client, component: str) -> list[PodState]:
    """The pods of one of podwire's components."""
    selector = f"{NAME_LABEL}={NAME},{COMPONENT_LABEL}={component}"
    return (await client.list(POD_STATES, NAMESPACE, labelSelector=selector)).items
