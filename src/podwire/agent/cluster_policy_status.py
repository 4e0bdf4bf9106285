"""Which ClusterNetworkPolicies cannot be honoured as they are written: a condition of each, and an event.

Every agent reads the same and writes the same, so the first one writes and the others have nothing to change.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.kube.conditions import with_condition, written
from podwire.kube.kinds import CLUSTER_NETWORK_POLICIES
from podwire.kube.meta import Condition, NamespacedName
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue
from podwire.policy.tier_reading import cluster_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.kube.client import Client
    from podwire.kube.feed import Feed
    from podwire.kube.network_policy_api import ClusterNetworkPolicy
    from podwire.kube.recorder import Recorder
    from podwire.kube.watch import Change

log = logging.getLogger(__name__)

HONOURED = "podwire.dev/Honoured"
"""The type of the condition. False: a part of the policy is not known, and fails closed."""
LONGEST_MESSAGE = 32768


class ClusterPolicyStatus:
    """Writes the condition of policies that have problems, or had some."""

    def __init__(self, client: Client, policies: Feed[ClusterNetworkPolicy], recorder: Recorder) -> None:
        self._policies = policies
        self._recorder = recorder
        self._writer = StatusWriter(client, CLUSTER_NETWORK_POLICIES)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("status of cluster policies", self._write, workers=1)

    async def run(self) -> None:
        """Follow the policies until cancelled."""
        self._policies.subscribe(self._changed)
        await self._queue.run()

    def _changed(self, change: Change[ClusterNetworkPolicy]) -> None:
        if change.new is not None and desired(change.new, datetime.now(UTC)):
            self._queue.add(change.new.key)

    async def _write(self, key: NamespacedName) -> None:
        item = self._policies.objects.get(key)
        if item is None or not desired(item, datetime.now(UTC)):
            return
        problems = cluster_policy(item).problems
        await self._writer.write(item, lambda current: desired(current, datetime.now(UTC)))
        if problems:
            self._recorder.event(
                CLUSTER_NETWORK_POLICIES, item, "FailsClosed", "; ".join(problems)[:1024], warning=True
            )


def desired(item: ClusterNetworkPolicy, now: datetime) -> Mapping[str, Any]:
    """Return the fields of the status to write; nothing where it is as it should be."""
    problems = cluster_policy(item).problems
    known = [one for one in item.status.conditions if one.type == HONOURED]
    if not problems and not known:
        return {}
    new = Condition(
        type=HONOURED,
        status="False" if problems else "True",
        reason="FailsClosed" if problems else "Honoured",
        message="; ".join(problems)[:LONGEST_MESSAGE],
        observed_generation=item.metadata.generation,
    )
    conditions = with_condition(item.status.conditions, new, now)
    if conditions == item.status.conditions:
        return {}
    return {"conditions": [written(one) for one in conditions]}
