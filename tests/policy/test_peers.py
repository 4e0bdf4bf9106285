"""What is kept of pods of other nodes."""

import gc

import msgspec
import pytest

from podwire.kube.core import FINISHED, Pod
from podwire.policy.model import NamedPort
from podwire.policy.peers import PeerPod, PeerPods, peer_selector
from tests.policy.cluster import address, peer, pod


def known(reading: PeerPods, item: Pod) -> PeerPod:
    found = peer(reading, item)
    assert found is not None
    return found


def test_replicas_share_what_they_have_in_common() -> None:
    reading = PeerPods()
    first, second, other = (
        known(reading, msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, labels=labels)))
        for made, labels in (
            (pod("x/a", "10.0.0.1 fd00::1", node="node-2", ports="web=80/TCP"), {"app": "a", "tier": "db"}),
            (pod("x/b", "10.0.0.2", node="node-2", ports="web=80/TCP"), {"tier": "db", "app": "a"}),
            (pod("x/c", "10.0.0.3", node="node-2", ports="web=81/TCP"), {"tier": "db", "app": "a"}),
        )
    )
    assert first.kind is second.kind
    assert first.node is second.node
    assert first.kind != other.kind
    assert first.kind.ports == (NamedPort("web", "TCP", 80),)
    assert first.addresses == (address("10.0.0.1"), address("fd00::1"))
    assert first.kind.identity(["tier"]).labels == (("tier", "db"),)


def test_a_kind_goes_with_its_last_pod() -> None:
    reading = PeerPods()
    found = known(reading, pod("x/a", "10.0.0.1", node="node-2"))
    del found
    gc.collect()
    assert len(reading) == 0


@pytest.mark.parametrize("phase", FINISHED)
def test_pods_that_are_no_peers_are_left_out(phase: str) -> None:
    reading = PeerPods()
    assert peer(reading, pod("x/a", "10.0.0.1", node="node-2")) is not None
    assert peer(reading, pod("x/a", "", node="node-2")) is None
    assert peer(reading, pod("x/a", "no address", node="node-2")) is None
    assert peer(reading, pod("x/a", "10.0.0.1", node="node-2", host_network=True)) is None
    assert peer(reading, pod("x/a", "10.0.0.1", node="node-2", phase=phase)) is None


def test_the_server_selects_as_the_reading_does() -> None:
    assert peer_selector("node-1") == (
        "spec.nodeName!=node-1,spec.hostNetwork=false,status.podIP!=,status.phase!=Succeeded,status.phase!=Failed"
    )
