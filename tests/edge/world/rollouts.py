"""Deployments of a world while all their pods are replaced."""

from __future__ import annotations

import json

from tests.world.harness import World, eventually

ROLLED_OUT_SECONDS = 180
SYSTEM = "podwire-system"


def names(world: World, selector: str, namespace: str = "default") -> set[str]:
    """Return the names of pods."""
    found = world.kubectl("get", "pods", "--namespace", namespace, "--selector", selector, "-o", "json")
    return {one["metadata"]["name"] for one in json.loads(found.stdout)["items"]}


def roll(world: World, deployment: str, selector: str, namespace: str = "default") -> None:
    """Replace all pods of a Deployment; return when the old ones have ended."""
    before = names(world, selector, namespace)
    world.kubectl("rollout", "restart", f"deployment/{deployment}", "--namespace", namespace)
    wait_for_rollout(world, deployment, namespace)
    eventually(lambda: not before & names(world, selector, namespace), ROLLED_OUT_SECONDS, "the end of the old pods")


def wait_for_rollout(world: World, deployment: str, namespace: str = "default") -> None:
    status = ("rollout", "status", f"deployment/{deployment}", f"--timeout={ROLLED_OUT_SECONDS}s")
    world.kubectl(*status, "--namespace", namespace, timeout=ROLLED_OUT_SECONDS + 10)
