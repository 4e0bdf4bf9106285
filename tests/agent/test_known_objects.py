"""The file of known objects: what informers get back from it, and when it counts."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from podwire.agent.known_objects import REQUIRED, KnownObjects, encoded_peer
from podwire.kube.meta import NamespacedName
from podwire.policy.peers import PeerPod, PeerPods
from tests.policy.cluster import network_policy, peer, pod
from tests.policy.test_policies import FakeFeed

POLICY = network_policy("x/p", "podSelector: {matchLabels: {app: a}}\negress: [{ports: [{port: 80, endPort: 90}]}]")
POD = pod("x/a", "10.0.0.1 fd00::1", ports="web=80/TCP", labels="app=a")


async def test_objects_come_back_as_they_were_and_removed_ones_do_not(tmp_path: Path) -> None:
    known, pods, policies = KnownObjects(tmp_path / "objects.db"), FakeFeed(), FakeFeed()
    known.follow("pods", pods)
    known.follow("networkpolicies", policies)
    pods.say(POD, pod("x/gone", "10.0.0.2"))
    policies.say(POLICY)
    await asyncio.sleep(0)
    pods.drop(pods.objects[NamespacedName("x", "gone")])
    await asyncio.sleep(0)
    again = KnownObjects(tmp_path / "objects.db")
    assert again.objects("pods") == [POD]
    assert again.objects("networkpolicies") == [POLICY]


async def test_peers_come_back_as_objects_of_which_the_same_peers_are_made(tmp_path: Path) -> None:
    known, feed = KnownObjects(tmp_path / "objects.db"), FakeFeed()
    known.follow("peers", feed, encoded_peer)
    far = pod("x/far", "10.0.1.1 fd00::2", node="node-2", ports="web=80/TCP dns=53/UDP", labels="app=a tier=b")
    made = peer(PeerPods(), far)
    assert isinstance(made, PeerPod)
    feed.say(made)
    known.flush()
    (found,) = KnownObjects(tmp_path / "objects.db").objects("peers")
    assert PeerPods().peer(found) == made


def test_the_file_counts_when_every_kind_was_received_whole(tmp_path: Path) -> None:
    known = KnownObjects(tmp_path / "objects.db")
    assert not known.is_complete(REQUIRED)
    for kind in REQUIRED[1:]:
        known.completed(kind)
    assert not known.is_complete(REQUIRED)
    known.completed(REQUIRED[0])
    assert KnownObjects(tmp_path / "objects.db").is_complete(REQUIRED)


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file of this process becomes larger than those of the folder are, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(one.stat().st_size for one in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_file_that_takes_no_more_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "objects.db"
    known, feed = KnownObjects(path), FakeFeed()
    for kind in REQUIRED:
        known.completed(kind)
    known.follow("pods", feed)
    feed.say(POD)
    known.flush()
    assert KnownObjects(path).is_complete(REQUIRED)
    with full_disk(tmp_path):
        feed.say(*(pod(f"x/p{number}", "10.0.0.1") for number in range(1000)))
        known.flush()
    assert not known.is_complete(REQUIRED)
    feed.say(POD)
    known.flush()
    assert known.objects("pods") == []
    again = KnownObjects(path)
    assert not again.is_complete(REQUIRED), "what is older than the kernel's rows is not read again"
    assert again.objects("pods") == []


def test_a_file_that_is_damaged_begins_empty(tmp_path: Path) -> None:
    (tmp_path / "objects.db").write_bytes(b"no database at all" * 100)
    known = KnownObjects(tmp_path / "objects.db")
    assert not known.is_complete(REQUIRED)
    known.completed("pods")


def test_an_object_of_another_form_is_an_error_as_a_policy_must_not_be_left_out(tmp_path: Path) -> None:
    known = KnownObjects(tmp_path / "objects.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "objects.db")) as other, other:
        other.execute("INSERT INTO objects VALUES ('networkpolicies', 'x', 'bad', '[1]')")
    with pytest.raises(msgspec.MsgspecError):
        known.objects("networkpolicies")
