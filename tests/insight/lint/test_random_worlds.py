"""No policy ends a check with an exception: random worlds of both kinds of policies, with DNS servers and without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from podwire.insight.lint.lint import NAMES, lint
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.sources.manifests import objects
from podwire.insight.sources.text import Text
from tests.policy.random_worlds import RandomWorld, random_world


def manifests(world: RandomWorld) -> Iterator[dict[str, Any]]:
    for name, labels in world.namespaces.items():
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    for key, (labels, _) in world.pods.items():
        metadata = {"name": key[2], "namespace": key[0], "labels": labels}
        spec = {"containers": [{"name": "main"}], "hostNetwork": key == "z/c"}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    for key, policy in world.policies.items():
        metadata = {"name": key[2:], "namespace": key[0]}
        yield {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": policy}
    for key, policy in world.cluster_policies.items():
        version = "policy.networking.k8s.io/v1alpha2"
        yield {"apiVersion": version, "kind": "ClusterNetworkPolicy", "metadata": {"name": key}, "spec": policy}


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_each_finding_has_a_known_check_and_a_place(start: int) -> None:
    for seed in range(start, start + 10):
        text = Text("world.yaml", "\n---\n".join(map(json.dumps, manifests(random_world(seed)))))
        found = lint(snapshot_of(objects(text)))
        assert {one.check for one in found} <= set(NAMES)
        assert all(one.place.startswith("world.yaml:") and one.message and one.remedy for one in found)
