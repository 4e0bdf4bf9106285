"""Addresses of domain names over a restart of the agent: what was learned is admitted from the first rows on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from podwire.agent import learned_names
from podwire.agent.name_learning import NameLearning
from podwire.engine.sink import FakeSink
from podwire.policy.decisions import ACCEPT
from podwire.policy.known_names import KnownNames
from podwire.policy.rows import Row
from podwire.policy.tier_rows import TierAddressRow
from tests.policy.cluster import address, cluster_policy, namespace, pod
from tests.policy.test_policies import Node

KNOWN, ENDED = address("192.0.2.1"), address("192.0.2.2")
NAMES = """
tier: Admin
priority: 1
subject: {namespaces: {}}
egress:
- {action: Accept, to: [{domainNames: [www.example.com]}]}
- {action: Deny, to: [{networks: [0.0.0.0/0]}]}
"""


async def restarted(folder: Path) -> dict[str, int]:
    """The decisions for single addresses in the first rows of an agent that starts with this folder."""
    kernel = FakeSink[Row]()
    node = Node(folder, kernel)
    NameLearning(node.work, folder)
    item = pod("x/a", "", node="node-1")
    node.namespaces.say(namespace("x"))
    node.cluster_policies.say(cluster_policy("names", NAMES))
    node.pods.say(item)
    node.work.attach(item.key, item.metadata.uid, [address("10.0.0.1")])
    node.synced()
    async with node.running():
        await node.work.settle()
    (first,) = [batch for batch in kernel.batches if batch.upserts][:1]
    return {str(row.address): row.decision.base for row in first.upserts if isinstance(row, TierAddressRow)}


def kept(folder: Path) -> None:
    """What an agent learned before it died."""
    names, now = KnownNames(), time.monotonic()
    names.learn("www.example.com", [KNOWN], 600, now)
    names.learn("www.example.com", [ENDED], 5, now - 60)
    names.learn("other.example.com", [address("192.0.2.3")], 600, now)
    learned_names.save(names, folder, now)


async def test_known_addresses_are_admitted_after_a_restart_and_ended_ones_are_not(tmp_path: Path) -> None:
    kept(tmp_path)
    assert await restarted(tmp_path) == {str(KNOWN): ACCEPT}


async def test_time_counts_while_no_agent_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path)
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    assert await restarted(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"no JSON", b'{"known": [{"name": 1}]}'])
async def test_a_damaged_file_admits_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / learned_names.FILE).write_bytes(content)
    assert await restarted(tmp_path) == {}
