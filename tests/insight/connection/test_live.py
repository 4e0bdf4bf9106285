"""Explanations and differences of a world that runs, and of files applied to it."""

from __future__ import annotations

import json
import subprocess

import pytest

from podwire.testing import World
from podwire.testing.home import PODWIRE

CLOSED = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: explained}
spec: {podSelector: {}, policyTypes: [Egress]}
---
apiVersion: v1
kind: Pod
metadata: {name: sender, namespace: explained}
"""


@pytest.mark.long
def test_a_world_is_read_and_files_are_taken_as_applied_to_it(world: World) -> None:
    found = world.home.podwire("explain", "--name", world.name, "kube-system/kube-dns", "outside:443", "-o", "json")
    report = json.loads(found.stdout)
    assert (report["verdict"], report["isPlanned"]) == ("allowed", False)
    command = [*PODWIRE, "diff", "--name", world.name, "live", "-", "-o", "json", "--fail-on", "closed"]
    environment = world.home.environment
    done = subprocess.run(
        command, input=CLOSED, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    lines = json.loads(done.stdout)["connections"]
    assert {one["effect"] for one in lines} == {"opened"}
    assert ["explained/sender"] in [one["destinations"] for one in lines]
    assert not any("explained/sender" in one["sources"] for one in lines)
