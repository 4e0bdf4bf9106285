"""End worlds, and clear away what a killed one left on the host: its folder and its kubeconfig entry."""

from __future__ import annotations

import contextlib

from podwire.lab import kubeconfig, worlds


def stop(world: worlds.World) -> None:
    """Kill the world and forget it, but not one that took its name over meanwhile."""
    worlds.end(world)
    with worlds.exclusive():
        if world in worlds.known():
            _forget(world.name)


def prune() -> list[str]:
    """Forget worlds that died; answers their names."""
    with worlds.exclusive():
        names = worlds.stale()
        for name in names:
            _forget(name)
    return names


def _forget(name: str) -> None:
    with contextlib.suppress(kubeconfig.KubeconfigError):
        kubeconfig.remove(kubeconfig.user_file(), worlds.context_name(name))
    worlds.forget(name)
